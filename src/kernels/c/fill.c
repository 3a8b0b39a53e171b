/* SPDX-License-Identifier: MIT */
/* fill.c - the C reference of every kernel: complete, and the one that the others must equal. */
#include "kernels/c/c.h"

void kernels_fill_c(struct kernels *k)
{
    kernels_fill_dequant(k);
    kernels_fill_vec(k);
    kernels_fill_attend(k);
}
