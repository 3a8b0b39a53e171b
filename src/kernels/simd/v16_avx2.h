/* SPDX-License-Identifier: MIT */
/* v16_avx2.h - v16.h in two 256-bit registers (AVX2, FMA, F16C); masks are all ones or zero. */
#ifndef KERNELS_SIMD_V16_AVX2_H
#define KERNELS_SIMD_V16_AVX2_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#define V16_NAME(f) f##_avx2
#define V16_INLINE  static inline __attribute__((always_inline))

struct v16_pair {
    __m256 lo, hi;
};
typedef struct v16_pair v16;
typedef struct v16_pair m16;

/* Apply a 256-bit operation to both halves. */
#define V16_1(op, a)       ((v16){ op((a).lo), op((a).hi) })
#define V16_2(op, a, b)    ((v16){ op((a).lo, (b).lo), op((a).hi, (b).hi) })
#define V16_3(op, a, b, c) ((v16){ op((a).lo, (b).lo, (c).lo), op((a).hi, (b).hi, (c).hi) })

V16_INLINE v16 v16_set(float x)
{
    return (v16){ _mm256_set1_ps(x), _mm256_set1_ps(x) };
}

V16_INLINE v16 v16_load(const float *p)
{
    return (v16){ _mm256_loadu_ps(p), _mm256_loadu_ps(p + 8) };
}

V16_INLINE void v16_store(float *p, v16 a)
{
    _mm256_storeu_ps(p, a.lo);
    _mm256_storeu_ps(p + 8, a.hi);
}

/* Lanes a <= i < b, of 8 whose first is number `base`. */
V16_INLINE __m256 m16_half(int base, int a, int b)
{
    __m256i i =
        _mm256_add_epi32(_mm256_set1_epi32(base), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    __m256i below = _mm256_cmpgt_epi32(_mm256_set1_epi32(a), i);

    return _mm256_castsi256_ps(
        _mm256_andnot_si256(below, _mm256_cmpgt_epi32(_mm256_set1_epi32(b), i)));
}

V16_INLINE m16 m16_range(int a, int b)
{
    return (m16){ m16_half(0, a, b), m16_half(8, a, b) };
}

V16_INLINE m16 m16_first(int n)
{
    return m16_range(0, n);
}

/* vmaskmov does not touch memory where the mask is zero. */
V16_INLINE v16 v16_load_n(const float *p, int n)
{
    m16 m = m16_first(n);

    if (n == 16) return v16_load(p);
    return (v16){ _mm256_maskload_ps(p, _mm256_castps_si256(m.lo)),
                  n > 8 ? _mm256_maskload_ps(p + 8, _mm256_castps_si256(m.hi))
                        : _mm256_setzero_ps() };
}

V16_INLINE void v16_store_n(float *p, v16 a, int n)
{
    m16 m = m16_first(n);

    if (n == 16) {
        v16_store(p, a);
        return;
    }
    _mm256_maskstore_ps(p, _mm256_castps_si256(m.lo), a.lo);
    if (n > 8) _mm256_maskstore_ps(p + 8, _mm256_castps_si256(m.hi), a.hi);
}

V16_INLINE v16 v16_load_f16(const uint16_t *p)
{
    return (v16){ _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)p)),
                  _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)(p + 8))) };
}

V16_INLINE v16 v16_load_bf16(const uint16_t *p)
{
    __m256i lo = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)p));
    __m256i hi = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)(p + 8)));

    return (v16){ _mm256_castsi256_ps(_mm256_slli_epi32(lo, 16)),
                  _mm256_castsi256_ps(_mm256_slli_epi32(hi, 16)) };
}

V16_INLINE v16 v16_load_f16_n(const uint16_t *p, int n)
{
    uint16_t t[16] = { 0 };

    memcpy(t, p, (size_t)n * 2);
    return v16_load_f16(t);
}

V16_INLINE void v16_store_f16_n(uint16_t *p, v16 a, int n)
{
    uint16_t t[16], *to = n == 16 ? p : t;

    _mm_storeu_si128((__m128i *)(void *)to, _mm256_cvtps_ph(a.lo, _MM_FROUND_TO_NEAREST_INT));
    _mm_storeu_si128((__m128i *)(void *)(to + 8), _mm256_cvtps_ph(a.hi, _MM_FROUND_TO_NEAREST_INT));
    if (n < 16) memcpy(p, t, (size_t)n * 2);
}

V16_INLINE v16 v16_add(v16 a, v16 b)
{
    return V16_2(_mm256_add_ps, a, b);
}

V16_INLINE v16 v16_sub(v16 a, v16 b)
{
    return V16_2(_mm256_sub_ps, a, b);
}

V16_INLINE v16 v16_mul(v16 a, v16 b)
{
    return V16_2(_mm256_mul_ps, a, b);
}

V16_INLINE v16 v16_div(v16 a, v16 b)
{
    return V16_2(_mm256_div_ps, a, b);
}

V16_INLINE v16 v16_fma(v16 a, v16 b, v16 c)
{
    return V16_3(_mm256_fmadd_ps, a, b, c);
}

V16_INLINE v16 v16_max(v16 a, v16 b)
{
    return V16_2(_mm256_max_ps, a, b);
}

V16_INLINE v16 v16_min(v16 a, v16 b)
{
    return V16_2(_mm256_min_ps, a, b);
}

V16_INLINE v16 v16_neg(v16 a)
{
    return V16_2(_mm256_xor_ps, a, v16_set(-0.0f));
}

V16_INLINE v16 v16_abs(v16 a)
{
    return V16_2(_mm256_andnot_ps, v16_set(-0.0f), a);
}

V16_INLINE v16 v16_sign_of(v16 mag, v16 sign)
{
    v16 bit = V16_2(_mm256_and_ps, v16_set(-0.0f), sign);

    return V16_2(_mm256_or_ps, mag, bit);
}

V16_INLINE v16 v16_shl23(v16 a)
{
    return (v16){ _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(a.lo), 23)),
                  _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(a.hi), 23)) };
}

V16_INLINE m16 v16_lt(v16 a, v16 b)
{
    return (m16){ _mm256_cmp_ps(a.lo, b.lo, _CMP_LT_OQ), _mm256_cmp_ps(a.hi, b.hi, _CMP_LT_OQ) };
}

V16_INLINE uint32_t m16_bits(m16 m)
{
    return (uint32_t)_mm256_movemask_ps(m.lo) | (uint32_t)_mm256_movemask_ps(m.hi) << 8;
}

V16_INLINE v16 v16_select(m16 m, v16 a, v16 b)
{
    return V16_3(_mm256_blendv_ps, b, a, m);
}

V16_INLINE v16 v16_drop(m16 m, v16 a)
{
    return V16_2(_mm256_andnot_ps, m, a);
}

V16_INLINE v16 v16_keep(m16 m, v16 a)
{
    return V16_2(_mm256_and_ps, m, a);
}

/* Even (or odd) elements of 16 consecutive ones; the shuffle leaves the middle pairs swapped. */
#define V16_PICK(a, control) \
    _mm256_castpd_ps(        \
        _mm256_permute4x64_pd(_mm256_castps_pd(_mm256_shuffle_ps((a).lo, (a).hi, control)), 0xd8))

V16_INLINE void v16_unzip(v16 a, v16 b, v16 *even, v16 *odd)
{
    *even = (v16){ V16_PICK(a, 0x88), V16_PICK(b, 0x88) };
    *odd = (v16){ V16_PICK(a, 0xdd), V16_PICK(b, 0xdd) };
}

V16_INLINE v16 v16_zip_half(__m256 even, __m256 odd)
{
    __m256 l = _mm256_unpacklo_ps(even, odd), h = _mm256_unpackhi_ps(even, odd);

    return (v16){ _mm256_permute2f128_ps(l, h, 0x20), _mm256_permute2f128_ps(l, h, 0x31) };
}

V16_INLINE void v16_zip(v16 even, v16 odd, v16 *a, v16 *b)
{
    *a = v16_zip_half(even.lo, odd.lo);
    *b = v16_zip_half(even.hi, odd.hi);
}

V16_INLINE __m256 v16_low(v16 a)
{
    return a.lo;
}

V16_INLINE __m256 v16_high(v16 a)
{
    return a.hi;
}

#endif
