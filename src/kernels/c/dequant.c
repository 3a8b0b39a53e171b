/* SPDX-License-Identifier: MIT */
/*
 * dequant.c - the plain float types, and the table of all dequantisers.
 *
 * The quantised types are grouped by how their bits lie (dequant_*.c). Plain
 * f32 arithmetic, without fused operations, in the order of the format's
 * definition: the values are the same to the last bit as those of the gguf
 * Python package, which is what model publishers quantise against.
 */
#include "base/f16.h"
#include "kernels/c/c.h"

static void dequant_f32(float *y, const void *src, size_t n)
{
    memcpy(y, src, n * sizeof(*y));
}

static void dequant_f16(float *y, const void *src, size_t n)
{
    const uint8_t *p = src;

    for (size_t i = 0; i < n; i++)
        y[i] = f16_to_f32((uint16_t)(p[2 * i] | p[2 * i + 1] << 8));
}

static void dequant_bf16(float *y, const void *src, size_t n)
{
    const uint8_t *p = src;

    for (size_t i = 0; i < n; i++)
        y[i] = bf16_to_f32((uint16_t)(p[2 * i] | p[2 * i + 1] << 8));
}

void kernels_fill_dequant(struct kernels *k)
{
    k->dequant[QT_F32] = dequant_f32;
    k->dequant[QT_F16] = dequant_f16;
    k->dequant[QT_BF16] = dequant_bf16;
}
