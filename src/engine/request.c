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

/* All that follows from what was asked. */
static void shape(struct request *r, const struct brrr_model *m, const struct engine_request *q,
                  const struct engine_opts *o)
{
    *r = (struct request){
        .gen = *q->gen, .user = q->user, .salt = q->salt, .tag = q->tag, .user_index = -1
    };
    r->n_prompt = (int)q->n_prompt;
    r->limit = request_limit(q, o->ctx);
    r->n_seq = r->n_left = n_seq_of(&r->gen);
    r->n_vocab = m->model->hp.n_vocab;
    r->n_row = r->gen.beam_width > 0 ? 1 : 1 + o->draft_max;
    r->n_held = r->gen.beam_width > 0 ? 0 : r->n_seq - 1;
    r->quiet = r->n_seq > r->gen.n_choices || r->gen.beam_width > 0;
}

static size_t bytes_of(const struct request *r, const struct brrr_model *m,
                       const struct engine_opts *o)
{
    size_t one = seq_bytes(r, m), all;

    if (r->n_row > 1 && !size_add(&one, one, draft_bytes(o->speculate, r->limit))) return SIZE_MAX;
    if (r->gen.beam_width > 0 && !size_add(&one, one, beams_bytes(r))) return SIZE_MAX;
    if (!size_mul(&all, one, (size_t)r->n_seq) || !size_add(&all, all, sizeof(*r))) return SIZE_MAX;
    return all;
}

size_t request_bytes(const struct engine_request *q, const struct brrr_model *m,
                     const struct engine_opts *o)
{
    struct request r;

    shape(&r, m, q, o);
    return bytes_of(&r, m, o);
}

enum brrr_status request_new(struct request **out, const struct brrr_model *m,
                             const struct engine_request *q, const struct engine_opts *o,
                             struct brrr_error *err)
{
    struct request *r = calloc(1, sizeof(*r));
    enum brrr_status st;

    *out = NULL;
    if (!r) return fail(err, BRRR_E_NOMEM, "no memory for a request of %zu tokens", q->n_prompt);
    shape(r, m, q, o);
    r->bytes = bytes_of(r, m, o);
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
