/* SPDX-License-Identifier: MIT */
/*
 * packed.h - how packed weights and packed activations lie in memory.
 *
 * For pack.c and the matrix kernels only. pack.c draws the weights; the
 * activations are drawn here.
 *
 * Activations of m rows are cut into tiles of Q8_TILE rows; the last tile is as
 * narrow as what is left, so that one row alone is contiguous. A tile of T rows
 * holds, for each 32 k, 56 T bytes:
 *
 *     int8  x[8][T][4]   x[j][t] = the quantised values k = 4j .. 4j+3 of row t
 *     f32   sx[T]        their scale
 *     int32 neg[2][T]    -(sum of all 32), -(sum of the first 16)
 *     f32   sum[T]       (float)(sum of all 32) * sx
 *     int8  far[T][4]    a far value: what word far_word has besides, in units of FAR_STEP
 *     int32 far_word[T]  0..7; 0 and zeros in far: the block has no far value
 *
 * A far value is one that stands alone, at least eight times as large as any other of its block.
 * It would cost all others three bits; so the scale is made for the others, and it has two codes,
 * one of them in far. The sums above count both. Four values of one row are one broadcast: a kernel
 * multiplies them with the same four k of 16 weight rows. neg, shifted by the zero point, is where
 * an integer sum of (code - zero) * x starts.
 *
 * As bf16 a tile is one word of 32 bits for each pair of k: [(k + 1) / 2][T], the earlier of the
 * two in the high half. pack_bf16.c draws the weights that go with them.
 */
#ifndef KERNELS_PACKED_H
#define KERNELS_PACKED_H

#include <stdint.h>
#include <string.h>

#include "kernels/matmul.h"

/* What lies behind the codes of a block of 16 rows x 32 k, and before 8 blocks of a K type. */
enum packed_scales {
    SCALES_F16,        /* f16 d[16]                                                   */
    SCALES_F16_MIN,    /* f16 d[16], f16 m[16]                                        */
    SCALES_K_MIN,      /* u8 s[16], u8 t[16]; before: f16 d[16], f16 e[16]; d*s, -e*t */
    SCALES_K_HALF,     /* i8 s[2][16] of 16 k each; before: f16 d[16]; d*s            */
    SCALES_K_HALF_MIN, /* u8 s[2][16] of 16 k each: scale in the low nibble, minimum in the high
                          one; before: f16 d[16], f16 e[16]; d*s, -e*t */
    SCALES_K,          /* i8 s[16]; before: f16 d[16]; d*s                            */
    SCALES_E8M0,       /* u8 e[16]: half of the OCP MX scale, 2^(e - 128)             */
};

/*
 * Where a code is no number but an index: bits 0-3 are the bits stored, the rest says which table.
 * A code of plain bits is its own enum value.
 */
enum packed_codes {
    CODES_IQ4 = 0x104,  /* IQ4_NL, IQ4_XS */
    CODES_E2M1 = 0x204, /* MXFP4          */
};

/* The tables: values plus the zero point, so that they are unsigned. E2M1 is doubled. */
static const uint8_t packed_values[][16] = {
    [CODES_IQ4 >> 8] = { 1, 24, 45, 63, 79, 93, 106, 118, 129, 141, 153, 166, 181, 197, 217, 241 },
    [CODES_E2M1 >> 8] = { 16, 17, 18, 19, 20, 22, 24, 28, 16, 15, 14, 13, 12, 10, 8, 4 },
};

enum {
    BLOCK_K = 32, /* k in a block             */
    SUPER_K = 8,  /* blocks in a K superblock */

    /* Offsets in a block of packed activations, in units of T bytes. */
    Q8_SX = 32,
    Q8_NEG = 36,
    Q8_NEG_HALF = 40,
    Q8_SUM = 44,
    Q8_FAR = 48,
    Q8_FAR_WORD = 52,
    Q8_BLOCK = 56,

    FAR_SHIFT = 7,
    FAR_STEP = 1 << FAR_SHIFT,
};

/* The share of a far value that no other value of its block exceeds, and the least share of it that
 * the scale must reach, so that its code in far is at most 127. */
#define FAR_SHARE 0.125f
#define FAR_REACH (1.0f / FAR_STEP)

/* Left to itself gcc makes calls of some of these, in the innermost loop. */
#define PACKED_INLINE static inline __attribute__((always_inline))

/* A layout: constant at every call, so that everything below folds. */
struct packed {
    int bits;
    enum packed_scales scales;
    int zero_log2;
};

/* Bits that a code takes in memory. */
PACKED_INLINE int packed_bits(struct packed p)
{
    return p.bits & 15;
}

/* Bits of what meets the activations. */
PACKED_INLINE int packed_value_bits(struct packed p)
{
    return p.bits == CODES_IQ4 ? 8 : p.bits == CODES_E2M1 ? 5 : p.bits;
}

PACKED_INLINE int packed_code_bytes(struct packed p)
{
    return packed_bits(p) * 64;
}

PACKED_INLINE int packed_scale_bytes(enum packed_scales s)
{
    return s == SCALES_F16_MIN ? 64 : s == SCALES_K || s == SCALES_E8M0 ? 16 : 32;
}

PACKED_INLINE int packed_head_bytes(enum packed_scales s)
{
    return s == SCALES_K_MIN || s == SCALES_K_HALF_MIN ? 64
           : s == SCALES_K_HALF || s == SCALES_K       ? 32
                                                       : 0;
}

PACKED_INLINE int packed_is_k(enum packed_scales s)
{
    return packed_head_bytes(s) != 0;
}

/* Do the two halves of a block have scales of their own? */
PACKED_INLINE int packed_halves(struct packed p)
{
    return p.scales == SCALES_K_HALF || p.scales == SCALES_K_HALF_MIN;
}

/* Bytes of one block, the head not counted. */
PACKED_INLINE int packed_block_bytes(struct packed p)
{
    return packed_code_bytes(p) + packed_scale_bytes(p.scales);
}

PACKED_INLINE int packed_super_bytes(struct packed p)
{
    return packed_head_bytes(p.scales) + SUPER_K * packed_block_bytes(p);
}

/* Bytes of n_block blocks of one group, heads included. */
PACKED_INLINE size_t packed_bytes(struct packed p, int n_block)
{
    if (packed_is_k(p.scales)) return (size_t)(n_block / SUPER_K) * (size_t)packed_super_bytes(p);
    return (size_t)n_block * (size_t)packed_block_bytes(p);
}

/* Block b of the group at w, and the head that belongs to it. */
PACKED_INLINE const uint8_t *packed_block(struct packed p, const uint8_t *w, int b)
{
    if (!packed_is_k(p.scales)) return w + (size_t)b * (size_t)packed_block_bytes(p);
    return w + (size_t)((unsigned)b / SUPER_K) * (size_t)packed_super_bytes(p) +
           packed_head_bytes(p.scales) + (unsigned)b % SUPER_K * (unsigned)packed_block_bytes(p);
}

PACKED_INLINE const uint8_t *packed_head(struct packed p, const uint8_t *w, int b)
{
    return w + (size_t)((unsigned)b / SUPER_K) * (size_t)packed_super_bytes(p);
}

/* Rows of the tile that starts at row t0 of m. */
static inline int q8_tile_rows(int m, int t0)
{
    return m - t0 < Q8_TILE ? m - t0 : Q8_TILE;
}

/* Where the tile that starts at row t0 lies: every row before it takes the same room. */
static inline size_t q8_tile_offset(int t0, int k)
{
    return (size_t)t0 * (size_t)(k / BLOCK_K) * Q8_BLOCK;
}

static inline size_t bf16_tile_offset(int t0, int k)
{
    return (size_t)t0 * (size_t)((k + 1) / 2) * sizeof(uint32_t);
}

struct kernels;
void kernels_fill_pack(struct kernels *k);      /* pack[] of every row of packed.def      */
void kernels_fill_pack_wide(struct kernels *k); /* pack[] of every row of packed_wide.def */
void kernels_fill_pack_bf16(struct kernels *k); /* pack_bf16[] of the same                */

#endif
