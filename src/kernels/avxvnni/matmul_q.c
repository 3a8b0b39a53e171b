/* SPDX-License-Identifier: MIT */
/* matmul_q.c - packed types with blocks of 32: simd/matmul_q.inc for this folder's instruction set.
 */
#define PACKED_ROWS "kernels/packed_32.def"
#include "kernels/simd/matmul_q.inc"

void kernels_fill_matmul_avxvnni(struct kernels *k)
{
    fill(k);
}
