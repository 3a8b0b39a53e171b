/* SPDX-License-Identifier: MIT */
/* matmul_f32.c - any weights: simd/matmul_f32.inc. 6 rows: 12 of 16 registers are accumulators. */
#define ROWS 6
#include "kernels/simd/matmul_f32.inc"
