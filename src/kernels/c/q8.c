/* SPDX-License-Identifier: MIT */
/*
 * q8.c - int8 activations: the definition, to the last bit.
 *
 * For each 32 k of a row: amax = the largest |x| (NaNs do not count), scale
 * sx = reach / 127, q = x * (127 / reach) rounded to nearest even and clamped to
 * +-127 (a NaN becomes -127). reach is amax, unless exactly one |x| exceeds
 * amax * FAR_SHARE: then it is the largest |x| of the others, at least
 * amax * FAR_REACH, and the far value, not clamped, is q + FAR_STEP * far with q
 * in [-64, 63]. A block whose reach is below 2^-100 has codes of
 * zero: 127 / reach could overflow. An infinity makes sx infinite, hence the
 * results of that row not finite; nothing is undefined. A row's values depend on
 * that row alone. The layout is in packed.h.
 */
#include "kernels/c/c.h"
#include "kernels/packed.h"

/* Adding and taking away 1.5 * 2^23 rounds to the nearest integer, ties to even. */
static int round_q8(float v)
{
    v = v > -127.0f ? v : -127.0f;
    v = v < 127.0f ? v : 127.0f;
    return (int)(v + 0x1.8p23f - 0x1.8p23f);
}

/* The largest |x| of a block, number `but` left out (-1: none is). */
static float largest(const float *x, int but)
{
    float amax = 0;

    for (int i = 0; i < BLOCK_K; i++) {
        float a = __builtin_fabsf(x[i]);
        if (i != but && a > amax) amax = a;
    }
    return amax;
}

/* Which value of a block is a far one; -1: none. */
static int find_far(const float *x, float amax)
{
    int at = -1, n = 0;

    for (int i = 0; i < BLOCK_K; i++)
        if (__builtin_fabsf(x[i]) > amax * FAR_SHARE) at = i, n++;
    return n == 1 ? at : -1;
}

/* One block of row t of a tile of `rows` rows; dst is the tile's block. */
static void pack_block(uint8_t *dst, int rows, int t, const float *x)
{
    float amax = largest(x, -1), reach = amax, inv, sx, sum;
    int32_t neg = 0, neg_half = 0, far_word = 0;
    int8_t far_codes[4] = { 0 };
    int far = find_far(x, amax);

    if (far >= 0) {
        reach = largest(x, far);
        if (reach < amax * FAR_REACH) reach = amax * FAR_REACH;
    }
    sx = reach / 127.0f;
    inv = reach >= 0x1p-100f ? 127.0f / reach : 0.0f;
    for (int i = 0; i < BLOCK_K; i++) {
        int q = inv > 0 ? round_q8(x[i] * inv) : 0, high = 0;
        if (i == far && inv > 0) {
            q = (int)(x[i] * inv + 0x1.8p23f - 0x1.8p23f);
            high = (q + FAR_STEP / 2) >> FAR_SHIFT;
            far_word = i / 4;
            far_codes[i % 4] = (int8_t)high;
        }
        dst[(i / 4 * rows + t) * 4 + i % 4] = (uint8_t)(q - high * FAR_STEP);
        neg -= q;
        if (i < BLOCK_K / 2) neg_half -= q;
    }
    sum = (float)-neg * sx;
    memcpy(dst + Q8_SX * rows + 4 * t, &sx, 4);
    memcpy(dst + Q8_NEG * rows + 4 * t, &neg, 4);
    memcpy(dst + Q8_NEG_HALF * rows + 4 * t, &neg_half, 4);
    memcpy(dst + Q8_SUM * rows + 4 * t, &sum, 4);
    memcpy(dst + Q8_FAR * rows + 4 * t, far_codes, 4);
    memcpy(dst + Q8_FAR_WORD * rows + 4 * t, &far_word, 4);
}

static void q8_pack(const struct q8_pack_args *a)
{
    for (int i = a->m0; i < a->m1; i++) {
        int t0 = i - i % Q8_TILE, rows = q8_tile_rows(a->m, t0);
        uint8_t *tile = (uint8_t *)a->dst + q8_tile_offset(t0, a->k);
        for (int c = a->k0; c < a->k1; c += BLOCK_K)
            pack_block(tile + (size_t)(c / BLOCK_K) * (size_t)(Q8_BLOCK * rows), rows, i - t0,
                       a->x + (size_t)i * a->ldx + c);
    }
}

void kernels_fill_q8(struct kernels *k)
{
    k->q8_pack = q8_pack;
}
