/* SPDX-License-Identifier: MIT */
/*
 * f16.h - half precision and bfloat16 to f32 and back, by IEEE 754.
 *
 * Portable and exact: the same bits as F16C and AVX-512 give, NaNs included
 * (quiet, payload cut). f32 to f16 rounds to nearest even; what is too large
 * becomes infinity. Needs a float environment that keeps subnormals.
 */
#ifndef BASE_F16_H
#define BASE_F16_H

#include <stdint.h>
#include <string.h>

static inline uint32_t f32_bits(float f)
{
    uint32_t u;

    memcpy(&u, &f, 4);
    return u;
}

static inline float f32_from_bits(uint32_t u)
{
    float f;

    memcpy(&f, &u, 4);
    return f;
}

/*
 * Moving exponent and mantissa 13 bits up gives the value times 2^-112, f16
 * subnormals included (they land on f32 subnormals); the product is exact.
 */
static inline float f16_to_f32(uint16_t h)
{
    uint32_t mag = h & 0x7fffu;
    uint32_t inf = mag >= 0x7c00 ? 0x7f800000u : 0;
    uint32_t quiet = mag > 0x7c00 ? 0x00400000u : 0;
    uint32_t u = f32_bits(f32_from_bits(mag << 13) * 0x1p112f);

    return f32_from_bits(u | inf | quiet | (uint32_t)(h & 0x8000u) << 16);
}

static inline uint16_t f32_to_f16(float f)
{
    uint32_t u = f32_bits(f), sign = u >> 16 & 0x8000u;

    u &= 0x7fffffffu;
    if (u > 0x7f800000u) return (uint16_t)(sign | 0x7e00u | (u >> 13 & 0x3ffu));
    if (u >= 0x477ff000u) return (uint16_t)(sign | 0x7c00u); /* >= 65520: rounds up past 65504 */
    /* Below 2^-14: adding 0.5 puts the unit of the last place at 2^-24 and rounds as it should. */
    if (u < 0x38800000u)
        return (uint16_t)(sign | (f32_bits(f32_from_bits(u) + 0.5f) - 0x3f000000u));
    /* Rebias the exponent by 15 - 127; half a unit less the tie that goes to even. */
    u += 0xc8000fffu + (u >> 13 & 1);
    return (uint16_t)(sign | u >> 13);
}

static inline float bf16_to_f32(uint16_t h)
{
    return f32_from_bits((uint32_t)h << 16);
}

/* Round to nearest even; NaNs stay NaNs. */
static inline uint16_t f32_to_bf16(float f)
{
    uint32_t u = f32_bits(f);

    if ((u & 0x7fffffffu) > 0x7f800000u) return (uint16_t)(u >> 16 | 0x40);
    return (uint16_t)((u + 0x7fffu + (u >> 16 & 1)) >> 16);
}

#endif
