/* SPDX-License-Identifier: MIT */
/*
 * matmul_f32.c - any weight type x f32 activations: the reference.
 *
 * A row of weights is dequantised in pieces; every output is one chain of fused
 * multiply-adds from zero over ascending k. fmaf is exact: libm takes the
 * processor's instruction where there is one, and computes the same bits where
 * there is none.
 */
#include "kernels/c/c.h"

enum { PIECE = 256, SLAB = 64 }; /* k dequantised at once, a multiple of every block; rows of x */

/* Output n for rows [i0, i1) of x. */
static void output(const struct matmul_args *a, int n, int i0, int i1)
{
    const uint8_t *w = (const uint8_t *)a->w + (size_t)n * qtype_row_bytes(a->type, (size_t)a->k);
    float acc[SLAB] = { 0 }, q[PIECE];

    for (int k0 = 0; k0 < a->k; k0 += PIECE) {
        int len = a->k - k0 < PIECE ? a->k - k0 : PIECE;
        a->dequant(q, w + qtype_row_bytes(a->type, (size_t)k0), (size_t)len);
        for (int i = i0; i < i1; i++) {
            const float *x = (const float *)a->x + (size_t)i * (size_t)a->k + k0;
            for (int j = 0; j < len; j++)
                acc[i - i0] = __builtin_fmaf(q[j], x[j], acc[i - i0]);
        }
    }
    for (int i = i0; i < i1; i++) {
        float *y = a->y + (size_t)i * a->ld_y + n;
        *y = a->add ? *y + acc[i - i0] : acc[i - i0];
    }
}

static void matmul_f32(const struct matmul_args *a)
{
    int n1 = a->g1 * R16 < a->n ? a->g1 * R16 : a->n;

    for (int n = a->g0 * R16; n < n1; n++)
        for (int i = 0; i < a->m; i += SLAB)
            output(a, n, i, i + SLAB < a->m ? i + SLAB : a->m);
}

void kernels_fill_matmul_f32(struct kernels *k)
{
    k->matmul_f32 = matmul_f32;
}
