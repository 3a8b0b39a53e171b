/* SPDX-License-Identifier: MIT */
/*
 * lines.h - lines from standard input without blocking when there is other work.
 */
#ifndef CMD_LINES_H
#define CMD_LINES_H

#include <jansson.h>

#include "base/status.h"

struct lines {
    char *buf;
    size_t n, cap, at; /* bytes [at, n) are unread                     */
    size_t seen;       /* of these, so many hold no end of a line      */
    bool eof, too_long;
    bool skipping; /* the rest of a line that was too long             */
    int error;     /* errno, where the input ended for another reason  */
};

enum lines_got { LINES_LINE, LINES_NONE_YET, LINES_END };

/*
 * The next line, without its end, in *out (until the next call). With `block`
 * it waits (until session_interrupted()); else LINES_NONE_YET when no whole line is there. A line
 * over LIMIT_LINE_BYTES comes out once, cut, with too_long set.
 */
enum lines_got lines_next(struct lines *l, bool block, struct slice *out);
/* After LINES_END: EXIT_OK, or a message and an exit code where the input could not be read. */
int lines_end(const struct lines *l);
void lines_fini(struct lines *l);

/* The line that lines_next() gave as a JSON object (a new reference); refuses what is too long. */
enum brrr_status lines_json(json_t **out, const struct lines *l, struct slice text,
                            struct brrr_error *err);

#endif
