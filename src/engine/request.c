/* SPDX-License-Identifier: MIT */
/* request.c - see request.h. */
#include "engine/request.h"

#include <stdlib.h>

#include "base/clock.h"

int request_limit(const struct engine_request *q, int ctx)
{
    int64_t want = (int64_t)q->n_prompt + q->gen->n_predict;

    return q->gen->n_predict < 0 ? ctx : (int)MIN(want, ctx);
}

static int n_seq_of(const struct gen_params *g)
{
    return MAX(MAX(g->n_choices, g->best_of), g->beam_width);
}

/* Rows of logits of a sequence in a step. */
static int n_row_of(const struct gen_params *g, const struct engine_opts *o)
{
    return g->beam_width > 0 ? 1 : 1 + o->draft_max;
}

/* What a sequence has whatever its length: itself, what a step draws, who guesses for it. */
static size_t fixed_bytes(const struct engine_request *q, const struct engine_opts *o)
{
    const struct gen_params *g = q->gen;
    int n_top = MAX(MAX(g->n_logprobs, 2 * g->beam_width), 0), n_row = n_row_of(g, o);
    size_t row = sizeof(struct drawn) + (size_t)n_top * sizeof(struct sample_logprob);
    size_t guesses = n_row > 1 ? draft_bytes(o->speculate, request_limit(q, o->ctx)) : 0;

    return sizeof(struct seq) + (size_t)n_row * row + guesses;
}

/* Of each sequence its tokens, and where its events wait (a quiet request) what those will say. */
size_t request_bytes(const struct engine_request *q, const struct engine_opts *o)
{
    const struct gen_params *g = q->gen;
    size_t one = sizeof(int32_t), logprobs, all;

    if (g->best_of > g->n_choices || g->beam_width > 0) {
        one += 2 * sizeof(float) + sizeof(int32_t);
        if (!size_mul(&logprobs, (size_t)MAX(g->n_logprobs, 0), sizeof(struct sample_logprob)) ||
            !size_add(&one, one, logprobs))
            return SIZE_MAX;
    }
    if (!size_mul(&all, one, (size_t)MAX(request_limit(q, o->ctx), (int)q->n_prompt)) ||
        !size_add(&all, all, fixed_bytes(q, o)) || !size_mul(&all, all, (size_t)n_seq_of(g)) ||
        !size_add(&all, all, sizeof(struct request)))
        return SIZE_MAX;
    return all;
}

enum brrr_status request_new(struct request **out, const struct brrr_model *m,
                             const struct engine_request *q, const struct engine_opts *o,
                             struct brrr_error *err)
{
    struct request *r = calloc(1, sizeof(*r));
    enum brrr_status st;

    *out = NULL;
    if (!r) return fail(err, BRRR_E_NOMEM, "no memory for a request of %zu tokens", q->n_prompt);
    r->gen = *q->gen;
    r->user = q->user;
    r->salt = q->salt;
    r->n_prompt = (int)q->n_prompt;
    r->limit = request_limit(q, o->ctx);
    r->user_index = -1;
    r->bytes = request_bytes(q, o);
    r->n_seq = r->n_left = n_seq_of(&r->gen);
    r->n_vocab = m->model->hp.n_vocab;
    r->n_row = n_row_of(&r->gen, o);
    r->n_held = r->gen.beam_width > 0 ? 0 : r->n_seq - 1;
    r->quiet = r->n_seq > r->gen.n_choices || r->gen.beam_width > 0;
    r->seq = calloc((size_t)r->n_seq, sizeof(*r->seq));
    if (r->quiet) r->winner = calloc((size_t)r->gen.n_choices, sizeof(*r->winner));
    st = r->seq && (!r->quiet || r->winner)
             ? BRRR_OK
             : fail(err, BRRR_E_NOMEM, "no memory for a request of %d answers", r->n_seq);
    for (int i = 0; !st && i < r->n_seq; i++)
        st = seq_init(&r->seq[i], r, i, m, q->prompt, err);
    if (!st && r->gen.beam_width > 0) st = beams_new(&r->beams, r, err);
    if (st) {
        request_free(r);
        return st;
    }
    r->t_submit = clock_now();
    *out = r;
    return BRRR_OK;
}

void request_free(struct request *r)
{
    if (!r) return;
    for (int i = 0; r->seq && i < r->n_seq; i++)
        seq_fini(&r->seq[i]);
    free(r->seq);
    beams_free(r->beams, r);
    free(r->winner);
    free(r);
}

/* Log-probability per token: long answers and short ones compare. */
static double mean_logprob(const struct seq *q)
{
    int n = q->n - q->r->n_prompt;

    return n > 0 ? q->sum_logprob / n : 0;
}

/* The n best, the best first; of equals the first sequence. */
void request_rank(struct request *r)
{
    for (int i = 0; i < r->gen.n_choices; i++) {
        int best = -1;
        for (int j = 0; j < r->n_seq; j++) {
            if (r->seq[j].n_shown < 0) continue;
            if (best < 0 || mean_logprob(&r->seq[j]) > mean_logprob(&r->seq[best])) best = j;
        }
        r->winner[i] = best;
        r->seq[best].n_shown = -1; /* taken */
    }
    for (int i = 0; i < r->gen.n_choices; i++) {
        r->seq[r->winner[i]].n_shown = 0;
        r->seq[r->winner[i]].choice = i;
    }
}
