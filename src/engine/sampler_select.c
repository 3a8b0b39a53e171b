/* SPDX-License-Identifier: MIT */
/*
 * sampler_select.c - the largest of a row, the k largest, and sorting.
 *
 * Why this is fast: the k-th largest seen so far is a bar that nearly no element
 * of a vocabulary passes, so the search is one load and one well predicted
 * comparison per element; the few that pass wait in a buffer that is sorted and
 * cut when it is full, which raises the bar. Own design; no allocation, no
 * recursion, and n log n on the worst input (ascending).
 */
#include "engine/sampler_run.h"

#include <float.h>
#include <math.h>

#include "base/f16.h"

/* Up to here insertion beats counting. */
#define SORT_SMALL 48

int select_max(const float *x, int n)
{
    float best = -INFINITY;
    int at = -1;

    for (int i = 0; i < n; i++) {
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

int select_top(uint64_t *a, uint64_t *tmp, const float *x, int n, int k)
{
    float bar = -FLT_MAX;
    int m = 0, full = MAX(256, MIN(k, n / 4) * 4);

    for (int i = 0; i < n; i++) {
        if (!(x[i] >= bar)) continue;
        a[m++] = top_key(x[i], i);
        if (m < full) continue;
        m = keep_top(a, tmp, m, k, &bar);
        full = MAX(full, 2 * m); /* many equals: do not sort them again at each one */
    }
    return keep_top(a, tmp, m, k, &bar);
}
