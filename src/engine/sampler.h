/* SPDX-License-Identifier: MIT */
/*
 * sampler.h - from a row of logits to the next token.
 *
 * A pipeline is an ordered list of stages, kept as data (sampler.c): `hf`,
 * `openai`, `tgi` and `temp_last` do what transformers, the OpenAI API, TGI and
 * llama.cpp do, in their order; `greedy` is the plain arg-max. A parameter for
 * which a pipeline has no stage has no effect there; `temp_last`, the default,
 * has a stage for each. Temperature 0 means: the stages that change logits
 * (penalties, bias, n-grams), then the arg-max. The lowest id wins every tie.
 *
 * Hostile rows: NaN counts as -inf. If there is +inf, only ids with +inf remain.
 * If nothing remains, the answer is the arg-max of the row as it came, and id 0
 * if that has nothing either.
 *
 * Drawing is a race (sampler_race.c): each token id has noise of its own at each place, and the
 * least noise for its probability wins. Two models that think alike, and draw with the same
 * seed, therefore draw the same token more often than not, whatever else they disagree on.
 *
 * Determinism: a token is a pure function of (logits, history, parameters, seed,
 * choice, position). No libm: the exponential is kernels->exp_row, sums run in
 * fixed lanes and tiles, so bits depend on neither the instruction set nor the
 * C library. Probabilities are good to 1e-6.
 *
 * Owned by one thread at a time; no allocation after sampler_new().
 */
#ifndef ENGINE_SAMPLER_H
#define ENGINE_SAMPLER_H

#include <limits.h>

#include "base/limits.h"
#include "base/status.h"
#include "kernels/kernels.h"

enum sample_pipeline {
    PIPELINE_TEMP_LAST,
    PIPELINE_HF,
    PIPELINE_OPENAI,
    PIPELINE_TGI,
    PIPELINE_GREEDY,
    PIPELINE_COUNT,
};

struct sample_bias {
    int32_t id;
    float add; /* -inf forbids the token */
};

/* A plain value. The numbers are in gen.def. */
struct sample_params {
    enum sample_pipeline pipeline;
    uint64_t seed;
#define SAMPLE_TYPE_REAL                                double
#define SAMPLE_TYPE_INT                                 int
#define SAMPLE(field, kind, off, least, largest, alias) SAMPLE_TYPE_##kind field;
#define GEN(field, kind, off, least, largest, alias)
#include "engine/gen.def"
#undef SAMPLE
#undef GEN
    int n_bias;
    struct sample_bias bias[LIMIT_LOGIT_BIAS];
};

/* temp_last, seed 0, temperature 1, everything else off. */
void sample_params_init(struct sample_params *p);
/* Every number in its range, every id below n_vocab; n_vocab 0: ids are not checked. */
enum brrr_status sample_params_check(const struct sample_params *p, int n_vocab,
                                     struct brrr_error *err);
/* The pipeline's name, and back; PIPELINE_COUNT for a name that is none. */
const char *sample_pipeline_name(enum sample_pipeline p);
enum sample_pipeline sample_pipeline_find(const char *name);

/* What a draw depends on, besides the parameters. */
struct sample_in {
    const float *logits;    /* [n_vocab], never changed                      */
    const int32_t *history; /* ids so far, for penalties; others are skipped */
    int n_history;
    uint32_t choice;   /* which of a request's parallel answers                   */
    uint64_t position; /* of the token to be drawn, from the start of the sequence */
};

/* What remains before drawing, likeliest first, then by id. Lives until the sampler's next call. */
struct sample_dist {
    const int32_t *id;
    const float *prob;
    int n;
};

struct sample_logprob {
    int32_t id;
    float logprob;
};

/* Finite, so that JSON can carry it: the log-probability of what has none. */
#define SAMPLE_LOGPROB_NONE (-1e30f)

struct sampler;

/* k stays the caller's. About 40 bytes per token id. */
enum brrr_status sampler_new(struct sampler **out, int n_vocab, const struct kernels *k,
                             struct brrr_error *err);
/* What it takes. */
size_t sampler_bytes(int n_vocab);
void sampler_free(struct sampler *s); /* NULL is allowed */

/* The distribution that sampler_next() draws from. */
void sampler_apply(struct sampler *s, const struct sample_params *p, const struct sample_in *in,
                   struct sample_dist *out);
/* The next token. */
int32_t sampler_next(struct sampler *s, const struct sample_params *p, const struct sample_in *in);

/*
 * Log-probabilities of the raw distribution, before any stage: the k likeliest
 * in top[0..k), likeliest first, then by id; returns how many there are. With
 * chosen->id >= 0 that token's is filled in, to the same bits as in top.
 */
int sampler_logprobs(struct sampler *s, const float *logits, struct sample_logprob *top, int k,
                     struct sample_logprob *chosen);

#endif
