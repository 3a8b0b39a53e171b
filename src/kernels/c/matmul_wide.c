/* SPDX-License-Identifier: MIT */
/*
 * matmul_wide.c - packed F32, F16, BF16 x f32 activations: the reference.
 *
 * The order of arithmetic is that of matmul_f32.c: each output is one chain of
 * fused multiply-adds from zero over ascending k. Weights are exact as f32, so
 * packing such a type changes no bit of the results.
 */
#include "base/f16.h"
#include "base/le.h"
#include "kernels/c/c.h"
#include "kernels/packed.h"

static inline float load_F32(const uint8_t *p)
{
    return f32_from_bits(le32(p));
}

static inline float load_F16(const uint8_t *p)
{
    return f16_to_f32(le16(p));
}

static inline float load_BF16(const uint8_t *p)
{
    return bf16_to_f32(le16(p));
}

typedef float load_fn(const uint8_t *p);

/* Sixteen outputs of one row of x. */
static inline __attribute__((always_inline)) void
chain(float acc[R16], const uint8_t *w, const float *x, int k, load_fn *load, size_t bytes)
{
    for (int r = 0; r < R16; r++)
        acc[r] = 0;
    for (int c = 0; c < k; c++)
        for (int r = 0; r < R16; r++, w += bytes)
            acc[r] = __builtin_fmaf(load(w), x[c], acc[r]);
}

static inline __attribute__((always_inline)) void matmul(const struct matmul_args *a, load_fn *load,
                                                         size_t bytes)
{
    for (int g = a->g0; g < a->g1; g++) {
        const uint8_t *w = (const uint8_t *)a->w + (size_t)g * R16 * (size_t)a->k * bytes;
        int valid = a->n - g * R16 < R16 ? a->n - g * R16 : R16;
        float acc[R16];

        for (int i = 0; i < a->m; i++) {
            float *y = a->y + (size_t)i * a->ld_y + (size_t)g * R16;
            chain(acc, w, (const float *)a->x + (size_t)i * (size_t)a->k, a->k, load, bytes);
            for (int r = 0; r < valid; r++)
                y[r] = a->add ? y[r] + acc[r] : acc[r];
        }
    }
}

#define WIDE(type, bytes)                                  \
    static void matmul_##type(const struct matmul_args *a) \
    {                                                      \
        matmul(a, load_##type, bytes);                     \
    }
#include "kernels/packed_wide.def"
#undef WIDE

void kernels_fill_matmul_wide(struct kernels *k)
{
#define WIDE(type, bytes) k->matmul[QT_##type] = matmul_##type;
#include "kernels/packed_wide.def"
#undef WIDE
}
