/* SPDX-License-Identifier: MIT */
/*
 * attend.c - attention and the KV cache's slots: the reference.
 *
 * attend.h fixes the order of arithmetic; this file is that text in C, one query
 * row at a time. Only slots that the row sees are ever read.
 */
#include <math.h>

#include "kernels/c/c.h"
#include "kernels/c/fmath.h"

/* What is too large for f16 becomes the largest f16, so that no score is ever inf - inf. */
static void kv_put(void *base, size_t i, float x, int kv_type)
{
    if (kv_type == KV_F32) {
        ((float *)base)[i] = x;
        return;
    }
    x = x > 65504.0f ? 65504.0f : x < -65504.0f ? -65504.0f : x;
    ((uint16_t *)base)[i] = f32_to_f16(x);
}

static float kv_get(const void *base, size_t i, int kv_type)
{
    return kv_type == KV_F32 ? ((const float *)base)[i] : f16_to_f32(((const uint16_t *)base)[i]);
}

/* size: the parameters of a row of kernels.def */
static void kv_store_c(void *k_block, void *v_block, const float *k, const float *v, int d_k,
                       int d_v, int slot, int kv_type)
{
    for (int d = 0; d < d_k; d++)
        kv_put(k_block, (size_t)d * KV_BLOCK + slot, k[d], kv_type);
    for (int d = 0; d < d_v; d++)
        kv_put(v_block, (size_t)slot * d_v + d, v[d], kv_type);
}

/* Scores of q against the positions [p0, p1), which lie in one block. */
static void scores_c(float *s, const struct attend_args *a, const float *q, int p0, int p1)
{
    const uint8_t *k = a->k_base + (size_t)a->block[p0 / KV_BLOCK] * a->k_stride;

    for (int p = p0; p < p1; p++) {
        float acc = 0.0f;

        for (int d = 0; d < a->d_k; d++)
            acc = __builtin_fmaf(q[d], kv_get(k, (size_t)d * KV_BLOCK + p % KV_BLOCK, a->kv_type),
                                 acc);
        acc = acc * a->scale;
        s[p % KV_SPLIT] = a->softcap != 0.0f ? fm_softcap(acc, a->softcap) : acc;
    }
}

/* o[0 .. d_v) = sum of p v over the positions [p0, p1) of one split, ascending. */
static void values_c(float *o, const struct attend_args *a, const float *p, int p0, int p1)
{
    for (int d = 0; d < a->d_v; d++)
        o[d] = 0.0f;
    for (int i = p0; i < p1; i++) {
        const uint8_t *v = a->v_base + (size_t)a->block[i / KV_BLOCK] * a->v_stride;
        size_t at = (size_t)(i % KV_BLOCK) * a->d_v;

        for (int d = 0; d < a->d_v; d++)
            o[d] = __builtin_fmaf(p[i % KV_SPLIT], kv_get(v, at + d, a->kv_type), o[d]);
    }
}

/* One query row that sees [lo, hi). p [KV_SPLIT] and o2 [d_v] are scratch. */
static void attend_row_c(float *o, const struct attend_args *a, const float *q, int lo, int hi)
{
    float *p = a->scratch, *o2 = p + KV_SPLIT, m = 0.0f, sum = 0.0f;

    for (int p0 = lo, p1; p0 < hi; p0 = p1) {
        float lane[16] = { 0 }, m2 = -INFINITY;
        int split_end = p0 - p0 % KV_SPLIT + KV_SPLIT;

        p1 = hi < split_end ? hi : split_end;
        for (int b = p0, e; b < p1; b = e) {
            e = b - b % KV_BLOCK + KV_BLOCK;
            e = e < p1 ? e : p1;
            scores_c(p, a, q, b, e);
        }
        for (int i = p0; i < p1; i++)
            m2 = fm_max(p[i % KV_SPLIT], m2);
        for (int i = p0; i < p1; i++) {
            p[i % KV_SPLIT] = fm_exp(p[i % KV_SPLIT] - m2);
            lane[i % 16] = lane[i % 16] + p[i % KV_SPLIT];
        }
        float s2 = fm_sum16(lane);

        if (p0 == lo) {
            values_c(o, a, p, p0, p1);
            m = m2;
            sum = s2;
            continue;
        }
        values_c(o2, a, p, p0, p1);
        float m_new = fm_max(m, m2), ea = fm_exp(m - m_new), eb = fm_exp(m2 - m_new);

        for (int d = 0; d < a->d_v; d++)
            o[d] = __builtin_fmaf(o[d], ea, o2[d] * eb);
        sum = __builtin_fmaf(sum, ea, s2 * eb);
        m = m_new;
    }
    float r = 1.0f / sum;

    for (int d = 0; d < a->d_v; d++)
        o[d] = o[d] * r;
}

static void attend_c(const struct attend_args *a)
{
    for (int t = 0; t < a->n_tok; t++) {
        int hi = a->pos0 + t + 1, lo = a->window > 0 && hi > a->window ? hi - a->window : 0;

        for (int h = 0; h < a->n_group; h++)
            attend_row_c(a->out + (size_t)t * a->ld_out + (size_t)h * a->d_v, a,
                         a->q + (size_t)t * a->ld_q + (size_t)h * a->d_k, lo, hi);
    }
}

void kernels_fill_attend(struct kernels *k)
{
    k->kv_store = kv_store_c;
    k->attend = attend_c;
}
