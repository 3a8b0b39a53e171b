/* SPDX-License-Identifier: MIT */
/*
 * beam.h - token beam search: the likeliest answers instead of drawn ones. Private to engine/.
 *
 * A request with a beam width W has W sequences that decode in lock step. After each step
 * the likeliest 2 W continuations of all of them compete: those that end are kept as finished
 * answers, the W best others are the next beams. Ranking is by the sum of log-probabilities
 * of the model's own distribution, over length^penalty for finished ones. Beams share the
 * blocks of what they have in common (kvpool_fork); which ones change hands is the loop's
 * business, told by `move`.
 * Sources: Graves, arXiv:1211.3711; Wu et al., arXiv:1609.08144, section 7 (length penalty,
 * here as transformers has it); the rule to stop is transformers' early_stopping.
 *
 * Owned by: the engine's thread. No allocation after beams_new().
 */
#ifndef ENGINE_BEAM_H
#define ENGINE_BEAM_H

#include "engine/seq.h"

struct request;

/* A token that would follow a beam. */
struct beam_next {
    int parent; /* index into request.seq          */
    int32_t token;
    float logprob;
    double sum; /* of the whole answer with it     */
};

/* A finished answer. */
struct beam_done {
    int32_t *id;    /* [n] */
    float *logprob; /* [n] */
    int n;
    double score;
    enum brrr_finish finish;
};

struct beam_move {
    int from, to; /* sequence `to` becomes a copy of sequence `from` */
};

struct beams {
    int width, n_done, n_next, n_move;
    struct beam_next *next; /* [2 width] candidates, the best first         */
    struct beam_done *done; /* [width]                                      */
    struct beam_move *move; /* [width] of the last step                     */
    int *first;             /* [width] by sequence: its child in `next`, or -1 */
    int *taken;             /* [width] by sequence: candidates that were taken */
};

/* Memory that beams_new() takes for each beam. */
size_t beams_bytes(const struct request *r);
enum brrr_status beams_new(struct beams **out, const struct request *r, struct brrr_error *err);
void beams_free(struct beams *b, const struct request *r); /* NULL is allowed */

/*
 * All live sequences of r have their likeliest continuations in drawn.top: choose the next beams,
 * make the moves and append the tokens. True when the search is over: the answers are then in the
 * first gen.n_choices sequences, the best first, as those of a quiet request.
 */
bool beams_advance(struct beams *b, struct request *r, const struct brrr_model *m, double now);

#endif
