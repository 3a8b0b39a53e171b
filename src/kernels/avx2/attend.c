/* SPDX-License-Identifier: MIT */
/*
 * attend.c - simd/attend.inc for AVX2: 16 registers hold 6 x 16 accumulators,
 * 2 of K or V and 1 broadcast, and leave one.
 */
#define QK_ROWS 6
#define QK_COLS 1
#define PV_ROWS 6
#define PV_COLS 1
#include "kernels/simd/attend.inc"
