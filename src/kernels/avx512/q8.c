/* SPDX-License-Identifier: MIT */
/* q8.c - int8 activations: simd/q8.inc compiled for this folder's instruction set. */
#include "kernels/simd/q8.inc"
