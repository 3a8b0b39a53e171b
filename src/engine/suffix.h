/* SPDX-License-Identifier: MIT */
/*
 * suffix.h - a suffix automaton over token ids, with counts: what followed these tokens before?
 *
 * Fed one token after the other it knows every substring of what it was fed. A state stands
 * for the substrings that end at the same places; its count says at how many, and each
 * state remembers which of its continuations is the most frequent (of equals the newest).
 * Several texts can be fed one after the other: a substring never crosses from one to the next.
 * Source: Blumer et al., "The smallest automaton recognizing the subwords of a text" (1985), and
 * "Complete inverted files" (1987) for several texts; used for drafts: Oliaro et al.,
 * SuffixDecoding, arXiv:2411.04975.
 *
 * All memory is taken by suffix_new(): a text of n tokens has at most 2 n states and 3 n
 * edges. Feeding a token costs a constant on average. Counts are raised along at most
 * SUFFIX_WALK suffixes, so that "a a a a ..." costs no more than other texts; what is shorter
 * then counts too little, which can make a guess worse and nothing else.
 */
#ifndef ENGINE_SUFFIX_H
#define ENGINE_SUFFIX_H

#include "base/status.h"

enum { SUFFIX_WALK = 32, SUFFIX_ROOT = 0 };

struct suffix;

/* A place in the automaton: the last `len` tokens of some text. Zero: no token. */
struct suffix_at {
    int32_t state, len;
};

/* Memory that suffix_new() takes. */
size_t suffix_bytes(int n_token);
enum brrr_status suffix_new(struct suffix **out, int n_token, struct brrr_error *err);
void suffix_free(struct suffix *s); /* NULL is allowed */
void suffix_clear(struct suffix *s);

/* Tokens that can still be fed. */
int suffix_room(const struct suffix *s);
/* The next token of the text; does nothing when there is no room. */
void suffix_feed(struct suffix *s, int32_t token);
/* The next token begins another text. */
void suffix_break(struct suffix *s);

/* The longest end of the text being fed that was there before. */
struct suffix_at suffix_seen(const struct suffix *s);
/* Some text at `at` goes on with token: the longest end of it that is in here. */
struct suffix_at suffix_step(const struct suffix *s, struct suffix_at at, int32_t token);
/* At how many places the tokens of `at` end. */
int suffix_count(const struct suffix *s, struct suffix_at at);
/* The likeliest tokens to follow, at most cap; returns how many. */
int suffix_guess(const struct suffix *s, struct suffix_at at, int32_t *out, int cap);

#endif
