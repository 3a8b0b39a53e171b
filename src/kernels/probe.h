/* SPDX-License-Identifier: MIT */
/*
 * probe.h - the limits of a core, as kernels: the loops of a matrix product with nothing around
 * them. Their speed is what the speed of real kernels is compared with (engine/machine.h); what
 * they return is tested like the result of any kernel.
 *
 * A block of work is PROBE_STEPS steps of two vectors of 16 outputs x PROBE_ROWS rows, as in a tile
 * of a product: weights in registers, activations broadcast from the first-level cache. Two
 * vectors, because a load for every product would be the limit. Operands repeat after PROBE_RING
 * blocks, block b uses part b % PROBE_RING, so that a run of any length stays there.
 *
 *   dot8  sum[row][vector][lane] += codes[b][step][vector][lane][0..4) . x[b][step][row][0..4):
 *         unsigned codes up to 15, which every instruction set multiplies at its best speed, times
 *         int8 of at least -127. Exact up to PROBE_DOT8_BLOCKS blocks.
 *   fma   y[row][vector][lane] = fma(w[b][step][vector][lane], x[b][step][row], the same),
 *         from zero
 *   bf16  y[row][vector][lane] = bf16_dot(the same, w[b][step][vector][lane], x[b][step][row]),
 *         from zero (c/bf16.h)
 *   read  sum[i % 8] += word i of 8 bytes, modulo 2^64
 */
#ifndef KERNELS_PROBE_H
#define KERNELS_PROBE_H

#include <stddef.h>
#include <stdint.h>

enum {
    PROBE_ROWS = 12, /* independent sums: more than the latency of a product times two a cycle */
    PROBE_STEPS = 8,
    PROBE_RING = 4,
    PROBE_LANES = 16,
    PROBE_SIDES = 2, /* vectors */
    PROBE_OUT = PROBE_ROWS * PROBE_SIDES * PROBE_LANES,
    PROBE_DOT8_BLOCKS = 32768, /* 2^15 blocks of 32 products of up to 15 * 127 are below 2^31 */
    PROBE_LINE = 64,           /* bytes: probe_read takes whole lines */
};

struct probe_dot8_args {
    int32_t sum[PROBE_OUT];
    uint8_t codes[PROBE_RING][PROBE_STEPS][PROBE_SIDES][PROBE_LANES][4];
    int8_t x[PROBE_RING][PROBE_STEPS][PROBE_ROWS][4];
    int n_block;
};

struct probe_fma_args {
    float y[PROBE_OUT];
    float w[PROBE_RING][PROBE_STEPS][PROBE_SIDES][PROBE_LANES];
    float x[PROBE_RING][PROBE_STEPS][PROBE_ROWS];
    int n_block;
};

struct probe_bf16_args {
    float y[PROBE_OUT];
    uint32_t w[PROBE_RING][PROBE_STEPS][PROBE_SIDES][PROBE_LANES];
    uint32_t x[PROBE_RING][PROBE_STEPS][PROBE_ROWS];
    int n_block;
};

/* Multiply-adds of one block. */
#define PROBE_DOT8_MACS (4.0 * PROBE_STEPS * PROBE_OUT)
#define PROBE_FMA_MACS  (1.0 * PROBE_STEPS * PROBE_OUT)
#define PROBE_BF16_MACS (2.0 * PROBE_STEPS * PROBE_OUT)

#endif
