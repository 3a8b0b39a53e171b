/* SPDX-License-Identifier: MIT */
/* v16_avx512.h - v16.h in one 512-bit register (F, BW, DQ, VL). */
#ifndef KERNELS_SIMD_V16_AVX512_H
#define KERNELS_SIMD_V16_AVX512_H

#include <immintrin.h>
#include <stdint.h>

#define V16_NAME(f) f##_avx512
#define V16_INLINE  static inline __attribute__((always_inline))

typedef __m512 v16;
typedef __mmask16 m16;

V16_INLINE v16 v16_set(float x)
{
    return _mm512_set1_ps(x);
}

V16_INLINE v16 v16_load(const float *p)
{
    return _mm512_loadu_ps(p);
}

V16_INLINE void v16_store(float *p, v16 a)
{
    _mm512_storeu_ps(p, a);
}

V16_INLINE m16 m16_first(int n)
{
    return (m16)_bzhi_u32(0xffff, (unsigned)n);
}

V16_INLINE m16 m16_range(int a, int b)
{
    m16 below = a > 0 ? m16_first(a) : 0;

    return (m16)(m16_first(b < 16 ? b : 16) & ~below);
}

V16_INLINE v16 v16_load_n(const float *p, int n)
{
    return _mm512_maskz_loadu_ps(m16_first(n), p);
}

/* Zen stores slowly under a mask, even one of all ones. */
V16_INLINE void v16_store_n(float *p, v16 a, int n)
{
    if (n == 16) _mm512_storeu_ps(p, a);
    else _mm512_mask_storeu_ps(p, m16_first(n), a);
}

V16_INLINE v16 v16_load_f16(const uint16_t *p)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)p));
}

V16_INLINE v16 v16_load_bf16(const uint16_t *p)
{
    __m512i u = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(const void *)p));

    return _mm512_castsi512_ps(_mm512_slli_epi32(u, 16));
}

V16_INLINE v16 v16_load_f16_n(const uint16_t *p, int n)
{
    return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(m16_first(n), p));
}

V16_INLINE void v16_store_f16_n(uint16_t *p, v16 a, int n)
{
    __m256i h = _mm512_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT);

    if (n == 16) _mm256_storeu_si256((__m256i *)(void *)p, h);
    else _mm256_mask_storeu_epi16(p, m16_first(n), h);
}

V16_INLINE v16 v16_add(v16 a, v16 b)
{
    return _mm512_add_ps(a, b);
}

V16_INLINE v16 v16_sub(v16 a, v16 b)
{
    return _mm512_sub_ps(a, b);
}

V16_INLINE v16 v16_mul(v16 a, v16 b)
{
    return _mm512_mul_ps(a, b);
}

V16_INLINE v16 v16_div(v16 a, v16 b)
{
    return _mm512_div_ps(a, b);
}

V16_INLINE v16 v16_fma(v16 a, v16 b, v16 c)
{
    return _mm512_fmadd_ps(a, b, c);
}

V16_INLINE v16 v16_max(v16 a, v16 b)
{
    return _mm512_max_ps(a, b);
}

V16_INLINE v16 v16_min(v16 a, v16 b)
{
    return _mm512_min_ps(a, b);
}

V16_INLINE v16 v16_neg(v16 a)
{
    return _mm512_xor_ps(a, _mm512_set1_ps(-0.0f));
}

V16_INLINE v16 v16_abs(v16 a)
{
    return _mm512_andnot_ps(_mm512_set1_ps(-0.0f), a);
}

V16_INLINE v16 v16_sign_of(v16 mag, v16 sign)
{
    return _mm512_or_ps(mag, _mm512_and_ps(_mm512_set1_ps(-0.0f), sign));
}

V16_INLINE v16 v16_shl23(v16 a)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_castps_si512(a), 23));
}

V16_INLINE m16 v16_lt(v16 a, v16 b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ);
}

V16_INLINE uint32_t m16_bits(m16 m)
{
    return m;
}

V16_INLINE v16 v16_select(m16 m, v16 a, v16 b)
{
    return _mm512_mask_blend_ps(m, b, a);
}

V16_INLINE v16 v16_drop(m16 m, v16 a)
{
    return _mm512_maskz_mov_ps((m16)~m, a);
}

V16_INLINE v16 v16_keep(m16 m, v16 a)
{
    return _mm512_maskz_mov_ps(m, a);
}

V16_INLINE void v16_unzip(v16 a, v16 b, v16 *even, v16 *odd)
{
    const __m512i e = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);

    *even = _mm512_permutex2var_ps(a, e, b);
    *odd = _mm512_permutex2var_ps(a, _mm512_add_epi32(e, _mm512_set1_epi32(1)), b);
}

V16_INLINE void v16_zip(v16 even, v16 odd, v16 *a, v16 *b)
{
    const __m512i i = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);

    *a = _mm512_permutex2var_ps(even, i, odd);
    *b = _mm512_permutex2var_ps(even, _mm512_add_epi32(i, _mm512_set1_epi32(8)), odd);
}

V16_INLINE __m256 v16_low(v16 a)
{
    return _mm512_castps512_ps256(a);
}

V16_INLINE __m256 v16_high(v16 a)
{
    return _mm512_extractf32x8_ps(a, 1);
}

#endif
