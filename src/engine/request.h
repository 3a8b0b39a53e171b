/* SPDX-License-Identifier: MIT */
/*
 * request.h - what a client asked for, from submission to its last event: parameters, who
 * asks, and the sequences that answer. Private to engine/.
 *
 * The first sequence reads the prompt; further answers are held until its last token is
 * computed and then share its blocks. With best_of > n the request is quiet: no event goes
 * out before all of its sequences have ended; then those of the n best ones are shown. So is
 * a beam search (beam.h), whose sequences have slots and give them up together.
 */
#ifndef ENGINE_REQUEST_H
#define ENGINE_REQUEST_H

#include "engine/beam.h"

struct request {
    uint64_t id;
    struct request *show_next;      /* in the list of those that are shown         */
    struct request *before, *after; /* in the list of all that have not ended      */
    struct gen_params gen;
    uint64_t user, salt;
    void *tag;                 /* the client's */
    int user_index;            /* in the engine's table; -1: not in it any more               */
    size_t bytes;              /* request_bytes()                                             */
    int n_prompt, limit;       /* tokens: of the prompt; of a sequence at most         */
    int n_seq, n_held, n_left; /* sequences; of them, held; not ended            */
    int n_row, n_vocab;        /* rows of logits of a sequence in a step at most; of a row */
    struct seq *seq;           /* [n_seq]                                              */
    struct beams *beams;       /* NULL: the sequences are drawn                      */
    uint64_t n_step;           /* beams: of the step that they were last moved in, counted from 1 */
    bool quiet, cancelled;
    int *winner; /* quiet: [gen.n_choices] the sequences to show, the best first */
    double t_submit, t_start;
};

enum brrr_status request_new(struct request **out, const struct brrr_model *m,
                             const struct engine_request *q, const struct engine_opts *o,
                             struct brrr_error *err);
/* Tokens that a sequence of it may come to: the prompt and n_predict, or the context. */
int request_limit(const struct engine_request *q, int ctx);
/* Memory that it takes with its guesses, about; SIZE_MAX where that overflows. */
size_t request_bytes(const struct engine_request *q, const struct brrr_model *m,
                     const struct engine_opts *o);
void request_free(struct request *r); /* NULL is allowed */

/* All sequences of a quiet request have ended: choose the answers. */
void request_rank(struct request *r);

#endif
