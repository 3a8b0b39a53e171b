/* SPDX-License-Identifier: MIT */
/* test_pace.c - what steps cost, learned from machines that are made up. */
/* First: cmocka has a macro named fail. */
#include "base/f16.h"
#include "base/limits.h"
#include "base/status.h"
#include "engine/pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tiny_model.h"

/* Weights are read in `read` seconds; a row of a prompt and one that decodes take so long. */
struct machine {
    double read, prompt, decode;
    double noise;  /* relative, on either side           */
    int disturbed; /* one step in so many takes 20 times  */
    uint64_t seed;
};

static uint32_t rnd(uint64_t *seed, uint32_t n)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33) % n;
}

static double true_seconds(const struct machine *m, int n_prompt, int n_decode)
{
    double work = n_prompt * m->prompt + n_decode * m->decode;

    return MAX(m->read, work) + 0.1 * MIN(m->read, work);
}

static double step(struct machine *m, int n_prompt, int n_decode)
{
    double t = true_seconds(m, n_prompt, n_decode);

    t *= 1 + m->noise * ((int)rnd(&m->seed, 2001) - 1000) / 1000.0;
    return m->disturbed && rnd(&m->seed, (uint32_t)m->disturbed) == 0 ? 20 * t : t;
}

static struct machine fast(void)
{
    return (struct machine){ .read = 1.2e-3, .prompt = 0.2e-3, .decode = 0.35e-3, .seed = 5 };
}

static void within(double got, double want, double share)
{
    if (!(got > want * (1 - share) && got < want * (1 + share)))
        fail_msg("%g, should be %g within %g", got, want, share);
}

/* A server's life: prompts are read while others decode. */
static void live(struct pace *p, struct machine *m, int n_step, int chunk)
{
    for (int i = 0; i < n_step; i++) {
        int d = 1 + (int)rnd(&m->seed, 32), n = i % 3 ? (int)rnd(&m->seed, (uint32_t)chunk) : 0;
        if (i % 17 == 0) d = 0;
        if (n + d > 0) pace_observe(p, n, d, step(m, n, d));
    }
}

static void learns_a_machine(void **state)
{
    static const struct pace_prior none = { 0 };
    struct machine m = fast();
    struct pace p;

    (void)state;
    pace_init(&p, &none);
    live(&p, &m, 400, 300);
    within(pace_seconds(&p, 1), true_seconds(&m, 0, 1), 0.05);
    within(pace_seconds(&p, 20), true_seconds(&m, 0, 20), 0.05);
    within(pace_step_seconds(&p, 128, 16), true_seconds(&m, 128, 16), 0.1);
    for (int d = 1; d <= 32; d *= 2) {
        double target = 30e-3;
        int n = pace_rows(&p, target, d, 4096);
        within(true_seconds(&m, n, d), target, 0.15);
    }
}

/* One step in ten takes twenty times as long, and each is off by up to 15 %. */
static void a_disturbed_step_spoils_nothing(void **state)
{
    static const struct pace_prior none = { 0 };
    struct machine m = fast();
    struct pace p, before;

    (void)state;
    m.noise = 0.15;
    m.disturbed = 10;
    pace_init(&p, &none);
    live(&p, &m, 1000, 300);
    within(pace_seconds(&p, 8), true_seconds(&m, 0, 8), 0.3);
    within(true_seconds(&m, pace_rows(&p, 30e-3, 8, 4096), 8), 30e-3, 0.3);
    before = p;
    pace_observe(&p, 128, 8, 5);
    pace_observe(&p, 0, 8, 5);
    within(pace_seconds(&p, 8), pace_seconds(&before, 8), 0.2);
    within(pace_rows(&p, 30e-3, 8, 4096), pace_rows(&before, 30e-3, 8, 4096), 0.2);
}

/* A plan's figures hold where nothing was seen; where something was, they keep their shape. */
static void starts_from_a_plan(void **state)
{
    struct pace_prior plan = { .n_decode = 3,
                               .n_prompt = 2,
                               .decode = { { 1, 1e-3 }, { 8, 3e-3 }, { 64, 24e-3 } },
                               .prompt = { { 64, 16e-3 }, { 256, 64e-3 } } };
    struct pace p;

    (void)state;
    pace_init(&p, &plan);
    within(pace_seconds(&p, 1), 1e-3, 0.001);
    within(pace_seconds(&p, 64), 24e-3, 0.001);
    within(pace_step_seconds(&p, 256, 0), 64e-3, 0.001);
    within(pace_rows(&p, 36e-3, 8, 4096), 130, 0.1);
    assert_int_equal(pace_rows(&p, 36e-3, 8, 50), 50);
    assert_int_equal(pace_rows(&p, 2e-3, 8, 4096), 0);
    /* This run has half the machine: one step says so for all. */
    pace_observe(&p, 0, 8, 6e-3);
    within(pace_seconds(&p, 1), 2e-3, 0.001);
    within(pace_seconds(&p, 64), 48e-3, 0.001);
    pace_observe(&p, 256, 0, 128e-3);
    within(pace_rows(&p, 36e-3, 8, 4096), 62, 0.1);
}

/* What was learned while something else had the machine does not stay. */
static void what_is_wrong_does_not_stay(void **state)
{
    static const struct pace_prior none = { 0 };
    struct machine m = fast(), slow = fast();
    struct pace p;

    (void)state;
    slow.read *= 10;
    slow.prompt *= 10;
    slow.decode *= 10;
    pace_init(&p, &none);
    live(&p, &slow, 400, 300);
    assert_true(pace_rows(&p, 20e-3, 4, 256) < 10);
    /* From now on a step is as large as the target allows, as in the engine. */
    for (int i = 0; i < 12000; i++) {
        int n = i % 2 ? MAX(pace_rows(&p, 20e-3, 4, 256), 4) : 0;
        pace_observe(&p, n, 4, step(&m, n, 4));
    }
    within(true_seconds(&m, pace_rows(&p, 20e-3, 4, 256), 4), 20e-3, 0.15);
}

/* Whatever was seen: seconds never fall with rows, and rows never with the target. */
static void never_falls(void **state)
{
    struct pace_prior prior = { 0 };
    uint64_t seed = 9;
    struct pace p;

    (void)state;
    for (int round = 0; round < 300; round++) {
        pace_init(&p, &prior);
        for (int i = 0; i < 60; i++)
            pace_observe(&p, (int)rnd(&seed, 5000) - 2000, (int)rnd(&seed, 300),
                         rnd(&seed, 1000) * 1e-4);
        for (int n = 1; n < 5000; n += 1 + n / 20) {
            assert_true(pace_seconds(&p, n) >= pace_seconds(&p, n - 1));
            assert_true(pace_step_seconds(&p, n, 3) >= pace_step_seconds(&p, n - 1, 3));
        }
        for (int most = 0, t = 0; t < 50; t++) {
            int n = pace_rows(&p, t * 2e-3, 3, 4096);
            assert_true(n >= most && n <= 4096);
            if (n > 0) assert_true(pace_step_seconds(&p, n, 3) <= t * 2e-3);
            most = n;
        }
    }
}

static void the_roofline_of_a_model_is_a_shape(void **state)
{
    struct brrr_model m;
    struct pace_prior prior;
    struct tiny tiny;
    struct pace p;

    (void)state;
    tiny_open(&m, &tiny, &(struct tiny_spec){ "llama", 1, 0, 64, QT_Q4_1 }, BRRR_PRECISION_Q8);
    pace_prior_of_model(&prior, m.model, KV_F16, 2);
    pace_init(&p, &prior);
    assert_true(pace_seconds(&p, 1) > 0);
    assert_true(pace_step_seconds(&p, 512, 0) > 2 * pace_step_seconds(&p, 64, 0));
    /* Rows that decode need logits and read caches of their own. */
    assert_true(pace_seconds(&p, 64) > pace_step_seconds(&p, 64, 0));
    tiny_close(&m, &tiny);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(learns_a_machine),   cmocka_unit_test(a_disturbed_step_spoils_nothing),
        cmocka_unit_test(starts_from_a_plan), cmocka_unit_test(what_is_wrong_does_not_stay),
        cmocka_unit_test(never_falls),        cmocka_unit_test(the_roofline_of_a_model_is_a_shape),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
