/* SPDX-License-Identifier: MIT */
/*
 * lines.h - lines from standard input without blocking when there is other work.
 */
#ifndef CMD_LINES_H
#define CMD_LINES_H

#include "base/status.h"

struct lines {
    char *buf;
    size_t n, cap, at; /* bytes [at, n) are unread */
    bool eof, too_long, signalled;
};

enum lines_got { LINES_LINE, LINES_NONE_YET, LINES_END };

/*
 * The next line, without its end, in *out (until the next call). With `block`
 * it waits (a signal ends the wait); else LINES_NONE_YET when no whole line is there. A line over
 * LIMIT_LINE_BYTES comes out cut, with too_long set.
 */
enum lines_got lines_next(struct lines *l, bool block, struct slice *out);
void lines_fini(struct lines *l);

#endif
