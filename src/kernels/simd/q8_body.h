/* SPDX-License-Identifier: MIT */
/*
 * q8_body.h - int8 activations in sixteen lanes: c/q8.c, two vectors to a block.
 *
 * Included once in each instruction set's folder. The largest absolute value is
 * the same in any order, and everything else is per element, so the bits follow.
 * Clamping maps a NaN to -127 as in C, because v16_max(a, b) gives b if a is NaN.
 */
#include "kernels/packed.h"
#include "kernels/simd/q16.h"
#include "kernels/simd/simd.h"

/* Sixteen codes as bytes to q; minus their sum. */
V16_INLINE int32_t quantise(int8_t *q, v16 x, v16 inv)
{
    v16 v = v16_mul(x, inv);

    v = v16_min(v16_max(v, v16_set(-127.0f)), v16_set(127.0f));
    return -q16_store_i8(q, v);
}

/* One block of row t of a tile of `rows` rows; dst is the tile's block. */
V16_INLINE void pack_block(uint8_t *dst, int rows, int t, const float *x)
{
    v16 x0 = v16_load(x), x1 = v16_load(x + 16), zero = v16_set(0);
    float amax = v16_largest(v16_max(v16_abs(x0), v16_max(v16_abs(x1), zero)));
    float inv, sx = amax / 127.0f, sum;
    int32_t neg = 0, neg_half = 0;
    int8_t q[BLOCK_K] = { 0 };

    if (amax >= 0x1p-100f) {
        inv = 127.0f / amax;
        if (inv > 0) {
            neg_half = quantise(q, x0, v16_set(inv));
            neg = neg_half + quantise(q + 16, x1, v16_set(inv));
        }
    }
    sum = (float)-neg * sx;
    V16_UNROLL for (int j = 0; j < 8; j++) memcpy(dst + (j * rows + t) * 4, q + 4 * j, 4);
    memcpy(dst + Q8_SX * rows + 4 * t, &sx, 4);
    memcpy(dst + Q8_NEG * rows + 4 * t, &neg, 4);
    memcpy(dst + Q8_NEG_HALF * rows + 4 * t, &neg_half, 4);
    memcpy(dst + Q8_SUM * rows + 4 * t, &sum, 4);
}

static void q8_pack(void *dst, const float *x, size_t ldx, int m, int k, int m0, int m1)
{
    for (int i = m0; i < m1; i++) {
        int t0 = i - i % Q8_TILE, rows = q8_tile_rows(m, t0);
        uint8_t *tile = (uint8_t *)dst + q8_tile_offset(t0, k);
        for (int b = 0; b < k / BLOCK_K; b++)
            pack_block(tile + (size_t)b * (size_t)(Q8_BLOCK * rows), rows, i - t0,
                       x + (size_t)i * ldx + (size_t)b * BLOCK_K);
    }
}

void V16_NAME(kernels_fill_q8)(struct kernels *k)
{
    k->q8_pack = q8_pack;
}
