/* SPDX-License-Identifier: MIT */
/* probe.c - the limits of a core in plain C (probe.h has the definitions). */
#include <math.h>

#include "kernels/c/bf16.h"
#include "kernels/c/c.h"

static void probe_dot8(struct probe_dot8_args *a)
{
    for (int o = 0; o < PROBE_OUT; o++)
        a->sum[o] = 0;
    for (int b = 0; b < a->n_block; b++)
        for (int j = 0; j < PROBE_STEPS; j++)
            for (int r = 0; r < PROBE_ROWS; r++)
                for (int l = 0; l < PROBE_LANES; l++)
                    for (int i = 0; i < 4; i++)
                        a->sum[r * PROBE_LANES + l] +=
                            a->codes[b % PROBE_RING][j][l][i] * a->x[b % PROBE_RING][j][r][i];
}

static void probe_fma(struct probe_fma_args *a)
{
    for (int o = 0; o < PROBE_OUT; o++)
        a->y[o] = 0;
    for (int b = 0; b < a->n_block; b++)
        for (int j = 0; j < PROBE_STEPS; j++)
            for (int r = 0; r < PROBE_ROWS; r++)
                for (int l = 0; l < PROBE_LANES; l++) {
                    float *y = &a->y[r * PROBE_LANES + l];
                    *y = fmaf(a->w[b % PROBE_RING][j][l], a->x[b % PROBE_RING][j][r], *y);
                }
}

static void probe_bf16(struct probe_bf16_args *a)
{
    for (int o = 0; o < 2 * PROBE_OUT; o++)
        a->y[o] = 0;
    for (int b = 0; b < a->n_block; b++)
        for (int j = 0; j < PROBE_STEPS; j++)
            for (int o = 0; o < 2 * PROBE_OUT; o++) {
                int row = o / (2 * PROBE_LANES), v = o / PROBE_LANES % 2, lane = o % PROBE_LANES;
                a->y[o] = bf16_dot(a->y[o], a->w[b % PROBE_RING][j][v][lane],
                                   a->x[b % PROBE_RING][j][row]);
            }
}

static void probe_read(uint64_t *sum, const void *p, size_t n_line)
{
    const uint64_t *w = p;
    uint64_t s[8] = { 0 };

    for (size_t i = 0; i < n_line; i++)
        for (int j = 0; j < 8; j++)
            s[j] += w[8 * i + (size_t)j];
    for (int j = 0; j < 8; j++)
        sum[j] = s[j];
}

void kernels_fill_probe(struct kernels *k)
{
    k->probe_dot8 = probe_dot8;
    k->probe_fma = probe_fma;
    k->probe_bf16 = probe_bf16;
    k->probe_read = probe_read;
}
