/* SPDX-License-Identifier: MIT */
/*
 * spec.h - how many guessed tokens a step should verify: as many as pay.
 *
 * A step that brings a sequence's newest token and k guesses of what follows yields one token and
 * as many guesses as are right, up to the first wrong one. The k to choose makes
 *
 *     expected tokens of the step / expected seconds of the step
 *
 * largest, over what other sequences bring to the same step; 0 where no k is better than none by
 * a margin. The expectation comes from what was accepted so far, by class: a class is how many
 * tokens agree before a guess (draft.h's match, and the guesses before it), because after a long
 * match a guess is right far more often. A sequence starts from the experience of earlier
 * ones and soon believes its own, with old news fading. Where nothing pays, a single guess is
 * tried now and then, more and more rarely, and only if there is time for it.
 * Source: Leviathan et al., arXiv:2211.17192, section 3.3, with acceptance and cost measured.
 *
 * Plain values. Nothing here can change a token, only when it comes.
 */
#ifndef ENGINE_SPEC_H
#define ENGINE_SPEC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"

enum { SPEC_CLASSES = 10 };

/* Acceptance by class: weights of what was tried, and of it what was right. */
struct spec_rate {
    float tried[SPEC_CLASSES], right[SPEC_CLASSES];
};

/* Sums over steps, for reports. */
struct spec_stats {
    uint64_t n_step;               /* steps of a sequence with guesses                      */
    uint64_t drafted[LIMIT_DRAFT]; /* guesses by their place behind the newest token        */
    uint64_t accepted[LIMIT_DRAFT];
};

struct spec {
    struct spec_rate own;
    const struct spec_rate *others; /* experience of earlier sequences; NULL: none          */
    int skipped, patience;          /* chances not taken since the last try; before the next */
    bool tries;                     /* the last length was a try that may be in vain         */
    int n_drafted, n_accepted;
    double plain_s, spent_s; /* its tokens one a step, and as they came: by the steps' prices */
};

/* The price of a step, and what the others bring to it. */
struct spec_cost {
    double (*seconds)(const void *arg, int rows); /* of a step with so many rows     */
    const void *arg;
    int rows;        /* of the others                                                 */
    double tokens;   /* that the others are expected to yield                         */
    double guess_s;  /* seconds for each guess, where guessing is not free            */
    double try_s;    /* seconds of one guess that may be in vain, ...                 */
    double try_left; /* ... and those that there are for it: where less, none is tried */
};

void spec_init(struct spec *s, const struct spec_rate *others);

/* The probability that guess i (from 0) is right if the ones before it are. */
double spec_chance(const struct spec *s, int match, int i);
/* Tokens that a step with k guesses is expected to yield: 1 .. k + 1. */
double spec_tokens(const struct spec *s, int match, int k);
/* How many of n guesses to verify. */
int spec_length(struct spec *s, int match, int n, const struct spec_cost *c);
/* n > 0 guesses were verified and the first n_right of them accepted. others and stats may be
 * NULL. */
void spec_learn(struct spec *s, int match, int n, int n_right, struct spec_rate *others,
                struct spec_stats *stats);

#endif
