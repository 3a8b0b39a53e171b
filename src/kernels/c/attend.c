/* SPDX-License-Identifier: MIT */
/*
 * attend.c - attention and the KV cache's slots: the reference.
 *
 * attend.h fixes the order of arithmetic; this file is that text in C, one query
 * row at a time. Only slots that the row sees are ever read.
 */
#include <math.h>
#include <string.h>

#include "base/limits.h"
#include "kernels/c/c.h"
#include "kernels/c/fmath.h"

/* What is too large becomes the largest value, so that no score is ever inf - inf. */
static float saturate(float x, float largest)
{
    return x > largest ? largest : x < -largest ? -largest : x;
}

static void kv_put(void *base, size_t i, float x, int kv_type)
{
    if (kv_type == KV_F32) ((float *)base)[i] = x;
    else if (kv_type == KV_F16) ((uint16_t *)base)[i] = f32_to_f16(saturate(x, KV_F16_MAX));
    else ((uint16_t *)base)[i] = f32_to_bf16(saturate(x, KV_BF16_MAX));
}

static float kv_get(const void *base, size_t i, int kv_type)
{
    if (kv_type == KV_F32) return ((const float *)base)[i];
    uint16_t h = ((const uint16_t *)base)[i];

    return kv_type == KV_F16 ? f16_to_f32(h) : bf16_to_f32(h);
}

/* --- int8: vectors with one scale --- */

/* Adding and taking away 1.5 * 2^23 rounds to the nearest integer, ties to even. */
static int round_code(float v, float low, float high)
{
    v = v > low ? v : low; /* NaN: low */
    v = v < high ? v : high;
    return (int)(v + 0x1.8p23f - 0x1.8p23f);
}

/* The factor that turns values up to `largest` into codes up to n; 0 where it could overflow. */
static float code_factor(float largest, float n)
{
    return largest >= 0x1p-100f ? n / largest : 0.0f;
}

/* y = x, saturated and, in runs of b = 2^i values, multiplied by the Hadamard matrix. */
static void rotate(float *y, const float *x, int n, int b)
{
    for (int i = 0; i < n; i++)
        y[i] = saturate(x[i], KV_F16_MAX);
    for (int h = 1; h < b; h *= 2)
        for (int i = 0; i < n; i++) {
            float low = y[i];

            if (i & h) continue;
            y[i] = low + y[i + h];
            y[i + h] = low - y[i + h];
        }
}

/* n codes of x, rotated in runs of b; the result makes values of them again. */
static float int8_codes(int8_t *code, const float *x, int n, int b)
{
    float y[LIMIT_HEAD_DIM], amax = 0.0f;

    rotate(y, x, n, b);
    for (int i = 0; i < n; i++)
        amax = fm_max(__builtin_fabsf(y[i]), amax);
    float inv = code_factor(amax, 127.0f);

    for (int i = 0; i < n; i++)
        code[i] = (int8_t)(inv > 0.0f ? round_code(y[i] * inv, -127.0f, 127.0f) : 0);
    return amax / 127.0f;
}

static void store_k_int8(uint8_t *block, const float *k, int d_k, int slot)
{
    int ld = (d_k + 3) / 4 * 4;
    int8_t code[LIMIT_HEAD_DIM];
    float scale = int8_codes(code, k, d_k, kv_rotation(d_k));

    memcpy(block + KV_BLOCK * ld + 4 * slot, &scale, 4);
    for (int d = 0; d < ld; d++)
        block[(d / 4 * KV_BLOCK + slot) * 4 + d % 4] = (uint8_t)(d < d_k ? code[d] + 128 : 128);
}

static void store_v_int8(uint8_t *block, const float *v, int d_v, int slot)
{
    int ld = (d_v + 15) / 16 * 16;
    int8_t code[LIMIT_HEAD_DIM];
    float scale = int8_codes(code, v, d_v, 1);

    memcpy(block + KV_BLOCK * ld + 4 * slot, &scale, 4);
    for (int d = 0; d < d_v; d++)
        block[(slot / 4 * ld + d) * 4 + slot % 4] = (uint8_t)code[d];
}

/* size: the parameters of a row of kernels.def */
static void kv_store_c(void *k_block, void *v_block, const float *k, const float *v, int d_k,
                       int d_v, int slot, int kv_type)
{
    if (kv_type == KV_INT8) {
        store_k_int8(k_block, k, d_k, slot);
        store_v_int8(v_block, v, d_v, slot);
        return;
    }
    for (int d = 0; d < d_k; d++)
        kv_put(k_block, (size_t)d * KV_BLOCK + slot, k[d], kv_type);
    for (int d = 0; d < d_v; d++)
        kv_put(v_block, (size_t)slot * d_v + d, v[d], kv_type);
}

/* --- one query row --- */

struct row {
    const struct attend_args *a;
    const float *q;
    int head;
    int lo, hi;       /* what it sees: [lo, hi)           */
    float *p;         /* [KV_SPLIT] scratch               */
    const int8_t *q8; /* int8: q's codes                  */
    float q_scale;    /* and their scale                  */
    float m, s, *o;   /* the result, of one split or more */
};

static const uint8_t *k_block(const struct attend_args *a, int pos)
{
    return a->k_base + (size_t)a->block[pos / KV_BLOCK] * a->k_stride;
}

static const uint8_t *v_block(const struct attend_args *a, int pos)
{
    return a->v_base + (size_t)a->block[pos / KV_BLOCK] * a->v_stride;
}

static float score_float(const struct row *r, int pos)
{
    const uint8_t *k = k_block(r->a, pos);
    float acc = 0.0f;

    for (int d = 0; d < r->a->d_k; d++)
        acc = __builtin_fmaf(r->q[d],
                             kv_get(k, (size_t)d * KV_BLOCK + pos % KV_BLOCK, r->a->kv_type), acc);
    return acc * r->a->scale;
}

static float score_int8(const struct row *r, int pos)
{
    const uint8_t *k = k_block(r->a, pos);
    int slot = pos % KV_BLOCK, sum = 0;
    float scale;

    for (int d = 0; d < r->a->d_k; d++)
        sum += r->q8[d] * (k[(d / 4 * KV_BLOCK + slot) * 4 + d % 4] - 128);
    memcpy(&scale, k + KV_BLOCK * ((r->a->d_k + 3) / 4 * 4) + 4 * slot, 4);
    return (float)sum * scale * r->q_scale;
}

/* o[0 .. d_v) = sum of p v over the positions [p0, p1) of one split, ascending. */
static void values_float(const struct row *r, int p0, int p1)
{
    int d_v = r->a->d_v;

    for (int d = 0; d < d_v; d++)
        r->o[d] = 0.0f;
    for (int i = p0; i < p1; i++) {
        const uint8_t *v = v_block(r->a, i);
        size_t at = (size_t)(i % KV_BLOCK) * d_v;

        for (int d = 0; d < d_v; d++)
            r->o[d] = __builtin_fmaf(r->p[i % KV_SPLIT], kv_get(v, at + d, r->a->kv_type), r->o[d]);
    }
}

static void values_int8(const struct row *r, int p0, int p1)
{
    int ld = (r->a->d_v + 15) / 16 * 16;
    float wm = 0.0f, inv;

    for (int i = p0; i < p1; i++) {
        float scale;

        memcpy(&scale, v_block(r->a, i) + KV_BLOCK * ld + 4 * (i % KV_BLOCK), 4);
        r->p[i % KV_SPLIT] = r->p[i % KV_SPLIT] * scale;
        wm = fm_max(r->p[i % KV_SPLIT], wm);
    }
    inv = code_factor(wm, KV_P_MAX);
    for (int d = 0; d < r->a->d_v; d++) {
        int sum = 0;

        for (int i = p0; i < p1; i++) {
            int at = (i % KV_BLOCK / 4 * ld + d) * 4 + i % 4;

            sum += round_code(r->p[i % KV_SPLIT] * inv, 0, KV_P_MAX) * (int8_t)v_block(r->a, i)[at];
        }
        r->o[d] = (float)sum * (wm / KV_P_MAX);
    }
}

/* (m, s, o) of the positions [p0, p1), which the row sees and which lie in one split. */
static void split_c(struct row *r, int p0, int p1)
{
    const struct attend_args *a = r->a;
    float lane[16] = { 0 };

    r->m = -INFINITY;
    for (int i = p0; i < p1; i++) {
        float s = a->kv_type == KV_INT8 ? score_int8(r, i) : score_float(r, i);

        s = a->softcap != 0.0f ? fm_softcap(s, a->softcap) : s;
        if (a->alibi) s = __builtin_fmaf(a->alibi[r->head], (float)(i - (r->hi - 1)), s);
        r->p[i % KV_SPLIT] = s;
        r->m = fm_max(r->p[i % KV_SPLIT], r->m);
    }
    for (int i = p0; i < p1; i++) {
        r->p[i % KV_SPLIT] = fm_exp(r->p[i % KV_SPLIT] - r->m);
        lane[i % 16] = lane[i % 16] + r->p[i % KV_SPLIT];
    }
    r->s = fm_sum16(lane);
    if (a->kv_type == KV_INT8) values_int8(r, p0, p1);
    else values_float(r, p0, p1);
}

/* (m, s, o)[0 .. d) takes in (m2, s2, o2), which comes after it. */
static void merge_c(struct row *r, float m2, float s2, const float *o2)
{
    float m = fm_max(r->m, m2), ea = fm_exp(r->m - m), eb = fm_exp(m2 - m);

    for (int d = 0; d < r->a->d_v; d++)
        r->o[d] = __builtin_fmaf(r->o[d], ea, o2[d] * eb);
    r->s = __builtin_fmaf(r->s, ea, s2 * eb);
    r->m = m;
}

static void finish_c(const struct row *r)
{
    float x = 1.0f / r->s;

    if (r->a->sink) {
        float z = r->a->sink[r->head], m = fm_max(r->m, z), ea = fm_exp(r->m - m);

        x = ea / __builtin_fmaf(r->s, ea, fm_exp(z - m));
    }
    for (int d = 0; d < r->a->d_v; d++)
        r->o[d] = r->o[d] * x;
}

/* The part of the split [p0, p0 + KV_SPLIT) that the row sees; false: nothing. */
static int seen(const struct row *r, int p0, int *from, int *to)
{
    *from = r->lo > p0 ? r->lo : p0;
    *to = r->hi < p0 + KV_SPLIT ? r->hi : p0 + KV_SPLIT;
    return *from < *to;
}

/* All splits. o2 [d_v] is scratch. */
static void attend_row_c(struct row *r, float *o2)
{
    struct row next = *r;
    int from, to, first = r->lo / KV_SPLIT * KV_SPLIT;

    next.o = o2;
    for (int p0 = first; p0 < r->hi; p0 += KV_SPLIT) {
        if (!seen(r, p0, &from, &to)) continue;
        split_c(p0 == first ? r : &next, from, to);
        if (p0 != first) merge_c(r, next.m, next.s, o2);
    }
    finish_c(r);
}

/* One split, left as a part. */
static void attend_part_c(struct row *r, float *part)
{
    int from, to;

    r->o = part + 16;
    r->m = r->s = 0.0f;
    if (seen(r, r->a->split * KV_SPLIT, &from, &to)) split_c(r, from, to);
    part[0] = r->m;
    part[1] = r->s;
}

static float *out_row(const struct attend_args *a, int row)
{
    return a->out + (size_t)(row / a->n_group) * a->ld_out + (size_t)(row % a->n_group) * a->d_v;
}

static void attend_c(const struct attend_args *a)
{
    int8_t q8[LIMIT_HEAD_DIM];
    struct row r = { .a = a, .p = a->scratch, .q8 = q8 };
    int b = kv_rotation(a->d_k);

    for (int i = 0; i < a->n_tok * a->n_group; i++) {
        r.head = i % a->n_group;
        r.q = a->q + (size_t)(i / a->n_group) * a->ld_q + (size_t)(i % a->n_group) * a->d_k;
        r.hi = a->pos0 + i / a->n_group + 1;
        r.lo = a->window > 0 && r.hi > a->window ? r.hi - a->window : 0;
        if (a->kv_type == KV_INT8)
            r.q_scale = int8_codes(q8, r.q, a->d_k, b) * (a->scale / (float)b);
        if (a->part) {
            attend_part_c(&r, a->part + (size_t)i * ATTEND_PART(a->d_v));
            continue;
        }
        r.o = out_row(a, i);
        attend_row_c(&r, r.p + KV_SPLIT);
    }
}

static void attend_merge_c(const struct attend_args *a, int n_split)
{
    int n_row = a->n_tok * a->n_group;

    for (int i = 0; i < n_row; i++) {
        struct row r = { .a = a, .o = out_row(a, i), .head = i % a->n_group };
        const float *part = a->part + (size_t)i * ATTEND_PART(a->d_v);

        for (int s = 0; s < n_split; s++, part += (size_t)n_row * ATTEND_PART(a->d_v)) {
            if (part[1] == 0.0f) continue;
            if (r.s != 0.0f) {
                merge_c(&r, part[0], part[1], part + 16);
                continue;
            }
            r.m = part[0];
            r.s = part[1];
            memcpy(r.o, part + 16, (size_t)a->d_v * sizeof(*r.o));
        }
        finish_c(&r);
    }
}

void kernels_fill_attend(struct kernels *k)
{
    k->kv_store = kv_store_c;
    k->attend = attend_c;
    k->attend_merge = attend_merge_c;
}
