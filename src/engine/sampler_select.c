/* SPDX-License-Identifier: MIT */
/*
 * sampler_select.c - the largest of a row, the k largest, and sorting.
 *
 * Why this is fast: the k-th largest seen so far is a bar that few elements pass;
 * they wait in a buffer that is sorted and cut when it is full, which raises the
 * bar. With a small k the first bar comes from the blocks: each one's largest is
 * found in vector registers, and only about k blocks are looked into. Own design; no allocation, no
 * recursion, and n log n on the worst input (ascending).
 */
#include "engine/sampler_run.h"

#include <float.h>
#include <math.h>

#include "base/f16.h"

/* Up to so many, insertion beats counting. */
#define SORT_SMALL 96
/* Elements that are looked at together. */
#define SELECT_BLOCK 32

/* The largest of a block, -inf for NaN: lanes that do not wait for each other. */
static float block_max(const float x[SELECT_BLOCK])
{
    float m[SELECT_BLOCK / 4];

    for (int j = 0; j < SELECT_BLOCK / 4; j++)
        m[j] = x[j] > -INFINITY ? x[j] : -INFINITY;
    for (int i = SELECT_BLOCK / 4; i < SELECT_BLOCK; i += SELECT_BLOCK / 4)
        for (int j = 0; j < SELECT_BLOCK / 4; j++)
            m[j] = x[i + j] > m[j] ? x[i + j] : m[j];
    for (int w = SELECT_BLOCK / 8; w > 0; w /= 2)
        for (int j = 0; j < w; j++)
            m[j] = m[j + w] > m[j] ? m[j + w] : m[j];
    return m[0];
}

int select_max(const float *x, int n)
{
    float best = -INFINITY;
    int at = -1, i = 0;

    for (; i + SELECT_BLOCK <= n; i += SELECT_BLOCK) {
        float m = block_max(x + i);
        if (!(m > best)) continue;
        best = m;
        at = i;
    }
    while (at >= 0 && x[at] != best)
        at++;
    for (; i < n; i++) {
        if (!(x[i] > best)) continue;
        best = x[i];
        at = i;
    }
    return at;
}

static void sort_small(uint64_t *a, int n)
{
    for (int i = 1; i < n; i++) {
        uint64_t v = a[i];
        int j = i;
        for (; j > 0 && a[j - 1] > v; j--)
            a[j] = a[j - 1];
        a[j] = v;
    }
}

/* Radix sort, least significant byte first; bytes that are the same everywhere cost nothing. */
void select_sort(uint64_t *a, uint64_t *tmp, int n)
{
    uint32_t count[8][256];
    uint64_t *from = a, *to = tmp;

    if (n <= SORT_SMALL) {
        sort_small(a, n);
        return;
    }
    memset(count, 0, sizeof(count));
    for (int i = 0; i < n; i++)
        for (int b = 0; b < 8; b++)
            count[b][a[i] >> (8 * b) & 255]++;
    for (int b = 0; b < 8; b++) {
        if (count[b][from[0] >> (8 * b) & 255] == (uint32_t)n) continue;
        for (uint32_t i = 0, sum = 0; i < 256; i++) {
            uint32_t c = count[b][i];
            count[b][i] = sum;
            sum += c;
        }
        for (int i = 0; i < n; i++)
            to[count[b][from[i] >> (8 * b) & 255]++] = from[i];
        uint64_t *t = from;
        from = to;
        to = t;
    }
    if (from != a) memcpy(a, from, (size_t)n * sizeof(*a));
}

/* A key that ascends while the value falls; -0 and +0 are the same. */
static uint64_t top_key(float x, int i)
{
    uint32_t u = f32_bits(x + 0.0f);

    u = u >> 31 ? u : ~u & 0x7fffffffu;
    return (uint64_t)u << 32 | (uint32_t)i;
}

static float top_value(uint64_t key)
{
    uint32_t u = (uint32_t)(key >> 32);

    return f32_from_bits(u >> 31 ? u : ~u & 0x7fffffffu);
}

/* Sort, drop what is below the k-th; *bar gets the k-th if there are so many. */
static int keep_top(uint64_t *a, uint64_t *tmp, int n, int k, float *bar)
{
    select_sort(a, tmp, n);
    if (n < k) return n;
    *bar = top_value(a[k - 1]);
    while (k < n && a[k] >> 32 == a[k - 1] >> 32)
        k++;
    return k;
}

struct scan {
    const float *x;
    int k, full; /* keep k; sort when so many wait */
    int from, to;
    float bar; /* what an element must reach */
};

/* Those of x[from..to) that reach the bar, after the m that are in a; the bar rises. */
static int scan(struct sampler *s, int m, struct scan *c)
{
    for (int i = c->from; i < c->to; i++) {
        if (!(c->x[i] >= c->bar)) continue;
        s->sort[m++] = top_key(c->x[i], i);
        if (m < c->full) continue;
        m = keep_top(s->sort, s->swap, m, c->k, &c->bar);
        c->full = MAX(c->full, 2 * m); /* many equals: do not sort them again at each one */
    }
    return m;
}

int select_top(struct sampler *s, const float *x, int k)
{
    int n = s->n_vocab, n_block = n / SELECT_BLOCK, m = 0;
    struct scan c = { x, k, MAX(256, MIN(k, n / 4) * 4), 0, n, -FLT_MAX };

    if (k > n_block / 4) return keep_top(s->sort, s->swap, scan(s, 0, &c), k, &c.bar);
    /* k blocks have a largest that reaches the k-th of those: so many elements do, too. */
    float *most = s->e;
    for (int b = 0; b < n_block; b++)
        most[b] = block_max(x + b * SELECT_BLOCK);
    c.x = most;
    c.to = n_block;
    keep_top(s->sort, s->swap, scan(s, 0, &c), k, &c.bar);
    c.x = x;
    for (int b = 0; b < n_block; b++) {
        if (!(most[b] >= c.bar)) continue;
        c.from = b * SELECT_BLOCK;
        c.to = c.from + SELECT_BLOCK;
        m = scan(s, m, &c);
    }
    c.from = n_block * SELECT_BLOCK;
    c.to = n;
    return keep_top(s->sort, s->swap, scan(s, m, &c), k, &c.bar);
}
