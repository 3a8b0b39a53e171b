/* SPDX-License-Identifier: MIT */
/*
 * suggest.c - see suggest.h. The distance counts letters that are missing, too
 * many, wrong or swapped with their neighbour (optimal string alignment).
 */
#include "cmd/suggest.h"

#include <stdio.h>

enum { MAX_WORD = 32 };

static int distance(struct slice a, struct slice b)
{
    int d[MAX_WORD + 1][MAX_WORD + 1];

    for (size_t i = 0; i <= a.n; i++)
        d[i][0] = (int)i;
    for (size_t j = 0; j <= b.n; j++)
        d[0][j] = (int)j;
    for (size_t i = 1; i <= a.n; i++) {
        for (size_t j = 1; j <= b.n; j++) {
            bool same = a.p[i - 1] == b.p[j - 1];
            int best = MIN(d[i - 1][j], d[i][j - 1]) + 1;
            best = MIN(best, d[i - 1][j - 1] + !same);
            if (i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] && a.p[i - 2] == b.p[j - 1])
                best = MIN(best, d[i - 2][j - 2] + 1);
            d[i][j] = best;
        }
    }
    return d[a.n][b.n];
}

void suggest_start(struct suggestion *s, const char *typed, size_t n)
{
    /* One mistake in three letters: further off it is another word. */
    *s = (struct suggestion){ .typed = { typed, n }, .distance = (int)MIN(n / 3, 3) + 1 };
}

void suggest_offer(struct suggestion *s, const char *word, size_t n)
{
    if (n > MAX_WORD || s->typed.n > MAX_WORD) return;
    int d = distance(s->typed, (struct slice){ word, n });
    if (d >= s->distance) return;
    s->distance = d;
    s->best = (struct slice){ word, n };
}

const char *suggest_text(const struct suggestion *s, const char *dashes, char *buf, size_t cap)
{
    int n = s->best.n
                ? snprintf(buf, cap, " (did you mean '%s%.*s'?)", dashes, (int)s->best.n, s->best.p)
                : 0;

    if (n <= 0) buf[0] = 0;
    return buf;
}
