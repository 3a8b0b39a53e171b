/* SPDX-License-Identifier: MIT */
/* vec.c - rows of floats: simd/vec_body.h compiled for this folder's instruction set. */
#include "kernels/simd/vec_body.h"
