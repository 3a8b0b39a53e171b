/* SPDX-License-Identifier: MIT */
/*
 * vec_body.h - the kernels on rows of floats, over v16; c/vec.c defines them.
 *
 * Included once by the vec.c of each instruction set. Rows of any length at any
 * address: the last, partial vector is loaded and stored under a mask, so no
 * byte outside a row is touched; its unused lanes are 0, which leaves every sum
 * as it is.
 */
#ifndef KERNELS_SIMD_VEC_BODY_H
#define KERNELS_SIMD_VEC_BODY_H

#include <math.h>

#include "kernels/simd/simd.h"
#include "kernels/simd/v16.h"

/* One step of an elementwise kernel: x, z its two rows, c its constant. Always inlined. */
typedef v16 vec_step(v16 x, v16 z, v16 c);

/* y[i] = f(x[i], z[i], c); pass x for z where there is only one row. */
V16_INLINE void vec_map(float *y, const float *x, const float *z, int n, float c, vec_step *f)
{
    v16 vc = v16_set(c);
    int i = 0;

    for (; i + 16 <= n; i += 16)
        v16_store(y + i, f(v16_load(x + i), v16_load(z + i), vc));
    if (i < n) v16_store_n(y + i, f(v16_load_n(x + i, n - i), v16_load_n(z + i, n - i), vc), n - i);
}

V16_INLINE v16 step_add(v16 x, v16 z, v16 c)
{
    (void)c;
    return v16_add(x, z);
}

V16_INLINE v16 step_scale(v16 x, v16 z, v16 c)
{
    (void)z;
    return v16_mul(x, c);
}

V16_INLINE v16 step_norm(v16 x, v16 z, v16 c)
{
    return v16_mul(v16_mul(x, c), z);
}

V16_INLINE v16 step_silu_mul(v16 x, v16 z, v16 c)
{
    (void)c;
    return v16_mul(v16_silu(x), z);
}

V16_INLINE v16 step_gelu_mul(v16 x, v16 z, v16 c)
{
    (void)c;
    return v16_mul(v16_gelu(x), z);
}

V16_INLINE v16 step_softcap(v16 x, v16 z, v16 c)
{
    (void)z;
    return v16_softcap(x, c);
}

V16_INLINE v16 step_exp(v16 x, v16 z, v16 c)
{
    (void)z;
    return v16_exp(v16_sub(x, c));
}

static void rmsnorm(float *y, const float *x, const float *w, int n, float eps)
{
    v16 lane = v16_set(0.0f);
    int i = 0;

    for (; i + 16 <= n; i += 16) {
        v16 v = v16_load(x + i);

        lane = v16_fma(v, v, lane);
    }
    if (i < n) {
        v16 v = v16_load_n(x + i, n - i);

        lane = v16_fma(v, v, lane);
    }
    float r = 1.0f / sqrtf(v16_sum(lane) / (float)n + eps);

    if (w) vec_map(y, x, w, n, r, step_norm);
    else vec_map(y, x, x, n, r, step_scale);
}

static void add(float *y, const float *x, int n)
{
    vec_map(y, y, x, n, 0.0f, step_add);
}

static void scale(float *y, const float *x, int n, float s)
{
    vec_map(y, x, x, n, s, step_scale);
}

static void silu_mul(float *y, const float *gate, const float *up, int n)
{
    vec_map(y, gate, up, n, 0.0f, step_silu_mul);
}

static void gelu_mul(float *y, const float *gate, const float *up, int n)
{
    vec_map(y, gate, up, n, 0.0f, step_gelu_mul);
}

static void softcap(float *x, int n, float cap)
{
    vec_map(x, x, x, n, cap, step_softcap);
}

static void exp_row(float *y, const float *x, int n, float max)
{
    vec_map(y, x, x, n, max, step_exp);
}

/* The 2n floats at p, n <= 16, as pairs. */
V16_INLINE void load_pairs(const float *p, int n, v16 *even, v16 *odd)
{
    if (n == 16) v16_unzip(v16_load(p), v16_load(p + 16), even, odd);
    else if (n > 8) v16_unzip(v16_load(p), v16_load_n(p + 16, 2 * n - 16), even, odd);
    else v16_unzip(v16_load_n(p, 2 * n), v16_set(0.0f), even, odd);
}

V16_INLINE void store_pairs(float *p, int n, v16 even, v16 odd)
{
    v16 a, b;

    v16_zip(even, odd, &a, &b);
    v16_store_n(p, a, n < 8 ? 2 * n : 16);
    if (n > 8) v16_store_n(p + 16, b, 2 * n - 16);
}

static void rope(float *x, const float *cs, int n_pairs, int neox)
{
    for (int i = 0; i < n_pairs; i += 16) {
        int n = n_pairs - i < 16 ? n_pairs - i : 16;
        float *pa = x + i, *pb = pa + n_pairs;
        v16 a, b, c, s;

        load_pairs(cs + 2 * i, n, &c, &s);
        if (neox) a = v16_load_n(pa, n), b = v16_load_n(pb, n);
        else load_pairs(x + 2 * i, n, &a, &b);
        v16 ra = v16_fma(a, c, v16_neg(v16_mul(b, s)));
        v16 rb = v16_fma(b, c, v16_mul(a, s));

        if (!neox) {
            store_pairs(x + 2 * i, n, ra, rb);
            continue;
        }
        v16_store_n(pa, ra, n);
        v16_store_n(pb, rb, n);
    }
}

/* The largest of x; NaNs are passed over. Four chains: the order of a maximum does not matter. */
static float row_max(const float *x, int n)
{
    v16 low = v16_set(-INFINITY), m[4] = { low, low, low, low };
    int i = 0;

    for (; i + 64 <= n; i += 64) {
        V16_UNROLL
        for (int j = 0; j < 4; j++)
            m[j] = v16_max(v16_load(x + i + 16 * j), m[j]);
    }
    for (; i + 16 <= n; i += 16)
        m[0] = v16_max(v16_load(x + i), m[0]);
    if (i < n) m[1] = v16_max(v16_select(m16_first(n - i), v16_load_n(x + i, n - i), low), m[1]);
    return v16_largest(v16_max(v16_max(m[0], m[1]), v16_max(m[2], m[3])));
}

static void sumexp(const float *x, int n, float *max, float *sum)
{
    float largest = row_max(x, n) + 0.0f;
    v16 m = v16_set(largest);
    double s = 0.0;

    for (int i0 = 0; i0 < n; i0 += 1024) {
        const float *t = x + i0;
        int len = n - i0 < 1024 ? n - i0 : 1024;
        v16 lane = v16_set(0.0f);

        int i = 0;

        for (; i + 16 <= len; i += 16)
            lane = v16_add(lane, v16_exp(v16_sub(v16_load(t + i), m)));
        if (i < len) {
            v16 e = v16_exp(v16_sub(v16_load_n(t + i, len - i), m));

            lane = v16_add(lane, v16_keep(m16_first(len - i), e));
        }
        s += (double)v16_sum(lane);
    }
    *max = largest;
    *sum = (float)s;
}

void V16_NAME(kernels_fill_vec)(struct kernels *k)
{
    k->rmsnorm = rmsnorm;
    k->add = add;
    k->scale = scale;
    k->silu_mul = silu_mul;
    k->gelu_mul = gelu_mul;
    k->softcap = softcap;
    k->rope = rope;
    k->sumexp = sumexp;
    k->exp_row = exp_row;
}

#endif
