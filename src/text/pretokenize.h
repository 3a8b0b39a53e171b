/* SPDX-License-Identifier: MIT */
/*
 * pretokenize.h - cut text into words before byte-level BPE merges within them.
 *
 * A pre-tokenizer is a list of regexes (pretokenizers.def). The first cuts the
 * text: what it matches and what lies between matches become pieces; the next
 * cuts each piece, as if it stood alone; and so on. Nothing is dropped.
 *
 * The regexes are ours, the text is not: a match that runs into PCRE2's limits
 * leaves the rest of its piece uncut, and nothing is tried twice.
 * Threads: a struct pretok is immutable; a struct pretok_run belongs to one thread.
 */
#ifndef TEXT_PRETOKENIZE_H
#define TEXT_PRETOKENIZE_H

#include "base/status.h"

enum {
    PRE_WHOLE_WORDS = 1, /* a word that is a token is not merged up to         */
    PRE_ADD_BOS = 2,     /* BOS in front where the file does not say           */
    PRE_SPACES = 4,      /* pieces in real characters with <0xNN> as fallback,
                            not in the byte alphabet (Gemma 4)                 */
};

struct pretok;
struct pretok_run;

/* The flags of the pre-tokenizer of that name; false: no such name. */
bool pretok_flags(struct slice name, unsigned *flags);
enum brrr_status pretok_new(struct pretok **out, struct slice name, struct brrr_error *err);
void pretok_free(struct pretok *p); /* NULL is allowed */
/* The i-th known name, NULL behind the last one. */
const char *pretok_name(size_t i);

/* What one thread needs to use it; NULL: no memory. */
struct pretok_run *pretok_run_new(const struct pretok *p);
void pretok_run_free(struct pretok_run *r);

/* Takes a word; false ends the walk (the caller keeps the reason). */
typedef bool pretok_word_fn(void *arg, const char *p, size_t n);
/* Calls fn for every word of well-formed UTF-8. False: fn said so. */
bool pretok_split(struct pretok_run *r, const char *p, size_t n, pretok_word_fn *fn, void *arg);

#endif
