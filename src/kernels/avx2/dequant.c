/* SPDX-License-Identifier: MIT */
/* dequant.c - half precision: simd/dequant.inc compiled for this folder's instruction set. */
#include "kernels/simd/dequant.inc"
