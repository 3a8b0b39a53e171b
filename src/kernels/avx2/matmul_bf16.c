/* SPDX-License-Identifier: MIT */
/* matmul_bf16.c - bf16 weights without bf16 products: simd/matmul_bf16.inc. 4 x 1: a pair of
 * weights takes four registers, a pair of activations two. */
#define MAX_ROWS    4
#define PROBE_STRIP 4
#define PROBE_SIDE  1
/* clang-format off */
#define TILES(X)   X(1, 2) X(2, 1) X(3, 1) X(4, 1)
#define SINGLES(X) X(1, 1)
/* clang-format on */
#include "kernels/simd/matmul_bf16.inc"

void kernels_fill_matmul_bf16_avx2(struct kernels *k)
{
    fill(k);
}
