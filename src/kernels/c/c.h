/* SPDX-License-Identifier: MIT */
/*
 * c.h - the parts from which the C reference table is filled.
 *
 * Each part sets its own entries of *k and leaves the others alone; fill.c
 * calls them all. Nothing outside this folder includes this.
 */
#ifndef KERNELS_C_C_H
#define KERNELS_C_C_H

#include "kernels/kernels.h"

void kernels_fill_c(struct kernels *k);
void kernels_fill_dequant(struct kernels *k);     /* dequant.c: dequant[] of every type */
void kernels_fill_vec(struct kernels *k);         /* vec.c: rows of floats                 */
void kernels_fill_attend(struct kernels *k);      /* attend.c: KV cache and attention      */
void kernels_fill_q8(struct kernels *k);          /* q8.c: int8 activations                 */
void kernels_fill_matmul(struct kernels *k);      /* matmul_q.c: packed weights             */
void kernels_fill_matmul_wide(struct kernels *k); /* matmul_wide.c: packed floats         */
void kernels_fill_matmul_bf16(struct kernels *k); /* matmul_bf16.c: floats as bf16        */
void kernels_fill_matmul_f32(struct kernels *k);  /* matmul_f32.c: any weights              */
void kernels_fill_probe(struct kernels *k);       /* probe.c: the limits of a core          */

/* dequant_*.c, by the layout of their bits */
dequant_fn dequant_q4_0, dequant_q4_1, dequant_q5_0, dequant_q5_1, dequant_q8_0, dequant_q2_k,
    dequant_q3_k, dequant_q4_k, dequant_q5_k, dequant_q6_k, dequant_iq2_xxs, dequant_iq2_xs,
    dequant_iq3_xxs, dequant_iq1_s, dequant_iq4_nl, dequant_iq3_s, dequant_iq2_s, dequant_iq4_xs,
    dequant_iq1_m, dequant_tq1_0, dequant_tq2_0, dequant_mxfp4, dequant_nvfp4;

#endif
