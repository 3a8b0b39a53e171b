/* SPDX-License-Identifier: MIT */
/*
 * noalloc.c - see noalloc.h.
 *
 * Definitions of malloc() in the program stand before those of the C library, also for what that
 * calls itself; they pass on to glibc's own. They are weak: a test may bring others.
 */
#include "base/noalloc.h"

#ifdef BRRR_DEBUG

#include <assert.h>
#include <stdlib.h>

/* Part of the static block: to reach it never allocates. */
static _Thread_local int depth __attribute__((tls_model("initial-exec")));

void noalloc_begin(void)
{
    depth++;
}

void noalloc_end(void)
{
    assert(depth > 0);
    depth--;
}

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t align, size_t n);

#define OURS __attribute__((weak, visibility("default")))

/* The message of a failed assertion takes memory itself. */
static void check(void)
{
    int was = depth;

    depth = 0;
    assert(was == 0 && "this thread must not allocate");
    depth = was;
}

OURS void *malloc(size_t n)
{
    check();
    return __libc_malloc(n);
}

OURS void *calloc(size_t n, size_t size)
{
    check();
    return __libc_calloc(n, size);
}

OURS void *realloc(void *p, size_t n)
{
    check();
    return __libc_realloc(p, n);
}

OURS void *aligned_alloc(size_t align, size_t n)
{
    check();
    return __libc_memalign(align, n);
}

#else
_Static_assert(1, "no empty file");
#endif
