/* SPDX-License-Identifier: MIT */
/*
 * matmul.c - packed weights x int8 activations, packed floats x f32 ones.
 *
 * Every packed type: the bits of the C reference for many shapes; the same bits
 * for any number of rows and any split of the groups; and of the reference
 * itself, closeness to double arithmetic on dequantised weights. Packed floats
 * must have the bits of matmul_f32 on the file's weights.
 */
#include <math.h>
#include <stdlib.h>

#include "base/f16.h"
#include "kernels/packed.h"
#include "weights.h"

/* One multiplication: weights in the file's blocks and packed, rows of x packed. */
struct job {
    enum qtype qt;
    int m, n, k, add;
    uint8_t *file, *w;
    void *x;   /* packed int8; float types: f32 [m][k] */
    float *y0; /* what y holds before, [m][ld] */
    size_t ld;
    const struct kernels *kernels;
    struct matmul_args args; /* for benchmarks */
};

/* f32 rows as the job's kernel reads them. */
static void *activations(struct ktest *t, const struct job *j, float *x)
{
    uint8_t *q8;

    if (packed_wide(j->qt)) return x;
    q8 = kt_in(t, q8_bytes(j->m, j->k));
    q8_pack_all(t->ref, q8, x, j->m, j->k);
    return q8;
}

static void job_init(struct ktest *t, struct job *j, int kind)
{
    float *x = kind == 2 ? kt_f32_hard(t, (size_t)j->m * (size_t)j->k)
                         : kt_f32(t, (size_t)j->m * (size_t)j->k);

    if (kind == 2 && j->m % 2) q8_edges(t, x, (size_t)j->m * (size_t)j->k);
    /* codes of +-127; then some with the largest far value beside them */
    if (kind == 3)
        for (int i = 0; i < j->m * j->k; i++)
            x[i] = x[i] < 0 ? -1.0f : 1.0f;
    for (int i = kt_int(t, 0, 31); kind == 3 && i < j->m * j->k; i += 32 * kt_int(t, 1, 3))
        x[i] *= 128;
    for (int i = 0; kind < 2 && i < j->m * j->k; i += 29) /* far values; or two, which are none */
        x[i] *= 40;
    j->ld = (size_t)j->n + (size_t)kt_int(t, 0, 5);
    j->file = weights_make(t, j->qt, j->n, j->k, kind);
    j->w = weights_pack(t, j->qt, j->file, j->n, j->k);
    j->x = activations(t, j, x);
    j->y0 = kt_f32(t, (size_t)j->m * j->ld);
    j->add = kt_int(t, 0, 1);
}

/* Between canaries for some jobs; for the others what is there already: most of a run would be
 * spent on fresh pages. */
static void *scratch_for(struct ktest *t, const struct job *j)
{
    static void *kept;
    static size_t room;
    size_t n = (MATMUL_SCRATCH(j->k) + 63) / 64 * 64;

    if (j->m % 8 == 1) return kt_out_bytes(t, MATMUL_SCRATCH(j->k));
    if (n > room) {
        free(kept);
        kept = aligned_alloc(64, n);
        room = kept ? n : 0;
    }
    return kept ? kept : kt_out_bytes(t, MATMUL_SCRATCH(j->k));
}

/* y = job on groups [g0, g1); y is not prepared. */
static void run(struct ktest *t, const struct kernels *k, const struct job *j, float *y, int g0,
                int g1)
{
    struct matmul_args a = { .y = y,
                             .ld_y = j->ld,
                             .w = j->w,
                             .x = j->x,
                             .m = j->m,
                             .k = j->k,
                             .n = j->n,
                             .g0 = g0,
                             .g1 = g1,
                             .add = j->add,
                             .ahead = g0 % 2 * MATMUL_AHEAD,
                             .next = kt_int(t, 0, 1) ? j->w : NULL };

    a.scratch = scratch_for(t, j);
    k->matmul[j->qt](&a);
}

static int groups(const struct job *j)
{
    return (j->n + R16 - 1) / R16;
}

/* A new y, holding y0. */
static float *fresh(struct ktest *t, const struct job *j)
{
    float *y = kt_out(t, (size_t)j->m * j->ld);
    memcpy(y, j->y0, (size_t)j->m * j->ld * sizeof(*y));
    return y;
}

/* --- the checks --- */

static void check_bits(struct ktest *t, const struct job *j, const float *want)
{
    float *got = fresh(t, j);

    run(t, t->got, j, got, 0, groups(j));
    kt_equal(t, want, got, (size_t)j->m * j->ld, "%s m=%d n=%d k=%d add=%d", qtypes[j->qt].name,
             j->m, j->n, j->k, j->add);
}

/* Two cuts, in an order that no worker would take. */
static void check_split(struct ktest *t, const struct job *j, const float *want)
{
    int n = groups(j), a = kt_int(t, 0, n), b = kt_int(t, a, n);
    float *got = fresh(t, j);

    run(t, t->got, j, got, b, n);
    run(t, t->got, j, got, 0, a);
    run(t, t->got, j, got, a, b);
    kt_equal(t, want, got, (size_t)j->m * j->ld, "%s m=%d n=%d k=%d groups cut at %d, %d",
             qtypes[j->qt].name, j->m, j->n, j->k, a, b);
}

/* Activations of rows [i0, i1) alone, made from the packed rows so that no rounding differs. */
static void *some_rows(struct ktest *t, const struct job *j, int i0, int i1)
{
    size_t row = (size_t)j->k * sizeof(float), n = (size_t)(i1 - i0);
    const uint8_t *all = j->x;

    if (packed_wide(j->qt)) return memcpy(kt_in(t, n * row), all + (size_t)i0 * row, n * row);
    uint8_t *x = kt_in(t, q8_bytes(i1 - i0, j->k));
    for (int i = i0; i < i1; i++) {
        int from0 = i - i % Q8_TILE, from_rows = q8_tile_rows(j->m, from0);
        int to0 = (i - i0) - (i - i0) % Q8_TILE, to_rows = q8_tile_rows(i1 - i0, to0);
        for (int b = 0; b < j->k / BLOCK_K; b++)
            for (int word = 0; word < Q8_BLOCK / 4; word++)
                memcpy(x + q8_tile_offset(to0, j->k) + (size_t)b * (size_t)(Q8_BLOCK * to_rows) +
                           (word * to_rows + i - i0 - to0) * 4,
                       all + q8_tile_offset(from0, j->k) +
                           (size_t)b * (size_t)(Q8_BLOCK * from_rows) +
                           (word * from_rows + i - from0) * 4,
                       4);
    }
    return x;
}

/* Any run of rows computed without the others gives what it gave among them. */
static void check_rows(struct ktest *t, const struct job *all, const float *want)
{
    int n = kt_int(t, 1, all->m < 9 ? all->m : 9), i0 = kt_int(t, 0, all->m - n);
    struct job j = *all;

    j.m = n;
    j.x = some_rows(t, all, i0, i0 + n);
    j.y0 = all->y0 + (size_t)i0 * all->ld;
    float *got = fresh(t, &j);
    run(t, t->got, &j, got, 0, groups(&j));
    kt_equal(t, want + (size_t)i0 * all->ld, got, (size_t)n * all->ld,
             "%s rows %d..%d of %d, n=%d k=%d", qtypes[j.qt].name, i0, i0 + n, all->m, all->n,
             all->k);
}

/* Activation c of row i. */
static double activation(const struct job *j, int i, int c)
{
    float sx;

    if (packed_wide(j->qt)) return (double)((const float *)j->x)[(size_t)i * (size_t)j->k + c];
    int q = q8_value(j->x, j->m, j->k, i, c, &sx);
    return (double)sx * q;
}

/* Sum of w x in double, and of |w x|, for row i of x and output n. */
static void exact(const struct job *j, const float *w, int i, double *sum, double *size)
{
    *sum = *size = 0;
    for (int c = 0; c < j->k; c++) {
        double x = activation(j, i, c);
        *sum += (double)w[c] * x;
        *size += fabs((double)w[c] * x);
    }
}

/*
 * The reference against double arithmetic on dequantised weights and the same
 * activations. With a minimum, code times d and the minimum may cancel in a
 * weight, so the bound grows by what was added before: up to 32 times.
 */
static void check_accuracy(struct ktest *t, const struct job *j, const float *y)
{
    float *w = kt_in(t, (size_t)j->k * sizeof(*w));
    double worst = 0, steps = packed_wide(j->qt) ? j->k : j->k / 16;

    for (int n = 0; n < j->n; n++) {
        t->ref->dequant[j->qt](w, j->file + (size_t)n * qtype_row_bytes(j->qt, (size_t)j->k),
                               (size_t)j->k);
        for (int i = 0; i < j->m; i++) {
            double sum, size, before = j->add ? (double)j->y0[(size_t)i * j->ld + (size_t)n] : 0;
            exact(j, w, i, &sum, &size);
            double bound = (steps + 4) * 0x1p-24 * (32 * size + fabs(before)) + 1e-37;
            worst = fmax(worst,
                         fabs((double)y[(size_t)i * j->ld + (size_t)n] - (sum + before)) / bound);
        }
    }
    kt_true(t, worst <= 1, "%s m=%d n=%d k=%d: error is %.2f of the bound", qtypes[j->qt].name,
            j->m, j->n, j->k, worst);
}

/* Packed floats: the chain of matmul_f32. */
static void check_unpacked(struct ktest *t, const struct job *j, const float *want)
{
    float *got = fresh(t, j);
    struct matmul_args a = { .y = got,
                             .ld_y = j->ld,
                             .w = j->file,
                             .x = j->x,
                             .m = j->m,
                             .k = j->k,
                             .n = j->n,
                             .g1 = groups(j),
                             .type = j->qt,
                             .dequant = t->ref->dequant[j->qt],
                             .add = j->add };

    t->ref->matmul_f32(&a);
    kt_equal(t, want, got, (size_t)j->m * j->ld, "%s m=%d n=%d k=%d add=%d against matmul_f32",
             qtypes[j->qt].name, j->m, j->n, j->k, j->add);
}

static void check_kind(struct ktest *t, struct job j, int kind)
{
    job_init(t, &j, kind);
    float *want = fresh(t, &j);
    run(t, t->ref, &j, want, 0, groups(&j));
    check_bits(t, &j, want);
    check_split(t, &j, want);
    check_rows(t, &j, want);
    if (t->c && kind == 0) check_accuracy(t, &j, want);
    if (t->c && packed_wide(j.qt)) check_unpacked(t, &j, want);
    kt_reset(t);
}

static void check_shape(struct ktest *t, enum qtype qt, int m, int n, int k)
{
    for (int kind = 0; kind < WEIGHTS_KINDS; kind++)
        check_kind(t, (struct job){ .qt = qt, .m = m, .n = n, .k = k }, kind);
}

/* --- speed --- */

static void bench_call(void *arg)
{
    struct job *j = arg;
    j->kernels->matmul[j->qt](&j->args);
}

static void bench_shape(struct ktest *t, enum qtype qt, int m, int n, int k)
{
    struct job j = { .qt = qt, .m = m, .n = n, .k = k, .kernels = t->got };
    int ng = (n + R16 - 1) / R16;
    double bytes = (double)packed_group_bytes(qt, k) * ng;

    j.ld = (size_t)n;
    j.file = weights_make(t, qt, R16, k, 0);
    uint8_t *one = weights_pack(t, qt, j.file, R16, k);
    /* as the engine keeps weights: aligned, and in large pages if the system has them */
    size_t huge = (size_t)2 << 20, room = ((size_t)bytes + huge - 1) / huge * huge;
    j.w = aligned_alloc(huge, room);
    if (!j.w) return;
    for (int g = 0; g < ng; g++)
        memcpy(j.w + (size_t)g * packed_group_bytes(qt, k), one, packed_group_bytes(qt, k));
    float *x = kt_f32(t, (size_t)m * (size_t)k);
    j.x = activations(t, &j, x);
    j.args = (struct matmul_args){ .y = kt_out(t, (size_t)m * (size_t)n),
                                   .ld_y = j.ld,
                                   .w = j.w,
                                   .x = j.x,
                                   .m = m,
                                   .k = k,
                                   .n = n,
                                   .g1 = ng,
                                   .ahead = MATMUL_AHEAD,
                                   .scratch = kt_out_bytes(t, MATMUL_SCRATCH(k)) };
    struct kt_speed s = { bench_call, &j, bytes, (double)m * n * k };
    kt_bench(t, &s, "%-5s m=%-3d n=%-6d k=%-4d", qtypes[qt].name, m, n, k);
    free(j.w);
    kt_reset(t);
}

static void bench_pack(void *arg)
{
    struct job *j = arg;
    j->kernels->pack[j->qt](j->w, j->file, R16, j->k);
}

/* Decode from L2 and from memory, a few rows, prefill; shapes of a small model. */
static void bench(struct ktest *t, enum qtype qt)
{
    static const int shapes[][3] = { { 1, 1536, 1536 },  { 1, 65536, 1536 }, { 4, 1536, 1536 },
                                     { 8, 1536, 1536 },  { 32, 1536, 1536 }, { 512, 576, 576 },
                                     { 512, 1536, 576 }, { 512, 576, 1536 } };

    for (size_t i = 0; i < COUNT(shapes); i++)
        if (!t->c || shapes[i][0] < 32)
            bench_shape(t, qt, shapes[i][0], shapes[i][1],
                        shapes[i][2] - shapes[i][2] % (int)qtypes[qt].block);
}

/* Every number of rows to 33 by two shapes of many, then more rows than any block of a kernel. */
void test_matmul(struct ktest *t)
{
    static const int ms[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 16, 17, 24, 31, 48, 67, 205 };
    static const int ns[] = { 1, 15, 16, 17, 33, 48, 100 };

    for (int qt = 0; qt < QT_COUNT; qt++) {
        int block = (int)qtypes[qt].block;
        if (!t->got->matmul[qt] || !kt_type(t, (enum qtype)qt)) continue;
        for (size_t i = 0; i < COUNT(ms); i++)
            for (size_t n = 0; n < COUNT(ns); n++)
                if (ms[i] < 100 || n == 4)
                    check_shape(t, (enum qtype)qt, ms[i], ns[n],
                                block * kt_int(t, 1, 640 / block + 1));
        for (int m = 1; m <= 33; m++) {
            struct job j = { .qt = (enum qtype)qt, .m = m, .n = 40, .k = 256 };
            check_kind(t, j, m % WEIGHTS_KINDS);
            j.n = 300, j.k += 256 % block ? 0 : block;
            check_kind(t, j, (m + 1) % WEIGHTS_KINDS);
        }
        /* a long k, which goes through panels in parts, and more rows than wait in between */
        struct job j = { .qt = (enum qtype)qt, .m = 67, .n = 65, .k = 1536 };
        check_kind(t, j, 0);
        j.m = 275, j.n = 49, j.k = 768 + 256 * kt_int(t, 0, 1);
        check_kind(t, j, 1);
        if (t->bench) bench(t, (enum qtype)qt);
    }
}

void test_pack(struct ktest *t)
{
    for (int qt = 0; qt < QT_COUNT; qt++) {
        int k = 1536;
        kt_true(t,
                (packed_group_bytes((enum qtype)qt, k) != 0) == (t->ref->pack[qt] != NULL) &&
                    (t->ref->pack[qt] != NULL) == (t->ref->matmul[qt] != NULL),
                "%s: size, pack and matmul disagree whether there is a layout", qtypes[qt].name);
        if (!t->got->pack[qt] || !kt_type(t, (enum qtype)qt)) continue;
        kt_true(t,
                qtypes[qt].block == 1 ||
                    packed_group_bytes((enum qtype)qt, (int)qtypes[qt].block + 16) == 0,
                "%s: a width that is no multiple of the block was accepted", qtypes[qt].name);
        struct job j = { .qt = (enum qtype)qt, .k = k, .kernels = t->got };
        j.file = weights_make(t, j.qt, R16, k, 1);
        j.w = kt_out_bytes(t, packed_group_bytes(j.qt, k));
        t->got->pack[qt](j.w, j.file, R16, k);
        t->got->pack[qt](j.w, j.file, 3, k);
        struct kt_speed s = { bench_pack, &j, (double)qtype_row_bytes(j.qt, (size_t)k) * R16, 0 };
        if (t->bench) kt_bench(t, &s, "%-5s", qtypes[qt].name);
        kt_reset(t);
    }
}
