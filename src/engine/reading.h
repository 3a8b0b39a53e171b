/* SPDX-License-Identifier: MIT */
/*
 * reading.h - what a request wants to know of its prompt itself: the log-probabilities of its
 * tokens, or an embedding of it. Private to engine/.
 *
 * Row p is what the model makes of the prompt up to position p. The rows of interest are
 * [n_done, n_end): looked at once each, in order, as steps compute them, so that neither chunks
 * nor preemption can be seen. Until the last of them was, nothing behind n_done may come
 * from the cache (seq_findable()).
 *
 *     log-probabilities   row p says how likely token p + 1 was: rows 0 .. n_prompt - 2
 *     embedding, last     row n_prompt - 1
 *     embedding, mean     all rows; their sum is kept in double precision, in order of positions
 *
 * Owned by: the engine's thread; workers fill `drawn`. No allocation after reading_new().
 */
#ifndef ENGINE_READING_H
#define ENGINE_READING_H

#include "engine/engine.h"

enum { READING_ROWS = 64 }; /* with logits that a step has at most, over all requests */

/* What a row of logits came to: a token that was drawn from it, or stood there. */
struct drawn {
    int32_t token;
    struct sample_logprob chosen; /* of it, if asked for      */
    struct sample_logprob *top;   /* as many as were asked for; beams: twice their width and more */
    int n_top;
};

struct reading {
    enum gen_embed embed;
    int n_done, n_end;
    int n_row, row0;     /* in this step: rows from n_done on; where they are in its results */
    struct drawn *drawn; /* [READING_ROWS or n_end] of this step; NULL: no log-probabilities    */
    int n_top;
    double *sum;      /* [d_model] NULL: no embedding */
    float *embedding; /* [d_model] when all is done    */
    int d_model;
};

/* NULL in *out if nothing is asked of the prompt. */
enum brrr_status reading_new(struct reading **out, const struct gen_params *gen, int n_prompt,
                             int d_model, struct brrr_error *err);
void reading_free(struct reading *g); /* NULL is allowed */
/* Memory that it takes, about. */
size_t reading_bytes(const struct gen_params *gen, int n_prompt, int d_model);

/* Rows that were not looked at; 0 for NULL. */
static inline int reading_left(const struct reading *g)
{
    return g ? g->n_end - g->n_done : 0;
}
/* True if what is left are rows of logits. */
static inline bool reading_wants_logits(const struct reading *g)
{
    return reading_left(g) > 0 && !g->embed;
}
/* A step computes positions [from, to): which rows of these are wanted. *first is where they
 * begin; returns how many. */
int reading_plan(struct reading *g, int from, int to, int *first);
/* The log-probabilities of row i of this step from its logits: of the token that follows. */
void reading_draw(struct reading *g, int i, struct sampler *s, const float *logits,
                  const int32_t *prompt);
/* The rows of this step have been looked at; hidden: the first of their hidden states (embedding).
 */
void reading_take(struct reading *g, const float *hidden);

#endif
