/* SPDX-License-Identifier: MIT */
/*
 * sampler.c - the pipelines, and running one.
 *
 * A new stage is a function in sampler_edit.c or sampler_cut.c and an entry in
 * the lists below; what it is called in requests is a row in gen.def.
 */
#include "engine/sampler.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "base/rng.h"
#include "engine/sampler_run.h"

/* exp() below this is 0 even in double precision: such an id has no probability. */
#define D_NOTHING (-745.13f)

static const struct pipeline {
    const char *name;
    stage_fn *edits[6], *cuts[9]; /* in order; NULL ends */
} pipelines[PIPELINE_COUNT] = {
    [PIPELINE_HF] = { "hf",
                      { edit_repetition, edit_ngram, edit_bias },
                      { cut_temperature, cut_top_k, cut_top_p, cut_min_p, cut_typical_ties,
                        cut_epsilon, cut_eta } },
    [PIPELINE_OPENAI] = { "openai",
                          { edit_counts, edit_bias },
                          { cut_temperature, cut_top_k, cut_typical, cut_top_p, cut_min_p } },
    [PIPELINE_TGI] = { "tgi",
                       { edit_repetition, edit_shares },
                       { cut_temperature, cut_top_k, cut_top_p, cut_typical_ties } },
    [PIPELINE_TEMP_LAST] = { "temp_last",
                             { edit_repetition, edit_counts, edit_ngram, edit_bias },
                             { cut_top_k, cut_typical, cut_top_p, cut_min_p, cut_epsilon, cut_eta,
                               cut_temperature } },
    [PIPELINE_GREEDY] = { "greedy", { 0 }, { 0 } },
};

const char *sample_pipeline_name(enum sample_pipeline p)
{
    return p >= 0 && p < PIPELINE_COUNT ? pipelines[p].name : "?";
}

enum sample_pipeline sample_pipeline_find(const char *name)
{
    int i = 0;

    while (i < PIPELINE_COUNT && strcmp(name, pipelines[i].name) != 0)
        i++;
    return (enum sample_pipeline)i;
}

enum brrr_status sampler_new(struct sampler **out, int n_vocab, const struct kernels *k,
                             struct brrr_error *err)
{
    *out = NULL;
    if (n_vocab < 1 || n_vocab > LIMIT_VOCAB)
        return fail(err, BRRR_E_LIMIT, "a sampler over %d token ids: must be from 1 to %d", n_vocab,
                    LIMIT_VOCAB);
    size_t n = (size_t)n_vocab;
    struct sampler *s = calloc(1, sizeof(*s));
    if (!s) goto nomem;
    s->k = k;
    s->n_vocab = n_vocab;
    s->id = malloc(n * sizeof(*s->id));
    s->d = malloc(n * sizeof(*s->d));
    s->e = malloc(n * sizeof(*s->e));
    s->work = malloc(n * sizeof(*s->work));
    s->count = calloc(n, sizeof(*s->count));
    s->seen = malloc(n * sizeof(*s->seen));
    s->sort = malloc(n * sizeof(*s->sort));
    s->swap = malloc(n * sizeof(*s->swap));
    if (!s->id || !s->d || !s->e || !s->work || !s->count || !s->seen || !s->sort || !s->swap)
        goto nomem;
    *out = s;
    return BRRR_OK;

nomem:
    sampler_free(s);
    return fail(err, BRRR_E_NOMEM, "no memory to sample from %d token ids", n_vocab);
}

size_t sampler_bytes(int n_vocab)
{
    const struct sampler *s = NULL;

    return sizeof(*s) + (size_t)n_vocab * (sizeof(*s->id) + sizeof(*s->d) + sizeof(*s->e) +
                                           sizeof(*s->work) + sizeof(*s->count) + sizeof(*s->seen) +
                                           sizeof(*s->sort) + sizeof(*s->swap));
}

void sampler_free(struct sampler *s)
{
    if (!s) return;
    free(s->id);
    free(s->d);
    free(s->e);
    free(s->work);
    free(s->count);
    free(s->seen);
    free(s->sort);
    free(s->swap);
    free(s);
}

/*
 * Run the stages. At the end either the candidates are gathered, or nothing asked
 * for that and they are the whole row.
 */
static void run(struct sampler *s, const struct sample_params *p, const struct sample_in *in)
{
    assert(p->pipeline >= 0 && p->pipeline < PIPELINE_COUNT);
    const struct pipeline *line = &pipelines[p->pipeline];
    bool greedy = p->temperature <= 0 || p->pipeline == PIPELINE_GREEDY;

    s->raw = s->x = in->logits;
    s->history = in->history;
    s->n_history = in->n_history;
    s->n = -1;
    s->sorted = s->weighed = false;
    s->temperature = 1;
    for (int i = 0; line->edits[i]; i++)
        line->edits[i](s, p);
    if (greedy) {
        int at = select_max(s->x, s->n_vocab);
        sampler_only(s, at >= 0 ? at : select_max(s->raw, s->n_vocab));
        return;
    }
    for (int i = 0; line->cuts[i] && s->n != 1; i++)
        line->cuts[i](s, p);
}

void sampler_apply(struct sampler *s, const struct sample_params *p, const struct sample_in *in,
                   struct sample_dist *out)
{
    run(s, p, in);
    sampler_sort(s);
    while (s->n > 1 && s->d[s->n - 1] - s->d[0] < D_NOTHING)
        s->n--;
    s->weighed = false;
    sampler_weigh(s);
    for (int i = 0; i < s->n; i++)
        s->e[i] = (float)((double)s->e[i] / s->total);
    *out = (struct sample_dist){ s->id, s->e, s->n };
}

int32_t sampler_next(struct sampler *s, const struct sample_params *p, const struct sample_in *in)
{
    run(s, p, in);
    if (s->n == 1) return s->id[0];
    struct rng_place place = rng_place(p->seed, in->choice, in->position);
    return sampler_race(s, &place);
}

/* The row for log-probabilities: as it is, or cleaned, when NaN or inf spoil its sum. */
static const float *clean_row(struct sampler *s, const float *x, float *max, double *log_sum)
{
    float sum;

    s->k->sumexp(x, s->n_vocab, max, &sum);
    if (isfinite(*max) && isfinite(sum)) goto good;
    int at = select_max(x, s->n_vocab);
    *max = at < 0 ? 0 : x[at];
    for (int i = 0; i < s->n_vocab; i++) {
        bool some = at < 0 ? i == 0 : x[i] > -INFINITY && (!isinf(*max) || x[i] == *max);
        s->work[i] = !some ? -INFINITY : at < 0 || isinf(*max) ? 0 : x[i];
    }
    x = s->work;
    s->k->sumexp(x, s->n_vocab, max, &sum);
good:
    *log_sum = sampler_log((double)sum);
    return x;
}

static float logprob(float x, float max, double log_sum)
{
    return x > -INFINITY ? MAX((float)((double)x - (double)max - log_sum), SAMPLE_LOGPROB_NONE)
                         : SAMPLE_LOGPROB_NONE;
}

int sampler_logprobs(struct sampler *s, const float *logits, struct sample_logprob *top, int k,
                     struct sample_logprob *chosen)
{
    float max;
    double log_sum;
    const float *x = clean_row(s, logits, &max, &log_sum);
    int n = 0;

    if (k > 0) n = MIN(k, select_top(s, x, k));
    for (int i = 0; i < n; i++) {
        int32_t id = (int32_t)(uint32_t)s->sort[i];
        top[i] = (struct sample_logprob){ id, logprob(x[id], max, log_sum) };
    }
    if (chosen && chosen->id >= 0 && chosen->id < s->n_vocab)
        chosen->logprob = logprob(x[chosen->id], max, log_sum);
    return n;
}
