/* SPDX-License-Identifier: MIT */
/* jsort.c - a stable merge sort (jval.h): comparisons cost fuel and may fail. */
#include "text/jval.h"

/* Python's sorted(reverse=True) keeps equal elements in their order, too. */
static bool before(struct jrun *r, struct jval a, struct jval b, bool reverse)
{
    return jrun_spend(r, 1) && (reverse ? jval_less(r, b, a) : jval_less(r, a, b));
}

/* Merge the sorted runs [0, mid) and [mid, n) of `from` into `to`. */
static void merge(struct jrun *r, const struct jpair *from, struct jpair *to, size_t mid, size_t n,
                  bool reverse)
{
    size_t i = 0, j = mid;

    for (size_t k = 0; k < n; k++) {
        bool right = i == mid || (j < n && before(r, from[j].k, from[i].k, reverse));
        to[k] = right ? from[j++] : from[i++];
    }
}

bool jsort_pairs(struct jrun *r, struct jpair *e, size_t n, bool reverse)
{
    struct jpair *a = e, *b = jrun_array(r, n, sizeof(*b));

    if (!b) return false;
    for (size_t run = 1; run < n && !r->failed; run *= 2) {
        for (size_t at = 0; at < n; at += 2 * run)
            merge(r, a + at, b + at, MIN(run, n - at), MIN(2 * run, n - at), reverse);
        struct jpair *t = a;
        a = b;
        b = t;
    }
    if (a != e && n) memcpy(e, a, n * sizeof(*e));
    return !r->failed;
}
