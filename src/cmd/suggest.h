/* SPDX-License-Identifier: MIT */
/*
 * suggest.h - the word that a mistyped one was meant to be.
 *
 * For names of verbs and options: short words, few of them. Knows no tables;
 * the caller offers each candidate in turn, and the first of equals is kept.
 */
#ifndef CMD_SUGGEST_H
#define CMD_SUGGEST_H

#include "base/status.h"

struct suggestion {
    struct slice typed, best; /* best.n is 0 while nothing is near enough */
    int distance;
};

void suggest_start(struct suggestion *s, const char *typed, size_t n);
void suggest_offer(struct suggestion *s, const char *word, size_t n);
/* " (did you mean 'run'?)" or nothing, in buf; `dashes` go before the word. Returns buf. */
const char *suggest_text(const struct suggestion *s, const char *dashes, char *buf, size_t cap);

#endif
