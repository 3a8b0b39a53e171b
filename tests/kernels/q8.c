/* SPDX-License-Identifier: MIT */
/* q8.c - int8 activations: the same bytes from every instruction set, and close to the input. */
#include <math.h>

#include "kernels/packed.h"
#include "weights.h"

struct pack_job {
    const struct kernels *k;
    void *dst;
    const float *x;
    int m, width;
};

void q8_pack_all(const struct kernels *k, void *dst, const float *x, int m, int width)
{
    struct q8_pack_args a = { dst, x, (size_t)width, m, width, 0, m, 0, width };
    k->q8_pack(&a);
}

int q8_value(const void *packed, int m, int k, int i, int c, float *sx)
{
    int t0 = i - i % Q8_TILE, rows = q8_tile_rows(m, t0), t = i - t0;
    const uint8_t *b = (const uint8_t *)packed + q8_tile_offset(t0, k) +
                       (size_t)(c / BLOCK_K) * (size_t)(Q8_BLOCK * rows);
    int q = (int8_t)b[(c % BLOCK_K / 4 * rows + t) * 4 + c % 4];
    int32_t far_word;

    memcpy(sx, b + Q8_SX * rows + 4 * t, 4);
    memcpy(&far_word, b + Q8_FAR_WORD * rows + 4 * t, 4);
    if (c % BLOCK_K / 4 == far_word) q += FAR_STEP * (int8_t)b[Q8_FAR * rows + 4 * t + c % 4];
    return q;
}

static void pack_all(void *arg)
{
    struct pack_job *j = arg;
    q8_pack_all(j->k, j->dst, j->x, j->m, j->width);
}

/* Every code times its scale is within half a step of the value it stands for. */
static void check_values(struct ktest *t, const uint8_t *packed, const float *x, int m, int k)
{
    double worst = 0;

    for (int i = 0; i < m; i++) {
        for (int c = 0; c < k; c++) {
            float sx;
            int q = q8_value(packed, m, k, i, c, &sx);
            if (sx < 0x1p-100f) continue;
            worst = fmax(worst, fabs((double)x[i * k + c] / (double)sx - q));
        }
    }
    kt_true(t, worst <= 0.5001, "m=%d k=%d: a code is %.4f steps off", m, k, worst);
}

static void put_odd(struct ktest *t, float *x, int n)
{
    static const float odd[] = { NAN, INFINITY, -INFINITY, 3.4e38f, -3.4e38f };

    for (int i = 0; i < 4; i++)
        x[kt_int(t, 0, n - 1)] = odd[kt_int(t, 0, COUNT(odd) - 1)];
}

static void check_shape(struct ktest *t, int m, int k, int kind)
{
    size_t n = (size_t)m * (size_t)k, bytes = q8_bytes(m, k);
    float *x = kind ? kt_f32_hard(t, n) : kt_f32(t, n);
    uint8_t *want = kt_out_bytes(t, bytes), *got = kt_out_bytes(t, bytes);
    int cut = kt_int(t, 0, m), cut_k = kt_int(t, 0, k / BLOCK_K) * BLOCK_K;
    struct q8_pack_args a = { got, x, (size_t)k, m, k, cut, m, 0, k };

    if (kind == 2) put_odd(t, x, (int)n);
    q8_pack_all(t->ref, want, x, m, k);
    t->got->q8_pack(&a);
    a.m0 = 0, a.m1 = cut, a.k0 = cut_k;
    t->got->q8_pack(&a);
    a.k0 = 0, a.k1 = cut_k;
    t->got->q8_pack(&a);
    kt_same(t, want, got, bytes, "m=%d k=%d kind=%d cut=%d, %d", m, k, kind, cut, cut_k);
    if (t->c && kind < 2) check_values(t, want, x, m, k);
    kt_reset(t);
}

/* --- blocks at the edges of the definition --- */

/* 2^e times a number below 1; e may lead out of what a float holds. */
static float scaled(struct ktest *t, int e)
{
    return ldexpf(kt_unit(t), e);
}

/* A value of the block that is `times` the largest of the others, a unit in the last place more, or
 * less. */
static void put_above(struct ktest *t, float *x, float times)
{
    float v = 0;

    for (int i = 0; i < BLOCK_K; i++)
        v = fmaxf(v, fabsf(x[i]));
    v *= times;
    int way = kt_int(t, -1, 1);
    if (way) v = nextafterf(v, way > 0 ? INFINITY : 0);
    x[kt_int(t, 0, BLOCK_K - 1)] = kt_int(t, 0, 1) ? v : -v;
}

/* Steps and half steps of a scale that is a power of two: every second one is a tie. */
static void put_ties(struct ktest *t, float *x)
{
    float step = ldexpf(1, kt_int(t, -20, 20));

    for (int i = 0; i < BLOCK_K; i++)
        x[i] = step * 0.5f * (float)kt_int(t, -253, 253);
    x[kt_int(t, 0, 15)] = 127 * step;
    x[kt_int(t, 16, 31)] = step * 0.5f * (float)kt_int(t, 2033, 2 * 127 * 129);
}

/* One block that somebody could have meant ill. */
static void put_edge(struct ktest *t, float *x)
{
    static const float times[] = { 8, 127, 128, 129, 7.9f, 0x1p30f, 1 };
    static const float odd[] = { NAN,       -NAN,           INFINITY,
                                 -INFINITY, 3.40282347e38f, -3.40282347e38f,
                                 -0.0f,     0x1p-100f,      0x1p-93f,
                                 1e-45f };
    int e = kt_int(t, 0, 2) ? kt_int(t, -3, 3) : kt_int(t, -160, 128);

    for (int i = 0; i < BLOCK_K; i++)
        x[i] = scaled(t, e);
    switch (kt_int(t, 0, 7)) {
    case 0: /* zeros of both signs, and what is put among them */
        for (int i = 0; i < BLOCK_K; i++)
            x[i] = kt_int(t, 0, 1) ? 0.0f : -0.0f;
        break;
    case 1:
        put_ties(t, x);
        return;
    case 2: /* all alike, at the end of the codes */
        for (int i = 0; i < BLOCK_K; i++)
            x[i] = ldexpf(kt_int(t, 0, 1) ? 1 : -1, e);
        break;
    default:
        break;
    }
    for (int n = kt_int(t, 0, 3); n > 0; n--) {
        if (kt_int(t, 0, 1)) put_above(t, x, times[kt_int(t, 0, COUNT(times) - 1)]);
        else x[kt_int(t, 0, BLOCK_K - 1)] = odd[kt_int(t, 0, COUNT(odd) - 1)];
    }
}

void q8_edges(struct ktest *t, float *x, size_t n)
{
    for (size_t i = 0; i + BLOCK_K <= n; i += BLOCK_K)
        put_edge(t, x + i);
}

/* What the kernels rely on: sums of what is stored, codes that saturate nowhere. */
static void check_block(struct ktest *t, const uint8_t *b, int rows, int r)
{
    int32_t neg[2], word, sum = 0, half = 0;
    int least = 0, far = 0;

    memcpy(&neg[0], b + Q8_NEG * rows + 4 * r, 4);
    memcpy(&neg[1], b + Q8_NEG_HALF * rows + 4 * r, 4);
    memcpy(&word, b + Q8_FAR_WORD * rows + 4 * r, 4);
    for (int i = 0; i < BLOCK_K; i++) {
        int q = (int8_t)b[(i / 4 * rows + r) * 4 + i % 4];
        int high = i / 4 == word ? (int8_t)b[Q8_FAR * rows + 4 * r + i % 4] : 0;
        least = q < least ? q : least;
        least = high < least ? high : least;
        far += high != 0;
        sum -= q + FAR_STEP * high;
        if (i == 15) half = sum;
    }
    kt_true(t,
            least >= -127 && far <= 1 && word >= 0 && word < 8 && neg[0] == sum && neg[1] == half,
            "least code %d, %d far values in word %d, sums %d and %d, not %d and %d", least, far,
            word, neg[0], neg[1], sum, half);
}

static void check_edges(struct ktest *t, int m)
{
    enum { K = 256 };
    size_t n = (size_t)m * K, bytes = q8_bytes(m, K);
    float *x = kt_f32(t, n);
    uint8_t *want = kt_out_bytes(t, bytes), *got = kt_out_bytes(t, bytes);

    q8_edges(t, x, n);
    q8_pack_all(t->ref, want, x, m, K);
    q8_pack_all(t->got, got, x, m, K);
    for (int i = 0; i < m; i++) {
        int t0 = i - i % Q8_TILE, rows = q8_tile_rows(m, t0);
        for (int b = 0; t->c && b < K / BLOCK_K; b++)
            check_block(t, want + q8_tile_offset(t0, K) + (size_t)b * (size_t)(Q8_BLOCK * rows),
                        rows, i - t0);
    }
    /* sx and sum may be NaN, whose bits nobody promises: words are compared as f32 */
    kt_equal(t, (const float *)(const void *)want, (const float *)(const void *)got, bytes / 4,
             "edges, m=%d", m);
    kt_reset(t);
}

/* One value far above the others of its block leaves them their precision, by how much of it there
 * is; two of them are ordinary. */
static void check_far(struct ktest *t)
{
    static const float times[] = { 7.9f, 8.1f, 50, 127, 128, 1000, 1e9f };
    float *x = kt_in(t, 64 * sizeof(*x)), sx;
    uint8_t *packed = kt_out_bytes(t, q8_bytes(1, 64));

    for (size_t i = 0; i < COUNT(times); i++) {
        int at = kt_int(t, 0, 30);
        for (int c = 0; c < 64; c++)
            x[c] = c % 2 ? 1.0f : -0.5f;
        x[at] = -times[i], x[32 + at] = times[i], x[33 + at] = times[i];
        q8_pack_all(t->got, packed, x, 1, 64);
        int q = q8_value(packed, 1, 64, 0, at, &sx);
        float reach = i == 0 ? times[0] : times[i] / 128 > 1 ? times[i] / 128 : 1;
        kt_true(t, fabsf(sx - reach / 127) < 1e-5f * sx, "%g: scale %g", (double)times[i],
                (double)sx);
        kt_true(t, fabs((double)sx * q + (double)times[i]) <= 0.5001 * (double)sx, "%g: is %g",
                (double)times[i], (double)sx * q);
        q8_value(packed, 1, 64, 0, 32, &sx);
        kt_true(t, fabsf(sx - times[i] / 127) < 1e-5f * sx, "two of %g: scale %g", (double)times[i],
                (double)sx);
    }
    kt_reset(t);
}

void test_q8_pack(struct ktest *t)
{
    static const int ms[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 17, 33 };
    static const int ks[] = { 32, 64, 96, 576 };

    for (size_t i = 0; i < COUNT(ms); i++)
        for (size_t j = 0; j < COUNT(ks); j++)
            for (int kind = 0; kind < 3; kind++)
                check_shape(t, ms[i], ks[j], kind);
    for (int i = 0; i < 400; i++)
        check_edges(t, kt_int(t, 1, 17));
    check_far(t);
    for (int m = 1; t->bench && m <= 512; m *= 512) {
        struct pack_job j = { t->got, kt_out_bytes(t, q8_bytes(m, 1536)),
                              kt_f32(t, (size_t)m * 1536), m, 1536 };
        struct kt_speed s = { pack_all, &j, 4.0 * m * 1536, 0 };
        kt_bench(t, &s, "m=%-3d k=1536", m);
    }
}
