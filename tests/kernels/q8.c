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
        int t0 = i - i % Q8_TILE, rows = q8_tile_rows(m, t0);
        for (int c = 0; c < k; c++) {
            const uint8_t *b =
                packed + q8_tile_offset(t0, k) + (size_t)(c / BLOCK_K) * (size_t)(Q8_BLOCK * rows);
            int q = (int8_t)b[(c % BLOCK_K / 4 * rows + i - t0) * 4 + c % 4];
            float sx;
            memcpy(&sx, b + Q8_SX * rows + 4 * (i - t0), 4);
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

void test_q8_pack(struct ktest *t)
{
    static const int ms[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 17, 33 };
    static const int ks[] = { 32, 64, 96, 576 };

    for (size_t i = 0; i < COUNT(ms); i++)
        for (size_t j = 0; j < COUNT(ks); j++)
            for (int kind = 0; kind < 3; kind++)
                check_shape(t, ms[i], ks[j], kind);
    for (int m = 1; t->bench && m <= 512; m *= 512) {
        struct pack_job j = { t->got, kt_out_bytes(t, q8_bytes(m, 1536)),
                              kt_f32(t, (size_t)m * 1536), m, 1536 };
        struct kt_speed s = { pack_all, &j, 4.0 * m * 1536, 0 };
        kt_bench(t, &s, "m=%-3d k=1536", m);
    }
}
