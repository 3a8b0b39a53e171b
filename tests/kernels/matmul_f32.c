/* SPDX-License-Identifier: MIT */
/*
 * matmul_f32.c - weights of every type, straight from the file's blocks, x f32 activations; and
 * the dequantisers that it uses.
 */
#include <math.h>

#include "weights.h"

struct job {
    const struct kernels *kernels;
    struct matmul_args a;
};

static void call(void *arg)
{
    struct job *j = arg;
    j->kernels->matmul_f32(&j->a);
}

/* The arguments of one multiplication; the dequantiser is the reference's. */
static struct matmul_args args(struct ktest *t, enum qtype qt, int m, int n, int k)
{
    struct matmul_args a = { .ld_y = (size_t)n + 3, .m = m, .k = k, .n = n, .type = qt };

    a.g1 = (n + R16 - 1) / R16;
    a.w = weights_make(t, qt, n, k, kt_int(t, 0, WEIGHTS_KINDS - 1));
    a.x = kt_f32(t, (size_t)m * (size_t)k);
    a.dequant = t->ref->dequant[qt];
    a.add = kt_int(t, 0, 1);
    a.scratch = kt_out_bytes(t, MATMUL_SCRATCH(k));
    return a;
}

/* One chain from zero over ascending k: the definition once more, for one output. */
static float chain(struct ktest *t, const struct matmul_args *a, int i, int n)
{
    float *w = kt_in(t, (size_t)a->k * sizeof(*w)), acc = 0;
    const float *x = (const float *)a->x + (size_t)i * (size_t)a->k;

    a->dequant(w, (const uint8_t *)a->w + (size_t)n * qtype_row_bytes(a->type, (size_t)a->k),
               (size_t)a->k);
    for (int c = 0; c < a->k; c++)
        acc = fmaf(w[c], x[c], acc);
    return acc;
}

static void check_shape(struct ktest *t, enum qtype qt, int m, int n, int k)
{
    struct matmul_args a = args(t, qt, m, n, k);
    size_t size = (size_t)m * a.ld_y;
    float *before = kt_f32(t, size), *want = kt_out(t, size), *got = kt_out(t, size);
    int cut = kt_int(t, 0, a.g1), i = kt_int(t, 0, m - 1), o = kt_int(t, 0, n - 1);

    memcpy(want, before, size * sizeof(*want));
    memcpy(got, before, size * sizeof(*got));
    a.y = want;
    t->ref->matmul_f32(&a);
    a.y = got;
    a.g0 = cut;
    t->got->matmul_f32(&a);
    a.g0 = 0;
    a.g1 = cut;
    t->got->matmul_f32(&a);
    kt_equal(t, want, got, size, "%s m=%d n=%d k=%d cut=%d", qtypes[qt].name, m, n, k, cut);

    float y = chain(t, &a, i, o), *old = before + (size_t)i * a.ld_y + (size_t)o;
    if (a.add) y = *old + y;
    kt_equal(t, &y, want + (size_t)i * a.ld_y + (size_t)o, 1, "%s m=%d n=%d k=%d output %d, %d",
             qtypes[qt].name, m, n, k, i, o);
    kt_reset(t);
}

static void bench(struct ktest *t, enum qtype qt, int m)
{
    struct matmul_args a = args(t, qt, m, 512, 1536);
    struct job j = { t->got, a };
    struct kt_speed s = { call, &j, (double)qtype_row_bytes(qt, 1536) * 512, 1536.0 * 512 * m };

    j.a.y = kt_out(t, (size_t)m * a.ld_y);
    j.a.add = 0;
    if (t->got->dequant[qt]) j.a.dequant = t->got->dequant[qt];
    kt_bench(t, &s, "%-7s m=%-3d n=512 k=1536", qtypes[qt].name, m);
    kt_reset(t);
}

void test_matmul_f32(struct ktest *t)
{
    static const int ms[] = { 1, 2, 7, 8, 9, 19, 70 }, ns[] = { 1, 15, 16, 17, 40 };

    if (!t->got->matmul_f32) return;
    for (int qt = 0; qt < QT_COUNT; qt++) {
        int block = (int)qtypes[qt].block;
        if (!kt_type(t, (enum qtype)qt)) continue;
        for (size_t i = 0; i < COUNT(ms); i++)
            for (size_t n = 0; n < COUNT(ns); n++)
                check_shape(t, (enum qtype)qt, ms[i], ns[n], block * kt_int(t, 1, 600 / block + 1));
    }
    if (!t->bench) return;
    bench(t, QT_F32, 1);
    bench(t, QT_F16, 1);
    bench(t, QT_BF16, 1);
    bench(t, QT_Q4_K, 1);
    bench(t, QT_F16, 8);
    bench(t, QT_F16, 128);
}

void test_dequant(struct ktest *t)
{
    for (int qt = 0; qt < QT_COUNT; qt++) {
        kt_true(t, t->ref->dequant[qt] != NULL, "%s has no dequantiser", qtypes[qt].name);
        if (!t->got->dequant[qt] || !kt_type(t, (enum qtype)qt)) continue;
        for (int blocks = 1; blocks <= 5; blocks++)
            for (int kind = 0; kind < WEIGHTS_KINDS; kind++) {
                int k = blocks * (int)qtypes[qt].block;
                uint8_t *w = weights_make(t, (enum qtype)qt, 1, k, kind);
                float *want = kt_out(t, (size_t)k), *got = kt_out(t, (size_t)k);
                t->ref->dequant[qt](want, w, (size_t)k);
                t->got->dequant[qt](got, w, (size_t)k);
                kt_equal(t, want, got, (size_t)k, "%s k=%d", qtypes[qt].name, k);
                kt_reset(t);
            }
    }
}
