/* SPDX-License-Identifier: MIT */
/*
 * dequant_k.c - Q2_K to Q6_K: blocks of 256 weights with two levels of scales.
 *
 *     Q2_K  16 bytes (4-bit scale, 4-bit minimum), 64 bytes of pairs, f16 d, f16 dmin
 *     Q3_K  32 bytes of third bits, 64 bytes of pairs, 12 bytes of scales, f16 d
 *     Q4_K  f16 d, f16 dmin, 12 bytes of scales and minima, 128 bytes of nibbles
 *     Q5_K  the same with 32 bytes of fifth bits before the nibbles
 *     Q6_K  128 bytes of nibbles, 64 bytes of pairs (bits 5 and 6), 16 signed scales, f16 d
 *
 * Scales belong to 16 weights, in Q4_K and Q5_K to 32. The product of d and
 * scale is rounded before it meets the code.
 */
#include "kernels/c/c.h"
#include "kernels/c/unpack.h"

void dequant_q2_k(float *y, const void *src, size_t n)
{
    const uint8_t *b = src;
    uint8_t q[256];

    for (size_t i = 0; i < n; i += 256, b += 84) {
        float d = load_f16(b + 80), dmin = load_f16(b + 82);
        unpack_pairs(q, b + 16);
        unpack_pairs(q + 128, b + 48);
        for (int s = 0; s < 16; s++)
            put_affine(y + i + 16 * s, q + 16 * s, 16, d * (float)(b[s] & 15),
                       -(dmin * (float)(b[s] >> 4)));
    }
}

void dequant_q3_k(float *y, const void *src, size_t n)
{
    const uint8_t *b = src;
    uint8_t q[256], sc[16];

    for (size_t i = 0; i < n; i += 256, b += 110) {
        float d = load_f16(b + 108);
        unpack_pairs(q, b + 32);
        unpack_pairs(q + 128, b + 64);
        add_bit_plane(q, b, 4);
        unpack_scales_k3(sc, b + 96);
        for (int s = 0; s < 16; s++)
            put_centred(y + i + 16 * s, q + 16 * s, 16, d * (float)(sc[s] - 32), 4);
    }
}

/* Q4_K and Q5_K once their codes are unpacked; b is the start of the block. */
static void put_k4(float *y, const uint8_t *b, const uint8_t *q)
{
    float d = load_f16(b), dmin = load_f16(b + 2);
    uint8_t sc[8], mn[8];

    unpack_scales_k4(sc, mn, b + 4);
    for (int s = 0; s < 8; s++)
        put_affine(y + 32 * s, q + 32 * s, 32, d * (float)sc[s], -(dmin * (float)mn[s]));
}

void dequant_q4_k(float *y, const void *src, size_t n)
{
    const uint8_t *b = src;
    uint8_t q[256];

    for (size_t i = 0; i < n; i += 256, b += 144) {
        for (int s = 0; s < 4; s++)
            unpack_nibbles(q + 64 * s, b + 16 + 32 * s, 32);
        put_k4(y + i, b, q);
    }
}

void dequant_q5_k(float *y, const void *src, size_t n)
{
    const uint8_t *b = src;
    uint8_t q[256];

    for (size_t i = 0; i < n; i += 256, b += 176) {
        for (int s = 0; s < 4; s++)
            unpack_nibbles(q + 64 * s, b + 48 + 32 * s, 32);
        add_bit_plane(q, b + 16, 16);
        put_k4(y + i, b, q);
    }
}

void dequant_q6_k(float *y, const void *src, size_t n)
{
    const uint8_t *b = src;
    uint8_t q[256], hi[256];

    for (size_t i = 0; i < n; i += 256, b += 210) {
        float d = load_f16(b + 208);
        for (int h = 0; h < 2; h++) {
            unpack_nibbles(q + 128 * h, b + 64 * h, 64);
            unpack_pairs(hi + 128 * h, b + 128 + 32 * h);
        }
        for (int j = 0; j < 256; j++)
            q[j] |= (uint8_t)(hi[j] << 4);
        for (int s = 0; s < 16; s++)
            put_centred(y + i + 16 * s, q + 16 * s, 16, d * (float)(int8_t)b[192 + s], 32);
    }
}
