/* SPDX-License-Identifier: MIT */
/* q16_avx2.h - q16.h in two 256-bit registers. */
#ifndef KERNELS_SIMD_Q16_AVX2_H
#define KERNELS_SIMD_Q16_AVX2_H

#include <string.h>

#include "kernels/simd/v16_avx2.h"

typedef uint16_t q16_u16 __attribute__((vector_size(32)));
typedef uint32_t q16_u32 __attribute__((vector_size(32)));

struct q16_pair {
    __m256i lo, hi;
};
typedef struct q16_pair q16;

#define Q16_ROWS 4
#if defined(__AVXVNNI__)
enum { Q16_PANEL = 1, Q16_SIGNED_8 = 0 };
#else
enum { Q16_PANEL = 1, Q16_SIGNED_8 = 1 };
#endif

V16_INLINE q16 q16_load(const void *p)
{
    return (q16){ _mm256_loadu_si256(p), _mm256_loadu_si256((const __m256i *)p + 1) };
}

V16_INLINE void q16_store(void *p, q16 a)
{
    _mm256_storeu_si256(p, a.lo);
    _mm256_storeu_si256((__m256i *)p + 1, a.hi);
}

V16_INLINE q16 q16_zero(void)
{
    return (q16){ _mm256_setzero_si256(), _mm256_setzero_si256() };
}

V16_INLINE q16 q16_spread(const void *p)
{
    int32_t x;

    memcpy(&x, p, 4);
    return (q16){ _mm256_set1_epi32(x), _mm256_set1_epi32(x) };
}

V16_INLINE __m256i q16_bits_half(__m256i a, int n, int mask)
{
    q16_u16 u = (q16_u16)a;

    u = n < 0 ? u >> -n : u << n;
    return (__m256i)u & _mm256_set1_epi8((char)mask);
}

V16_INLINE q16 q16_bits(q16 a, int n, int mask)
{
    return (q16){ q16_bits_half(a.lo, n, mask), q16_bits_half(a.hi, n, mask) };
}

V16_INLINE q16 q16_or(q16 a, q16 b)
{
    return (q16){ a.lo | b.lo, a.hi | b.hi };
}

V16_INLINE q16 q16_lookup(const uint8_t *table, q16 a)
{
    __m256i t = _mm256_broadcastsi128_si256(_mm_loadu_si128((const void *)table));

    return (q16){ _mm256_shuffle_epi8(t, a.lo), _mm256_shuffle_epi8(t, a.hi) };
}

V16_INLINE q16 q16_shl32(q16 a, int n)
{
    return (q16){ (__m256i)((q16_u32)a.lo << n), (__m256i)((q16_u32)a.hi << n) };
}

V16_INLINE q16 q16_add32(q16 a, q16 b)
{
    return (q16){ _mm256_add_epi32(a.lo, b.lo), _mm256_add_epi32(a.hi, b.hi) };
}

V16_INLINE q16 q16_sub32(q16 a, q16 b)
{
    return (q16){ (__m256i)((q16_u32)a.lo - (q16_u32)b.lo),
                  (__m256i)((q16_u32)a.hi - (q16_u32)b.hi) };
}

#if defined(__AVXVNNI__)
V16_INLINE void q16_dot_half(__m256i *sum, __m256i *part, __m256i codes, __m256i x, int bits, int j)
{
    (void)part, (void)bits, (void)j;
    *sum = _mm256_dpbusd_avx_epi32(*sum, codes, x);
}
#else
V16_INLINE void q16_dot_half(__m256i *sum, __m256i *part, __m256i codes, __m256i x, int bits, int j)
{
    int chain = bits <= 3 ? 4 : bits == 4 ? 8 : bits == 5 ? 4 : bits == 6 ? 2 : 1;
    __m256i p;

    if (bits == 8) {
        codes = codes ^ _mm256_set1_epi8(-128);
        p = _mm256_maddubs_epi16(_mm256_abs_epi8(codes), _mm256_sign_epi8(x, codes));
    } else {
        p = _mm256_maddubs_epi16(codes, x);
    }
    if (j % chain != 0) p = _mm256_add_epi16(*part, p);
    /* Ties the product to its step: gcc 12 otherwise makes all products of a block first and runs
     * out of its 16 registers (Zen 5: 120 GMAC/s of a Q4_1 matrix where this gives 162). */
    __asm__("" : "+x"(p));
    if (j % chain != chain - 1) *part = p;
    else *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(p, _mm256_set1_epi16(1)));
}
#endif

V16_INLINE void q16_dot(q16 *sum, q16 *part, q16 codes, q16 x, int bits, int j)
{
    q16_dot_half(&sum->lo, &part->lo, codes.lo, x.lo, bits, j);
    q16_dot_half(&sum->hi, &part->hi, codes.hi, x.hi, bits, j);
}

V16_INLINE v16 q16_to_f32(q16 a)
{
    return (v16){ _mm256_cvtepi32_ps(a.lo), _mm256_cvtepi32_ps(a.hi) };
}

V16_INLINE __m256i q16_i16(v16 a)
{
    __m256i lo = _mm256_cvtps_epi32(a.lo), hi = _mm256_cvtps_epi32(a.hi);

    return _mm256_permute4x64_epi64(_mm256_packs_epi32(lo, hi), 0xd8);
}

V16_INLINE __m128i q16_i8(v16 a)
{
    __m256i w = q16_i16(a);

    return _mm_packs_epi16(_mm256_castsi256_si128(w), _mm256_extracti128_si256(w, 1));
}

V16_INLINE v16 v16_load_u8(const uint8_t *p)
{
    return q16_to_f32((q16){ _mm256_cvtepu8_epi32(_mm_loadl_epi64((const void *)p)),
                             _mm256_cvtepu8_epi32(_mm_loadl_epi64((const void *)(p + 8))) });
}

V16_INLINE v16 v16_load_i8(const uint8_t *p)
{
    return q16_to_f32((q16){ _mm256_cvtepi8_epi32(_mm_loadl_epi64((const void *)p)),
                             _mm256_cvtepi8_epi32(_mm_loadl_epi64((const void *)(p + 8))) });
}

V16_INLINE __m256i v16_u4_half(const uint8_t *p, int shift)
{
    __m256i b = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const void *)p));

    return (__m256i)((q16_u32)b >> shift) & _mm256_set1_epi32(15);
}

V16_INLINE v16 v16_load_u4(const uint8_t *p, int shift)
{
    return q16_to_f32((q16){ v16_u4_half(p, shift), v16_u4_half(p + 8, shift) });
}

V16_INLINE __m256i v16_e8m0_half(const uint8_t *p)
{
    __m256i e = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const void *)p));
    __m256i d = _mm256_slli_epi32(_mm256_sub_epi32(e, _mm256_set1_epi32(1)), 23);
    __m256i small = _mm256_sllv_epi32(_mm256_set1_epi32(0x200000), e);

    return _mm256_blendv_epi8(d, small, _mm256_cmpgt_epi32(_mm256_set1_epi32(2), e));
}

V16_INLINE v16 v16_load_e8m0(const uint8_t *p)
{
    return (v16){ _mm256_castsi256_ps(v16_e8m0_half(p)),
                  _mm256_castsi256_ps(v16_e8m0_half(p + 8)) };
}

#endif
