/* SPDX-License-Identifier: MIT */
/*
 * test_bench.c - what `brrr bench` makes of its measurements: percentiles, shares, the knee.
 *
 * The file under test is included: tests link with the library, not with cmd/.
 */
#include "cmd/bench_stats.c"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct samples samples_of(double *v, size_t n)
{
    return (struct samples){ .v = v, .n = n };
}

static void test_stats(void **state)
{
    double hundred[100], odd[] = { 3, 1, 2 }, even[] = { 4, 1, 3, 2 };
    struct samples s = samples_of(hundred, 100), none = { 0 };

    (void)state;
    for (int i = 0; i < 100; i++)
        hundred[i] = (i * 37 + 5) % 100 + 1; /* 1 to 100, mixed */
    struct bench_stat st = bench_stat_of(&s);
    assert_float_equal(st.min, 1, 0);
    assert_float_equal(st.median, 50.5, 0);
    assert_float_equal(st.mean, 50.5, 1e-12);
    assert_float_equal(st.p90, 90, 0);
    assert_float_equal(st.p99, 99, 0);
    assert_float_equal(st.max, 100, 0);
    assert_float_equal(bench_percentile(&s, 0), 1, 0);
    assert_float_equal(bench_percentile(&s, 1), 100, 0);
    assert_float_equal(hundred[0], 6, 0); /* the caller's order stays */
    s = samples_of(odd, 3);
    assert_float_equal(bench_stat_of(&s).median, 2, 0);
    assert_float_equal(bench_stat_of(&s).p99, 3, 0);
    s = samples_of(even, 4);
    assert_float_equal(bench_stat_of(&s).median, 2.5, 0);
    assert_int_equal(bench_stat_of(&none).n, 0);
    assert_float_equal(bench_stat_of(&none).max, 0, 0);
}

static void test_push(void **state)
{
    struct samples s = { 0 };

    (void)state;
    for (int i = 0; i < 1000; i++)
        assert_true(samples_push(&s, i));
    assert_int_equal(s.n, 1000);
    assert_float_equal(s.v[999], 999, 0);
    free(s.v);
}

/* 10 tokens in a run of 2 seconds; 8 G multiply-adds on int8, 4 GB read. */
static void test_shares(void **state)
{
    struct bench b = { .limits = { .dot8 = 8, .fma = 1, .read = 1 } };
    double five = 5;
    struct bench_case c = {
        .read = 4,
        .tok_s = samples_of(&five, 1),
        .work = { .prompt_tokens = 8,
                  .gen_tokens = 2,
                  .layer_macs = 6e9,
                  .macs = 8e9,
                  .sum = { .macs8 = 8e9, .linear8 = 8e9, .weight_bytes = 3e9, .kv_bytes = 1e9 } }
    };
    struct bench_share s = bench_share_of(&b, &c);

    (void)state;
    assert_float_equal(s.read, 0.5, 1e-12); /* 4 GB at 4 GB/s: one second of two */
    assert_float_equal(s.int8, 6.0 / 16, 1e-12);
    assert_float_equal(s.bound, 0.5, 1e-12);
    assert_float_equal(s.bound_tok_s, 10, 1e-9);
    assert_float_equal(s.intensity, 2, 1e-12);
    assert_float_equal(s.mac_s, 4e9, 1);
    assert_float_equal(s.prompt_s, 4, 1e-12);
    assert_float_equal(s.gen_s, 1, 1e-12);
    c.work.sum.macs32 = 0.5e9; /* another half second: now computing is the bound */
    assert_float_equal(bench_share_of(&b, &c).bound, 0.75, 1e-12);
    assert_float_equal(bench_share_of(&b, &c).bf16, 0, 0);
    c.work.sum.linear8 = 0; /* attention on int8, no matrix */
    c.work.sum.macs16 = c.work.sum.linear16 = 8e9;
    b.limits.bf16 = 4;
    assert_float_equal(bench_share_of(&b, &c).int8, 0, 0);
    assert_float_equal(bench_share_of(&b, &c).bf16, 6.0 / 8, 1e-12);
    b.limits.dot8 = 0;
    assert_float_equal(bench_share_of(&b, &c).bound, 0, 0);
    c.tok_s.n = 0;
    assert_float_equal(bench_share_of(&b, &c).read, 0, 0);
}

static void test_knee(void **state)
{
    double v[] = { 100, 390, 450, 1000, 50 };
    struct bench_case c[] = { { .kind = BENCH_DECODE, .batch = 1 },
                              { .kind = BENCH_DECODE, .batch = 4 },
                              { .kind = BENCH_DECODE, .batch = 8 },
                              { .kind = BENCH_DECODE, .batch = 8, .depth = 64 },
                              { .kind = BENCH_PREFILL, .batch = 1 } };
    struct bench b = { .c = c, .n_done = COUNT(c) };

    (void)state;
    for (size_t i = 0; i < COUNT(c); i++)
        c[i].tok_s = samples_of(&v[i], 1);
    assert_float_equal(bench_knee_measured(&b, 0), 4.5, 1e-12);
    assert_float_equal(bench_knee_measured(&b, 64), 0, 0); /* batch 1 is missing */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stats),
        cmocka_unit_test(test_push),
        cmocka_unit_test(test_shares),
        cmocka_unit_test(test_knee),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
