/* SPDX-License-Identifier: MIT */
/*
 * bf16.h - c/bf16.h in sixteen lanes: one instruction where there is one, else two ordinary fused
 * multiply-adds of this processor, told to flush to zero between flush_begin() and flush_end().
 *
 * A compiler does not know that those two change what arithmetic gives: they surround a call
 * through a pointer, never the arithmetic itself.
 */
#ifndef KERNELS_SIMD_BF16_H
#define KERNELS_SIMD_BF16_H

#include "kernels/c/bf16.h"
#include "kernels/simd/v16.h"

#if defined(__AVX512BF16__)

typedef __m512i w16; /* sixteen pairs */

V16_INLINE w16 w16_load(const uint32_t *p)
{
    return _mm512_loadu_si512(p);
}

V16_INLINE w16 w16_spread(const uint32_t *p)
{
    return _mm512_set1_epi32((int)*p);
}

V16_INLINE v16 w16_dot(v16 acc, w16 w, w16 x)
{
    return _mm512_dpbf16_ps(acc, (__m512bh)w, (__m512bh)x);
}

/* to[0..16) = the pairs of x[0..32) */
V16_INLINE void w16_round(uint32_t *to, const float *x)
{
    __m512i h = (__m512i)_mm512_cvtne2ps_pbh(_mm512_loadu_ps(x + 16), _mm512_loadu_ps(x));

    _mm512_storeu_si512(to, _mm512_rol_epi32(h, 16));
}

static inline unsigned flush_begin(void)
{
    return 0;
}

static inline void flush_end(unsigned before)
{
    (void)before;
}

#else

typedef struct {
    v16 first, second;
} w16;

#if defined(__AVX512F__)
V16_INLINE w16 w16_halves(__m512i w)
{
    return (w16){ _mm512_castsi512_ps(_mm512_and_si512(w, _mm512_set1_epi32((int)0xffff0000))),
                  _mm512_castsi512_ps(_mm512_slli_epi32(w, 16)) };
}

V16_INLINE w16 w16_load(const uint32_t *p)
{
    return w16_halves(_mm512_loadu_si512(p));
}

V16_INLINE w16 w16_spread(const uint32_t *p)
{
    return w16_halves(_mm512_set1_epi32((int)*p));
}
#else
V16_INLINE w16 w16_halves(__m256i lo, __m256i hi)
{
    __m256i mask = _mm256_set1_epi32((int)0xffff0000);

    return (w16){ { _mm256_castsi256_ps(_mm256_and_si256(lo, mask)),
                    _mm256_castsi256_ps(_mm256_and_si256(hi, mask)) },
                  { _mm256_castsi256_ps(_mm256_slli_epi32(lo, 16)),
                    _mm256_castsi256_ps(_mm256_slli_epi32(hi, 16)) } };
}

V16_INLINE w16 w16_load(const uint32_t *p)
{
    return w16_halves(_mm256_loadu_si256((const __m256i *)(const void *)p),
                      _mm256_loadu_si256((const __m256i *)(const void *)(p + 8)));
}

V16_INLINE w16 w16_spread(const uint32_t *p)
{
    __m256i x = _mm256_set1_epi32((int)*p);

    return w16_halves(x, x);
}
#endif

V16_INLINE v16 w16_dot(v16 acc, w16 w, w16 x)
{
    return v16_fma(w.second, x.second, v16_fma(w.first, x.first, acc));
}

V16_INLINE void w16_round(uint32_t *to, const float *x)
{
    for (int j = 0; j < 16; j++)
        to[j] = bf16_pair(bf16_round(x[2 * j]), bf16_round(x[2 * j + 1]));
}

enum { FLUSH_TO_ZERO = 0x8000, DENORMALS_ARE_ZERO = 0x0040 };

static inline unsigned flush_begin(void)
{
    unsigned before = _mm_getcsr();

    _mm_setcsr(before | FLUSH_TO_ZERO | DENORMALS_ARE_ZERO);
    return before;
}

static inline void flush_end(unsigned before)
{
    _mm_setcsr(before);
}

#endif

#endif
