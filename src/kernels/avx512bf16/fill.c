/* SPDX-License-Identifier: MIT */
/*
 * fill.c - AVX-512 with products of bf16 pairs (Zen 4, Cooper Lake, Sapphire Rapids and later).
 *
 * Only the profile "bf16" differs from avx512/, and only in speed: the bits are those of
 * c/bf16.h. Because the documentation of the instruction leaves a corner open (there), the
 * processor is asked at start: one that computes otherwise keeps the kernels of avx512/.
 */
#include "kernels/kernels.h"
#include "kernels/simd/bf16.h"
#include "kernels/simd/simd.h"

void kernels_fill_avx512bf16(struct kernels *k);

/* acc, w, x: order of the products, fused rounding, subnormals in and out, tiny before and after
 * rounding, the sign of a flushed result. A sum is never subnormal, so none comes in as acc. */
static const uint32_t cases[][3] = {
    { 0x00000000, 0x3f803f80, 0x3f803f80 }, { 0x3f800000, 0x5f805f80, 0x5f80df80 },
    { 0x3f800000, 0x5f80df80, 0x5f805f80 }, { 0x3f800001, 0x3f813f83, 0x3f8533ff },
    { 0x3f800000, 0x33803380, 0x3f803f80 }, { 0x4b800000, 0x3f803f80, 0x3f803f80 },
    { 0x00000000, 0x00013f80, 0x4b803f80 }, { 0x00000000, 0x007f8001, 0x7f007f00 },
    { 0x00800000, 0x00001980, 0x000098a0 }, { 0x00800000, 0x00001980, 0x00009980 },
    { 0x00800000, 0x00001980, 0x00009a00 }, { 0x00800000, 0x00001980, 0x00009a04 },
    { 0x00800000, 0x00001980, 0x00009a80 }, { 0x80800000, 0x19800000, 0x1a840000 },
    { 0x00000000, 0x1f801f80, 0x1f009f00 }, { 0x80000000, 0x80008000, 0x3f803f80 },
    { 0x7f7fffff, 0x7f7f7f7f, 0x3f80bf80 }, { 0xbf800000, 0x3f80b380, 0x3f803f80 },
};

static bool as_defined(void)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        float acc = f32_from_bits(cases[i][0]);
        float want = bf16_dot(acc, cases[i][1], cases[i][2]), got[16];
        v16_store(got, w16_dot(v16_set(acc), w16_spread(&cases[i][1]), w16_spread(&cases[i][2])));
        if (f32_bits(want) != f32_bits(got[0])) return false;
    }
    return true;
}

void kernels_fill_avx512bf16(struct kernels *k)
{
    if (as_defined()) kernels_fill_matmul_bf16_avx512bf16(k);
}
