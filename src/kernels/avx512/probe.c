/* SPDX-License-Identifier: MIT */
/* probe.c - simd/probe.inc for AVX-512: a whole tile's twelve sums in 32 registers. */
#define DOT8_STRIP   12
#define DOT8_KEEP(q) (void)0
#define FMA_STRIP    12
#include "kernels/simd/probe.inc"
