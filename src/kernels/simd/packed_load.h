/* SPDX-License-Identifier: MIT */
/*
 * packed_load.h - packed weights into registers: one function per layout of bits and of scales.
 *
 * What a vector holds is drawn in pack.c. The layout is a constant at every
 * call, so each type gets only its own instructions. A panel is what many
 * activation rows read instead: codes widened to bytes and scales to f32, of a
 * few groups side by side.
 */
#ifndef KERNELS_SIMD_PACKED_LOAD_H
#define KERNELS_SIMD_PACKED_LOAD_H

#include "kernels/packed.h"
#include "kernels/simd/q16.h"

static inline int has_min(struct packed p)
{
    return p.scales == SCALES_F16_MIN || p.scales == SCALES_K_MIN || p.scales == SCALES_K_HALF_MIN;
}

/* Scales that a block has for one row: one or two d, then as many m if there are minima. */
static inline int n_scales(struct packed p)
{
    return (has_min(p) ? 2 : 1) * (packed_halves(p) ? 2 : 1);
}

/* --- packed weights: the four codes of word j of each row --- */

V16_INLINE q16 packed_codes(struct packed p, const uint8_t *block, int j)
{
    q16 low, high;

    if (packed_bits(p) == 8) return q16_load(block + 64 * j);
    if (packed_bits(p) <= 3) {
        low = q16_bits(q16_load(block + 64 * (j / 4)), j % 4 * -2, 3);
        if (packed_bits(p) == 2) return low;
        return q16_or(low, q16_bits(q16_load(block + 128), 2 - j, 4));
    }
    low = q16_bits(q16_load(block + 64 * (j / 2)), j % 2 ? -4 : 0, 15);
    if (packed_bits(p) == 5) {
        high = q16_bits(q16_load(block + 256), 4 - j, 0x10);
        return q16_or(low, high);
    }
    if (packed_bits(p) == 6) {
        high = q16_bits(q16_load(block + 256 + 64 * (j / 4)), 4 - j % 4 * 2, 0x30);
        return q16_or(low, high);
    }
    return p.bits == packed_bits(p) ? low : q16_lookup(packed_values[p.bits >> 8], low);
}

/*
 * Scale number i of the 16 rows: d, the second half's d, then m. Products are exact. The minima of
 * Q2_K come without their minus: they meet negative sums.
 */
V16_INLINE v16 packed_scale(struct packed p, const uint8_t *w, int b, int i)
{
    const uint8_t *s = packed_block(p, w, b) + packed_code_bytes(p);
    const uint8_t *head = packed_head(p, w, b);

    switch (p.scales) {
    case SCALES_K_MIN: {
        v16 d = v16_load_f16((const void *)(head + 32 * i));
        return v16_mul(i ? v16_neg(d) : d, v16_load_u8(s + 16 * i));
    }
    case SCALES_K_HALF_MIN:
        return v16_mul(v16_load_f16((const void *)(head + 32 * (i / 2))),
                       v16_load_u4(s + 16 * (i % 2), i / 2 * 4));
    case SCALES_K_HALF:
    case SCALES_K:
        return v16_mul(v16_load_f16((const void *)head), v16_load_i8(s + 16 * i));
    case SCALES_E8M0:
        return v16_load_e8m0(s);
    default:
        return v16_load_f16((const void *)(s + 32 * i));
    }
}

/* --- panel: per block codes [8][groups][64], then scales [n_scales][groups][16] f32 --- */

static inline size_t panel_block_bytes(struct packed p, int groups)
{
    return (size_t)groups * (512 + 64 * (size_t)n_scales(p));
}

/* Block b of a panel: the codes of word j of group g. */
V16_INLINE q16 panel_codes(struct packed p, const uint8_t *panel, int b, int groups, int g, int j)
{
    return q16_load(panel + (size_t)b * panel_block_bytes(p, groups) + 64 * (j * groups + g));
}

/* Block b of a panel: scale number i of group g. */
V16_INLINE v16 panel_scale(struct packed p, const uint8_t *panel, int b, int groups, int g, int i)
{
    return v16_load((const void *)(panel + (size_t)b * panel_block_bytes(p, groups) + 512 * groups +
                                   64 * (i * groups + g)));
}

/* Blocks [b0, b1) of Q16_PANEL groups at w, group_bytes apart; the panel is 64-byte aligned. */
V16_INLINE void panel_fill(uint8_t *panel, struct packed p, const uint8_t *w, size_t group_bytes,
                           int b0, int b1)
{
    const int groups = Q16_PANEL;

    for (int b = b0; b < b1; b++) {
        uint8_t *out = panel + (size_t)(b - b0) * panel_block_bytes(p, groups);
        for (int g = 0; g < groups; g++) {
            const uint8_t *from = w + (size_t)g * group_bytes;
            const uint8_t *block = packed_block(p, from, b);
            V16_UNROLL
            for (int j = 0; j < 8; j++)
                q16_store(out + 64 * (j * groups + g), packed_codes(p, block, j));
            V16_UNROLL
            for (int i = 0; i < n_scales(p); i++)
                v16_store((float *)(void *)(out + 512 * groups + 64 * (i * groups + g)),
                          packed_scale(p, from, b, i));
        }
    }
}

#endif
