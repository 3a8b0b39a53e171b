/* SPDX-License-Identifier: MIT */
/*
 * test_machine.c - the measured limits are of the kind that they say (never how large: machines
 * differ), and the work of a step is counted right, on a model small enough to count by hand.
 *
 * The project's headers come first: cmocka has a macro named fail.
 */
#include "base/cpu.h"
#include "base/f16.h"
#include "engine/bundle.h"
#include "engine/machine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tiny_model.h"

/* Multiply-adds of one row in one layer of the tiny model, of its head, of one (query, key). */
enum {
    LAYER = TINY_D * (2 * TINY_HEADS * TINY_DK + 2 * TINY_KV * TINY_DK + 3 * TINY_FF),
    HEAD = TINY_D * TINY_VOCAB,
    PAIR = TINY_HEADS * 2 * TINY_DK,
    KV_ROW = TINY_KV * 2 * TINY_DK * 2, /* bytes of a position in f16 */
};

static void near(double got, double want)
{
    if (!(got > want * (1 - 1e-9) && got < want * (1 + 1e-9)) && got != want)
        fail_msg("%.17g expected, %.17g found", want, got);
}

static void limits_are_measured(void **state)
{
    static _Alignas(64) char mem[1 << 20];
    struct machine_limits l;
    struct kernels k;
    struct pool *pool;

    (void)state;
    kernels_select(&k, cpu_features());
    assert_int_equal(pool_new(&pool, 2, NULL), BRRR_OK);
    machine_measure(&l, pool, &k, mem, sizeof(mem));
    assert_int_equal(l.n_threads, 2);
    assert_string_equal(l.isa, k.isa);
    assert_true(l.dot8 > 0 && l.dot8 < 1e6);
    assert_true(l.bf16 > 0 && l.bf16 < 1e6);
    assert_true(l.fma > 0 && l.fma < 1e6);
    assert_true(l.read > 0 && l.read < 1e6);
    assert_true(l.barrier_ns > 0 && l.barrier_ns < 1e9);
    assert_true(machine_read(pool, &k, mem, 0, 0.01) == 0);
    pool_free(pool);
}

/* The packed weights where they are what a step reads, else as many bytes of other memory. */
static void reads_are_as_large_as_the_weights(void **state)
{
    struct machine_limits l;
    struct brrr_model m;
    struct pool *pool;
    struct tiny t;

    (void)state;
    assert_int_equal(pool_new(&pool, 2, NULL), BRRR_OK);
    tiny_open(&m, &t, &(struct tiny_spec){ "llama", 2, 0, 256, QT_Q4_1 }, BRRR_PRECISION_Q8);
    machine_measure_model(&l, pool, m.model);
    near(l.read_bytes, (double)m.model->weights.used);
    tiny_close(&m, &t);
    tiny_open(&m, &t, &(struct tiny_spec){ "llama", 2, 0, 256, QT_Q4_1 }, BRRR_PRECISION_F32);
    machine_measure_model(&l, pool, m.model);
    near(l.read_bytes, (double)(2 * LAYER + HEAD) * 20 / 32);
    assert_true(l.read > 0);
    tiny_close(&m, &t);
    pool_free(pool);
}

static void work_of_a_step(void **state)
{
    struct tiny t;
    struct brrr_model m;
    struct step_shape decode = { 3, 10, 1, 1, KV_F16 }, chunk = { 1, 0, 40, 0, KV_F16 };

    (void)state;
    tiny_open(&m, &t, &(struct tiny_spec){ "llama", 2, 0, 256, QT_Q4_1 }, BRRR_PRECISION_Q8);
    struct step_work w = machine_step_work(m.model, &decode);
    near(w.macs8, 3.0 * (2 * LAYER + HEAD));
    near(w.macs32, 3.0 * 2 * 11 * PAIR);
    near(w.kv_bytes, 3.0 * 2 * 11 * KV_ROW);
    near(w.weight_bytes, (double)(2 * LAYER + HEAD) * 20 / 32); /* Q4_1: 20 bytes for 32 */
    near(w.linear_macs, w.macs8);
    w = machine_step_work(m.model, &chunk);
    near(w.macs8, 40.0 * 2 * LAYER);
    near(w.macs32, 2.0 * 40 * 41 / 2 * PAIR);
    near(w.kv_bytes, 2.0 * 40 * KV_ROW);
    /* Attention on an int8 cache multiplies integers. */
    decode.kv_type = KV_INT8;
    w = machine_step_work(m.model, &decode);
    near(w.macs8, 3.0 * (2 * LAYER + HEAD + 2 * 11 * PAIR));
    near(w.macs32, 0);
    near(w.linear8, 3.0 * (2 * LAYER + HEAD));
    decode.kv_type = KV_F16;
    tiny_close(&m, &t);
    /* In f32 nothing is int8, and the weights are the file's. */
    tiny_open(&m, &t, &(struct tiny_spec){ "llama", 2, 0, 256, QT_F32 }, BRRR_PRECISION_F32);
    w = machine_step_work(m.model, &decode);
    near(w.macs8, 0);
    near(w.linear8, 0);
    near(w.macs32, 3.0 * (2 * LAYER + HEAD + 2 * 11 * PAIR));
    near(w.weight_bytes, (double)(2 * LAYER + HEAD) * 4);
    tiny_close(&m, &t);
    /* As bf16 they take half of that, and attention stays in f32. */
    tiny_open(&m, &t, &(struct tiny_spec){ "llama", 2, 0, 256, QT_F32 }, BRRR_PRECISION_BF16);
    w = machine_step_work(m.model, &decode);
    near(w.macs8, 0);
    near(w.macs16, 3.0 * (2 * LAYER + HEAD));
    near(w.macs32, 3.0 * 2 * 11 * PAIR);
    near(w.linear_macs, w.macs16);
    near(w.weight_bytes, (double)(2 * LAYER + HEAD) * 2);
    tiny_close(&m, &t);
}

static void windows_limit_the_work(void **state)
{
    struct tiny t;
    struct brrr_model m;
    struct step_shape decode = { 1, 100, 1, 1, KV_F16 };

    (void)state;
    tiny_open(&m, &t, &(struct tiny_spec){ "gemma3", 6, 32, 256, QT_Q4_1 }, BRRR_PRECISION_Q8);
    struct step_work w = machine_step_work(m.model, &decode);
    near(w.macs32, (5.0 * 32 + 101) * PAIR);
    near(w.kv_bytes, (5.0 * 32 + 101) * KV_ROW);
    tiny_close(&m, &t);
}

static void bounds_follow_the_roofline(void **state)
{
    struct machine_limits l = { .dot8 = 100, .bf16 = 50, .fma = 10, .read = 2 };
    struct step_work bf16 = {
        .macs16 = 100e9, .linear16 = 100e9, .macs32 = 10e9, .weight_bytes = 1e9
    };
    struct step_work reads = { .macs8 = 1e9, .weight_bytes = 1e9, .kv_bytes = 1e9 };
    struct step_work computes = {
        .macs8 = 200e9, .linear8 = 200e9, .macs32 = 10e9, .weight_bytes = 1e9
    };
    struct tiny t;
    struct brrr_model m;

    (void)state;
    near(machine_step_seconds(&l, &reads), 1);
    near(machine_step_seconds(&l, &computes), 3);
    near(machine_step_seconds(&l, &bf16), 3);
    near(machine_peak(&l, &computes, NULL), 100);
    near(machine_peak(&l, &bf16, NULL), 50);
    tiny_open(&m, &t, &(struct tiny_spec){ "llama", 2, 0, 256, QT_Q4_1 }, BRRR_PRECISION_Q8);
    /* 20 bytes for 32 weights at 2 GB/s against one multiply-add for each at 100 GMAC/s. */
    near(machine_critical_batch(&l, m.model), 20.0 / 32 / 2 * 100);
    l.read = 0;
    near(machine_critical_batch(&l, m.model), 0);
    tiny_close(&m, &t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_are_measured),
        cmocka_unit_test(reads_are_as_large_as_the_weights),
        cmocka_unit_test(work_of_a_step),
        cmocka_unit_test(windows_limit_the_work),
        cmocka_unit_test(bounds_follow_the_roofline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
