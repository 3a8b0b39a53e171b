/* SPDX-License-Identifier: MIT */
/* matmul_f32.c - any weights: simd/matmul_f32_body.h compiled for this folder's instruction set. */
#include "kernels/simd/matmul_f32_body.h"
