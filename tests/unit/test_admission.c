/* SPDX-License-Identifier: MIT */
/*
 * test_admission.c - who is let in and who goes first, in the engine: bounds of the queue, users,
 * priorities, and the rows of prompts beside those that decode.
 *
 * The project's headers come first: cmocka has a macro named fail.
 */
#include "base/f16.h"
#include "base/limits.h"
#include "engine/engine.h"
#include "engine/metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tiny_model.h"

static struct tiny tiny;
static struct brrr_model model;

static int setup(void **state)
{
    (void)state;
    tiny_open(&model, &tiny, &(struct tiny_spec){ "llama", 1, 0, 512, QT_Q4_1 }, BRRR_PRECISION_Q8);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tiny_close(&model, &tiny);
    return 0;
}

struct ask {
    int n_prompt, n_predict, best_of, priority;
    uint64_t user;
};

static enum brrr_status submit(struct brrr_engine *e, const struct ask *a, uint64_t *id,
                               struct brrr_error *err)
{
    static struct gen_params g;
    static int32_t prompt[512];
    static int n_asked;

    gen_params_init(&g);
    g.n_predict = a->n_predict;
    g.best_of = a->best_of;
    g.priority = a->priority;
    g.ignore_eos = true;
    for (int i = 0; i < a->n_prompt; i++)
        prompt[i] = (i * 7 + n_asked * 13) % TINY_VOCAB;
    n_asked++;
    struct engine_request q = {
        .prompt = prompt, .n_prompt = (size_t)a->n_prompt, .gen = &g, .user = a->user
    };
    return engine_submit(e, &q, id, err);
}

/* Polls until nothing is left; how many requests ended before the one with this id. */
static int place_of(struct brrr_engine *e, uint64_t id)
{
    struct engine_event ev[LIMIT_PARALLEL];
    int n, ended = 0, place = -1;

    while ((n = engine_poll(e, ev, LIMIT_PARALLEL)) >= 0)
        for (int i = 0; i < n; i++) {
            if (!ev[i].last) continue;
            if (ev[i].id == id) place = ended;
            ended++;
        }
    return place;
}

/* Twenty requests of user 1, then one of user 2. */
static int place_behind_a_flood(enum sched_policy policy, int priority)
{
    struct engine_opts o = { .n_threads = 1, .ctx = 128, .n_parallel = 2, .policy = policy };
    struct brrr_engine *e;
    uint64_t id;

    assert_int_equal(engine_open(&e, &model, &o, NULL), BRRR_OK);
    for (int i = 0; i < 20; i++)
        assert_int_equal(submit(e, &(struct ask){ 100, 20, .user = 1 }, &id, NULL), BRRR_OK);
    assert_int_equal(
        submit(e, &(struct ask){ 100, 20, .user = 2, .priority = priority }, &id, NULL), BRRR_OK);
    int place = place_of(e, id);
    brrr_engine_close(e);
    return place;
}

static void users_and_priorities(void **state)
{
    (void)state;
    assert_int_equal(place_behind_a_flood(SCHED_FCFS, 0), 20);
    assert_int_equal(place_behind_a_flood(SCHED_FCFS, 5), 20);
    assert_int_equal(place_behind_a_flood(SCHED_PRIORITY, 0), 20);
    /* Two of the flood are in before it, by the rows of one step; then it is its turn. */
    assert_in_range(place_behind_a_flood(SCHED_PRIORITY, 5), 0, 2);
    assert_in_range(place_behind_a_flood(SCHED_FAIR, 0), 0, 3);
}

/* For the best of so many answers. */
static bool has_place(const struct brrr_engine *e, int best_of)
{
    static struct gen_params g;
    static const int32_t prompt[10];

    gen_params_init(&g);
    g.n_predict = -1;
    g.best_of = best_of;
    return engine_has_place(
        e, &(struct engine_request){ .prompt = prompt, .n_prompt = COUNT(prompt), .gen = &g });
}

static void the_queue_is_bounded(void **state)
{
    struct engine_opts o = { .n_threads = 1, .ctx = 512, .n_parallel = 2, .max_waiting = 3 };
    const struct ask small = { 10, 5, .user = 1 }, large = { 10, -1, .best_of = 128 };
    struct brrr_engine *e;
    struct brrr_error err;
    uint64_t id[5], more;

    (void)state;
    for (int waiting = 3; waiting >= -1; waiting -= 4) {
        o.max_waiting = waiting;
        int n = 2 + MAX(waiting, 0);
        assert_int_equal(engine_open(&e, &model, &o, NULL), BRRR_OK);
        for (int i = 0; i < n; i++)
            assert_int_equal(submit(e, &small, &id[i], NULL), BRRR_OK);
        for (int i = 0; i < 3; i++)
            assert_int_equal(submit(e, &small, &more, &err), BRRR_E_LIMIT);
        assert_int_equal(more, 0);
        assert_non_null(strstr(err.text, "2 may run"));
        engine_cancel(e, id[1]); /* takes effect with the next step */
        assert_int_equal(submit(e, &small, &more, &err), BRRR_E_LIMIT);
        engine_poll(e, (struct engine_event[4]){ 0 }, 4);
        assert_int_equal(submit(e, &small, &more, &err), BRRR_OK);
        assert_int_not_equal(place_of(e, more), -1);
        assert_int_equal(submit(e, &small, &more, &err), BRRR_OK);
        brrr_engine_close(e);
    }
    o.max_waiting = LIMIT_WAITING + 1;
    assert_int_equal(engine_open(&e, &model, &o, &err), BRRR_E_LIMIT);
    assert_non_null(strstr(err.text, "65537"));
    /* And in bytes: of 128 answers each that wait for the best one. */
    o.max_waiting = LIMIT_WAITING;
    int n = 0;
    assert_int_equal(engine_open(&e, &model, &o, NULL), BRRR_OK);
    assert_true(has_place(e, 1) && has_place(e, 128));
    while (submit(e, &large, &more, &err) == BRRR_OK)
        n++;
    assert_non_null(strstr(err.text, "1024 MiB are possible"));
    assert_in_range(n, 100, 2000);
    assert_false(has_place(e, 128));
    engine_cancel(e, 1);                              /* the first of them */
    engine_poll(e, (struct engine_event[4]){ 0 }, 4); /* its last event */
    assert_true(has_place(e, 128));
    brrr_engine_close(e);
}

/* A target that is shorter than any step: prompts get the least, but they get it. */
static void a_target_makes_chunks_small(void **state)
{
    struct engine_opts o = { .n_threads = 1, .ctx = 512, .n_parallel = 2, .chunk = 128 };
    static struct metric_step step[METRIC_STEPS];
    struct brrr_engine *e;
    uint64_t id;

    (void)state;
    for (int slow = 0; slow < 2; slow++) {
        int most = 0;
        o.itl_s = slow ? 3600 : 1e-9;
        assert_int_equal(engine_open(&e, &model, &o, NULL), BRRR_OK);
        assert_int_equal(submit(e, &(struct ask){ 10, 100, .user = 1 }, &id, NULL), BRRR_OK);
        engine_poll(e, (struct engine_event[4]){ 0 }, 4);
        assert_int_equal(submit(e, &(struct ask){ 400, 2, .user = 1 }, &id, NULL), BRRR_OK);
        assert_int_not_equal(place_of(e, id), -1);
        int n = engine_steps(e, step, METRIC_STEPS);
        for (int i = 0; i < n; i++)
            if (step[i].n_decode > 0) most = MAX(most, step[i].n_prompt);
        assert_int_equal(most, slow ? 128 : 16);
        brrr_engine_close(e);
    }
    o.itl_s = -1;
    assert_int_equal(engine_open(&e, &model, &o, NULL), BRRR_E_LIMIT);
    o.itl_s = 0.0 / 0.0;
    assert_int_equal(engine_open(&e, &model, &o, NULL), BRRR_E_LIMIT);
}

static void memory_is_bounded(void **state)
{
    struct engine_opts o = { .n_threads = 1, .ctx = 512, .kv_bytes = 1000 };
    struct brrr_engine *e;
    struct brrr_error err;

    (void)state;
    assert_int_equal(engine_open(&e, &model, &o, &err), BRRR_E_LIMIT);
    assert_non_null(strstr(err.text, "a sequence of 512 tokens takes"));
    o.kv_bytes = SIZE_MAX / 8;
    assert_int_equal(engine_open(&e, &model, &o, &err), BRRR_E_NOMEM);
    assert_non_null(strstr(err.text, "--kv-memory asks for"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(users_and_priorities),
        cmocka_unit_test(the_queue_is_bounded),
        cmocka_unit_test(a_target_makes_chunks_small),
        cmocka_unit_test(memory_is_bounded),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
