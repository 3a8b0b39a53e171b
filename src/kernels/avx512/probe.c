/* SPDX-License-Identifier: MIT */
/* probe.c - simd/probe.inc for AVX-512: all 24 sums in 32 registers. */
#define DOT8_STRIP 12
#define DOT8_SIDE  2
#define FMA_STRIP  12
#define FMA_SIDE   2
#include "kernels/simd/probe.inc"

void kernels_fill_probe_avx512(struct kernels *k)
{
    fill(k);
}
