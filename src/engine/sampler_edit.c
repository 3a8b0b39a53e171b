/* SPDX-License-Identifier: MIT */
/*
 * sampler_edit.c - stages that change logits of single tokens.
 *
 * They work on a copy of the row, made by the first that has something to do.
 * Ids that the vocabulary does not have are passed over. Repetition penalty:
 * Keskar et al., "CTRL" (2019); frequency and presence penalty: the OpenAI API;
 * n-gram blocking: Paulus et al. (2017).
 */
#include <math.h>

#include "engine/sampler_run.h"

static float *edit_begin(struct sampler *s)
{
    if (s->x != s->work) {
        memcpy(s->work, s->x, (size_t)s->n_vocab * sizeof(float));
        s->x = s->work;
    }
    return s->work;
}

static bool known(const struct sampler *s, int32_t id)
{
    return id >= 0 && id < s->n_vocab;
}

/* The part of the history that penalties look at. */
static int window(const struct sampler *s, const struct sample_params *p, const int32_t **from)
{
    int n = p->penalty_last_n < 0 ? s->n_history : MIN(s->n_history, p->penalty_last_n);

    *from = n > 0 ? s->history + (s->n_history - n) : s->history;
    return n;
}

/* Count the window's ids in s->count; returns how many different ones are in s->seen. */
static int count_begin(struct sampler *s, const struct sample_params *p)
{
    const int32_t *h;
    int n = window(s, p, &h), n_seen = 0;

    for (int i = 0; i < n; i++)
        if (known(s, h[i]) && s->count[h[i]]++ == 0) s->seen[n_seen++] = h[i];
    return n_seen;
}

static void count_end(struct sampler *s, int n_seen)
{
    for (int i = 0; i < n_seen; i++)
        s->count[s->seen[i]] = 0;
}

void edit_ban(struct sampler *s, const struct sample_ids *ids)
{
    if (ids->n == 0) return;
    float *x = edit_begin(s);
    for (int i = 0; i < ids->n; i++)
        if (known(s, ids->id[i])) x[ids->id[i]] = -INFINITY;
}

void edit_bias(struct sampler *s, const struct sample_params *p)
{
    if (p->n_bias == 0) return;
    float *x = edit_begin(s);
    for (int i = 0; i < p->n_bias; i++)
        if (known(s, p->bias[i].id)) x[p->bias[i].id] += p->bias[i].add;
}

/* Once per id, however often it occurred; makes what is above 0 smaller and what is below lower. */
void edit_repetition(struct sampler *s, const struct sample_params *p)
{
    if (p->repetition_penalty == 1) return;
    int n_seen = count_begin(s, p);
    float *x = edit_begin(s);
    for (int i = 0; i < n_seen; i++) {
        double v = (double)x[s->seen[i]];
        x[s->seen[i]] = (float)(v > 0 ? v / p->repetition_penalty : v * p->repetition_penalty);
    }
    count_end(s, n_seen);
}

/* logit - count * frequency - presence */
void edit_counts(struct sampler *s, const struct sample_params *p)
{
    if (p->frequency_penalty == 0 && p->presence_penalty == 0) return;
    int n_seen = count_begin(s, p);
    float *x = edit_begin(s);
    for (int i = 0; i < n_seen; i++) {
        int32_t id = s->seen[i];
        double v = (double)x[id] - s->count[id] * p->frequency_penalty - p->presence_penalty;
        x[id] = (float)v;
    }
    count_end(s, n_seen);
}

/* TGI's frequency penalty: by the share of the window, not by the count. */
void edit_shares(struct sampler *s, const struct sample_params *p)
{
    const int32_t *h;
    int n = window(s, p, &h);

    if (p->frequency_penalty == 0 || n == 0) return;
    int n_seen = count_begin(s, p);
    float *x = edit_begin(s);
    for (int i = 0; i < n_seen; i++) {
        int32_t id = s->seen[i];
        x[id] = (float)((double)x[id] - p->frequency_penalty * s->count[id] / n);
    }
    count_end(s, n_seen);
}

/* Forbid every token that would complete an n-gram that is already there. */
void edit_ngram(struct sampler *s, const struct sample_params *p)
{
    int g = p->no_repeat_ngram_size, n = s->n_history;
    const int32_t *h = s->history;

    if (g < 1 || n + 1 < g) return;
    float *x = edit_begin(s);
    for (int i = 0; i + g <= n; i++)
        if (memcmp(h + i, h + (n - (g - 1)), (size_t)(g - 1) * sizeof(*h)) == 0 &&
            known(s, h[i + g - 1]))
            x[h[i + g - 1]] = -INFINITY;
}
