/* SPDX-License-Identifier: MIT */
/*
 * probe.c - simd/probe.inc for AVX2: 16 registers, two to a row.
 *
 * vpmaddubsw has no sum of its own, so that two rows (with their halves and the int16 sums between)
 * do not wait for each other; fused multiply-adds need ten sums in flight. Compilers like to do
 * all products of a block first and to run out of registers: DOT8_KEEP ties each sum to its step
 * (gcc 12 on Zen 5: 213 GMAC/s with it, 145 without).
 */
#define DOT8_STRIP   2
#define DOT8_KEEP(q) __asm__ volatile("" : "+x"((q).lo), "+x"((q).hi))
#define FMA_STRIP    6
#include "kernels/simd/probe.inc"
