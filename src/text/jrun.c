/* SPDX-License-Identifier: MIT */
/* jrun.c - failures, fuel and memory of a rendering (jval.h). */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "text/jval.h"

/*
 * C stack: one level of nesting is about four frames of the evaluator, less
 * than 1 KiB; this many levels stay under 1 MiB, sanitizers included.
 */
enum { DEPTH_MAX = 512 };

struct jval jrun_raise(struct jrun *r, const char *text, size_t n)
{
    if (r->failed) return jval_of(J_ERROR);
    r->failed = true;
    r->err->kind = TEMPLATE_RAISED;
    r->err->text = malloc(n + 1);
    if (r->err->text) {
        memcpy(r->err->text, text, n);
        r->err->text[n] = 0;
    }
    return jval_of(J_ERROR);
}

struct jval jrun_fail(struct jrun *r, enum template_kind kind, const char *fmt, ...)
{
    char text[400], full[440];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    int n = snprintf(full, sizeof(full), "%s (line %d)", text, r->line);
    if (!r->failed) {
        jrun_raise(r, full, MIN((size_t)n, sizeof(full) - 1));
        r->err->kind = kind;
    }
    return jval_of(J_ERROR);
}

struct jval jrun_nomem(struct jrun *r)
{
    return jrun_fail(r, TEMPLATE_LIMIT, "out of memory; a template may take at most %d MiB",
                     LIMIT_TEMPLATE_MEMORY >> 20);
}

bool jrun_spend(struct jrun *r, size_t n)
{
    if (n < (size_t)LIMIT_TEMPLATE_STEPS && (r->steps -= (int64_t)n) >= 0) return true;
    r->steps = 0;
    jrun_fail(r, TEMPLATE_LIMIT, "the template takes more than %d steps", LIMIT_TEMPLATE_STEPS);
    return false;
}

void *jrun_alloc(struct jrun *r, size_t n)
{
    void *p = jmem_alloc(&r->mem, n);

    if (!p) jrun_nomem(r);
    return p && jrun_spend(r, n / 32) ? p : NULL;
}

void *jrun_array(struct jrun *r, size_t n, size_t size)
{
    void *p = jmem_array(&r->mem, n, size);

    if (!p) jrun_nomem(r);
    return p && jrun_spend(r, n * size / 32) ? p : NULL; /* the product was checked */
}

bool jrun_enter(struct jrun *r)
{
    if (++r->depth <= DEPTH_MAX) return true;
    jrun_fail(r, TEMPLATE_LIMIT, "maximum recursion depth exceeded");
    return false;
}
