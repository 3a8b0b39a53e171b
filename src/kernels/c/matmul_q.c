/* SPDX-License-Identifier: MIT */
/*
 * matmul_q.c - packed weights x int8 activations: the reference.
 *
 * The plain definition of matmul.h over the layouts of packed.h and pack.c: a
 * block of 16 rows x 32 k is decoded once, then used for every activation row.
 * Only the order of the f32 operations matters for the bits: one accumulator per
 * output, blocks ascending, halves of a block ascending, the minimum last.
 */
#include "base/f16.h"
#include "base/le.h"
#include "kernels/c/c.h"
#include "kernels/c/unpack.h"
#include "kernels/packed.h"

enum { SLAB = 64 }; /* activation rows whose accumulators are kept at once */

/* One block, decoded. d[0] serves the first 16 k, d[1] the others (the same unless
 * halves have scales of their own); m likewise. */
struct block {
    int16_t q[R16][BLOCK_K]; /* code - zero point */
    float d[2][R16], m[2][R16];
};

static int code(const uint8_t *p, struct packed layout, int r, int i)
{
    int j = i / 4, at = 4 * r + i % 4, bits = packed_bits(layout), q;

    if (bits == 8) return p[64 * j + at];
    if (bits <= 3) q = p[64 * (j / 4) + at] >> j % 4 * 2 & 3;
    else q = p[64 * (j / 2) + at] >> j % 2 * 4 & 15;
    if (bits == 3) q |= (p[128 + at] >> j & 1) << 2;
    if (bits == 5) q |= (p[256 + at] >> j & 1) << 4;
    if (bits == 6) q |= (p[256 + 64 * (j / 4) + at] >> j % 4 * 2 & 3) << 4;
    return layout.bits == bits ? q : packed_values[layout.bits >> 8][q];
}

static float f16_at(const uint8_t *p, int i)
{
    return f16_to_f32(le16(p + 2 * i));
}

/* The products of an f16 and a scale of at most 8 bits are exact. */
static void decode_scales(struct block *o, struct packed p, const uint8_t *s, const uint8_t *head)
{
    for (int r = 0; r < R16; r++) {
        float d =
            p.scales == SCALES_E8M0 ? e8m0_half(s[r]) : f16_at(packed_is_k(p.scales) ? head : s, r);
        if (p.scales == SCALES_K) d *= (float)(int8_t)s[r];
        if (p.scales == SCALES_K_MIN) d *= (float)s[r];
        o->d[0][r] = o->d[1][r] = d;
        if (p.scales == SCALES_F16_MIN) o->m[0][r] = f16_at(s + 32, r);
        if (p.scales == SCALES_K_MIN) o->m[0][r] = -(f16_at(head + 32, r) * (float)s[16 + r]);
        if (p.scales == SCALES_K_HALF) {
            o->d[0][r] = d * (float)(int8_t)s[r];
            o->d[1][r] = d * (float)(int8_t)s[16 + r];
        }
        for (int h = 0; p.scales == SCALES_K_HALF_MIN && h < 2; h++) {
            o->d[h][r] = d * (float)(s[16 * h + r] & 15);
            o->m[h][r] = f16_at(head + 32, r) * (float)(s[16 * h + r] >> 4);
        }
    }
}

static void decode(struct block *o, struct packed p, const uint8_t *w, int b)
{
    const uint8_t *src = packed_block(p, w, b);
    int zero = p.zero_log2 < 0 ? 0 : 1 << p.zero_log2;

    for (int r = 0; r < R16; r++)
        for (int i = 0; i < BLOCK_K; i++)
            o->q[r][i] = (int16_t)(code(src, p, r, i) - zero);
    decode_scales(o, p, src + packed_code_bytes(p), packed_head(p, w, b));
}

static int dot16(const int16_t *q, const int16_t *x)
{
    int sum = 0;

    for (int i = 0; i < 16; i++)
        sum += q[i] * x[i];
    return sum;
}

/* One activation row x 16 weight rows, one block. */
static void accumulate(float acc[R16], const struct block *w, struct packed p, const uint8_t *x,
                       int rows, int t)
{
    int16_t q[BLOCK_K];
    float sx, sum, neg[2];
    int32_t n, n0, far_word;

    for (int i = 0; i < BLOCK_K; i++)
        q[i] = (int8_t)x[(i / 4 * rows + t) * 4 + i % 4];
    memcpy(&far_word, x + Q8_FAR_WORD * rows + 4 * t, 4);
    for (int i = 0; i < 4; i++)
        q[4 * far_word + i] += (int16_t)(FAR_STEP * (int8_t)x[Q8_FAR * rows + 4 * t + i]);
    memcpy(&sx, x + Q8_SX * rows + 4 * t, 4);
    memcpy(&sum, x + Q8_SUM * rows + 4 * t, 4);
    memcpy(&n, x + Q8_NEG * rows + 4 * t, 4);
    memcpy(&n0, x + Q8_NEG_HALF * rows + 4 * t, 4);
    neg[0] = (float)n0 * sx;
    neg[1] = (float)(n - n0) * sx;
    for (int r = 0; r < R16; r++) {
        int lo = dot16(w->q[r], q), hi = dot16(w->q[r] + 16, q + 16);
        if (packed_halves(p)) {
            acc[r] = __builtin_fmaf((float)lo * sx, w->d[0][r], acc[r]);
            acc[r] = __builtin_fmaf((float)hi * sx, w->d[1][r], acc[r]);
        } else {
            acc[r] = __builtin_fmaf((float)(lo + hi) * sx, w->d[0][r], acc[r]);
        }
        if (p.scales == SCALES_F16_MIN || p.scales == SCALES_K_MIN)
            acc[r] = __builtin_fmaf(sum, w->m[0][r], acc[r]);
        for (int h = 0; p.scales == SCALES_K_HALF_MIN && h < 2; h++)
            acc[r] = __builtin_fmaf(neg[h], w->m[h][r], acc[r]);
    }
}

/* Rows [i0, i1) of x against group g. */
static void slab(const struct matmul_args *a, struct packed p, int g, int i0, int i1)
{
    const uint8_t *w = (const uint8_t *)a->w + (size_t)g * packed_bytes(p, a->k / BLOCK_K);
    int valid = a->n - g * R16 < R16 ? a->n - g * R16 : R16;
    float acc[SLAB][R16] = { { 0 } };
    struct block block;

    for (int b = 0; b < a->k / BLOCK_K; b++) {
        decode(&block, p, w, b);
        for (int i = i0; i < i1; i++) {
            int t0 = i - i % Q8_TILE, rows = q8_tile_rows(a->m, t0);
            const uint8_t *tile = (const uint8_t *)a->x + q8_tile_offset(t0, a->k);
            accumulate(acc[i - i0], &block, p, tile + (size_t)b * (size_t)(Q8_BLOCK * rows), rows,
                       i - t0);
        }
    }
    for (int i = i0; i < i1; i++) {
        float *y = a->y + (size_t)i * a->ld_y + (size_t)g * R16;
        for (int r = 0; r < valid; r++)
            y[r] = a->add ? y[r] + acc[i - i0][r] : acc[i - i0][r];
    }
}

static inline __attribute__((always_inline)) void matmul(const struct matmul_args *a,
                                                         struct packed p)
{
    for (int g = a->g0; g < a->g1; g++)
        for (int i = 0; i < a->m; i += SLAB)
            slab(a, p, g, i, i + SLAB < a->m ? i + SLAB : a->m);
}

#define PACKED(type, bits, scales, zero)                   \
    static void matmul_##type(const struct matmul_args *a) \
    {                                                      \
        matmul(a, (struct packed){ bits, scales, zero });  \
    }
#include "kernels/packed.def"
#undef PACKED

void kernels_fill_matmul(struct kernels *k)
{
#define PACKED(type, bits, scales, zero) k->matmul[QT_##type] = matmul_##type;
#include "kernels/packed.def"
#undef PACKED
}
