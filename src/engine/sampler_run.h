/* SPDX-License-Identifier: MIT */
/*
 * sampler_run.h - inside the sampler: its state and its stages.
 *
 * Included by sampler*.c only. One call runs through three phases:
 *   1. edits change logits of single ids, in a copy of the row (`work`);
 *   2. cuts and the temperature work on candidates, which are gathered when the
 *      first cut needs them: the top-k search never lists the whole vocabulary;
 *   3. drawing, or handing out the distribution.
 *
 * Candidates: id, d <= 0 (logit minus the largest, over the temperature), e =
 * exp(d). `e` and `total` are filled when a stage asks (sampler_weigh()). They
 * stand in the order of ids, until a cut sorts them: then likeliest first, then
 * by id (`sorted`).
 */
#ifndef ENGINE_SAMPLER_RUN_H
#define ENGINE_SAMPLER_RUN_H

#include "base/rng.h"
#include "engine/sampler.h"

struct sampler {
    const struct kernels *k;
    int n_vocab;

    const float *raw; /* the caller's row                       */
    const float *x;   /* the row: raw, or work once it was edited */
    const int32_t *history;
    int n_history; /* all of it: for n-grams                            */

    int n; /* candidates; -1 before they are gathered           */
    bool sorted, weighed;
    double temperature; /* asked for before the candidates were gathered     */
    double total;       /* sum of e                                          */

    int32_t *id;
    float *d, *e;
    float *work;
    int32_t *count;        /* [id] times in the history; all zero between stages */
    int32_t *seen;         /* the ids whose count is not zero                    */
    uint64_t *sort, *swap; /* sort keys: value in the high half, id or index low  */
};

typedef void stage_fn(struct sampler *s, const struct sample_params *p);

/* Edits (sampler_edit.c). Each returns at once when its parameter is off. */
stage_fn edit_bias, edit_repetition, edit_counts, edit_shares, edit_ngram;
/* Cuts (sampler_cut.c): keep some of the candidates. */
stage_fn cut_temperature, cut_top_k, cut_top_p, cut_min_p, cut_typical, cut_typical_ties,
    cut_epsilon, cut_eta;

/* One candidate: this id, or id 0 for -1. */
void sampler_only(struct sampler *s, int id);
/* List the candidates, if that has not happened (sampler_cut.c). */
void sampler_gather(struct sampler *s);
/* Fill e. */
void sampler_exp(struct sampler *s);
/* Fill e and total. */
void sampler_weigh(struct sampler *s);
/* Put the candidates in order of likelihood. */
void sampler_sort(struct sampler *s);
/* Sum of x in double precision, in eight fixed lanes. */
double sampler_sum(const float *x, int n);

/* --- sampler_race.c: drawing --- */

/* One of the candidates, each with the probability e / total, by the noise of this place. */
int32_t sampler_race(struct sampler *s, const struct rng_place *p);
/* log(z), z > 0 and normal, by IEEE operations alone. */
double sampler_log(double z);

/* --- sampler_select.c: searching and sorting --- */

/* Where the largest is, the lowest index of equals; -1 if all are NaN or -inf. */
int select_max(const float *x, int n);
/* a[0..n) ascending; tmp has room for n. */
void select_sort(uint64_t *a, uint64_t *tmp, int n);
/*
 * The k largest of x[0..n_vocab) (k >= 1) and all that equal the k-th, without NaN and -inf: their
 * indices in the low half of s->sort[0..), largest first, then by index. Returns how many. Uses e.
 */
int select_top(struct sampler *s, const float *x, int k);

#endif
