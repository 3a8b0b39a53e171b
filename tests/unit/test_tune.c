/* SPDX-License-Identifier: MIT */
/*
 * test_tune.c - the choices of tuning, on figures made up for the purpose; and a whole tuning of a
 * tiny model: everything filled in, the plan among what was tried, interrupted where asked.
 *
 * The project's headers come first: cmocka has a macro named fail.
 */
#include "base/f16.h"
#include "engine/tune.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tiny_model.h"

static void near(double got, double want)
{
    if (!(got > want * (1 - 1e-9) && got < want * (1 + 1e-9)))
        fail_msg("%.17g expected, %.17g found", want, got);
}

static void numbers_of_threads(void **state)
{
    int list[TUNE_THREADS];

    (void)state;
    for (int n = 1; n <= 256; n++) {
        int k = tune_thread_list(list, n);
        assert_in_range(k, 1, TUNE_THREADS);
        assert_int_equal(list[k - 1], n);
        assert_true(list[0] >= 1);
        for (int i = 1; i < k; i++)
            assert_true(list[i] > list[i - 1]);
    }
    assert_int_equal(tune_thread_list(list, 3), 3);
    assert_int_equal(tune_thread_list(list, 64), TUNE_THREADS);
    assert_int_equal(list[0], 8);
}

static void the_smallest_of_equals_is_chosen(void **state)
{
    const double rate[] = { 100, 199, 200, 201, 150 };

    (void)state;
    assert_int_equal(tune_choose(rate, 5, 0.02), 1);
    assert_int_equal(tune_choose(rate, 5, 0), 3);
    assert_int_equal(tune_choose(rate, 1, 0.02), 0);
}

/* Steps that read for 8 ms and compute 1 ms a row: alone, or both at once. */
static void the_knee_is_where_reading_takes_as_long(void **state)
{
    struct tune_batch ideal[4], sum[4];
    const int n[] = { 1, 4, 16, 1000 };

    (void)state;
    for (int i = 0; i < 4; i++) {
        ideal[i] = (struct tune_batch){ .n = n[i], .step_s = 1e-3 * MAX(8, n[i]) };
        sum[i] = (struct tune_batch){ .n = n[i], .step_s = 1e-3 * (8 + n[i]) };
    }
    near(tune_knee(ideal, 4), 8);
    near(tune_knee(sum, 4), 9 / 1.008);
    assert_true(tune_knee(ideal, 0) == 0);
}

static bool count_progress(void *arg, double done)
{
    int *n = arg;

    assert_true(done > 0 && done <= 1);
    return ++*n != 5;
}

static void a_model_is_tuned(void **state)
{
    static struct tune_result r;
    struct tiny t;
    struct brrr_model m;
    struct tune_opts o = { .kv_type = KV_F16, .n_threads = 2, .most_read = 4 << 20 };
    struct brrr_error err = { 0 };
    int calls = 0;

    (void)state;
    tiny_open(&m, &t, &(struct tiny_spec){ "llama", 1, 0, 128, QT_Q4_1 }, BRRR_PRECISION_Q8);
    if (tune_run(&r, &m, &o, &err)) fail_msg("%s", err.text);
    assert_int_equal(r.n_prompt, 127);
    assert_int_equal(r.n_threads, 2);
    assert_int_equal(r.n_batch, TUNE_BATCHES);
    assert_int_equal(r.n_phase, 1 + TUNE_BATCHES);
    for (int i = 0; i < r.n_threads; i++)
        assert_true(r.threads[i].prefill > 0 && r.threads[i].decode > 0 &&
                    r.threads[i].read[0] > 0);
    for (int i = 0; i < r.n_batch; i++)
        assert_true(r.batch[i].step_s > 0 && r.batch[i].bound_s > 0);
    for (int i = 0; i < r.n_phase; i++)
        assert_true(r.phase[i].seconds > 0 && r.phase[i].work.linear_macs > 0);
    for (int i = 1; i < r.n_size; i++)
        assert_true(r.size[i] > r.size[i - 1]);
    assert_in_range(r.plan.n_threads, 1, 2);
    assert_in_range(r.plan.n_threads_decode, 1, 2);
    assert_int_equal(r.limits.n_threads, MAX(r.plan.n_threads, r.plan.n_threads_decode));
    bool tried = false;
    for (int i = 0; i < r.n_ahead; i++)
        tried = tried || (r.ahead[i].bytes == r.plan.ahead && r.ahead[i].tok_s > 0);
    assert_true(tried);
    assert_true(r.plan.chunk == 64); /* longer chunks than the prompt are not tried */
    assert_true(r.plan.batch_predicted > 0 && r.plan.batch_measured > 0);
    o.progress = count_progress;
    o.progress_arg = &calls;
    assert_int_equal(tune_run(&r, &m, &o, &err), BRRR_E_IO);
    assert_int_equal(calls, 5);
    tiny_close(&m, &t);
    /* Too short for a prompt and some tokens. */
    tiny_open(&m, &t, &(struct tiny_spec){ "llama", 1, 0, 16, QT_Q4_1 }, BRRR_PRECISION_Q8);
    assert_int_equal(tune_run(&r, &m, &o, &err), BRRR_E_LIMIT);
    tiny_close(&m, &t);
}

static void a_disturbed_run_shows(void **state)
{
    struct tune_result r = { .n_threads = 2, .n_ahead = 2, .n_batch = 1 };
    double least, most;

    (void)state;
    tune_decode_range(&(struct tune_result){ 0 }, &least, &most);
    assert_true(least == 0 && most == 0);
    r.plan.n_threads_decode = 2;
    r.plan.ahead = 4096;
    r.threads[0].n = 1, r.threads[0].decode = 1;
    r.threads[1].n = 2, r.threads[1].decode = 600;
    r.ahead[0].bytes = 8192, r.ahead[0].tok_s = 1;
    r.ahead[1].bytes = 4096, r.ahead[1].tok_s = 90;
    r.batch[0].n = 1, r.batch[0].step_s = 0.002;
    tune_decode_range(&r, &least, &most);
    assert_true(least == 90 && most == 600);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_disturbed_run_shows),
        cmocka_unit_test(numbers_of_threads),
        cmocka_unit_test(the_smallest_of_equals_is_chosen),
        cmocka_unit_test(the_knee_is_where_reading_takes_as_long),
        cmocka_unit_test(a_model_is_tuned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
