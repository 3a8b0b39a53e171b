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
    check_far(t);
    for (int m = 1; t->bench && m <= 512; m *= 512) {
        struct pack_job j = { t->got, kt_out_bytes(t, q8_bytes(m, 1536)),
                              kt_f32(t, (size_t)m * 1536), m, 1536 };
        struct kt_speed s = { pack_all, &j, 4.0 * m * 1536, 0 };
        kt_bench(t, &s, "m=%-3d k=1536", m);
    }
}
