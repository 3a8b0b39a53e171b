/* SPDX-License-Identifier: MIT */
/*
 * dequant.c - the plain float types, and the table of all dequantisers.
 *
 * The quantised types are grouped by how their bits lie (dequant_*.c). Plain
 * f32 arithmetic, without fused operations, in the order of the format's
 * definition: the values are the same to the last bit as those of the gguf
 * Python package, which is what model publishers quantise against.
 */
#include "kernels/c/c.h"
#include "kernels/c/unpack.h"

static void dequant_f32(float *y, const void *src, size_t n)
{
    memcpy(y, src, n * sizeof(*y));
}

static void dequant_f16(float *y, const void *src, size_t n)
{
    const uint8_t *p = src;

    for (size_t i = 0; i < n; i++)
        y[i] = load_f16(p + 2 * i);
}

static void dequant_bf16(float *y, const void *src, size_t n)
{
    const uint8_t *p = src;

    for (size_t i = 0; i < n; i++)
        y[i] = bf16_to_f32(le16(p + 2 * i));
}

void kernels_fill_dequant(struct kernels *k)
{
    k->dequant[QT_F32] = dequant_f32;
    k->dequant[QT_F16] = dequant_f16;
    k->dequant[QT_BF16] = dequant_bf16;
    k->dequant[QT_Q4_0] = dequant_q4_0;
    k->dequant[QT_Q4_1] = dequant_q4_1;
    k->dequant[QT_Q5_0] = dequant_q5_0;
    k->dequant[QT_Q5_1] = dequant_q5_1;
    k->dequant[QT_Q8_0] = dequant_q8_0;
    k->dequant[QT_Q2_K] = dequant_q2_k;
    k->dequant[QT_Q3_K] = dequant_q3_k;
    k->dequant[QT_Q4_K] = dequant_q4_k;
    k->dequant[QT_Q5_K] = dequant_q5_k;
    k->dequant[QT_Q6_K] = dequant_q6_k;
    k->dequant[QT_IQ2_XXS] = dequant_iq2_xxs;
    k->dequant[QT_IQ2_XS] = dequant_iq2_xs;
    k->dequant[QT_IQ3_XXS] = dequant_iq3_xxs;
    k->dequant[QT_IQ1_S] = dequant_iq1_s;
    k->dequant[QT_IQ4_NL] = dequant_iq4_nl;
    k->dequant[QT_IQ3_S] = dequant_iq3_s;
    k->dequant[QT_IQ2_S] = dequant_iq2_s;
    k->dequant[QT_IQ4_XS] = dequant_iq4_xs;
    k->dequant[QT_IQ1_M] = dequant_iq1_m;
    k->dequant[QT_TQ1_0] = dequant_tq1_0;
    k->dequant[QT_TQ2_0] = dequant_tq2_0;
    k->dequant[QT_MXFP4] = dequant_mxfp4;
    k->dequant[QT_NVFP4] = dequant_nvfp4;
}
