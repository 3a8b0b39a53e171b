/* SPDX-License-Identifier: MIT */
/* matmul_bf16.c - bf16 weights without bf16 products: simd/matmul_bf16.inc. 8 x 2: a pair of
 * weights takes two registers. */
#define MAX_ROWS    8
#define PROBE_STRIP 6
#define PROBE_SIDE  2
/* clang-format off */
#define TILES(X)   X(1, 4) X(2, 4) X(3, 3) X(4, 3) X(5, 3) X(6, 3) X(7, 2) X(8, 2)
#define SINGLES(X) X(1, 1) X(2, 1) X(3, 1) X(4, 1) X(5, 1) X(6, 1) X(7, 1) X(8, 1)
/* clang-format on */
#include "kernels/simd/matmul_bf16.inc"

void kernels_fill_matmul_bf16_avx512(struct kernels *k)
{
    fill(k);
}
