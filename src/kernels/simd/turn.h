/* SPDX-License-Identifier: MIT */
/* turn.h - rows to columns, four by four: for kernels whose lanes are outputs. */
#ifndef KERNELS_SIMD_TURN_H
#define KERNELS_SIMD_TURN_H

#include <immintrin.h>
#include <stddef.h>

/* to[c * ld_to + r] = from[r * ld + c] for 4 x 4 */
static inline void turn4(float *to, size_t ld_to, const float *from, size_t ld)
{
    __m128 a = _mm_loadu_ps(from), b = _mm_loadu_ps(from + ld);
    __m128 c = _mm_loadu_ps(from + 2 * ld), d = _mm_loadu_ps(from + 3 * ld);

    _MM_TRANSPOSE4_PS(a, b, c, d);
    _mm_storeu_ps(to, a);
    _mm_storeu_ps(to + ld_to, b);
    _mm_storeu_ps(to + 2 * ld_to, c);
    _mm_storeu_ps(to + 3 * ld_to, d);
}

/* to[c * rows + r] = from[r * ld + c] for c < n. The last four rows may overlap the ones before:
 * the same values are stored twice. */
static inline void turn_rows(float *to, const float *from, size_t ld, int rows, int n)
{
    size_t r_n = (size_t)rows, c = 0, c4 = rows < 4 ? 0 : (size_t)(n / 4 * 4);

    for (; c < c4; c += 4)
        for (size_t r = 0; r < r_n; r += 4) {
            size_t at = r + 4 <= r_n ? r : r_n - 4;
            turn4(to + c * r_n + at, r_n, from + at * ld + c, ld);
        }
    for (; c < (size_t)n; c++)
        for (size_t r = 0; r < r_n; r++)
            to[c * r_n + r] = from[r * ld + c];
}

#endif
