/* SPDX-License-Identifier: MIT */
/* probe.c - simd/probe.inc for AVX-VNNI: six rows of two registers, as many as the latency asks. */
#define DOT8_STRIP 6
#define DOT8_SIDE  1
#define FMA_STRIP  6
#define FMA_SIDE   1
#include "kernels/simd/probe.inc"

void kernels_fill_probe_avxvnni(struct kernels *k)
{
    fill(k);
}
