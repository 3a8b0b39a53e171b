/* SPDX-License-Identifier: MIT */
/*
 * vec.c - the kernels on rows of floats, and their definition to the last bit.
 *
 * Element by element there is one sequence of IEEE operations. Sums run in 16
 * lanes, element i in lane i % 16, ascending, joined by the fixed tree of
 * fmath.h; so a vector register of any width that divides 16 gives the same bits.
 * Not meant to be fast: simd/vec.inc is.
 */
#include <math.h>

#include "kernels/c/c.h"
#include "kernels/c/fmath.h"

/* r = 1 / sqrt(sum / n + eps), then (x * r) * w: IEEE division and root, no estimates. */
static void rmsnorm_c(float *y, const float *x, const float *w, int n, float eps)
{
    float lane[16] = { 0 };

    for (int i = 0; i < n; i++)
        lane[i % 16] = __builtin_fmaf(x[i], x[i], lane[i % 16]);
    float r = 1.0f / sqrtf(fm_sum16(lane) / (float)n + eps);
    for (int i = 0; i < n; i++)
        y[i] = w ? x[i] * r * w[i] : x[i] * r;
}

static void add_c(float *y, const float *x, int n)
{
    for (int i = 0; i < n; i++)
        y[i] = y[i] + x[i];
}

static void scale_c(float *y, const float *x, int n, float s)
{
    for (int i = 0; i < n; i++)
        y[i] = x[i] * s;
}

static void silu_mul_c(float *y, const float *gate, const float *up, int n)
{
    for (int i = 0; i < n; i++)
        y[i] = fm_silu(gate[i]) * up[i];
}

static void gelu_mul_c(float *y, const float *gate, const float *up, int n)
{
    for (int i = 0; i < n; i++)
        y[i] = fm_gelu(gate[i]) * up[i];
}

static void softcap_c(float *x, int n, float cap)
{
    for (int i = 0; i < n; i++)
        x[i] = fm_softcap(x[i], cap);
}

/* One product is rounded, the other fused: a' = fma(a, cos, -(b sin)), b' = fma(b, cos, a sin). */
static void rope_c(float *x, const float *cs, int n_pairs, int neox)
{
    for (int i = 0; i < n_pairs; i++) {
        float *pa = neox ? x + i : x + 2 * i, *pb = neox ? x + i + n_pairs : pa + 1;
        float a = *pa, b = *pb, c = cs[2 * i], s = cs[2 * i + 1];

        *pa = __builtin_fmaf(a, c, -(b * s));
        *pb = __builtin_fmaf(b, c, a * s);
    }
}

/*
 * Tiles of 1024 elements: 16 lanes and the tree within a tile, the tiles' sums
 * added ascending in double precision, rounded once at the end. NaNs are passed
 * over by the maximum and reach the sum. All -inf, or n = 0, has no answer: the
 * sum is NaN or 0.
 */
static void sumexp_c(const float *x, int n, float *max, float *sum)
{
    float m = -INFINITY;
    double s = 0.0;

    for (int i = 0; i < n; i++)
        m = fm_max(x[i], m);
    m = m + 0.0f; /* of -0 and +0 always +0, in whatever order they came */
    for (int i0 = 0; i0 < n; i0 += 1024) {
        float lane[16] = { 0 };
        int i1 = n - i0 < 1024 ? n : i0 + 1024;

        for (int i = i0; i < i1; i++)
            lane[i % 16] = lane[i % 16] + fm_exp(x[i] - m);
        s += (double)fm_sum16(lane);
    }
    *max = m;
    *sum = (float)s;
}

static void exp_row_c(float *y, const float *x, int n, float max)
{
    for (int i = 0; i < n; i++)
        y[i] = fm_exp(x[i] - max);
}

void kernels_fill_vec(struct kernels *k)
{
    k->rmsnorm = rmsnorm_c;
    k->add = add_c;
    k->scale = scale_c;
    k->silu_mul = silu_mul_c;
    k->gelu_mul = gelu_mul_c;
    k->softcap = softcap_c;
    k->rope = rope_c;
    k->sumexp = sumexp_c;
    k->exp_row = exp_row_c;
}
