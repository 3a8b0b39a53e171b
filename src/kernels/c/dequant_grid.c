/* SPDX-License-Identifier: MIT */
/*
 * dequant_grid.c - IQ1_S to IQ3_S: blocks of 256 weights whose codes index rows
 * of a codebook (iq_tables.c), 8 weights a row, in IQ3 4.
 *
 *     IQ2_XXS  f16 d, 8 x (4 index bytes, u32: 4 x 7 sign bits, 4-bit scale)
 *     IQ2_XS   f16 d, 32 x u16 (9-bit index, 7 sign bits), 16 4-bit scales
 *     IQ2_S    f16 d, 32 index bytes, 32 sign bytes, 8 bytes of index bits 8-9, 16 4-bit scales
 *     IQ3_XXS  f16 d, 64 index bytes, 8 x u32 (4 x 7 sign bits, 4-bit scale)
 *     IQ3_S    f16 d, 64 index bytes, 8 bytes of index bit 8, 32 sign bytes, 8 4-bit scales
 *     IQ1_S    f16 d, 32 index bytes, 8 x u16 (4 x index bits 8-10, 3-bit scale, sign of delta)
 *     IQ1_M    32 index bytes, 32 nibbles (index bits 8-10, sign of delta), 4 x u16 (four
 *              3-bit scales, 4 bits of the f16 d)
 *
 * Scales are odd halves or odd numbers, so that none is zero. Weights of IQ1
 * are shifted by delta = 1/8 up or down.
 */
#include "kernels/c/c.h"
#include "kernels/c/iq_tables.h"
#include "kernels/c/unpack.h"

/* y[i] = +- d * row[i]; bit i of `signs` says minus. */
static inline void put_row(float *y, const uint8_t *row, int n, float d, unsigned signs)
{
    for (int i = 0; i < n; i++) {
        float v = d * (float)row[i];
        y[i] = signs >> i & 1 ? -v : v;
    }
}

/* Two rows of 4 under one byte of signs. */
static inline void put_rows4(float *y, const uint8_t *a, const uint8_t *b, float d, unsigned signs)
{
    put_row(y, a, 4, d, signs);
    put_row(y + 4, b, 4, d, signs >> 4);
}

static inline void put_row_shifted(float *y, const int8_t *row, float d, float delta)
{
    for (int i = 0; i < 8; i++)
        y[i] = d * ((float)row[i] + delta);
}

static inline unsigned nibble(const uint8_t *p, int i)
{
    return p[i / 2] >> 4 * (i & 1) & 15;
}

void dequant_iq2_xxs(float *y, const void *src, size_t n)
{
    const uint8_t *b = src;

    for (size_t i = 0; i < n; i += 256, b += 66) {
        float d = load_f16(b);
        for (int s = 0; s < 8; s++) {
            const uint8_t *idx = b + 2 + 8 * s;
            uint32_t w = le32(idx + 4);
            float ds = d * (0.5f + (float)(w >> 28)) * 0.25f;
            for (int k = 0; k < 4; k++)
                put_row(y + i + 32 * s + 8 * k, iq2_xxs_grid[idx[k]], 8, ds,
                        unpack_signs7(w >> 7 * k & 127));
        }
    }
}

void dequant_iq2_xs(float *y, const void *src, size_t n)
{
    const uint8_t *b = src;

    for (size_t i = 0; i < n; i += 256, b += 74) {
        float d = load_f16(b);
        for (int k = 0; k < 32; k++) {
            unsigned w = le16(b + 2 + 2 * k);
            float ds = d * (0.5f + (float)nibble(b + 66, k / 2)) * 0.25f;
            put_row(y + i + 8 * k, iq2_xs_grid[w & 511], 8, ds, unpack_signs7(w >> 9));
        }
    }
}

void dequant_iq2_s(float *y, const void *src, size_t n)
{
    const uint8_t *b = src;

    for (size_t i = 0; i < n; i += 256, b += 82) {
        float d = load_f16(b);
        for (int k = 0; k < 32; k++) {
            unsigned idx = b[2 + k] | (b[66 + k / 4] >> 2 * (k & 3) & 3u) << 8;
            float ds = d * (0.5f + (float)nibble(b + 74, k / 2)) * 0.25f;
            put_row(y + i + 8 * k, iq2_s_grid[idx], 8, ds, b[34 + k]);
        }
    }
}

void dequant_iq3_xxs(float *y, const void *src, size_t n)
{
    const uint8_t *b = src;

    for (size_t i = 0; i < n; i += 256, b += 98) {
        float d = load_f16(b);
        for (int s = 0; s < 8; s++) {
            const uint8_t *idx = b + 2 + 8 * s;
            uint32_t w = le32(b + 66 + 4 * s);
            float ds = d * (0.5f + (float)(w >> 28)) * 0.5f;
            for (int k = 0; k < 4; k++)
                put_rows4(y + i + 32 * s + 8 * k, iq3_xxs_grid[idx[2 * k]],
                          iq3_xxs_grid[idx[2 * k + 1]], ds, unpack_signs7(w >> 7 * k & 127));
        }
    }
}

void dequant_iq3_s(float *y, const void *src, size_t n)
{
    const uint8_t *b = src;

    for (size_t i = 0; i < n; i += 256, b += 110) {
        float d = load_f16(b);
        for (int k = 0; k < 32; k++) {
            const uint8_t *idx = b + 2 + 2 * k;
            unsigned hi = b[66 + k / 4] >> 2 * (k & 3);
            float ds = d * (float)(1 + 2 * nibble(b + 106, k / 4));
            put_rows4(y + i + 8 * k, iq3_s_grid[idx[0] | (hi & 1) << 8],
                      iq3_s_grid[idx[1] | (hi >> 1 & 1) << 8], ds, b[74 + k]);
        }
    }
}

void dequant_iq1_s(float *y, const void *src, size_t n)
{
    const uint8_t *b = src;

    for (size_t i = 0; i < n; i += 256, b += 50) {
        float d = load_f16(b);
        for (int s = 0; s < 8; s++) {
            unsigned w = le16(b + 34 + 2 * s);
            float ds = d * (float)(2 * (w >> 12 & 7) + 1);
            for (int k = 0; k < 4; k++)
                put_row_shifted(y + i + 32 * s + 8 * k,
                                iq1_grid[b[2 + 4 * s + k] | (w >> 3 * k & 7) << 8], ds,
                                w & 0x8000 ? -0.125f : 0.125f);
        }
    }
}

void dequant_iq1_m(float *y, const void *src, size_t n)
{
    const uint8_t *b = src;

    for (size_t i = 0; i < n; i += 256, b += 56) {
        unsigned dbits = 0;
        for (int s = 0; s < 4; s++)
            dbits |= (unsigned)(le16(b + 48 + 2 * s) >> 12) << 4 * s;
        float d = f16_to_f32((uint16_t)dbits);
        for (int k = 0; k < 32; k++) {
            unsigned h = nibble(b + 32, k);
            unsigned sc = le16(b + 48 + 2 * (k / 8)) >> 3 * (k / 2 & 3) & 7;
            put_row_shifted(y + i + 8 * k, iq1_grid[b[k] | (h & 7) << 8], d * (float)(2 * sc + 1),
                            h & 8 ? -0.125f : 0.125f);
        }
    }
}
