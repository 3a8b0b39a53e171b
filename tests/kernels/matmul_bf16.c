/* SPDX-License-Identifier: MIT */
/*
 * matmul_bf16.c - float weights and activations as bf16: packing, and products.
 *
 * The bits of the C reference for every number of rows and any split of the groups; and the
 * reference against the definition made here another way, and against sums in double.
 */
#include <math.h>
#include <stdlib.h>

#include "kernels/c/bf16.h"
#include "kernels/packed.h"
#include "weights.h"

static void pack(const struct kernels *k, void *dst, const float *x, int m, int width)
{
    struct q8_pack_args a = { dst, x, (size_t)width, m, width, 0, m, 0, width };
    k->bf16_pack(&a);
}

/* --- activations --- */

/* NaNs, infinities, what rounds to them, ties, and both ends of the subnormal numbers. */
static void put_odd(struct ktest *t, float *x, size_t n)
{
    static const uint32_t odd[] = { 0x7fc00000, 0xff800001, 0x7f800000, 0xff800000, 0x7f7fffff,
                                    0xff7f8000, 0x7f7f7fff, 0x007fffff, 0x80000001, 0x00800000,
                                    0x80ffffff, 0x3f808000, 0x3f818000, 0x3f807fff, 0x80000000 };

    for (size_t i = 0; i < n; i++)
        if (kt_int(t, 0, 30) == 0) x[i] = f32_from_bits(odd[kt_int(t, 0, COUNT(odd) - 1)]);
}

/* Some rows and some columns at a time, as workers do it, beside what must not be touched. */
static void check_pack(struct ktest *t, int m, int k)
{
    size_t n = bf16_bytes(m, k);
    float *x = kt_f32_hard(t, (size_t)m * (size_t)k);
    if (m % 2) put_odd(t, x, (size_t)m * (size_t)k);
    uint8_t *want = kt_out_bytes(t, n), *got = kt_out_bytes(t, n);
    int m0 = kt_int(t, 0, m), k0 = kt_int(t, 0, k / 32) * 32;
    struct q8_pack_args a = { got, x, (size_t)k, m, k, 0, m0, 0, k };

    pack(t->ref, want, x, m, k);
    t->got->bf16_pack(&a);
    a.m0 = m0, a.m1 = m, a.k1 = k0;
    t->got->bf16_pack(&a);
    a.k0 = k0, a.k1 = k;
    t->got->bf16_pack(&a);
    kt_same(t, want, got, n, "m=%d k=%d cut at row %d, column %d", m, k, m0, k0);

    for (int i = 0; t->c && i < m; i++) {
        int c = kt_int(t, 0, k - 1), t0 = i - i % Q8_TILE, rows = q8_tile_rows(m, t0);
        uint32_t pair =
            ((uint32_t *)(void *)(want + bf16_tile_offset(t0, k)))[c / 2 * rows + i - t0];
        float y = bf16_to_f32((uint16_t)(c % 2 ? pair : pair >> 16)),
              f = x[(size_t)i * (size_t)k + c];
        if (!isfinite(f) || !isfinite(y)) { /* what is nearer to 2^128 than to the largest is inf */
            kt_true(t, isnan(f) ? isnan(y) : isinf(y) && fabsf(f) >= 0x1.ffp127f && f * y > 0,
                    "row %d, column %d: %.9g became %.9g", i, c, (double)f, (double)y);
            continue;
        }
        kt_true(t, isnormal(f) ? fabs((double)y - (double)f) <= 0x1p-8 * fabs((double)f) : y == 0,
                "row %d, column %d: %.9g became %.9g", i, c, (double)f, (double)y);
    }
    kt_reset(t);
}

static void bench_pack(void *arg)
{
    struct ktest *t = ((void **)arg)[0];
    pack(t->got, ((void **)arg)[1], ((void **)arg)[2], 512, 576);
}

void test_bf16_pack(struct ktest *t)
{
    static const int ks[] = { 1, 2, 3, 31, 32, 33, 64, 127, 160, 576 };

    for (int m = 1; m <= 33; m++)
        for (size_t i = 0; i < COUNT(ks); i++)
            check_pack(t, m, ks[i]);
    if (!t->bench) return;
    void *arg[3] = { t, kt_out_bytes(t, bf16_bytes(512, 576)), kt_f32(t, (size_t)512 * 576) };
    struct kt_speed s = { bench_pack, arg, 4.0 * 512 * 576, 0 };
    kt_bench(t, &s, "m=512 k=576");
}

/* --- products --- */

struct job {
    enum qtype qt;
    int m, n, k, add;
    uint8_t *file;
    float *x, *y0; /* [m][k]; what y holds before, [m][ld] */
    size_t ld;
    const struct kernels *kernels;
    struct matmul_args args;
};

static int groups(const struct job *j)
{
    return (j->n + R16 - 1) / R16;
}

static uint8_t *pack_weights(struct ktest *t, const struct job *j)
{
    size_t group = bf16_group_bytes(j->k), row = qtype_row_bytes(j->qt, (size_t)j->k);
    uint8_t *w = kt_in(t, group * (size_t)groups(j));

    for (int g = 0; g < groups(j); g++)
        t->ref->pack_bf16[j->qt](w + (size_t)g * group, j->file + (size_t)(g * R16) * row,
                                 j->n - g * R16 < R16 ? j->n - g * R16 : R16, j->k);
    return w;
}

/* One weight in some rows that is not finite, or subnormal as bf16 or before. */
static void odd_weights(struct ktest *t, const struct job *j)
{
    static const uint32_t f32[] = { 0x7fc00000, 0x7f800000, 0xff800000, 0x007fffff, 0x7f7fffff };
    static const uint16_t f16[] = { 0x7e01, 0x7c00, 0xfc00, 0x0001, 0x83ff };
    static const uint16_t bf16[] = { 0x7f81, 0x7f80, 0xff80, 0x0001, 0x807f };

    for (int r = 0; r < j->n; r += kt_int(t, 1, 3)) {
        size_t at = (size_t)r * (size_t)j->k + (size_t)kt_int(t, 0, j->k - 1);
        int i = kt_int(t, 0, 4);
        if (j->qt == QT_F32) memcpy(j->file + 4 * at, &f32[i], 4);
        else memcpy(j->file + 2 * at, j->qt == QT_F16 ? &f16[i] : &bf16[i], 2);
    }
}

/* `small`: products as small as the smallest normal numbers, above and below. */
static void job_init(struct ktest *t, struct job *j, int kind, bool small)
{
    size_t n = (size_t)j->m * (size_t)j->k;
    void *x = kt_in(t, bf16_bytes(j->m, j->k));

    j->x = kind == 2 ? kt_f32_hard(t, n) : kt_f32(t, n);
    for (size_t i = 0; small && i < n; i++)
        j->x[i] *= 0x1p-120f;
    j->ld = (size_t)j->n + (size_t)kt_int(t, 0, 5);
    if (kind == 3) put_odd(t, j->x, n);
    j->file = weights_make(t, j->qt, j->n, j->k, kind);
    if (kind == 3) odd_weights(t, j);
    j->y0 = kt_f32(t, (size_t)j->m * j->ld);
    j->add = small ? 0 : kt_int(t, 0, 1);
    pack(t->ref, x, j->x, j->m, j->k);
    j->args = (struct matmul_args){ .ld_y = j->ld,
                                    .w = pack_weights(t, j),
                                    .x = x,
                                    .m = j->m,
                                    .k = j->k,
                                    .n = j->n,
                                    .add = j->add };
}

static void run(const struct kernels *k, const struct job *j, float *y, int g0, int g1)
{
    struct matmul_args a = j->args;

    a.y = y;
    a.g0 = g0;
    a.g1 = g1;
    k->matmul_bf16(&a);
}

static float *fresh(struct ktest *t, const struct job *j)
{
    float *y = kt_out(t, (size_t)j->m * j->ld);
    memcpy(y, j->y0, (size_t)j->m * j->ld * sizeof(*y));
    return y;
}

/* Row i alone: other tiles of activations, the same bits. */
static void check_row(struct ktest *t, const struct job *all, const float *want)
{
    int i = kt_int(t, 0, all->m - 1);
    struct job j = *all;
    void *x = kt_in(t, bf16_bytes(1, j.k));

    j.m = j.args.m = 1;
    j.y0 += (size_t)i * j.ld;
    j.args.x = x;
    pack(t->ref, x, all->x + (size_t)i * (size_t)j.k, 1, j.k);
    float *got = fresh(t, &j);
    run(t->got, &j, got, 0, groups(&j));
    kt_equal(t, want + (size_t)i * j.ld, got, j.ld, "row %d of %d alone, n=%d k=%d", i, all->m, j.n,
             j.k);
}

/* One output by the definition: rounded once, ascending, a multiply-add at a time; and of ordinary
 * values, how far that is from the sum in double. */
static void check_output(struct ktest *t, const struct job *j, const float *y, bool ordinary)
{
    int i = kt_int(t, 0, j->m - 1), n = kt_int(t, 0, j->n - 1);
    float *w = kt_in(t, (size_t)j->k * sizeof(*w)), acc = 0, before;
    double sum = 0, size = 0;

    t->ref->dequant[j->qt](w, j->file + (size_t)n * qtype_row_bytes(j->qt, (size_t)j->k),
                           (size_t)j->k);
    for (int c = 0; c < j->k; c++) {
        float x = j->x[(size_t)i * (size_t)j->k + c];
        acc = bf16_fma(bf16_value(f32_to_bf16(w[c])), bf16_value(bf16_round(x)), acc);
        sum += (double)w[c] * (double)x;
        size += fabs((double)w[c] * (double)x);
    }
    before = j->y0[(size_t)i * j->ld + (size_t)n];
    if (j->add) acc = before + acc, sum += (double)before, size += fabs((double)before);
    float got = y[(size_t)i * j->ld + (size_t)n];
    /* an odd k ends in 0 * 0, which makes +0 of -0 */
    kt_true(t, f32_bits(acc) == f32_bits(got) || acc == got || (isnan(acc) && isnan(got)),
            "%s m=%d n=%d k=%d output %d, %d: %.9g expected, %.9g found", qtypes[j->qt].name, j->m,
            j->n, j->k, i, n, (double)acc, (double)got);
    /* two roundings of 2^-9 and the sum's own */
    if (!ordinary) return;
    kt_true(t, fabs(sum - (double)got) <= (0x1p-7 + j->k * 0x1p-24) * size,
            "%s m=%d n=%d k=%d output %d, %d: %.9g is far from %.9g", qtypes[j->qt].name, j->m,
            j->n, j->k, i, n, (double)got, sum);
}

static void check_shape(struct ktest *t, struct job j, int kind, bool small)
{
    job_init(t, &j, kind, small);
    float *want = fresh(t, &j), *got = fresh(t, &j);
    int cut = kt_int(t, 0, groups(&j));

    run(t->ref, &j, want, 0, groups(&j));
    run(t->got, &j, got, cut, groups(&j));
    run(t->got, &j, got, 0, cut);
    kt_equal(t, want, got, (size_t)j.m * j.ld, "%s m=%d n=%d k=%d add=%d kind %d cut at %d",
             qtypes[j.qt].name, j.m, j.n, j.k, j.add, kind, cut);
    check_row(t, &j, want);
    if (t->c) check_output(t, &j, want, kind == 0 && !small);
    kt_reset(t);
}

/*
 * The smallest normal number, 2^-126, less i 2^-156. With 24 bits the result's last one is 2^-150,
 * 64 of these: up to half of it, a tie, it rounds back to a normal number and stays; more is
 * flushed.
 */
static void check_tiny(struct ktest *t)
{
    enum { M = 64 };
    uint16_t w[R16][2];
    float x[M][2], y[M][R16];
    struct job j = { .m = M, .n = R16, .k = 2, .file = (uint8_t *)w, .qt = QT_BF16, .ld = R16 };
    void *packed = kt_in(t, bf16_bytes(M, 2));

    for (int r = 0; r < R16; r++)
        w[r][0] = f32_to_bf16(0x1p-63f), w[r][1] = f32_to_bf16(-0x1p-78f);
    for (int i = 0; i < M; i++)
        x[i][0] = 0x1p-63f, x[i][1] = (float)(i + 1) * 0x1p-78f;
    pack(t->ref, packed, x[0], M, 2);
    j.args = (struct matmul_args){
        .ld_y = R16, .w = pack_weights(t, &j), .x = packed, .m = M, .k = 2, .n = R16
    };
    run(t->got, &j, y[0], 0, 1);
    for (int i = 0; i < M; i++)
        kt_true(t, y[i][i % R16] == (i + 1 <= 32 ? 0x1p-126f : 0), "2^-126 - %d 2^-156 became %a",
                i + 1, (double)y[i][i % R16]);
    kt_reset(t);
}

/* Flushing to zero must end with the kernel that asks for it. */
static void check_subnormals_live(struct ktest *t)
{
    volatile float tiny = 0x1p-126f, half = 0.5f;

    kt_true(t, tiny * half > 0, "the kernel left flushing to zero on");
}

static void bench_call(void *arg)
{
    struct job *j = arg;
    j->kernels->matmul_bf16(&j->args);
}

static void bench_shape(struct ktest *t, int m, int n, int k)
{
    struct job j = { .qt = QT_BF16, .m = m, .n = R16, .k = k, .kernels = t->got };
    size_t ng = (size_t)(n + R16 - 1) / R16, group = bf16_group_bytes(k);
    size_t huge = (size_t)2 << 20, room = (group * ng + huge - 1) / huge * huge;
    uint8_t *w = aligned_alloc(huge, room);

    if (!w) return;
    job_init(t, &j, 0, false);
    for (size_t g = 0; g < ng; g++)
        memcpy(w + g * group, j.args.w, group);
    j.args.y = kt_out(t, (size_t)m * (size_t)n);
    j.args.ld_y = (size_t)n;
    j.args.w = w;
    j.args.n = n;
    j.args.g1 = (int)ng;
    j.args.add = 0;
    struct kt_speed s = { bench_call, &j, (double)(group * ng), (double)m * n * k };
    kt_bench(t, &s, "m=%-3d n=%-6d k=%-4d", m, n, k);
    free(w);
    kt_reset(t);
}

void test_matmul_bf16(struct ktest *t)
{
    static const int ns[] = { 1, 15, 16, 17, 33, 48, 100 };
    static const enum qtype types[] = { QT_F32, QT_F16, QT_BF16 };
    static const int shapes[][3] = { { 1, 1536, 1536 },  { 1, 65536, 1536 }, { 4, 1536, 1536 },
                                     { 8, 1536, 1536 },  { 32, 1536, 1536 }, { 512, 576, 576 },
                                     { 512, 1536, 576 }, { 512, 576, 1536 } };

    for (size_t q = 0; q < COUNT(types); q++) {
        if (!kt_type(t, types[q])) continue;
        for (int m = 1; m <= 33; m++)
            for (size_t i = 0; i < COUNT(ns); i++) {
                struct job j = { .qt = types[q], .m = m, .n = ns[i], .k = kt_int(t, 1, 200) };
                check_shape(t, j, kt_int(t, 0, WEIGHTS_KINDS - 1), i % 3 == 0);
            }
        struct job j = { .qt = types[q], .m = 67, .n = 65, .k = 1536 };
        check_shape(t, j, 0, false);
    }
    check_tiny(t);
    check_subnormals_live(t);
    for (size_t i = 0; t->bench && i < COUNT(shapes); i++)
        if (!t->c || shapes[i][0] < 4) bench_shape(t, shapes[i][0], shapes[i][1], shapes[i][2]);
}
