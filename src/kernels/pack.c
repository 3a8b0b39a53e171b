/* SPDX-License-Identifier: MIT */
/*
 * pack.c - from the file's blocks to groups of 16 interleaved rows (R16).
 *
 * A group holds 16 output rows; inside it blocks of 32 k ascend. The codes of a
 * block come first. A word is four consecutive k of one row, word j = k 4j..4j+3;
 * a vector of 64 bytes is one word of each of the 16 rows, so that one load feeds
 * 16 dot products of 4:
 *
 *     8 bits   vector j (0..7)     row 0: k 4j..4j+3 | row 1 | ... | row 15
 *
 *     4 bits   vector v (0..3)     low nibble of each byte: word 2v, high: word 2v+1
 *
 *     2 bits   two vectors of pairs of bits, h = 0, 1:
 *              bits 2p, 2p+1 of byte (row, i) belong to k 4(4h + p) + i
 *
 *     3 bits   the two of 2 bits, then one of third bits as in
 *
 *     5 bits   the 4 vectors of 4 bits, then one of fifth bits:
 *              bit j of byte (row, i) belongs to k 4j + i of the row
 *
 *     6 bits   the 4 vectors of 4 bits, then two of pairs of bits as above
 *
 * Behind the codes lie the scales of the 16 rows (packed.h, enum packed_scales).
 * K types have one f16 head before every 8 blocks, and their packed 6-bit scales
 * and minima are widened to a byte each: 2.8 % more bytes than the file for Q4_K,
 * 1.5 % for IQ4_XS, 3.6 % for Q3_K, none for the 32-block types, Q2_K and Q6_K. Codes are unsigned;
 * signed ones are shifted by the zero point (Q8_0: code = q + 128). Missing rows of the last group
 * are zero bytes. The readers follow the GGUF tensor type definitions.
 *
 * Bits are moved four codes at a time in ordinary 32-bit words: loading is bound
 * by the disk, not by this.
 */
#include "base/le.h"
#include "kernels/c/unpack.h"
#include "kernels/kernels.h"
#include "kernels/packed.h"

#define INLINE static inline __attribute__((always_inline))

static const uint32_t nibbles = 0x0f0f0f0f, pairs = 0x03030303, ones = 0x01010101;

/* --- codes: the file's order -> eight words of four codes --- */

/* 16 bytes: codes 0-15 in the low nibbles, 16-31 in the high ones. */
INLINE void read_nibbles(uint32_t w[8], const uint8_t *qs)
{
    for (int j = 0; j < 4; j++) {
        uint32_t q = le32(qs + 4 * j);
        w[j] = q & nibbles;
        w[4 + j] = q >> 4 & nibbles;
    }
}

/* Block b of a K superblock: 32 bytes serve four blocks, the lowest pairs of bits first. */
INLINE void read_k_pairs(uint32_t w[8], const uint8_t *qs, int b)
{
    for (int j = 0; j < 8; j++)
        w[j] = le32(qs + b / 4 * 32 + 4 * j) >> b % 4 * 2 & pairs;
}

/* Bit i of a word is the fifth bit of code i; the product puts four bits into four bytes. */
INLINE void read_fifth_word(uint32_t w[8], uint32_t bits)
{
    for (int j = 0; j < 8; j++)
        w[j] |= ((bits >> 4 * j & 15) * 0x00204081u & ones) << 4;
}

INLINE void read_q8_0(uint32_t w[8], const uint8_t *qs)
{
    for (int j = 0; j < 8; j++)
        w[j] = le32(qs + 4 * j) ^ 0x80808080u;
}

/* Block b of a K superblock: 32 bytes serve blocks 2i (low nibbles) and 2i + 1. */
INLINE void read_k_nibbles(uint32_t w[8], const uint8_t *qs, int b)
{
    for (int j = 0; j < 8; j++)
        w[j] = le32(qs + b / 2 * 32 + 4 * j) >> (b & 1) * 4 & nibbles;
}

/* A further bit of each code, number `bit`: bit b of 32 bytes serves block b. */
INLINE void read_k_bit(uint32_t w[8], const uint8_t *qh, int b, int bit)
{
    for (int j = 0; j < 8; j++)
        w[j] |= (le32(qh + 4 * j) >> b & ones) << bit;
}

/* Q6_K: each half of 128 has 64 bytes of nibbles (32 bytes serve blocks c and c + 2) and 32 bytes
 * of pairs. */
INLINE void read_q6_k(uint32_t w[8], const uint8_t *ql, const uint8_t *qh, int b)
{
    int half = b / 4, c = b % 4;

    for (int j = 0; j < 8; j++) {
        uint32_t lo = le32(ql + 64 * half + c % 2 * 32 + 4 * j) >> c / 2 * 4 & nibbles;
        uint32_t hi = le32(qh + 32 * half + 4 * j) >> 2 * c & pairs;
        w[j] = lo | hi << 4;
    }
}

/* --- codes: eight words -> row r of the block's vectors --- */

INLINE void put_word(uint8_t *vector, int r, uint32_t w)
{
    memcpy(vector + 4 * r, &w, 4);
}

/* Two vectors of pairs of bits, those of codes >> shift. */
INLINE void put_pairs(uint8_t *vector, int r, const uint32_t w[8], int shift)
{
    uint32_t plane[2] = { 0, 0 };

    for (int j = 0; j < 8; j++)
        plane[j / 4] |= (w[j] >> shift & pairs) << j % 4 * 2;
    put_word(vector, r, plane[0]);
    put_word(vector + 64, r, plane[1]);
}

/* A vector of single bits, those of codes >> shift. */
INLINE void put_bits(uint8_t *vector, int r, const uint32_t w[8], int shift)
{
    uint32_t plane = 0;

    for (int j = 0; j < 8; j++)
        plane |= (w[j] >> shift & ones) << j;
    put_word(vector, r, plane);
}

INLINE void put_codes(uint8_t *block, int r, const uint32_t w[8], int bits)
{
    for (int j = 0; bits == 8 && j < 8; j++)
        put_word(block + 64 * j, r, w[j]);
    for (int v = 0; bits >= 4 && bits <= 6 && v < 4; v++)
        put_word(block + 64 * v, r, (w[2 * v] & nibbles) | (w[2 * v + 1] & nibbles) << 4);
    if (bits == 5) put_bits(block + 256, r, w, 4);
    if (bits == 6) put_pairs(block + 256, r, w, 4);
    if (bits <= 3) put_pairs(block, r, w, 0);
    if (bits == 3) put_bits(block + 128, r, w, 2);
}

/* --- one row of one block, or of one superblock --- */

/* Types with blocks of 32: f16 d or u8 exponent, f16 m if there are minima, the fifth bits, the
 * codes. */
INLINE void pack_block(uint8_t *block, int r, const uint8_t *src, struct packed p)
{
    uint8_t *scales = block + packed_code_bytes(p);
    uint32_t w[8];

    if (p.scales == SCALES_E8M0) {
        scales[r] = *src++;
    } else {
        memcpy(scales + 2 * r, src, 2);
        src += 2;
    }
    if (p.scales == SCALES_F16_MIN) {
        memcpy(scales + 32 + 2 * r, src, 2);
        src += 2;
    }
    if (p.bits == 8) read_q8_0(w, src);
    else read_nibbles(w, src + (p.bits == 5 ? 4 : 0));
    if (p.bits == 5) read_fifth_word(w, le32(src));
    put_codes(block, r, w, packed_bits(p));
}

/* Q4_K, Q5_K: f16 d, f16 dmin, 12 bytes of scales, Q5_K: 32 bytes of fifth bits, 128 of nibbles. */
INLINE void pack_super_min(uint8_t *head, int r, const uint8_t *src, struct packed p)
{
    uint8_t sc[8], mn[8];
    uint32_t w[8];

    memcpy(head + 2 * r, src, 2);
    memcpy(head + 32 + 2 * r, src + 2, 2);
    unpack_scales_k4(sc, mn, src + 4);
    for (int b = 0; b < SUPER_K; b++) {
        uint8_t *block = head + packed_head_bytes(p.scales) + b * packed_block_bytes(p);
        block[packed_code_bytes(p) + r] = sc[b];
        block[packed_code_bytes(p) + 16 + r] = mn[b];
        read_k_nibbles(w, src + (p.bits == 5 ? 48 : 16), b);
        if (p.bits == 5) read_k_bit(w, src + 16, b, 4);
        put_codes(block, r, w, packed_bits(p));
    }
}

/* Q6_K: 128 bytes of nibbles, 64 of pairs, 16 signed scales, f16 d. */
INLINE void pack_super_half(uint8_t *head, int r, const uint8_t *src, struct packed p)
{
    uint32_t w[8];

    memcpy(head + 2 * r, src + 208, 2);
    for (int b = 0; b < SUPER_K; b++) {
        uint8_t *block = head + packed_head_bytes(p.scales) + b * packed_block_bytes(p);
        block[packed_code_bytes(p) + r] = src[192 + 2 * b];
        block[packed_code_bytes(p) + 16 + r] = src[192 + 2 * b + 1];
        read_q6_k(w, src, src + 128, b);
        put_codes(block, r, w, packed_bits(p));
    }
}

/* Q2_K: 16 bytes of scales and minima, 64 of pairs, f16 d, f16 dmin. */
INLINE void pack_super_q2(uint8_t *head, int r, const uint8_t *src, struct packed p)
{
    uint32_t w[8];

    memcpy(head + 2 * r, src + 80, 2);
    memcpy(head + 32 + 2 * r, src + 82, 2);
    for (int b = 0; b < SUPER_K; b++) {
        uint8_t *block = head + packed_head_bytes(p.scales) + b * packed_block_bytes(p);
        block[packed_code_bytes(p) + r] = src[2 * b];
        block[packed_code_bytes(p) + 16 + r] = src[2 * b + 1];
        read_k_pairs(w, src + 16, b);
        put_codes(block, r, w, packed_bits(p));
    }
}

/* Q3_K: 32 bytes of third bits, 64 of pairs, 12 of scales, f16 d. */
INLINE void pack_super_q3(uint8_t *head, int r, const uint8_t *src, struct packed p)
{
    uint8_t sc[16];
    uint32_t w[8];

    memcpy(head + 2 * r, src + 108, 2);
    unpack_scales_k3(sc, src + 96);
    for (int b = 0; b < SUPER_K; b++) {
        uint8_t *block = head + packed_head_bytes(p.scales) + b * packed_block_bytes(p);
        block[packed_code_bytes(p) + r] = (uint8_t)(sc[2 * b] - 32);
        block[packed_code_bytes(p) + 16 + r] = (uint8_t)(sc[2 * b + 1] - 32);
        read_k_pairs(w, src + 32, b);
        read_k_bit(w, src, b, 2);
        put_codes(block, r, w, packed_bits(p));
    }
}

/* IQ4_XS: f16 d, 8 pairs of high bits of the scales, their 8 nibbles, 8 x 16 bytes of nibbles. */
INLINE void pack_super(uint8_t *head, int r, const uint8_t *src, struct packed p)
{
    int8_t sc[8];
    uint32_t w[8];

    memcpy(head + 2 * r, src, 2);
    unpack_scales_iq4(sc, src + 2);
    for (int b = 0; b < SUPER_K; b++) {
        uint8_t *block = head + packed_head_bytes(p.scales) + b * packed_block_bytes(p);
        block[packed_code_bytes(p) + r] = (uint8_t)sc[b];
        read_nibbles(w, src + 8 + 16 * b);
        put_codes(block, r, w, packed_bits(p));
    }
}

/* --- groups --- */

INLINE void pack_group(uint8_t *dst, const uint8_t *src, int n_rows, int k, enum qtype type,
                       struct packed p)
{
    int bytes = (int)qtypes[type].bytes, n = k / (int)qtypes[type].block;
    size_t row = qtype_row_bytes(type, (size_t)k);
    size_t step = (size_t)(packed_is_k(p.scales) ? packed_super_bytes(p) : packed_block_bytes(p));

    if (n_rows < R16) memset(dst, 0, packed_bytes(p, k / BLOCK_K));
    for (int i = 0; i < n; i++)
        for (int r = 0; r < n_rows; r++) {
            const uint8_t *from = src + (size_t)r * row + (size_t)i * (size_t)bytes;
            uint8_t *to = dst + (size_t)i * step;
            if (p.scales == SCALES_K_MIN) pack_super_min(to, r, from, p);
            else if (p.scales == SCALES_K_HALF_MIN) pack_super_q2(to, r, from, p);
            else if (p.scales == SCALES_K_HALF && p.bits == 3) pack_super_q3(to, r, from, p);
            else if (p.scales == SCALES_K_HALF) pack_super_half(to, r, from, p);
            else if (p.scales == SCALES_K) pack_super(to, r, from, p);
            else pack_block(to, r, from, p);
        }
}

#define PACKED(type, bits, scales, zero)                                                   \
    static void pack_##type(void *dst, const void *src, int n_rows, int k)                 \
    {                                                                                      \
        pack_group(dst, src, n_rows, k, QT_##type, (struct packed){ bits, scales, zero }); \
    }
#include "kernels/packed.def"
#undef PACKED

void kernels_fill_pack(struct kernels *k)
{
#define PACKED(type, bits, scales, zero) k->pack[QT_##type] = pack_##type;
#include "kernels/packed.def"
#undef PACKED
}

/* --- sizes --- */

static const struct {
    bool packed;
    struct packed layout;
} layouts[QT_COUNT] = {
#define PACKED(type, bits, scales, zero) [QT_##type] = { true, { bits, scales, zero } },
#include "kernels/packed.def"
#undef PACKED
};

static const uint8_t wide_bytes[QT_COUNT] = {
#define WIDE(type, bytes) [QT_##type] = bytes,
#include "kernels/packed_wide.def"
#undef WIDE
};

bool packed_wide(enum qtype t)
{
    return wide_bytes[t] != 0;
}

size_t packed_group_bytes(enum qtype t, int k)
{
    if (packed_wide(t)) return k > 0 ? (size_t)k * R16 * wide_bytes[t] : 0;
    if (!layouts[t].packed || k <= 0 || k % (int)qtypes[t].block != 0) return 0;
    return packed_bytes(layouts[t].layout, k / BLOCK_K);
}

size_t q8_bytes(int m, int k)
{
    return q8_tile_offset(m, k);
}
