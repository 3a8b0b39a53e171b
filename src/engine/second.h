/* SPDX-License-Identifier: MIT */
/*
 * second.h - a second, faster model that guesses what the first one will say. Private to engine/.
 *
 * It has a KV cache and a step of its own, with a slot for each slot of the engine, and reads what
 * it has not yet seen of a sequence when it is asked for guesses: in a batch over all that
 * ask, then one token of each at a time. It draws with the parameters and the random numbers of
 * the place it guesses, so that where both models think alike they draw alike.
 * Source: Leviathan et al., arXiv:2211.17192, with random numbers in common.
 *
 * Owned by: the engine's thread. No allocation after second_new().
 */
#ifndef ENGINE_SECOND_H
#define ENGINE_SECOND_H

#include "engine/engine.h"

struct second;

/* Guesses that a sequence wants. */
struct second_job {
    const struct sample_params *sample;
    int slot;
    uint64_t order; /* of the sequence: another one than before starts from nothing        */
    int choice;
    int32_t *id; /* [n] its tokens; behind them come the guesses                         */
    int n, want;
    int got; /* 0 while the model has not read enough yet                            */
};

/* The same ids must mean the same: refused with the first difference. */
enum brrr_status second_check(const struct brrr_model *first, const struct brrr_model *second,
                              struct brrr_error *err);
/* o: the engine's, settled. n_workers: of the pool that second_guess() gets. */
enum brrr_status second_new(struct second **out, const struct engine_opts *o, int n_workers,
                            struct brrr_error *err);
void second_free(struct second *s); /* NULL is allowed */

/* At most opts.n_parallel jobs of different slots, each want 1 .. opts.draft_max. */
void second_guess(struct second *s, struct pool *pool, struct second_job *job, int n_job);
/* The first n of the last guesses for a slot were right. */
void second_right(struct second *s, int slot, int n);
/* Seconds that a guess takes, by the last ones; 0 before the first. */
double second_guess_seconds(const struct second *s);
/* Seconds to read what the model has not seen of a sequence of n tokens that stands in this slot,
 * given what a guess takes. */
double second_read_seconds(const struct second *s, int slot, uint64_t order, int n, double guess_s);

#endif
