/* SPDX-License-Identifier: MIT */
/* fill.c - what this folder does better than the ones before it (select.c has the order). */
#include "kernels/kernels.h"
#include "kernels/simd/simd.h"

void kernels_fill_avx512(struct kernels *k);

void kernels_fill_avx512(struct kernels *k)
{
    kernels_fill_vec_avx512(k);
    kernels_fill_attend_avx512(k);
    kernels_fill_q8_avx512(k);
    kernels_fill_dequant_avx512(k);
    kernels_fill_matmul_avx512(k);
    kernels_fill_matmul_k_avx512(k);
    kernels_fill_matmul_lut_avx512(k);
    kernels_fill_matmul_wide_avx512(k);
    kernels_fill_matmul_bf16_avx512(k);
    kernels_fill_matmul_f32_avx512(k);
    kernels_fill_probe_avx512(k);
}
