/* SPDX-License-Identifier: MIT */
/* matmul_k.c - packed K types: simd/matmul_q.inc for this folder's instruction set. */
#define PACKED_ROWS "kernels/packed_k.def"
#include "kernels/simd/matmul_q.inc"

void kernels_fill_matmul_k_avxvnni(struct kernels *k)
{
    fill(k);
}
