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
void kernels_fill_dequant(struct kernels *k); /* dequant.c: dequant[] of every type */
void kernels_fill_vec(struct kernels *k);     /* vec.c: rows of floats                 */
void kernels_fill_attend(struct kernels *k);  /* attend.c: KV cache and attention      */

#endif
