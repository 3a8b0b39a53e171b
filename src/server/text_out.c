/* SPDX-License-Identifier: MIT */
/* text_out.c - see text_out.h. */
#include "server/text_out.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Room for n more bytes. */
static bool room(struct text_out *t, size_t n)
{
    size_t cap = t->cap ? t->cap : 256;
    char *p;

    if (t->failed) return false;
    while (cap < t->n + n)
        cap *= 2;
    if (cap == t->cap) return true;
    if (!(p = realloc(t->p, cap))) {
        t->failed = true;
        return false;
    }
    t->p = p;
    t->cap = cap;
    return true;
}

void text_put(struct text_out *t, const char *p, size_t n)
{
    if (n == 0 || !room(t, n)) return;
    memcpy(t->p + t->n, p, n);
    t->n += n;
}

void text_print(struct text_out *t, const char *fmt, ...)
{
    va_list ap, again;

    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n >= 0 && room(t, (size_t)n + 1)) { /* and a NUL, which does not count */
        vsnprintf(t->p + t->n, (size_t)n + 1, fmt, again);
        t->n += (size_t)n;
    }
    va_end(again);
}

struct slice text_take(struct text_out *t)
{
    struct slice s = { t->p, t->n };

    if (t->failed) {
        free(t->p);
        s = (struct slice){ 0 };
    }
    *t = (struct text_out){ 0 };
    return s;
}
