/* SPDX-License-Identifier: MIT */
/* weights.h - weights in the file's blocks, random and awkward, for the tests of matrix kernels. */
#ifndef TESTS_KERNELS_WEIGHTS_H
#define TESTS_KERNELS_WEIGHTS_H

#include "kt.h"

/* n_rows x k weights of type qt, every value finite, ending at a guard page. `kind` 0: random;
 * WEIGHTS_KINDS in all: extreme codes, and zero, smallest, largest or negative scales. */
enum { WEIGHTS_KINDS = 4 };
uint8_t *weights_make(struct ktest *t, enum qtype qt, int n_rows, int k, int kind);

/* The same, packed; ends at a guard page. */
uint8_t *weights_pack(struct ktest *t, enum qtype qt, const uint8_t *src, int n_rows, int k);

/* x [m][width] to packed activations. */
void q8_pack_all(const struct kernels *k, void *dst, const float *x, int m, int width);

/* Every 32 of x are a block at the edges of what q8_pack defines, NaNs and infinities included. */
void q8_edges(struct ktest *t, float *x, size_t n);

/* Value c of row i of packed activations [m][k] in steps of its scale, which goes to *sx. */
int q8_value(const void *packed, int m, int k, int i, int c, float *sx);

#endif
