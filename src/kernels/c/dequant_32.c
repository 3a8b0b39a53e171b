/* SPDX-License-Identifier: MIT */
/*
 * dequant_32.c - Q4_0, Q4_1, Q5_0, Q5_1, Q8_0: blocks of 32 weights.
 *
 *     Q4_0  f16 d, 16 bytes of nibbles                     d * (q - 8)
 *     Q4_1  f16 d, f16 m, 16 bytes of nibbles              d * q + m
 *     Q5_0  f16 d, u32 fifth bits, 16 bytes of nibbles     d * (q - 16)
 *     Q5_1  f16 d, f16 m, u32 fifth bits, nibbles          d * q + m
 *     Q8_0  f16 d, 32 signed bytes                         d * q
 */
#include "kernels/c/c.h"
#include "kernels/c/unpack.h"

void dequant_q4_0(float *y, const void *src, size_t n)
{
    const uint8_t *b = src;
    uint8_t q[32];

    for (size_t i = 0; i < n; i += 32, b += 18) {
        unpack_nibbles(q, b + 2, 16);
        put_centred(y + i, q, 32, load_f16(b), 8);
    }
}

void dequant_q4_1(float *y, const void *src, size_t n)
{
    const uint8_t *b = src;
    uint8_t q[32];

    for (size_t i = 0; i < n; i += 32, b += 20) {
        unpack_nibbles(q, b + 4, 16);
        put_affine(y + i, q, 32, load_f16(b), load_f16(b + 2));
    }
}

void dequant_q5_0(float *y, const void *src, size_t n)
{
    const uint8_t *b = src;
    uint8_t q[32];

    for (size_t i = 0; i < n; i += 32, b += 22) {
        unpack_nibbles(q, b + 6, 16);
        add_bit_word(q, le32(b + 2), 16);
        put_centred(y + i, q, 32, load_f16(b), 16);
    }
}

void dequant_q5_1(float *y, const void *src, size_t n)
{
    const uint8_t *b = src;
    uint8_t q[32];

    for (size_t i = 0; i < n; i += 32, b += 24) {
        unpack_nibbles(q, b + 8, 16);
        add_bit_word(q, le32(b + 4), 16);
        put_affine(y + i, q, 32, load_f16(b), load_f16(b + 2));
    }
}

void dequant_q8_0(float *y, const void *src, size_t n)
{
    const uint8_t *b = src;

    for (size_t i = 0; i < n; i += 32, b += 34) {
        float d = load_f16(b);
        for (int j = 0; j < 32; j++)
            y[i + (size_t)j] = d * (float)(int8_t)b[2 + j];
    }
}
