/* SPDX-License-Identifier: MIT */
/* lines.c - see lines.h. */
#include "cmd/lines.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/limits.h"

enum { READ_BYTES = 1 << 16 };

static bool readable(void)
{
    struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };

    return poll(&p, 1, 0) > 0;
}

/* Read once; false at the end of the input or when memory is short. A signal reads nothing. */
static bool fill(struct lines *l)
{
    if (l->at > 0) {
        memmove(l->buf, l->buf + l->at, l->n - l->at);
        l->n -= l->at;
        l->at = 0;
    }
    if (l->cap - l->n < READ_BYTES) {
        size_t cap = 2 * l->cap + 2 * READ_BYTES;
        char *p = realloc(l->buf, cap);
        if (!p) return false;
        l->buf = p;
        l->cap = cap;
    }
    ssize_t got = read(STDIN_FILENO, l->buf + l->n, l->cap - l->n);
    if (got < 0 && errno == EINTR) {
        l->signalled = true;
        return true;
    }
    if (got <= 0) return false;
    l->n += (size_t)got;
    return true;
}

static void cut(struct slice *out)
{
    while (out->n > 0 && out->p[out->n - 1] == '\r')
        out->n--;
}

enum lines_got lines_next(struct lines *l, bool block, struct slice *out)
{
    for (;;) {
        size_t left = l->n - l->at;
        const char *from = l->buf + l->at, *nl = left ? memchr(from, '\n', left) : NULL;
        bool whole = nl || (l->eof && left) || left > LIMIT_LINE_BYTES;
        if (whole) {
            size_t n = nl ? (size_t)(nl - from) : left;
            l->too_long = n > LIMIT_LINE_BYTES;
            *out = (struct slice){ from, n };
            l->at += n + (nl != NULL);
            cut(out);
            return LINES_LINE;
        }
        if (l->eof) return LINES_END;
        if (!block && !readable()) return LINES_NONE_YET;
        if (!fill(l)) l->eof = true;
        if (l->signalled) {
            l->signalled = false;
            return LINES_NONE_YET;
        }
    }
}

void lines_fini(struct lines *l)
{
    free(l->buf);
}
