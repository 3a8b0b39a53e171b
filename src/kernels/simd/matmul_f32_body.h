/* SPDX-License-Identifier: MIT */
/*
 * matmul_f32_body.h - any weight type x f32 activations in sixteen lanes.
 *
 * Included once in each instruction set's folder. Sixteen rows of weights are
 * dequantised piece by piece and turned, so that scratch holds a panel [k][16]
 * of f32; then each activation row is one chain of fused multiply-adds over
 * ascending k in sixteen lanes, which is c/matmul_f32.c for 16 outputs at once.
 *
 * Why this is faster: the weights of a group are dequantised once for all rows,
 * lanes are outputs (no horizontal sums), and eight rows at a time keep the
 * multipliers busy although every chain waits for itself.
 */
#include "kernels/simd/simd.h"
#include "kernels/simd/v16.h"

enum { PIECE = 256, ROWS = 8 }; /* k dequantised at once: a multiple of every block */

/* to[c][r] = from[r][c] for 4 x 4; rows lie PIECE and 16 apart. */
V16_INLINE void turn4(float *to, const float *from)
{
    __m128 a = _mm_loadu_ps(from), b = _mm_loadu_ps(from + PIECE);
    __m128 c = _mm_loadu_ps(from + 2 * PIECE), d = _mm_loadu_ps(from + 3 * PIECE);

    _MM_TRANSPOSE4_PS(a, b, c, d);
    _mm_storeu_ps(to, a);
    _mm_storeu_ps(to + 16, b);
    _mm_storeu_ps(to + 32, c);
    _mm_storeu_ps(to + 48, d);
}

/* to[c] = column c of the 16 rows, for len columns. */
V16_INLINE void turn(float *to, const float *from, int len)
{
    int c = 0;

    for (; c + 4 <= len; c += 4)
        for (int r = 0; r < R16; r += 4)
            turn4(to + (size_t)c * R16 + r, from + (size_t)r * PIECE + c);
    for (; c < len; c++)
        for (int r = 0; r < R16; r++)
            to[(size_t)c * R16 + (size_t)r] = from[r * PIECE + c];
}

/* Group g as [k][16]; rows past n are zero. */
static void panel_fill(float *panel, const struct matmul_args *a, int g)
{
    size_t row_bytes = qtype_row_bytes(a->type, (size_t)a->k);
    int rows = a->n - g * R16 < R16 ? a->n - g * R16 : R16;
    float piece[R16 * PIECE];

    memset(piece, 0, sizeof(piece));
    for (int k0 = 0; k0 < a->k; k0 += PIECE) {
        int len = a->k - k0 < PIECE ? a->k - k0 : PIECE;
        for (int r = 0; r < rows; r++)
            a->dequant(piece + r * PIECE,
                       (const uint8_t *)a->w + (size_t)(g * R16 + r) * row_bytes +
                           qtype_row_bytes(a->type, (size_t)k0),
                       (size_t)len);
        turn(panel + (size_t)k0 * R16, piece, len);
    }
}

/* Rows [i, i + n) of x against the panel of group g; n is constant at every call. */
V16_INLINE void rows_tile(const struct matmul_args *a, const float *panel, int g, int i, int n)
{
    const float *x = (const float *)a->x + (size_t)i * (size_t)a->k;
    int valid = a->n - g * R16;
    size_t k = (size_t)a->k;
    v16 acc[ROWS];

    V16_UNROLL for (int t = 0; t < n; t++) acc[t] = v16_set(0);
    for (size_t c = 0; c < k; c++) {
        v16 w = v16_load(panel + c * R16);
        V16_UNROLL for (int t = 0; t < n; t++) acc[t] =
            v16_fma(w, v16_set(x[(size_t)t * k + c]), acc[t]);
    }
    V16_UNROLL for (int t = 0; t < n; t++)
        v16_put(a->y + (size_t)(i + t) * a->ld_y + (size_t)g * R16, acc[t], valid, a->add);
}

static void matmul_f32(const struct matmul_args *a)
{
    for (int g = a->g0; g < a->g1; g++) {
        int i = 0;
        panel_fill(a->scratch, a, g);
        for (; i + ROWS <= a->m; i += ROWS)
            rows_tile(a, a->scratch, g, i, ROWS);
        for (; i + 2 <= a->m; i += 2)
            rows_tile(a, a->scratch, g, i, 2);
        if (i < a->m) rows_tile(a, a->scratch, g, i, 1);
    }
}

void V16_NAME(kernels_fill_matmul_f32)(struct kernels *k)
{
    k->matmul_f32 = matmul_f32;
}
