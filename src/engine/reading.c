/* SPDX-License-Identifier: MIT */
/* reading.c - see reading.h. */
#include "engine/reading.h"

#include <assert.h>
#include <stdlib.h>

static bool asks_logprobs(const struct gen_params *gen, int n_prompt)
{
    return gen->n_prompt_logprobs >= 0 && n_prompt > 1;
}

/* Rows of a step, and likeliest tokens of each. */
static void sizes(const struct gen_params *gen, int n_prompt, size_t *n_row, size_t *n_top)
{
    *n_row = (size_t)MIN(n_prompt - 1, READING_ROWS);
    *n_top = (size_t)MAX(gen->n_prompt_logprobs, 0);
}

size_t reading_bytes(const struct gen_params *gen, int n_prompt, int d_model)
{
    size_t n_row, n_top;

    if (gen->embed) return (size_t)d_model * (sizeof(double) + sizeof(float));
    if (!asks_logprobs(gen, n_prompt)) return 0;
    sizes(gen, n_prompt, &n_row, &n_top);
    return n_row * (sizeof(struct drawn) + n_top * sizeof(struct sample_logprob));
}

static bool init_logprobs(struct reading *g, const struct gen_params *gen, int n_prompt)
{
    size_t n_row, n_top;

    sizes(gen, n_prompt, &n_row, &n_top);
    g->n_end = n_prompt - 1;
    g->n_top = (int)n_top;
    g->drawn = calloc(n_row, sizeof(*g->drawn));
    if (!g->drawn || n_top == 0) return g->drawn;
    struct sample_logprob *top = calloc(n_row * n_top, sizeof(*top));
    for (size_t i = 0; top && i < n_row; i++)
        g->drawn[i].top = top + i * n_top;
    return top;
}

static bool init_embedding(struct reading *g, enum gen_embed embed, int n_prompt, int d_model)
{
    g->embed = embed;
    g->n_end = n_prompt;
    g->n_done = embed == EMBED_LAST ? n_prompt - 1 : 0;
    g->d_model = d_model;
    g->sum = calloc((size_t)d_model, sizeof(*g->sum));
    g->embedding = calloc((size_t)d_model, sizeof(*g->embedding));
    return g->sum && g->embedding;
}

enum brrr_status reading_new(struct reading **out, const struct gen_params *gen, int n_prompt,
                             int d_model, struct brrr_error *err)
{
    *out = NULL;
    if (!gen->embed && !asks_logprobs(gen, n_prompt)) return BRRR_OK;
    struct reading *g = calloc(1, sizeof(*g));
    if (g && (gen->embed ? init_embedding(g, gen->embed, n_prompt, d_model)
                         : init_logprobs(g, gen, n_prompt))) {
        *out = g;
        return BRRR_OK;
    }
    reading_free(g);
    return fail(err, BRRR_E_NOMEM, "no memory for what is asked of a prompt of %d tokens",
                n_prompt);
}

void reading_free(struct reading *g)
{
    if (!g) return;
    if (g->drawn) free(g->drawn[0].top); /* of all */
    free(g->drawn);
    free(g->sum);
    free(g->embedding);
    free(g);
}

int reading_plan(struct reading *g, int from, int to, int *first)
{
    assert(from <= g->n_done); /* else a row would be missing */
    *first = g->n_done;
    g->n_row = MAX(MIN(to, g->n_end) - g->n_done, 0);
    return g->n_row;
}

void reading_draw(struct reading *g, int i, struct sampler *s, const float *logits,
                  const int32_t *prompt)
{
    struct drawn *d = &g->drawn[i];

    d->token = prompt[g->n_done + i + 1];
    d->chosen = (struct sample_logprob){ .id = d->token };
    d->n_top = sampler_logprobs(s, logits, d->top, g->n_top, &d->chosen);
}

void reading_take(struct reading *g, const float *hidden)
{
    for (int i = 0; g->embed && i < g->n_row; i++)
        for (int k = 0; k < g->d_model; k++)
            g->sum[k] += (double)*hidden++;
    g->n_done += g->n_row;
    if (!g->embed || g->n_done < g->n_end) return;
    for (int k = 0; k < g->d_model; k++)
        g->embedding[k] = (float)(g->sum[k] / (g->embed == EMBED_MEAN ? g->n_end : 1));
}
