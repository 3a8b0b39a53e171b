/* SPDX-License-Identifier: MIT */
/*
 * eval.h - logits of given ids: one sequence through the model, no sampling.
 * What `logits` and `ppl` run on.
 */
#ifndef ENGINE_EVAL_H
#define ENGINE_EVAL_H

#include "engine/engine.h"

struct eval;

/* o->n_parallel is not used. o->chunk rows at once, o->ctx ids at most. */
enum brrr_status eval_new(struct eval **out, const struct brrr_model *m,
                          const struct engine_opts *o, struct brrr_error *err);
void eval_free(struct eval *v); /* NULL is allowed */

/* Who gets the rows, in order; take returns false to stop the run. */
struct eval_rows {
    bool all; /* every row, else the last one only */
    bool (*take)(void *arg, int row, const float *logits);
    void *arg;
};

/*
 * A fresh sequence of n ids. Refuses what engine_submit() refuses, but n may equal the context.
 */
enum brrr_status eval_run(struct eval *v, const int32_t *id, int n, const struct eval_rows *rows,
                          struct brrr_error *err);

#endif
