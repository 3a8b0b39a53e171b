/* SPDX-License-Identifier: MIT */
/*
 * v16.h - sixteen floats: the one vector type that the float kernels are written in.
 *
 * Sixteen lanes is what the determinism contract fixes for every reduction, so a
 * kernel written over v16 gives the bits of the C reference in any instruction
 * set. An instruction set provides, in its v16_*.h, found by the compiler's flags:
 *
 *   v16, m16              sixteen floats, sixteen booleans
 *   V16_NAME(f)           f with the instruction set's suffix
 *   set load store add sub mul div fma(a * b + c) neg abs
 *   max(a, b), min(a, b)  a > b ? a : b, a < b ? a : b, hence b if either is NaN
 *   load_n store_n        the first n lanes, 0 <= n <= 16; the others are 0 and not touched
 *   load_f16 load_f16_n store_f16_n load_bf16
 *   sign_of(a, b)         a >= 0 with the sign of b
 *   shl23(a)              the bits, shifted left by 23
 *   lt(a, b), m16_first(n), m16_range(a, b): lanes a <= i < b, any a and any b >= 0
 *   m16_bits(m)           lane i in bit i
 *   select(m, a, b), keep(m, a), drop(m, a): m ? a : b, m ? a : 0, m ? 0 : a
 *   unzip(a, b, &e, &o)   even and odd elements of the 32 in a, b; zip is the inverse
 *   low, high             the halves as __m256
 *
 * This header adds what needs no instruction of its own: the fixed tree, and exp
 * and tanh after c/fmath.h, operation by operation.
 */
#ifndef KERNELS_SIMD_V16_H
#define KERNELS_SIMD_V16_H

#include "kernels/c/fmath.h"

#if defined(__AVX512F__)
#include "kernels/simd/v16_avx512.h"
#elif defined(__AVX2__)
#include "kernels/simd/v16_avx2.h"
#else
#error "v16.h is for the folders of instruction sets"
#endif

/* Arrays of accumulators live in registers only if every loop over them is unrolled. */
#if defined(__clang__)
#define V16_UNROLL _Pragma("clang loop unroll(full)")
#else
#define V16_UNROLL _Pragma("GCC unroll 16")
#endif

/* The fixed tree: 8 + 8, 4 + 4, 2 + 2, 1 + 1. */
V16_INLINE float v16_sum(v16 a)
{
    __m256 x = _mm256_add_ps(v16_low(a), v16_high(a));
    __m128 y = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));

    y = _mm_add_ps(y, _mm_movehl_ps(y, y));
    return _mm_cvtss_f32(_mm_add_ss(y, _mm_movehdup_ps(y)));
}

/* The largest lane. No lane may be NaN; of -0 and +0 either may come. */
V16_INLINE float v16_largest(v16 a)
{
    __m256 x = _mm256_max_ps(v16_low(a), v16_high(a));
    __m128 y = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));

    y = _mm_max_ps(y, _mm_movehl_ps(y, y));
    return _mm_cvtss_f32(_mm_max_ss(y, _mm_movehdup_ps(y)));
}

/* fm_exp for x <= FM_EXP_MAX or NaN */
V16_INLINE v16 v16_exp_small(v16 x)
{
    v16 t = v16_fma(x, v16_set(FM_LOG2E), v16_set(FM_ROUND));
    v16 n = v16_sub(t, v16_set(FM_ROUND));
    v16 r = v16_fma(n, v16_set(-FM_LN2_LO), v16_fma(n, v16_set(-FM_LN2_HI), x));
    v16 p = v16_set(FM_EXP_6);

    p = v16_fma(p, r, v16_set(FM_EXP_5));
    p = v16_fma(p, r, v16_set(FM_EXP_4));
    p = v16_fma(p, r, v16_set(FM_EXP_3));
    p = v16_fma(p, r, v16_set(FM_EXP_2));
    p = v16_fma(p, r, v16_set(2.0f));
    p = v16_fma(p, r, v16_set(2.0f));
    return v16_drop(v16_lt(x, v16_set(FM_EXP_MIN)), v16_mul(p, v16_shl23(t)));
}

V16_INLINE v16 v16_exp(v16 x)
{
    return v16_exp_small(v16_min(v16_set(FM_EXP_MAX), x));
}

V16_INLINE v16 v16_tanh(v16 x)
{
    v16 a = v16_abs(x), z = v16_mul(a, a), p = v16_set(FM_TANH_4), one = v16_set(1.0f);

    p = v16_fma(p, z, v16_set(FM_TANH_3));
    p = v16_fma(p, z, v16_set(FM_TANH_2));
    p = v16_fma(p, z, v16_set(FM_TANH_1));
    p = v16_fma(p, z, v16_set(FM_TANH_0));
    p = v16_fma(v16_mul(a, z), p, a);
    v16 e = v16_add(v16_exp(v16_add(a, a)), one);
    v16 large = v16_sub(one, v16_div(v16_set(2.0f), e));

    return v16_sign_of(v16_select(v16_lt(a, v16_set(FM_TANH_SMALL)), p, large), x);
}

/* x / (1 + exp(-y)) */
V16_INLINE v16 v16_gate(v16 x, v16 y)
{
    return v16_div(x, v16_add(v16_set(1.0f), v16_exp(v16_neg(y))));
}

V16_INLINE v16 v16_silu(v16 x)
{
    return v16_gate(x, x);
}

V16_INLINE v16 v16_gelu(v16 x)
{
    v16 f = v16_fma(v16_set(FM_GELU_3), v16_mul(x, x), v16_set(FM_GELU_1));

    return v16_gate(x, v16_mul(x, f));
}

V16_INLINE v16 v16_softcap(v16 x, v16 cap)
{
    return v16_mul(cap, v16_tanh(v16_div(x, cap)));
}

/* y = v, or y += v if add, in the first `valid` of 16 (16 or more: all; 0 or less: none). */
V16_INLINE void v16_put(float *y, v16 v, int valid, int add)
{
    if (valid >= 16) {
        if (add) v = v16_add(v16_load(y), v);
        v16_store(y, v);
    } else if (valid > 0) {
        if (add) v = v16_add(v16_load_n(y, valid), v);
        v16_store_n(y, v, valid);
    }
}

#endif
