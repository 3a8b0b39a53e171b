/* SPDX-License-Identifier: MIT */
/*
 * stopper.h - stop strings in a stream of text.
 *
 * Text goes in piece by piece; what can no longer become part of a stop string
 * comes out. The result does not depend on how the stream is cut into pieces.
 * The stop string that is complete first wins (among those that end on the same
 * byte the longest), it is not part of the output unless `keep` is set, and nothing comes out
 * after it. Bytes are compared, so pieces of whole UTF-8 characters and stop strings
 * of whole characters give output of whole characters.
 *
 * While `ignores` is set a stop string that becomes complete does not count, and the stream goes
 * on as if it were any text; what began meanwhile may be completed later.
 *
 * One Knuth-Morris-Pratt automaton per stop string (1977). What is held back is
 * always the beginning of a stop string, so there is no buffer.
 *
 * Owned by whoever owns the request; a plain value, nothing to free.
 */
#ifndef ENGINE_STOPPER_H
#define ENGINE_STOPPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"

struct stop_text {
    uint16_t n;                  /* bytes, 1 .. LIMIT_STOP_BYTES */
    char text[LIMIT_STOP_BYTES]; /* no NUL at the end            */
};

struct stopper {
    bool found;
    bool keep;    /* the stop string is part of the output */
    bool ignores; /* the caller's to set between pieces */
    int n_stop;
    int which; /* the stop string that was found, -1 before */
    struct stop_text stop[LIMIT_STOPS];
    uint16_t at[LIMIT_STOPS];                     /* bytes of stop i that the stream ends in */
    uint16_t back[LIMIT_STOPS][LIMIT_STOP_BYTES]; /* longest border of its first j + 1 bytes */
};

/* Room that stopper_feed() needs for a piece of n bytes. */
#define STOPPER_ROOM(n) ((n) + LIMIT_STOP_BYTES)

/* Start a stream, `keep` off. Empty stop strings are passed over; n_stop is at most LIMIT_STOPS. */
void stopper_init(struct stopper *s, const struct stop_text *stop, int n_stop);
/*
 * The next n bytes. Writes what is safe to show to out (room for STOPPER_ROOM(n)
 * bytes) and returns how many; s->found says whether a stop string is complete.
 */
size_t stopper_feed(struct stopper *s, const char *text, size_t n, char *out);
/* The stream ended without a stop string: what was held back (room for LIMIT_STOP_BYTES). */
size_t stopper_flush(struct stopper *s, char *out);

#endif
