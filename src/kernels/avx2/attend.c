/* SPDX-License-Identifier: MIT */
/*
 * attend.c - simd/attend.inc for AVX2: 16 registers hold 6 x 16 accumulators,
 * 2 of K or V and 1 broadcast, and leave one.
 */
#define QK_ROWS  6
#define QK_COLS  1
#define PV_ROWS  6
#define PV_COLS  1
#define QK8_ROWS 4
#define QK8_COLS 1
#define PV8_ROWS 3
#define PV8_COLS 1
#include "kernels/simd/attend.inc"
