/* SPDX-License-Identifier: MIT */
/*
 * bf16.h - products of bf16 numbers summed in f32: the arithmetic of the profile "bf16", to the
 * bit.
 *
 * It is what VDPBF16PS does, by its documentation: "FP32 FMA with daz in, ftz out and RNE
 * rounding", two of them in a chain, the high halves of its operands first. The documentation does
 * not say whether a result is tiny before or after it is rounded; here it is after, as in all of
 * SSE and AVX (Intel SDM vol. 1, 4.9.1.5), and as a Zen 5 computes it. NaNs are NaNs, whatever
 * their payload.
 */
#ifndef KERNELS_C_BF16_H
#define KERNELS_C_BF16_H

#include <math.h>

#include "base/f16.h"

/* Subnormals are zeros; else to the nearest, ties to even; NaNs stay NaNs. */
static inline uint16_t bf16_round(float f)
{
    uint32_t u = f32_bits(f);

    return (u & 0x7f800000u) == 0 ? (uint16_t)(u >> 16 & 0x8000u) : f32_to_bf16(f);
}

/* Two neighbours of a row in one word, the earlier one in the high half: it is added first. */
static inline uint32_t bf16_pair(uint16_t first, uint16_t second)
{
    return (uint32_t)first << 16 | second;
}

/* A bf16 number as f32, a subnormal one as zero. */
static inline float bf16_value(uint16_t h)
{
    return bf16_to_f32((h & 0x7f80u) == 0 ? h & 0x8000u : h);
}

/*
 * c + a b with one rounding; a and b from bf16_value(), c from here, so no subnormal. A product of
 * 8 by 8 bits is exact in double, and where it comes near the smallest normal number so is the sum:
 * it is tiny if it would round to less than that number with all 24 bits, which the last of them,
 * 2^-150, and a tie decide.
 */
static inline float bf16_fma(float a, float b, float c)
{
    float r = fmaf(a, b, c);

    if (fabs((double)a * (double)b + (double)c) < 0x1p-126 - 0x1p-151) return copysignf(0, r);
    return r;
}

/* acc + w x: a pair of weights, a pair of activations. */
static inline float bf16_dot(float acc, uint32_t w, uint32_t x)
{
    acc = bf16_fma(bf16_value((uint16_t)(w >> 16)), bf16_value((uint16_t)(x >> 16)), acc);
    return bf16_fma(bf16_value((uint16_t)w), bf16_value((uint16_t)x), acc);
}

#endif
