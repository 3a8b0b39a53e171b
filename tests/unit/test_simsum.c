/* SPDX-License-Identifier: MIT */
/*
 * test_simsum.c - what a run of --serve-sim amounts to: goodput, hits of the prefix cache, means
 * over the time of steps.
 *
 * The files under test are included: tests link with the library, not with cmd/.
 */
#include "cmd/bench_stats.c"
#include "cmd/simsum.c"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct bench no_bench;

static void objectives_are_parsed(void **state)
{
    static const char *const wrong[] = { "",       "ttft",     "ttft=",   "ttft=0",  "ttft=-1",
                                         "ttft=x", "ttft=1,",  "ttft=1;", "ttfx=1",  "=1",
                                         ",",      "ttft=nan", "tt=1",    "ttft=1e9" };
    struct sim_slo s;

    (void)state;
    assert_true(sim_slo_parse(&s, "ttft=0.5,itl=0.05"));
    assert_true(s.most[SIM_TTFT] == 0.5 && s.most[SIM_ITL] == 0.05);
    assert_true(s.most[SIM_TPOT] == 0 && s.most[SIM_E2E] == 0);
    assert_true(sim_slo_parse(&s, "e2e=3,tpot=1") && s.most[SIM_E2E] == 3);
    for (size_t i = 0; i < COUNT(wrong); i++)
        if (sim_slo_parse(&s, wrong[i])) fail_msg("'%s' is a list of objectives", wrong[i]);
}

/* Requests of one token each: due, first = end. */
static struct sim_request at(double due, double first)
{
    return (struct sim_request){
        .due = due, .sent = due, .first = first, .end = first, .n_tok = 1, .ended = true
    };
}

static void requests_add_up(void **state)
{
    struct simload_request q[3] = { { .n_prompt = 10, .after = -1 },
                                    { .n_prompt = 20, .after = -1 },
                                    { .n_prompt = 30, .after = -1 } };
    struct sim_request r[3] = { at(0, 1), at(1, 4), at(0, 0) };
    struct simload l = { .r = q, .n = 3 };
    struct sim_run run = { .load = &l, .r = r, .n_samples = 1, .wall = 4 };

    (void)state;
    r[0].n_tok = 3; /* gaps of 1 and 3 seconds */
    r[0].end = 5;
    r[0].gap_max = 3;
    r[0].n_cached = 4;
    r[1].queue_s = 0.5;
    r[2] = (struct sim_request){ .refused = true };
    run.slo.most[SIM_ITL] = 2;
    assert_true(add_requests(&run) && count_could(&run));
    assert_true(run.sum.ended == 2 && run.sum.refused == 1);
    assert_true(run.sum.prompt_tokens == 30 && run.sum.cached_tokens == 4);
    assert_true(run.sum.out_tok_s == 1 && run.sum.total_tok_s == 34.0 / 4);
    assert_true(run.sum.req_s == 0.5 && run.sum.good_req_s == 0.25 && run.sum.good_share == 0.5);
    assert_true(!r[0].met && r[1].met);
    assert_true(run.ttft_s.v[0] == 1 && run.ttft_s.v[1] == 3);
    assert_true(run.tpot_s.v[0] == 2 && run.e2e_s.v[0] == 5 && run.queue_s.v[1] == 0.5);
    sim_run_fini(&run);
}

void sim_run_fini(struct sim_run *run)
{
    free(run->itl_s.v);
    free(run->ttft_s.v);
    free(run->tpot_s.v);
    free(run->e2e_s.v);
    free(run->queue_s.v);
}

/* Prefix 1 is read at 10, 70 tokens of it; at 20, all 100. */
static void what_could_be_found(void **state)
{
    static const struct {
        int prefix, n_prefix;
        double sent, first;
        int could;
    } t[] = {
        { 1, 70, 0, 10, 0 },    { 1, 100, 5, 20, 0 },  { 1, 100, 12, 30, 64 },
        { 1, 100, 20, 31, 96 }, { 1, 31, 25, 32, 0 },  { 1, 33, 25, 33, 32 },
        { 2, 100, 40, 50, 0 },  { 2, 100, 41, 51, 0 }, { 0, 100, 50, 60, 0 },
        { 0, 0, 70, 80, 0 },
    };
    struct simload_request q[COUNT(t)] = { 0 };
    struct sim_request r[COUNT(t)];
    struct simload l = { .r = q, .n = COUNT(t) };
    struct sim_run run = { .load = &l, .r = r, .n_samples = 1, .wall = 100 };

    (void)state;
    for (size_t i = 0; i < COUNT(t); i++) {
        q[i] = (struct simload_request){
            .after = -1, .prefix = t[i].prefix, .n_prefix = t[i].n_prefix, .n_prompt = 110
        };
        r[i] = at(t[i].sent, t[i].first);
        r[i].n_cached = i == 3 ? 64 : 100;
    }
    assert_true(count_could(&run));
    for (size_t i = 0; i < COUNT(t); i++)
        assert_int_equal(r[i].n_could, t[i].could);
    add_hits(&run);
    assert_true(run.sum.could_tokens == 64 + 96 + 32);
    assert_true(run.sum.hit_share == (64.0 + 64 + 32) / (64 + 96 + 32));
    assert_true(run.sum.recomputed_most == 0);
}

static void later_turns(void **state)
{
    struct simload_request q[3] = { { .n_prompt = 40, .n_new = 40, .after = -1 },
                                    { .n_prompt = 145, .n_new = 40, .after = 0 },
                                    { .n_prompt = 250, .n_new = 40, .after = 1 } };
    struct sim_request r[3] = { at(0, 1), at(1, 2), at(2, 3) };
    struct simload l = { .r = q, .n = 3 };
    struct sim_run run = { .load = &l, .r = r, .n_samples = 1, .wall = 3 };

    (void)state;
    r[1].n_cached = 104; /* all but the last token of the answer */
    r[2].n_cached = 192;
    assert_true(count_could(&run));
    assert_int_equal(r[0].n_could, 0);
    assert_int_equal(r[1].n_could, 96);
    assert_int_equal(r[2].n_could, 192); /* of 209 */
    add_hits(&run);
    assert_true(run.sum.hit_share == 1 && run.sum.recomputed_most == 18);
}

static void steps_are_weighed_by_time(void **state)
{
    struct metric_step steps[2] = {
        { .phase_s = { [PHASE_MODEL] = 1 },
          .n_prompt = 10,
          .n_running = 2,
          .kv_used = 10,
          .kv_tail = 1,
          .kv_tail_alone = 2,
          .kv_alone = 20 },
        { .phase_s = { [PHASE_MODEL] = 2, [PHASE_PLAN] = 0.75, [PHASE_CACHE] = 0.25 },
          .n_decode = 4,
          .n_running = 4,
          .kv_used = 30,
          .kv_tail = 3,
          .kv_tail_alone = 4,
          .kv_alone = 40 },
    };
    struct simload l = { 0 };
    struct sim_run run = {
        .load = &l, .step = steps, .n_step = 2, .wall = 5, .kv = { .budget = 100 }
    };

    (void)state;
    add_steps(&run, &no_bench);
    assert_true(run.sum.steps == 2 && run.sum.step_s == 4 && run.sum.rows == 7);
    assert_true(run.sum.running_mean == 3.5 && run.sum.running_most == 4);
    assert_float_equal(run.sum.kv_used_mean, 0.25, 1e-12);
    assert_float_equal(run.sum.kv_used_most, 0.3, 1e-12);
    assert_float_equal(run.sum.kv_tail_share, 0.1, 1e-12);
    assert_float_equal(run.sum.kv_tail_seq_share, 0.1, 1e-12);
    assert_float_equal(run.sum.kv_saved_share, 1 - 100.0 / 140, 1e-12);
    assert_float_equal(run.sum.plan_share, 0.75 / 4, 1e-12);
    assert_float_equal(run.sum.cache_share, 0.25 / 4, 1e-12);
    assert_float_equal(run.sum.model_share, 0.75, 1e-12);
    assert_true(run.sum.draft_share == 0 && run.sum.draw_share == 0 && run.sum.commit_share == 0);
    assert_float_equal(run.sum.idle_share, 0.2, 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objectives_are_parsed),     cmocka_unit_test(requests_add_up),
        cmocka_unit_test(what_could_be_found),       cmocka_unit_test(later_turns),
        cmocka_unit_test(steps_are_weighed_by_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
