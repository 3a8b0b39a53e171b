/* SPDX-License-Identifier: MIT */
/* test_metrics.c - what the engine counts is what happened (engine/metrics.h). */
#include "base/clock.h"
#include "base/f16.h"
#include "engine/metrics.h"
#include "engine/run.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "tiny_model.h"

enum { N_REQUEST = 7, N_PROMPT = 80, N_GEN = 20 };

static void times_and_quantiles(void **state)
{
    struct metric_times m = { 0 };

    (void)state;
    assert_true(metric_quantile(&m, 0.5) == 0);
    for (int i = 0; i < 90; i++)
        metric_time(&m, 90e-6);
    for (int i = 0; i < 10; i++)
        metric_time(&m, 0.9e-3);
    metric_time(&m, 1e9); /* beyond the last bucket's bound */
    assert_int_equal(m.n, 101);
    assert_true(fabs(metric_quantile(&m, 0.5) - 100e-6) < 1e-9);
    assert_true(fabs(metric_quantile(&m, 0.95) - 1.6e-3) < 1e-9);
    assert_int_equal(m.bucket[METRIC_BUCKETS - 1], 1);
    assert_true(fabs(m.sum - (1e9 + 90 * 90e-6 + 10 * 0.9e-3)) < 1e-3);
}

static void submit_all(struct brrr_engine *e)
{
    static struct gen_params g;
    int32_t prompt[N_PROMPT];
    uint64_t id;

    gen_params_init(&g);
    g.n_predict = N_GEN;
    for (int i = 0; i < N_PROMPT; i++)
        prompt[i] = (i * 13 + 5) % TINY_VOCAB;
    for (int k = 0; k < N_REQUEST; k++) {
        prompt[N_PROMPT - 1] = k;
        assert_int_equal(submit_ids(e, prompt, N_PROMPT, &g, &id, NULL), BRRR_OK);
    }
    assert_int_equal(submit_ids(e, prompt, 0, &g, &id, NULL), BRRR_E_FORMAT);
    assert_int_equal(submit_ids(e, prompt, N_PROMPT - 1, &g, &id, NULL), BRRR_OK);
    engine_cancel(e, id);
}

/* Its further answers wait for the only slot and find the prompt in the cache. */
static void a_prompt_counts_once(void **state)
{
    struct engine_opts o = { .n_threads = 1, .n_parallel = 1, .ctx = 200 };
    static struct gen_params g;
    static const int32_t prompt[N_PROMPT] = { 5 };
    struct engine_event ev[LIMIT_PARALLEL];
    struct brrr_engine *e;
    struct brrr_model m;
    struct metrics x;
    struct tiny tiny;
    uint64_t id;

    (void)state;
    tiny_open(&m, &tiny, &(struct tiny_spec){ "llama", 2, 0, 256, QT_Q4_1 }, BRRR_PRECISION_Q8);
    assert_int_equal(engine_open(&e, &m, &o, NULL), BRRR_OK);
    gen_params_init(&g);
    g.n_predict = N_GEN;
    g.ignore_eos = true;
    g.n_choices = 3;
    assert_int_equal(submit_ids(e, prompt, N_PROMPT, &g, &id, NULL), BRRR_OK);
    while (engine_poll(e, ev, LIMIT_PARALLEL) >= 0)
        continue;
    engine_metrics(e, &x);
    assert_int_equal(x.n_prompt, N_PROMPT);
    assert_int_equal(x.n_cached, 0);
    assert_int_equal(x.n_made, 3 * N_GEN);
    brrr_engine_close(e);
    tiny_close(&m, &tiny);
}

static void counts_are_what_happened(void **state)
{
    struct engine_opts o = { .n_threads = 1, .n_parallel = 3, .ctx = 200, .chunk = 48 };
    static struct metric_step steps[METRIC_STEPS];
    struct engine_event ev[LIMIT_PARALLEL];
    struct brrr_engine *e;
    struct brrr_model m;
    struct metrics x;
    struct tiny tiny;
    uint64_t n_token = 0, n_cached = 0, n_rows = 0, n_step = 0;
    double t0 = clock_now(), made_s = 0;
    int n;

    (void)state;
    tiny_open(&m, &tiny, &(struct tiny_spec){ "llama", 2, 0, 256, QT_Q4_1 }, BRRR_PRECISION_Q8);
    assert_int_equal(engine_open(&e, &m, &o, NULL), BRRR_OK);
    submit_all(e);
    engine_metrics(e, &x);
    assert_int_equal(x.n_waiting, N_REQUEST + 1);
    while ((n = engine_poll(e, ev, LIMIT_PARALLEL)) >= 0)
        for (int i = 0; i < n; i++) {
            n_token += ev[i].token >= 0;
            if (!ev[i].finish) continue;
            n_cached += (uint64_t)ev[i].timings.n_cached;
            assert_true(ev[i].timings.itl_max_s <= ev[i].timings.decode_s);
            if (ev[i].finish == BRRR_FINISH_CANCELLED) continue;
            assert_int_equal(ev[i].timings.n_block, (N_PROMPT + N_GEN - 1 + 31) / 32);
        }
    engine_metrics(e, &x);
    assert_int_equal(x.n_submitted, N_REQUEST + 1);
    assert_int_equal(x.n_refused, 1);
    assert_int_equal(x.n_finished[BRRR_FINISH_LENGTH], N_REQUEST);
    assert_int_equal(x.n_finished[BRRR_FINISH_CANCELLED], 1);
    assert_int_equal(n_token, N_REQUEST * N_GEN);
    assert_int_equal(x.n_made, n_token);
    assert_int_equal(x.n_prompt, N_REQUEST * N_PROMPT);
    assert_true(n_cached > 0);
    assert_int_equal(x.n_cached, n_cached);
    assert_int_equal(x.ttft.n, N_REQUEST);
    assert_int_equal(x.itl.n, N_REQUEST * (N_GEN - 1));
    assert_int_equal(x.n_running + x.n_waiting, 0);
    assert_int_equal(x.kv.n_used, 0);

    n = engine_steps(e, steps, METRIC_STEPS);
    for (int i = 0; i < n; i++) {
        assert_int_equal(steps[i].index, i);
        assert_true(steps[i].t0 >= t0 && (i == 0 || steps[i].t0 > steps[i - 1].t0));
        assert_true(steps[i].n_running <= 3 && steps[i].work.linear_macs > 0);
        n_rows += (uint64_t)(steps[i].n_prompt + steps[i].n_decode);
        made_s += steps[i].phase_s[PHASE_MODEL];
    }
    for (int k = 0; k < METRIC_KINDS; k++)
        n_step += x.n_step[k];
    assert_int_equal(n_step, n);
    assert_true(fabs(made_s - x.phase_s[PHASE_MODEL]) < 1e-9);
    /* Every position of a sequence but its last is computed once or found. */
    assert_int_equal(n_rows, N_REQUEST * (N_PROMPT + N_GEN - 1) - n_cached);
    assert_int_equal(engine_steps(e, steps, 2), 2);
    assert_int_equal(steps[1].index, n - 1);
    brrr_engine_close(e);
    tiny_close(&m, &tiny);
}

/* Six answers to a prompt of 80 tokens: 3 blocks, of which the last has 16 places to spare. */
static void what_is_shared_is_counted(void **state)
{
    struct engine_opts o = { .n_threads = 1, .n_parallel = 6, .ctx = 200 };
    static struct gen_params g;
    struct engine_event ev[LIMIT_PARALLEL];
    int32_t prompt[N_PROMPT] = { 1, 2, 3 };
    struct metric_step s;
    struct brrr_engine *e;
    struct brrr_model m;
    struct metrics x;
    struct tiny tiny;
    uint64_t id;

    (void)state;
    tiny_open(&m, &tiny, &(struct tiny_spec){ "llama", 2, 0, 256, QT_Q4_1 }, BRRR_PRECISION_Q8);
    assert_int_equal(engine_open(&e, &m, &o, NULL), BRRR_OK);
    gen_params_init(&g);
    g.n_choices = 6;
    assert_int_equal(submit_ids(e, prompt, N_PROMPT, &g, &id, NULL), BRRR_OK);
    assert_int_equal(engine_poll(e, ev, LIMIT_PARALLEL), 6);
    assert_int_equal(engine_steps(e, &s, 1), 1);
    engine_metrics(e, &x);
    size_t block = x.kv.used / 3;
    assert_int_equal(x.kv.n_used, 3);
    assert_int_equal(s.kv_used, 3 * block);
    assert_int_equal(s.kv_alone, 6 * 3 * block);
    assert_int_equal(s.kv_tail, 16 * (block / 32));
    assert_int_equal(s.kv_tail_alone, 6 * 16 * (block / 32));
    assert_int_equal(engine_poll(e, ev, LIMIT_PARALLEL), 6);
    assert_int_equal(engine_steps(e, &s, 1), 1);
    assert_int_equal(s.kv_used, (2 + 6) * block); /* each has a last block of its own */
    assert_int_equal(s.kv_alone, 6 * 3 * block);
    assert_int_equal(s.kv_tail, 6 * 15 * (block / 32));
    assert_int_equal(s.kv_tail_alone, s.kv_tail);
    brrr_engine_close(e);
    tiny_close(&m, &tiny);
}

/*
 * The standard load: prompts of 329 tokens that share 219, answers of 64, 32 at once. Of what
 * sequences see, at most 5 % holds no token. Of the blocks themselves it is more, because what they
 * share has no tails: DESIGN.md.
 */
static void little_is_wasted_in_the_standard_load(void **state)
{
    enum { LOAD = 64, AT_ONCE = 32, PROMPT = 329, SHARED = 219, ANSWER = 64 };
    struct engine_opts o = { .n_threads = 1, .n_parallel = AT_ONCE, .ctx = 400 };
    static struct metric_step steps[METRIC_STEPS];
    static struct gen_params g;
    struct engine_event ev[LIMIT_PARALLEL];
    int32_t prompt[PROMPT];
    struct brrr_engine *e;
    struct brrr_model m;
    struct tiny tiny;
    double used = 0, alone = 0, tail = 0, tail_alone = 0;
    uint64_t id;

    (void)state;
    tiny_open(&m, &tiny, &(struct tiny_spec){ "llama", 1, 0, 512, QT_Q4_1 }, BRRR_PRECISION_Q8);
    assert_int_equal(engine_open(&e, &m, &o, NULL), BRRR_OK);
    gen_params_init(&g);
    g.n_predict = ANSWER;
    g.ignore_eos = true;
    for (int k = 0; k < LOAD; k++) {
        for (int i = 0; i < PROMPT; i++)
            prompt[i] = (i * 13 + (i < SHARED ? 0 : k * 17 + 1)) % TINY_VOCAB;
        assert_int_equal(submit_ids(e, prompt, PROMPT, &g, &id, NULL), BRRR_OK);
    }
    while (engine_poll(e, ev, LIMIT_PARALLEL) >= 0)
        continue;
    int n = engine_steps(e, steps, METRIC_STEPS);
    assert_in_range(n, 2 * ANSWER, METRIC_STEPS - 1); /* all of them */
    for (int i = 0; i < n; i++) {
        used += (double)steps[i].kv_used;
        alone += (double)steps[i].kv_alone;
        tail += (double)steps[i].kv_tail;
        tail_alone += (double)steps[i].kv_tail_alone;
    }
    print_message("hold no token: %.1f %% of the blocks, %.1f %% of what sequences have\n",
                  100 * tail / used, 100 * tail_alone / alone);
    assert_true(alone > 1.5 * used && tail > 0 && tail_alone >= tail);
    assert_true(tail_alone <= 0.05 * alone);
    brrr_engine_close(e);
    tiny_close(&m, &tiny);
}

/* What the disk tier counts is among the rest. */
static void the_disk_tier_is_counted(void **state)
{
    char dir[] = "/tmp/test_metrics.XXXXXX", cmd[64];
    struct engine_opts o = { .n_threads = 1, .n_parallel = 3, .ctx = 200, .kv_disk = dir };
    struct engine_event ev[LIMIT_PARALLEL];
    struct brrr_engine *e;
    struct brrr_model m;
    struct metrics x;
    struct tiny tiny;

    (void)state;
    assert_non_null(mkdtemp(dir));
    o.kv_disk_bytes = 16 << 20;
    tiny_open(&m, &tiny, &(struct tiny_spec){ "llama", 2, 0, 256, QT_Q4_1 }, BRRR_PRECISION_Q8);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(engine_open(&e, &m, &o, NULL), BRRR_OK);
        submit_all(e);
        for (const struct seq *q = e->head; q; q = q->next) /* what waits is fetched ahead */
            assert_int_equal(q->expected, round == 1);
        while (engine_poll(e, ev, LIMIT_PARALLEL) >= 0)
            continue;
        engine_metrics(e, &x);
        assert_true(x.disk.n_block_max > 0);
        assert_true(round == 0 ? x.disk.n_read == 0 : x.disk.n_read > 0);
        brrr_engine_close(e);
    }
    tiny_close(&m, &tiny);
    snprintf(cmd, sizeof(cmd), "rm -rf '%s'", dir);
    assert_int_equal(system(cmd), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_and_quantiles),
        cmocka_unit_test(counts_are_what_happened),
        cmocka_unit_test(a_prompt_counts_once),
        cmocka_unit_test(what_is_shared_is_counted),
        cmocka_unit_test(little_is_wasted_in_the_standard_load),
        cmocka_unit_test(the_disk_tier_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
