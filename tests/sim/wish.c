/* SPDX-License-Identifier: MIT */
/* wish.c - see wish.h. */
#include "wish.h"

#include "hash_model.h"
#include "world.h"

/* --- what a request asks: one row for each kind of wish, and how rare it is --- */

static void wish_length(struct gen_params *g)
{
    g->n_predict = below(50);
}
static void wish_none(struct gen_params *g)
{
    g->n_predict = 0;
}
static void wish_endless(struct gen_params *g)
{
    g->n_predict = -1;
}
static void wish_sampling(struct gen_params *g)
{
    g->sample.temperature = 0.5 + below(3);
    g->sample.seed = chance();
}
static void wish_stops(struct gen_params *g)
{
    for (int i = 0; i < 4; i++)
        g->stop_id[g->n_stop_id++] = below(HASH_VOCAB);
}
/* So many that beams run out of continuations. */
static void wish_many_stops(struct gen_params *g)
{
    while (g->n_stop_id < LIMIT_STOP_IDS)
        g->stop_id[g->n_stop_id++] = below(HASH_VOCAB);
}
static void wish_penalty(struct gen_params *g)
{
    g->sample.repetition_penalty = 1.5;
}
static void wish_choices(struct gen_params *g)
{
    g->n_choices = 1 + below(MAX_CHOICES);
}
static void wish_best(struct gen_params *g)
{
    g->n_choices = 1 + below(2);
    g->best_of = g->n_choices + below(MAX_CHOICES - 1);
}
static void wish_beams(struct gen_params *g)
{
    g->beam_width = 2 + below(MAX_CHOICES - 1);
    g->n_choices = 1 + below(g->beam_width);
    g->best_of = 0;
    g->n_prompt_logprobs = -1;
    g->early_stopping = one_in(2);
}
static void wish_least(struct gen_params *g)
{
    g->min_tokens = g->n_predict < 0 ? below(CTX) : below(g->n_predict + 1);
}
static void wish_read(struct gen_params *g)
{
    g->n_prompt_logprobs = below(4);
}
/* In place of all that is about answers. */
static void wish_embed(struct gen_params *g)
{
    g->n_choices = 1;
    g->best_of = g->beam_width = g->min_tokens = 0;
    g->n_prompt_logprobs = -1;
    g->embed = (enum gen_embed)(EMBED_MEAN + below(2));
}
static void wish_priority(struct gen_params *g)
{
    g->priority = below(3);
}

static const struct {
    int one_in;
    void (*wish)(struct gen_params *g);
} wishes[] = {
    { 1, wish_length }, { 40, wish_none },   { 6, wish_endless },  { 2, wish_sampling },
    { 4, wish_stops },  { 8, wish_penalty }, { 6, wish_choices },  { 12, wish_best },
    { 8, wish_read },   { 12, wish_beams },  { 3, wish_priority }, { 24, wish_many_stops },
    { 4, wish_least },  { 16, wish_embed },
};

void wish_all(struct gen_params *g)
{
    for (size_t i = 0; i < COUNT(wishes); i++)
        if (one_in(wishes[i].one_in)) wishes[i].wish(g);
}
