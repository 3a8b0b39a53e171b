/* SPDX-License-Identifier: MIT */
/*
 * matmul.h - y = x W^T: packed weights, packed activations, arguments.
 *
 * Weights: groups of 16 output rows, interleaved (R16); inside a group the
 * blocks of 32 k ascend. The layout of each type is described in pack.c and is
 * private to the kernels. The last group is padded with zero rows.
 *
 * Activations: int8 with one f32 scale per 32 k, one of which may be larger ("q8g32x"), written by
 * q8_pack in a layout that suits the kernels: tiles of Q8_TILE rows.
 *
 * Order of arithmetic: for each output element one f32 accumulator from zero,
 * blocks ascending:  acc = fma((float)isum * sx, d, acc), then for types with
 * minima acc = fma(sum_x, m, acc), where isum is the exact integer sum of
 * (code - zero point) * x, d and m are the block's scale and minimum as exact
 * f32, and sum_x = (float)(sum of x) * sx. Q6_K has a scale per 16 k: two integer
 * sums and two such steps for each block, and so have Q3_K and Q2_K, which adds two
 * minima after them: acc = fma((float)-(sum of 16 x) * sx, -m, acc). matmul_f32 and the packed
 * kernels of F32, F16 and BF16: acc = fma(w, x, acc) for every k; matmul_bf16 does the same on
 * weights and activations rounded to bf16, subnormals flushed (c/bf16.h). So a row's results depend
 * on that row of x and on the weights alone.
 */
#ifndef KERNELS_MATMUL_H
#define KERNELS_MATMUL_H

#include <stddef.h>
#include <stdint.h>

#include "base/qtypes.h"

enum {
    R16 = 16,      /* output rows in a group                     */
    Q8_GROUP = 32, /* activations that share a scale             */
    Q8_TILE = 8,   /* rows of a full activation tile             */
};

/* y[0..n) = the values of n weights at src, which starts on a block; n is a multiple of the block.
 */
typedef void dequant_fn(float *y, const void *src, size_t n);

struct matmul_args {
    float *y; /* y[i * ld_y + n], n absolute: groups [g0, g1) write rows [16 g0, min(16 g1, n)) */
    size_t ld_y;
    const void *w; /* packed: group 0; f32 path: row 0 of the file's blocks */
    const void *x; /* packed activations of all m rows; f32 path and packed floats: f32 [m][k] */
    int m, k, n;   /* rows of x, inner length (multiple of 32; f32 path: any multiple of the type's
                      block; packed floats: any), output rows */
    int g0, g1;
    enum qtype type;     /* f32 path only: of the file's blocks                         */
    dequant_fn *dequant; /* f32 path only: kernels->dequant[type], so that a kernel stays
                            free of tables                                              */
    int add;             /* 0: y = result; 1: y = y + result (one rounding after the chain) */
    int ahead;           /* few rows of int8: bytes to fetch ahead of the weights; 0: none  */
    const void *next;    /* packed weights that the caller multiplies with after these, to fetch
                            them in time; NULL: not known                               */
    void *scratch;       /* MATMUL_SCRATCH(k) bytes, 64-byte aligned, private to the worker */
};

/* Rows [m0, m1) and columns [k0, k1) of x [m][ldx], whole blocks, into the packed form of all of x.
 */
struct q8_pack_args {
    void *dst; /* q8_bytes(m, k) */
    const float *x;
    size_t ldx;
    int m, k;
    int m0, m1, k0, k1;
};

/* What the kernels of float weights keep in L2 when there are many rows: weights of a block as f32,
 * unfinished chains, the rows of a tile. */
enum { FLOATS_K = 256, FLOATS_GROUPS = 16, FLOATS_ROWS = 192, FLOATS_TILE = 12 };
#define FLOATS_SCRATCH                                                                 \
    ((size_t)4 * (FLOATS_GROUPS * R16 * FLOATS_K + FLOATS_GROUPS * R16 * FLOATS_ROWS + \
                  FLOATS_TILE * FLOATS_K))

/* What is fetched ahead where nobody has measured what is best (`brrr tune` does). */
enum { MATMUL_AHEAD = 8192 };

/* A group of k weights as f32, or three as bytes with their scales, and room to spare. */
#define MATMUL_SCRATCH(k) ((size_t)(k)*32 * 4 + (size_t)(k)*16 + 8192 + FLOATS_SCRATCH)

/* Bytes of one packed group of 16 rows x k weights; 0 where the type has no packed layout or k does
 * not suit it. */
size_t packed_group_bytes(enum qtype t, int k);
/* Does the packed kernel of this type read f32 activations ([m][k], as matmul_f32 does, and with
 * its bits) instead of packed int8 ones? */
bool packed_wide(enum qtype t);
/* Bytes of packed activations of m rows. */
size_t q8_bytes(int m, int k);
/* The same of weights and activations as bf16, of any k. */
size_t bf16_group_bytes(int k);
size_t bf16_bytes(int m, int k);

#endif
