/* SPDX-License-Identifier: MIT */
/* vec.c - rows of floats: simd/vec.inc compiled for this folder's instruction set. */
#include "kernels/simd/vec.inc"
