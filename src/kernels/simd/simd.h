/* SPDX-License-Identifier: MIT */
/*
 * simd.h - the parts from which the tables of the instruction sets are filled.
 *
 * Each part sets its own entries of *k and leaves the others alone. Only the
 * kernel folders include this.
 */
#ifndef KERNELS_SIMD_SIMD_H
#define KERNELS_SIMD_SIMD_H

#include "kernels/kernels.h"

void kernels_fill_vec_avx2(struct kernels *k);
void kernels_fill_attend_avx2(struct kernels *k);
void kernels_fill_q8_avx2(struct kernels *k);
void kernels_fill_dequant_avx2(struct kernels *k);
void kernels_fill_matmul_avx2(struct kernels *k);
void kernels_fill_matmul_k_avx2(struct kernels *k);
void kernels_fill_matmul_lut_avx2(struct kernels *k);
void kernels_fill_matmul_wide_avx2(struct kernels *k);
void kernels_fill_matmul_bf16_avx2(struct kernels *k);
void kernels_fill_matmul_f32_avx2(struct kernels *k);
void kernels_fill_matmul_avxvnni(struct kernels *k);
void kernels_fill_matmul_k_avxvnni(struct kernels *k);
void kernels_fill_matmul_lut_avxvnni(struct kernels *k);
void kernels_fill_probe_avxvnni(struct kernels *k);
void kernels_fill_probe_avx2(struct kernels *k);
void kernels_fill_vec_avx512(struct kernels *k);
void kernels_fill_attend_avx512(struct kernels *k);
void kernels_fill_q8_avx512(struct kernels *k);
void kernels_fill_dequant_avx512(struct kernels *k);
void kernels_fill_matmul_avx512(struct kernels *k);
void kernels_fill_matmul_k_avx512(struct kernels *k);
void kernels_fill_matmul_lut_avx512(struct kernels *k);
void kernels_fill_matmul_wide_avx512(struct kernels *k);
void kernels_fill_matmul_bf16_avx512(struct kernels *k);
void kernels_fill_matmul_f32_avx512(struct kernels *k);
void kernels_fill_probe_avx512(struct kernels *k);
void kernels_fill_matmul_bf16_avx512bf16(struct kernels *k);

#endif
