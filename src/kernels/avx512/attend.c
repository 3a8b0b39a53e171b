/* SPDX-License-Identifier: MIT */
/*
 * attend.c - simd/attend.inc for AVX-512: 32 registers hold 24 accumulators.
 *
 * Scores: 12 rows x 32 positions, 2 loads of K and 12 broadcasts for 24 FMAs.
 * Values: 6 rows x 64 columns, 4 loads of V and 6 broadcasts for 24.
 */
#define QK_ROWS  12
#define QK_COLS  2
#define PV_ROWS  6
#define PV_COLS  4
#define QK8_ROWS 12
#define QK8_COLS 2
#define PV8_ROWS 3
#define PV8_COLS 4
#include "kernels/simd/attend.inc"
