/* SPDX-License-Identifier: MIT */
/*
 * probe.c - the probes of a core's limits return what their definition says (kernels/probe.h): the
 * bits of the C reference, and of the reference itself, sums made here another way. A probe that
 * left work out would be fast and wrong.
 */
#include <math.h>

#include "kernels/c/bf16.h"
#include "kt.h"

static const int blocks[] = { 0, 1, 2, 3, 4, 5, 9, 64 };

static struct probe_dot8_args *dot8_args(struct ktest *t, int n_block, bool extreme)
{
    struct probe_dot8_args *a = kt_out_bytes(t, sizeof(*a));
    uint8_t *codes = &a->codes[0][0][0][0][0];
    int8_t *x = &a->x[0][0][0][0];

    for (size_t i = 0; i < sizeof(a->codes); i++)
        codes[i] = extreme ? 15 : (uint8_t)kt_int(t, 0, 15);
    for (size_t i = 0; i < sizeof(a->x); i++)
        x[i] = extreme ? -127 : (int8_t)kt_int(t, -127, 127);
    a->n_block = n_block;
    return a;
}

/* One sum of the definition, in 64 bits. */
static int64_t dot8_sum(const struct probe_dot8_args *a, int row, int side, int lane)
{
    int64_t s = 0;

    for (int b = 0; b < a->n_block; b++)
        for (int j = 0; j < PROBE_STEPS * 4; j++)
            s += (int64_t)a->codes[b % PROBE_RING][j / 4][side][lane][j % 4] *
                 a->x[b % PROBE_RING][j / 4][row][j % 4];
    return s;
}

static void check_dot8(struct ktest *t, int n_block, bool extreme)
{
    struct probe_dot8_args *want = dot8_args(t, n_block, extreme), *got;

    got = kt_out_bytes(t, sizeof(*got));
    memcpy(got, want, sizeof(*got));
    t->ref->probe_dot8(want);
    t->got->probe_dot8(got);
    kt_same(t, want, got, sizeof(*want), "%d blocks", n_block);
    for (int i = 0; t->c && i < 4; i++) {
        int row = kt_int(t, 0, PROBE_ROWS - 1), side = kt_int(t, 0, 1);
        int lane = kt_int(t, 0, PROBE_LANES - 1), o = (2 * row + side) * PROBE_LANES + lane;
        kt_true(t, want->sum[o] == dot8_sum(want, row, side, lane),
                "%d blocks: output %d is not the sum of its products", n_block, o);
    }
    kt_reset(t);
}

static void bench_dot8(void *arg)
{
    struct ktest *t = ((void **)arg)[0];
    t->got->probe_dot8(((void **)arg)[1]);
}

void test_probe_dot8(struct ktest *t)
{
    for (size_t i = 0; i < COUNT(blocks); i++)
        for (int extreme = 0; extreme < 2; extreme++)
            check_dot8(t, blocks[i], extreme);
    check_dot8(t, t->c ? 64 : PROBE_DOT8_BLOCKS, true);
    if (!t->bench) return;
    void *arg[2] = { t, dot8_args(t, t->c ? 64 : 4096, false) };
    struct kt_speed s = { bench_dot8, arg, 0, PROBE_DOT8_MACS * (t->c ? 64 : 4096) };
    kt_bench(t, &s, "int8 peak");
}

static struct probe_fma_args *fma_args(struct ktest *t, int n_block)
{
    struct probe_fma_args *a = kt_out_bytes(t, sizeof(*a));
    float *w = &a->w[0][0][0][0], *x = &a->x[0][0][0];

    for (size_t i = 0; i < sizeof(a->w) / sizeof(*w); i++)
        w[i] = kt_unit(t);
    for (size_t i = 0; i < sizeof(a->x) / sizeof(*x); i++)
        x[i] = kt_unit(t);
    a->n_block = n_block;
    return a;
}

static float fma_sum(const struct probe_fma_args *a, int row, int side, int lane)
{
    float y = 0;

    for (int i = 0; i < a->n_block * PROBE_STEPS; i++) {
        int b = i / PROBE_STEPS % PROBE_RING, j = i % PROBE_STEPS;
        y = fmaf(a->w[b][j][side][lane], a->x[b][j][row], y);
    }
    return y;
}

static void bench_fma(void *arg)
{
    struct ktest *t = ((void **)arg)[0];
    t->got->probe_fma(((void **)arg)[1]);
}

void test_probe_fma(struct ktest *t)
{
    for (size_t i = 0; i < COUNT(blocks); i++) {
        struct probe_fma_args *want = fma_args(t, blocks[i]), *got;
        got = kt_out_bytes(t, sizeof(*got));
        memcpy(got, want, sizeof(*got));
        t->ref->probe_fma(want);
        t->got->probe_fma(got);
        kt_equal(t, want->y, got->y, PROBE_OUT, "%d blocks", blocks[i]);
        int row = kt_int(t, 0, PROBE_ROWS - 1), side = kt_int(t, 0, 1);
        int lane = kt_int(t, 0, PROBE_LANES - 1), o = (2 * row + side) * PROBE_LANES + lane;
        float one = fma_sum(want, row, side, lane);
        kt_equal(t, &one, &want->y[o], 1, "%d blocks: output %d", blocks[i], o);
        kt_reset(t);
    }
    if (!t->bench) return;
    void *arg[2] = { t, fma_args(t, t->c ? 64 : 4096) };
    struct kt_speed s = { bench_fma, arg, 0, PROBE_FMA_MACS * (t->c ? 64 : 4096) };
    kt_bench(t, &s, "f32 peak");
}

static struct probe_bf16_args *bf16_args(struct ktest *t, int n_block, bool subnormal)
{
    struct probe_bf16_args *a = kt_out_bytes(t, sizeof(*a));
    uint32_t *w = &a->w[0][0][0][0], *x = &a->x[0][0][0];
    float size = subnormal ? 0x1p-63f : 1; /* products as small as the smallest normal numbers */

    for (size_t i = 0; i < sizeof(a->w) / sizeof(*w); i++)
        w[i] = bf16_pair(f32_to_bf16(kt_unit(t) * size), f32_to_bf16(kt_unit(t) * size));
    for (size_t i = 0; i < sizeof(a->x) / sizeof(*x); i++)
        x[i] = bf16_pair(f32_to_bf16(kt_unit(t) * size), f32_to_bf16(kt_unit(t) * size));
    a->n_block = n_block;
    return a;
}

static void bench_bf16(void *arg)
{
    struct ktest *t = ((void **)arg)[0];
    t->got->probe_bf16(((void **)arg)[1]);
}

void test_probe_bf16(struct ktest *t)
{
    for (size_t i = 0; i < 2 * COUNT(blocks); i++) {
        struct probe_bf16_args *want = bf16_args(t, blocks[i / 2], i % 2), *got;
        got = kt_out_bytes(t, sizeof(*got));
        memcpy(got, want, sizeof(*got));
        t->ref->probe_bf16(want);
        t->got->probe_bf16(got);
        kt_equal(t, want->y, got->y, PROBE_OUT, "%d blocks", blocks[i / 2]);
        kt_reset(t);
    }
    if (!t->bench) return;
    void *arg[2] = { t, bf16_args(t, t->c ? 4 : 4096, false) };
    struct kt_speed s = { bench_bf16, arg, 0, PROBE_BF16_MACS * (t->c ? 4 : 4096) };
    kt_bench(t, &s, "bf16 peak");
}

void test_probe_read(struct ktest *t)
{
    for (size_t n = 0; n < 20; n++) {
        uint8_t *p = kt_bytes(t, n * PROBE_LINE);
        uint64_t *got = kt_out_bytes(t, 8 * sizeof(*got)), want[8] = { 0 }, w;
        for (size_t i = 0; i < 8 * n; i++) {
            memcpy(&w, p + 8 * i, 8);
            want[i % 8] += w;
        }
        t->got->probe_read(got, p, n);
        kt_same(t, want, got, sizeof(want), "%zu lines", n);
        kt_reset(t);
    }
}
