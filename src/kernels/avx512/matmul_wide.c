/* SPDX-License-Identifier: MIT */
/* matmul_wide.c - float weights: simd/matmul_wide.inc. 12 x 2: 24 of 32 registers accumulate. */
#define MAX_ROWS   12
#define MAX_GROUPS 4
/* clang-format off */
#define TILES(X, type)                                          \
    X(type, 1, 4) X(type, 2, 4) X(type, 3, 4)  X(type, 4, 4)    \
    X(type, 5, 2) X(type, 6, 2) X(type, 7, 2)  X(type, 8, 2)    \
    X(type, 9, 2) X(type, 10, 2) X(type, 11, 2) X(type, 12, 2)
#define SINGLES(X, type)                                        \
    X(type, 1, 1) X(type, 2, 1) X(type, 3, 1)  X(type, 4, 1)    \
    X(type, 5, 1) X(type, 6, 1) X(type, 7, 1)  X(type, 8, 1)    \
    X(type, 9, 1) X(type, 10, 1) X(type, 11, 1) X(type, 12, 1)
/* clang-format on */
#include "kernels/simd/matmul_wide.inc"
