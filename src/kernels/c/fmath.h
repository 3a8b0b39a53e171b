/* SPDX-License-Identifier: MIT */
/*
 * fmath.h - exp, tanh and the fixed sum: the project's own, to the last bit.
 *
 * libm's versions differ between systems and processors; these are a fixed
 * sequence of IEEE operations and explicit fused multiply-adds, which
 * simd/v16.h repeats 16 lanes at a time. Whoever changes one changes both;
 * tests/kernels/vec.c compares the bits and measures the error against libm in
 * double precision.
 *
 * exp: x = n ln 2 + r, |r| <= (ln 2) / 2, in the manner of Cody and Waite;
 * exp(r) = 1 + r + r^2 Q(r), Q of degree 4, minimax for the relative error
 * (3e-9, far below rounding; own fit). Error < 1 ulp in all. Two rules that make
 * it short: all coefficients are doubled, so that the factor is 2^(n-1), which is
 * a normal number even for the largest results; and what would be smaller than
 * about 2^-125.47 is zero, so that no subnormal number is ever made.
 */
#ifndef KERNELS_C_FMATH_H
#define KERNELS_C_FMATH_H

#include "base/f16.h"

#define FM_LOG2E  0x1.715476p+0f
#define FM_LN2_HI 0x1.62e4p-1f /* 14 bits: n * FM_LN2_HI is exact */
#define FM_LN2_LO 0x1.7f7d1cp-20f
/* 1.5 * 2^23 + 126: adding it rounds to an integer, and leaves 126 + n in the low bits. */
#define FM_ROUND   12583038.0f
#define FM_EXP_MIN -86.96875f /* below: 0. The bits trick needs n >= -125 */
#define FM_EXP_MAX 89.0f      /* from 88.73 on the result overflows to inf by itself */
/* Twice the coefficients of r^6 ... r^2; those of r and 1 are 2. */
#define FM_EXP_6 0x1.6a2434p-9f
#define FM_EXP_5 0x1.1239e2p-6f
#define FM_EXP_4 0x1.5558f2p-4f
#define FM_EXP_3 0x1.555492p-2f
#define FM_EXP_2 0x1.fffffcp-1f

/* tanh(x) = x + x^3 T(x^2) below FM_TANH_SMALL (own fit, 4e-9), else 1 - 2 / (exp(2x) + 1). */
#define FM_TANH_SMALL 0.625f
#define FM_TANH_4     -0x1.76ac18p-8f
#define FM_TANH_3     0x1.5256d8p-6f
#define FM_TANH_2     -0x1.b84448p-5f
#define FM_TANH_1     0x1.110768p-3f
#define FM_TANH_0     -0x1.555534p-2f

/* gelu's tanh form is x * sigmoid(2 u), u = sqrt(2/pi) (x + 0.044715 x^3): twice those factors. */
#define FM_GELU_1 1.5957691216057308f
#define FM_GELU_3 0.07135481627260025f

/* exp(x); 0 below FM_EXP_MIN, inf where it overflows; NaN stays NaN. */
static inline float fm_exp(float x)
{
    float y = x > FM_EXP_MAX ? FM_EXP_MAX : x;
    float t = __builtin_fmaf(y, FM_LOG2E, FM_ROUND);
    float n = t - FM_ROUND;
    float r = __builtin_fmaf(n, -FM_LN2_LO, __builtin_fmaf(n, -FM_LN2_HI, y));
    float p = FM_EXP_6;

    p = __builtin_fmaf(p, r, FM_EXP_5);
    p = __builtin_fmaf(p, r, FM_EXP_4);
    p = __builtin_fmaf(p, r, FM_EXP_3);
    p = __builtin_fmaf(p, r, FM_EXP_2);
    p = __builtin_fmaf(p, r, 2.0f);
    p = __builtin_fmaf(p, r, 2.0f);
    if (y < FM_EXP_MIN) return 0.0f;
    return p * f32_from_bits(f32_bits(t) << 23);
}

static inline float fm_tanh(float x)
{
    float a = __builtin_fabsf(x), z = a * a, p = FM_TANH_4;

    p = __builtin_fmaf(p, z, FM_TANH_3);
    p = __builtin_fmaf(p, z, FM_TANH_2);
    p = __builtin_fmaf(p, z, FM_TANH_1);
    p = __builtin_fmaf(p, z, FM_TANH_0);
    p = a < FM_TANH_SMALL ? __builtin_fmaf(a * z, p, a) : 1.0f - 2.0f / (fm_exp(a + a) + 1.0f);
    return __builtin_copysignf(p, x);
}

/* x * sigmoid(x) */
static inline float fm_silu(float x)
{
    return x / (1.0f + fm_exp(-x));
}

/* x * (1 + tanh(u)) / 2, written so that large negative x lose no digits. */
static inline float fm_gelu(float x)
{
    return x / (1.0f + fm_exp(-(x * __builtin_fmaf(FM_GELU_3, x * x, FM_GELU_1))));
}

/* cap * tanh(x / cap) */
static inline float fm_softcap(float x, float cap)
{
    return cap * fm_tanh(x / cap);
}

/* The larger of a and b; b if a is NaN. The order that maxps has. */
static inline float fm_max(float a, float b)
{
    return a > b ? a : b;
}

/* The fixed tree: 8 + 8, 4 + 4, 2 + 2, 1 + 1. */
static inline float fm_sum16(const float lane[16])
{
    float t[8];

    for (int i = 0; i < 8; i++)
        t[i] = lane[i] + lane[i + 8];
    for (int w = 4; w > 0; w /= 2)
        for (int i = 0; i < w; i++)
            t[i] = t[i] + t[i + w];
    return t[0];
}

#endif
