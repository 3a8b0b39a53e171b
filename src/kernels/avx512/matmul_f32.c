/* SPDX-License-Identifier: MIT */
/* matmul_f32.c - any weights: simd/matmul_f32.inc. 8 rows: more chains than an FMA takes cycles. */
#define ROWS 8
#include "kernels/simd/matmul_f32.inc"
