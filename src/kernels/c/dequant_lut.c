/* SPDX-License-Identifier: MIT */
/*
 * dequant_lut.c - IQ4_NL, IQ4_XS, MXFP4, NVFP4: nibbles that index 16 values.
 *
 *     IQ4_NL  f16 d, 16 bytes of nibbles; 32 weights
 *     IQ4_XS  f16 d, u16 high pairs of 8 scales, 4 bytes of their low nibbles,
 *             128 bytes of nibbles; 256 weights, a scale for each 32
 *     MXFP4   u8 exponent, 16 bytes of nibbles; 32 weights
 *     NVFP4   4 scales in unsigned E4M3, 32 bytes of nibbles; 64 weights, a
 *             scale for each 16
 *
 * MXFP4: OCP Microscaling Formats v1.0, element type E2M1. Its values are
 * doubled here to be whole numbers, and the scales halved.
 */
#include "kernels/c/c.h"
#include "kernels/c/unpack.h"

static const int8_t iq4_values[16] = { -127, -104, -83, -65, -49, -35, -22, -10,
                                       1,    13,   25,  38,  53,  69,  89,  113 };
static const int8_t e2m1_doubled[16] = { 0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12 };

static inline void put_values(float *y, const uint8_t *qs, int half, float d, const int8_t *values)
{
    for (int i = 0; i < half; i++) {
        y[i] = d * (float)values[qs[i] & 15];
        y[half + i] = d * (float)values[qs[i] >> 4];
    }
}

void dequant_iq4_nl(float *y, const void *src, size_t n)
{
    const uint8_t *b = src;

    for (size_t i = 0; i < n; i += 32, b += 18)
        put_values(y + i, b + 2, 16, load_f16(b), iq4_values);
}

void dequant_iq4_xs(float *y, const void *src, size_t n)
{
    const uint8_t *b = src;

    for (size_t i = 0; i < n; i += 256, b += 136) {
        float d = load_f16(b);
        int8_t sc[8];
        unpack_scales_iq4(sc, b + 2);
        for (int s = 0; s < 8; s++)
            put_values(y + i + 32 * s, b + 8 + 16 * s, 16, d * (float)sc[s], iq4_values);
    }
}

void dequant_mxfp4(float *y, const void *src, size_t n)
{
    const uint8_t *b = src;

    for (size_t i = 0; i < n; i += 32, b += 17)
        put_values(y + i, b + 1, 16, e8m0_half(b[0]), e2m1_doubled);
}

/* Half of the value of 4 exponent bits (bias 7) and 3 mantissa bits; 0x7f is NaN, read as 0. */
static float ue4m3_half(unsigned v)
{
    unsigned e = v >> 3 & 15, m = v & 7;

    if (v == 0x7f) return 0;
    if (e == 0) return (float)m * 0x1p-10f;
    return (float)(8 + m) * f32_from_bits((e - 8 - 3 + 127) << 23);
}

void dequant_nvfp4(float *y, const void *src, size_t n)
{
    const uint8_t *b = src;

    for (size_t i = 0; i < n; i += 64, b += 36)
        for (int s = 0; s < 4; s++)
            put_values(y + i + 16 * s, b + 4 + 8 * s, 8, ue4m3_half(b[s]), e2m1_doubled);
}
