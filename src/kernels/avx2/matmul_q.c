/* SPDX-License-Identifier: MIT */
/* matmul_q.c - packed weights: simd/matmul_q_body.h compiled for this folder's instruction set. */
#include "kernels/simd/matmul_q_body.h"
