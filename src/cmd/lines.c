/* SPDX-License-Identifier: MIT */
/* lines.c - see lines.h. */
#include "cmd/lines.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "cmd/session.h"
#include "text/json_in.h"

enum { READ_BYTES = 1 << 16 };

static bool readable(void)
{
    struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };

    return poll(&p, 1, 0) > 0;
}

/* Wait until a read would not; false when a signal came, before or meanwhile. */
static bool wait_for_input(void)
{
    struct pollfd p[] = { { .fd = STDIN_FILENO, .events = POLLIN },
                          { .fd = session_signal_fd(), .events = POLLIN } };

    while (!session_interrupted())
        if (poll(p, COUNT(p), -1) >= 0 || errno != EINTR) return !p[1].revents;
    return false;
}

/* Room for one more read behind the unread bytes, which move to the front. */
static bool make_room(struct lines *l)
{
    if (l->at > 0) {
        memmove(l->buf, l->buf + l->at, l->n - l->at);
        l->n -= l->at;
        l->at = 0;
    }
    if (l->cap - l->n >= READ_BYTES) return true;
    size_t cap = 2 * l->cap + 2 * READ_BYTES;
    char *p = realloc(l->buf, cap);
    if (!p) return false;
    l->buf = p;
    l->cap = cap;
    return true;
}

/* Read once; false at the end of the input or when it fails. */
static bool fill(struct lines *l)
{
    if (!make_room(l)) {
        l->error = ENOMEM;
        return false;
    }
    ssize_t got = read(STDIN_FILENO, l->buf + l->n, l->cap - l->n);
    if (got < 0 && errno == EINTR) return true;
    if (got < 0) l->error = errno;
    if (got <= 0) return false;
    l->n += (size_t)got;
    return true;
}

/* The bytes up to the next end of a line, without it; false when they are not all there. */
static bool take(struct lines *l, struct slice *out)
{
    size_t left = l->n - l->at;
    const char *from = l->buf + l->at;
    const char *nl = left > l->seen ? memchr(from + l->seen, '\n', left - l->seen) : NULL;

    l->seen = left;
    if (!nl && !(l->eof && left) && left <= LIMIT_LINE_BYTES) return false;
    *out = (struct slice){ from, nl ? (size_t)(nl - from) : left };
    l->at += out->n + (nl != NULL);
    l->seen = 0;
    l->too_long = out->n > LIMIT_LINE_BYTES;
    l->skipping = !nl && !l->eof;
    while (out->n > 0 && out->p[out->n - 1] == '\r')
        out->n--;
    return true;
}

enum lines_got lines_next(struct lines *l, bool block, struct slice *out)
{
    for (;;) {
        bool rest = l->skipping;
        if (take(l, out)) {
            if (!rest) return LINES_LINE;
            continue;
        }
        if (l->eof) return LINES_END;
        if (!(block ? wait_for_input() : readable())) return LINES_NONE_YET;
        if (!fill(l)) l->eof = true;
    }
}

int lines_end(const struct lines *l)
{
    if (!l->error) return EXIT_OK;
    fprintf(stderr, "brrr: standard input: %s\n", strerror(l->error));
    return l->error == ENOMEM ? EXIT_NOMEM : EXIT_RUN;
}

enum brrr_status lines_json(json_t **out, const struct lines *l, struct slice text,
                            struct brrr_error *err)
{
    *out = NULL;
    if (l->too_long) return fail(err, BRRR_E_LIMIT, "the line is longer than 64 MiB");
    return json_in(out, text, "the line", err);
}

void lines_fini(struct lines *l)
{
    free(l->buf);
}
