/* SPDX-License-Identifier: MIT */
/*
 * dequant_ternary.c - TQ1_0, TQ2_0: weights -1, 0, 1 times one f16 scale per 256.
 *
 *     TQ1_0  48 bytes of five digits each, 4 bytes of four digits, f16 d
 *     TQ2_0  64 bytes of pairs of bits, f16 d
 *
 * A byte of TQ1_0 is a fraction in base 3: multiplied by 3^k modulo 256, its
 * digit k is the whole part of three times what remains.
 */
#include "kernels/c/c.h"
#include "kernels/c/unpack.h"

/* n_digits digits of `width` bytes: digit 0 of all bytes first. */
static void unpack_digits(uint8_t *q, const uint8_t *qs, int width, int n_digits)
{
    unsigned pow = 1;

    for (int k = 0; k < n_digits; k++, pow *= 3)
        for (int i = 0; i < width; i++)
            q[width * k + i] = (uint8_t)((uint8_t)(qs[i] * pow) * 3u >> 8);
}

void dequant_tq1_0(float *y, const void *src, size_t n)
{
    const uint8_t *b = src;
    uint8_t q[256];

    for (size_t i = 0; i < n; i += 256, b += 54) {
        unpack_digits(q, b, 32, 5);
        unpack_digits(q + 160, b + 32, 16, 5);
        unpack_digits(q + 240, b + 48, 4, 4);
        put_centred(y + i, q, 256, load_f16(b + 52), 1);
    }
}

void dequant_tq2_0(float *y, const void *src, size_t n)
{
    const uint8_t *b = src;
    uint8_t q[256];

    for (size_t i = 0; i < n; i += 256, b += 66) {
        unpack_pairs(q, b);
        unpack_pairs(q + 128, b + 32);
        put_centred(y + i, q, 256, load_f16(b + 64), 1);
    }
}
