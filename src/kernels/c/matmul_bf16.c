/* SPDX-License-Identifier: MIT */
/*
 * matmul_bf16.c - bf16 weights x bf16 activations: the reference, and how activations are packed.
 *
 * Each output is one chain from zero over ascending k, of the multiply-adds that bf16.h defines.
 */
#include "kernels/c/bf16.h"
#include "kernels/c/c.h"
#include "kernels/packed.h"

static void bf16_pack(const struct q8_pack_args *a)
{
    for (int i = a->m0; i < a->m1; i++) {
        int t0 = i - i % Q8_TILE, rows = q8_tile_rows(a->m, t0);
        uint32_t *to = (uint32_t *)a->dst + bf16_tile_offset(t0, a->k) / sizeof(*to);
        const float *x = a->x + (size_t)i * a->ldx;
        for (int c = a->k0; c < a->k1; c += 2)
            to[c / 2 * rows + i - t0] =
                bf16_pair(bf16_round(x[c]), c + 1 < a->k ? bf16_round(x[c + 1]) : 0);
    }
}

/* Output r of the group at w for row i of x. */
static float output(const struct matmul_args *a, const uint32_t *w, int r, int i)
{
    int t0 = i - i % Q8_TILE, rows = q8_tile_rows(a->m, t0);
    const uint32_t *x = (const uint32_t *)a->x + bf16_tile_offset(t0, a->k) / sizeof(*x);
    float acc = 0;

    for (int j = 0; j < (a->k + 1) / 2; j++)
        acc = bf16_dot(acc, w[j * R16 + r], x[j * rows + i - t0]);
    return acc;
}

static void matmul_bf16(const struct matmul_args *a)
{
    int n1 = a->g1 * R16 < a->n ? a->g1 * R16 : a->n;

    for (int n = a->g0 * R16; n < n1; n++) {
        const uint8_t *w = (const uint8_t *)a->w + (size_t)(n / R16) * bf16_group_bytes(a->k);
        for (int i = 0; i < a->m; i++) {
            float *y = a->y + (size_t)i * a->ld_y + n;
            float one = output(a, (const void *)w, n % R16, i);
            *y = a->add ? *y + one : one;
        }
    }
}

void kernels_fill_matmul_bf16(struct kernels *k)
{
    k->bf16_pack = bf16_pack;
    k->matmul_bf16 = matmul_bf16;
}
