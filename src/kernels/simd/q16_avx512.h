/* SPDX-License-Identifier: MIT */
/* q16_avx512.h - q16.h in one 512-bit register (VNNI). */
#ifndef KERNELS_SIMD_Q16_AVX512_H
#define KERNELS_SIMD_Q16_AVX512_H

#include <string.h>

#include "kernels/simd/v16_avx512.h"

typedef __m512i q16;
typedef uint16_t q16_u16 __attribute__((vector_size(64)));
typedef uint32_t q16_u32 __attribute__((vector_size(64)));

#define Q16_ROWS 8 /* accumulators of so many activation rows fit registers */
enum {
    Q16_PANEL = 3, /* groups side by side in a panel */
    Q16_SIGNED_8 = 0
}; /* 8-bit codes are used unsigned: subtract the zero point */

V16_INLINE q16 q16_load(const void *p)
{
    return _mm512_loadu_si512(p);
}

V16_INLINE void q16_store(void *p, q16 a)
{
    _mm512_storeu_si512(p, a);
}

V16_INLINE q16 q16_zero(void)
{
    return _mm512_setzero_si512();
}

/* The 4 bytes at p, 16 times: folds into a memory operand. */
V16_INLINE q16 q16_spread(const void *p)
{
    int32_t x;

    memcpy(&x, p, 4);
    return _mm512_set1_epi32(x);
}

/* Every byte: (a shifted by n bits to the left, to the right if n < 0) & mask. */
V16_INLINE q16 q16_bits(q16 a, int n, int mask)
{
    q16_u16 u = (q16_u16)a;

    u = n < 0 ? u >> -n : u << n;
    return (q16)u & _mm512_set1_epi8((char)mask);
}

V16_INLINE q16 q16_or(q16 a, q16 b)
{
    return a | b;
}

/* Every byte, 0..15: the value of that number in a table of 16. */
V16_INLINE q16 q16_lookup(const uint8_t *table, q16 a)
{
    return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(_mm_loadu_si128((const void *)table)), a);
}

V16_INLINE q16 q16_shl32(q16 a, int n)
{
    return (q16)((q16_u32)a << n);
}

V16_INLINE q16 q16_add32(q16 a, q16 b)
{
    return _mm512_add_epi32(a, b);
}

V16_INLINE q16 q16_sub32(q16 a, q16 b)
{
    return (q16)((q16_u32)a - (q16_u32)b);
}

/* *sum += codes * x, step j of a block; `part` is for instruction sets that widen later. */
V16_INLINE void q16_dot(q16 *sum, q16 *part, q16 codes, q16 x, int bits, int j)
{
    (void)part, (void)bits, (void)j;
    *sum = _mm512_dpbusd_epi32(*sum, codes, x);
}

V16_INLINE v16 q16_to_f32(q16 a)
{
    return _mm512_cvtepi32_ps(a);
}

/* Sixteen integers in [-127, 127], rounded to even, as bytes. */
V16_INLINE __m128i q16_i8(v16 a)
{
    return _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(a));
}

V16_INLINE v16 v16_load_u8(const uint8_t *p)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const void *)p)));
}

V16_INLINE v16 v16_load_i8(const uint8_t *p)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const void *)p)));
}

/* Sixteen nibbles: the low ones (shift 0) or the high ones (4) of the bytes at p. */
V16_INLINE v16 v16_load_u4(const uint8_t *p, int shift)
{
    __m512i b = _mm512_cvtepu8_epi32(_mm_loadu_si128((const void *)p));

    return _mm512_cvtepi32_ps((q16)((q16_u32)b >> shift) & _mm512_set1_epi32(15));
}

/* 2^(e - 128); the two smallest are subnormal. */
V16_INLINE v16 v16_load_e8m0(const uint8_t *p)
{
    __m512i e = _mm512_cvtepu8_epi32(_mm_loadu_si128((const void *)p));
    __m512i d = _mm512_slli_epi32(_mm512_sub_epi32(e, _mm512_set1_epi32(1)), 23);
    __mmask16 small = _mm512_cmplt_epi32_mask(e, _mm512_set1_epi32(2));

    return _mm512_castsi512_ps(_mm512_mask_sllv_epi32(d, small, _mm512_set1_epi32(0x200000), e));
}

#endif
