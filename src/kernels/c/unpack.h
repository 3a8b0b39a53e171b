/* SPDX-License-Identifier: MIT */
/*
 * unpack.h - how the bits of quantised blocks lie: one function per layout.
 *
 * A format is a choice of these layouts, a scale and a zero point; formats that
 * share a layout share its code (Q4_K and Q5_K differ in one bit plane). All
 * functions write codes as bytes, in the order of the weights. The counts are
 * constants at every call, so the loops vectorise.
 * Source: the GGUF tensor type definitions.
 */
#ifndef KERNELS_C_UNPACK_H
#define KERNELS_C_UNPACK_H

#include <stdint.h>

#include "base/f16.h"
#include "base/le.h"

static inline float load_f16(const uint8_t *p)
{
    return f16_to_f32(le16(p));
}

/* 4 bits: the low nibbles of `half` bytes, then their high nibbles. */
static inline void unpack_nibbles(uint8_t *q, const uint8_t *qs, int half)
{
    for (int i = 0; i < half; i++) {
        q[i] = qs[i] & 15;
        q[half + i] = qs[i] >> 4;
    }
}

/* 2 bits: 32 bytes hold 128 codes, the lowest pair of bits of every byte first. */
static inline void unpack_pairs(uint8_t *q, const uint8_t *qs)
{
    for (int s = 0; s < 4; s++)
        for (int i = 0; i < 32; i++)
            q[32 * s + i] = qs[i] >> 2 * s & 3;
}

/* A further bit per code, worth `value`, for 32 codes: bit i of a word belongs to code i. */
static inline void add_bit_word(uint8_t *q, uint32_t bits, int value)
{
    for (int i = 0; i < 32; i++)
        q[i] |= (uint8_t)((bits >> i & 1) * (uint32_t)value);
}

/* The same for 256 codes: bit s of byte i belongs to code 32 s + i. */
static inline void add_bit_plane(uint8_t *q, const uint8_t *plane, int value)
{
    for (int s = 0; s < 8; s++)
        for (int i = 0; i < 32; i++)
            q[32 * s + i] |= (uint8_t)((plane[i] >> s & 1) * value);
}

/*
 * 6-bit scales and minima of Q4_K and Q5_K, 8 of each in 12 bytes: bytes 0-3
 * hold scales 0-3 and in their top two bits those of scales 4-7; bytes 4-7 the
 * same for minima; bytes 8-11 the low nibbles of scale and minimum 4-7.
 */
static inline void unpack_scales_k4(uint8_t sc[8], uint8_t mn[8], const uint8_t *p)
{
    for (int i = 0; i < 4; i++) {
        sc[i] = p[i] & 63;
        mn[i] = p[4 + i] & 63;
        sc[4 + i] = (uint8_t)((p[8 + i] & 15) | (p[i] >> 2 & 48));
        mn[4 + i] = (uint8_t)(p[8 + i] >> 4 | (p[4 + i] >> 2 & 48));
    }
}

/* 6-bit scales of Q3_K, 16 in 12 bytes: nibbles in bytes 0-7, pairs of bits in bytes 8-11. */
static inline void unpack_scales_k3(uint8_t sc[16], const uint8_t *p)
{
    unpack_nibbles(sc, p, 8);
    for (int s = 0; s < 4; s++)
        for (int i = 0; i < 4; i++)
            sc[4 * s + i] |= (uint8_t)((p[8 + i] >> 2 * s & 3) << 4);
}

/* 6-bit scales of IQ4_XS less 32, 8 in 6 bytes: pairs of high bits in bytes 0-1, then nibbles. */
static inline void unpack_scales_iq4(int8_t sc[8], const uint8_t *p)
{
    unsigned hi = le16(p);

    for (int s = 0; s < 8; s++)
        sc[s] = (int8_t)((p[2 + s / 2] >> 4 * (s & 1) & 15) + (int)(hi >> 2 * s & 3) * 16 - 32);
}

/* 2^(e - 128): half of the scale e of MXFP4; the two smallest are f32 subnormals. */
static inline float e8m0_half(unsigned e)
{
    return f32_from_bits(e < 2 ? 0x200000u << e : (e - 1) << 23);
}

/* Bit i of the result: weight i is negative. 7 bits are stored; the number of minus signs is even.
 */
static inline unsigned unpack_signs7(unsigned bits)
{
    unsigned p = bits ^ bits >> 4;

    p ^= p >> 2;
    p ^= p >> 1;
    return bits | (p & 1) << 7;
}

/* y[i] = d * q[i] + m */
static inline void put_affine(float *y, const uint8_t *q, int n, float d, float m)
{
    for (int i = 0; i < n; i++)
        y[i] = d * (float)q[i] + m;
}

/* y[i] = d * (q[i] - zero) */
static inline void put_centred(float *y, const uint8_t *q, int n, float d, int zero)
{
    for (int i = 0; i < n; i++)
        y[i] = d * (float)(q[i] - zero);
}

#endif
