/* SPDX-License-Identifier: MIT */
/*
 * status.h - how failures travel, and the checked arithmetic that finds them.
 *
 * A failure that the caller could not have prevented is an enum brrr_status;
 * the lowest function that knows *where* writes the message, callers pass it
 * up untouched. Programmer errors are assert()s. Sizes that come from outside
 * are combined with size_mul()/size_add() only.
 */
#ifndef BASE_STATUS_H
#define BASE_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "brrr.h"

#define COUNT(a)  (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

/* Fill err (if not NULL) and return st, so that `return fail(err, ...)` reads well. */
enum brrr_status fail(struct brrr_error *err, enum brrr_status st, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* A borrowed run of bytes: from a mapped file, a request, a buffer. No NUL at the end. */
struct slice {
    const char *p;
    size_t n;
};

static inline bool slice_is(struct slice s, const char *lit)
{
    size_t n = strlen(lit);
    return s.n == n && memcmp(s.p, lit, n) == 0;
}

/* False on overflow; *out is then 0. */
static inline bool size_mul(size_t *out, size_t a, size_t b)
{
    if (!__builtin_mul_overflow(a, b, out)) return true;
    *out = 0;
    return false;
}

static inline bool size_add(size_t *out, size_t a, size_t b)
{
    if (!__builtin_add_overflow(a, b, out)) return true;
    *out = 0;
    return false;
}

/* Copy s into buf for a message: at most cap - 1 bytes, cut between UTF-8 characters, control bytes
 * shown as '?'. Returns buf. */
const char *slice_print(char *buf, size_t cap, struct slice s);

#endif
