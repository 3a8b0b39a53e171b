/* SPDX-License-Identifier: MIT */
/* probe.c - the limits of a core in plain C (probe.h has the definitions). */
#include <math.h>
#include <string.h>

#include "kernels/c/bf16.h"
#include "kernels/c/c.h"

/* Output o is of this row, vector and lane. */
static int row_of(int o)
{
    return o / (PROBE_SIDES * PROBE_LANES);
}

static int side_of(int o)
{
    return o / PROBE_LANES % PROBE_SIDES;
}

static int lane_of(int o)
{
    return o % PROBE_LANES;
}

static void probe_dot8(struct probe_dot8_args *a)
{
    memset(a->sum, 0, sizeof(a->sum));
    for (int b = 0; b < a->n_block; b++)
        for (int j = 0; j < PROBE_STEPS; j++)
            for (int o = 0; o < PROBE_OUT; o++)
                for (int i = 0; i < 4; i++)
                    a->sum[o] += a->codes[b % PROBE_RING][j][side_of(o)][lane_of(o)][i] *
                                 a->x[b % PROBE_RING][j][row_of(o)][i];
}

static void probe_fma(struct probe_fma_args *a)
{
    memset(a->y, 0, sizeof(a->y));
    for (int b = 0; b < a->n_block; b++)
        for (int j = 0; j < PROBE_STEPS; j++)
            for (int o = 0; o < PROBE_OUT; o++)
                a->y[o] = fmaf(a->w[b % PROBE_RING][j][side_of(o)][lane_of(o)],
                               a->x[b % PROBE_RING][j][row_of(o)], a->y[o]);
}

static void probe_bf16(struct probe_bf16_args *a)
{
    memset(a->y, 0, sizeof(a->y));
    for (int b = 0; b < a->n_block; b++)
        for (int j = 0; j < PROBE_STEPS; j++)
            for (int o = 0; o < PROBE_OUT; o++)
                a->y[o] = bf16_dot(a->y[o], a->w[b % PROBE_RING][j][side_of(o)][lane_of(o)],
                                   a->x[b % PROBE_RING][j][row_of(o)]);
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
