/* SPDX-License-Identifier: MIT */
/* matmul_lut.c - packed types with a table of values: simd/matmul_q.inc for this folder's
 * instruction set. */
#define PACKED_ROWS "kernels/packed_lut.def"
#include "kernels/simd/matmul_q.inc"

void kernels_fill_matmul_lut_avx2(struct kernels *k)
{
    fill(k);
}
