/* SPDX-License-Identifier: MIT */
/* fill.c - the C reference of every kernel: complete, and the one that the others must equal. */
#include "kernels/c/c.h"
#include "kernels/packed.h"

void kernels_fill_c(struct kernels *k)
{
    kernels_fill_dequant(k);
    kernels_fill_vec(k);
    kernels_fill_attend(k);
    kernels_fill_pack(k);
    kernels_fill_pack_wide(k);
    kernels_fill_pack_bf16(k);
    kernels_fill_q8(k);
    kernels_fill_matmul(k);
    kernels_fill_matmul_wide(k);
    kernels_fill_matmul_bf16(k);
    kernels_fill_matmul_f32(k);
    kernels_fill_probe(k);
}
