/* SPDX-License-Identifier: MIT */
/* matmul_wide.c - float weights: simd/matmul_wide.inc. 6 x 1: 12 of 16 registers accumulate. */
#define MAX_ROWS   6
#define MAX_GROUPS 4
/* clang-format off */
#define TILES(X, type)   X(type, 1, 4) X(type, 2, 2) X(type, 3, 2)
#define SINGLES(X, type) X(type, 1, 1) X(type, 2, 1) X(type, 3, 1) \
                         X(type, 4, 1) X(type, 5, 1) X(type, 6, 1)
/* clang-format on */
#include "kernels/simd/matmul_wide.inc"
