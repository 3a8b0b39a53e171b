/* SPDX-License-Identifier: MIT */
/*
 * probe.c - simd/probe.inc for AVX2: 16 registers, two to a row.
 *
 * vpmaddubsw has no sum of its own, so that two rows (with their halves and the int16 sums between)
 * do not wait for each other; fused multiply-adds need ten sums in flight.
 */
#define DOT8_STRIP 2
#define DOT8_SIDE  1
#define FMA_STRIP  6
#define FMA_SIDE   1
#include "kernels/simd/probe.inc"

void kernels_fill_probe_avx2(struct kernels *k)
{
    fill(k);
}
