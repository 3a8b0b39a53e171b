/* SPDX-License-Identifier: MIT */
/*
 * q16.h - 64 bytes of integers: one word of four 8-bit codes, or one int32, of each of 16 rows.
 *
 * The integer partner of v16.h for the matrix kernels, one 512-bit register or
 * two of 256. What is worth knowing is q16_dot(), the only place where the
 * instruction sets differ in method; integer sums are exact either way:
 *
 *   AVX-512 VNNI, AVX-VNNI: vpdpbusd, unsigned codes times signed activations.
 *   AVX2: vpmaddubsw adds two products into a saturating int16. Codes of 4, 5
 *   and 6 bits times 127 leave room for 16, 8 and 4 products (15 * 127 * 16 =
 *   30480; those of 2 and 3 bits for more than the half of a block, which is all
 *   they are added over), so several steps stay in int16 before they are widened.
 *   Codes of 8 bits would saturate: they are made signed and the sign moves to the
 *   activations, |w| * (x with w's sign), 2 * 128 * 127 = 32512.
 */
#ifndef KERNELS_SIMD_Q16_H
#define KERNELS_SIMD_Q16_H

#include "kernels/simd/v16.h"

#if defined(__AVX512VNNI__)
#include "kernels/simd/q16_avx512.h"
#else
#include "kernels/simd/q16_avx2.h"
#endif

#endif
