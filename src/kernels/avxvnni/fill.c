/* SPDX-License-Identifier: MIT */
/*
 * fill.c - AVX2 with the 256-bit dot product outside AVX-512 (Alder Lake and later, Zen 5).
 *
 * Only the matrices differ from avx2/: four products are added in 32 bits at once, where AVX2 goes
 * through 16 bits that could overflow.
 */
#include "kernels/kernels.h"
#include "kernels/simd/simd.h"

void kernels_fill_avxvnni(struct kernels *k);

void kernels_fill_avxvnni(struct kernels *k)
{
    kernels_fill_matmul_avxvnni(k);
    kernels_fill_matmul_k_avxvnni(k);
    kernels_fill_matmul_lut_avxvnni(k);
    kernels_fill_probe_avxvnni(k);
}
