/* SPDX-License-Identifier: MIT */
/* gen.c - defaults and range checks of the parameters, by the table gen.def. */
#include "engine/gen.h"

#include <math.h>

enum kind { REAL, INT, FLAG };

static const struct row {
    const char *name;
    size_t off; /* in struct gen_params */
    enum kind kind;
    bool sample;
    double def, least, largest;
} rows[] = {
#define SAMPLE(field, kind, def, least, largest, alias) \
    { #field, offsetof(struct gen_params, sample.field), kind, true, def, least, largest },
#define GEN(field, kind, def, least, largest, alias) \
    { #field, offsetof(struct gen_params, field), kind, false, def, least, largest },
#include "engine/gen.def"
#undef SAMPLE
#undef GEN
};
_Static_assert(offsetof(struct gen_params, sample) == 0, "rows address both structs");

static double get(const void *base, const struct row *r)
{
    const char *at = (const char *)base + r->off;

    switch (r->kind) {
    case REAL:
        return *(const double *)at;
    case INT:
        return *(const int *)at;
    case FLAG:
        return *(const bool *)at;
    }
    return 0;
}

static void set(void *base, const struct row *r, double v)
{
    char *at = (char *)base + r->off;

    switch (r->kind) {
    case REAL:
        *(double *)at = v;
        return;
    case INT:
        *(int *)at = (int)v;
        return;
    case FLAG:
        *(bool *)at = v != 0;
        return;
    }
}

static enum brrr_status check_rows(const void *base, bool sample, struct brrr_error *err)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct row *r = &rows[i];
        if (r->sample != sample) continue;
        double v = get(base, r);
        if (!(v >= r->least && v <= r->largest))
            return fail(err, BRRR_E_LIMIT, "%s is %.9g: must be from %.10g to %.10g", r->name, v,
                        r->least, r->largest);
    }
    return BRRR_OK;
}

void sample_params_init(struct sample_params *p)
{
    memset(p, 0, sizeof(*p));
    for (size_t i = 0; i < COUNT(rows); i++)
        if (rows[i].sample) set(p, &rows[i], rows[i].def);
}

enum brrr_status sample_params_check(const struct sample_params *p, int n_vocab,
                                     struct brrr_error *err)
{
    if (p->pipeline < 0 || p->pipeline >= PIPELINE_COUNT)
        return fail(err, BRRR_E_LIMIT, "pipeline %d is none", (int)p->pipeline);
    if (p->n_bias < 0 || p->n_bias > LIMIT_LOGIT_BIAS)
        return fail(err, BRRR_E_LIMIT, "logit_bias: %d entries, %d at most", p->n_bias,
                    LIMIT_LOGIT_BIAS);
    for (int i = 0; i < p->n_bias; i++) {
        const struct sample_bias *b = &p->bias[i];
        if (b->id < 0 || (n_vocab > 0 && b->id >= n_vocab))
            return fail(err, BRRR_E_LIMIT, "logit_bias: there is no token %d (%d ids)", b->id,
                        n_vocab);
        if (isnan(b->add) || b->add > 1e6f)
            return fail(err, BRRR_E_LIMIT, "logit_bias: %g for token %d: must be 1e6 at most",
                        (double)b->add, b->id);
    }
    return check_rows(p, true, err);
}

void gen_params_init(struct gen_params *g)
{
    memset(g, 0, sizeof(*g));
    for (size_t i = 0; i < COUNT(rows); i++)
        set(g, &rows[i], rows[i].def);
    g->sample.temperature = 0;
}

static const char *const embed_names[EMBED_KINDS] = { "none", "mean", "last" };

const char *gen_embed_name(enum gen_embed e)
{
    return e >= 0 && e < EMBED_KINDS ? embed_names[e] : "?";
}

enum gen_embed gen_embed_find(const char *name)
{
    int i = 0;

    while (i < EMBED_KINDS && strcmp(embed_names[i], name) != 0)
        i++;
    return (enum gen_embed)i;
}

/* An embedding comes without an answer: what is about answers has no place beside it. */
static enum brrr_status check_embed(const struct gen_params *g, struct brrr_error *err)
{
    const struct {
        const char *name;
        int is, off;
    } of_answers[] = {
        { "n", g->n_choices, 1 },
        { "best_of", MAX(g->best_of, 1), 1 },
        { "beam_width", g->beam_width, 0 },
        { "logprobs", g->n_logprobs, -1 },
        { "prompt_logprobs", g->n_prompt_logprobs, -1 },
        { "min_tokens", g->min_tokens, 0 },
    };

    if (g->embed < 0 || g->embed >= EMBED_KINDS)
        return fail(err, BRRR_E_LIMIT, "embed %d is none", (int)g->embed);
    for (size_t i = 0; g->embed && i < COUNT(of_answers); i++)
        if (of_answers[i].is != of_answers[i].off)
            return fail(err, BRRR_E_LIMIT, "%s is %d: beside embed '%s' it must be %d",
                        of_answers[i].name, of_answers[i].is, gen_embed_name(g->embed),
                        of_answers[i].off);
    return BRRR_OK;
}

/* A beam search ranks answers by what is summed, and shows nothing before its end. */
static enum brrr_status check_beams(const struct gen_params *g, struct brrr_error *err)
{
    if (g->beam_width == 0) return BRRR_OK;
    if (g->beam_width < g->n_choices)
        return fail(err, BRRR_E_LIMIT, "beam_width is %d, n is %d: it must be n at least",
                    g->beam_width, g->n_choices);
    if (g->best_of > 0)
        return fail(err, BRRR_E_LIMIT, "best_of is %d and beam_width %d: only one can choose",
                    g->best_of, g->beam_width);
    if (g->n_logprobs > 0)
        return fail(err, BRRR_E_LIMIT,
                    "logprobs is %d: a beam search (beam_width %d) has 0, the chosen token's",
                    g->n_logprobs, g->beam_width);
    if (g->n_prompt_logprobs >= 0)
        return fail(err, BRRR_E_LIMIT,
                    "prompt_logprobs is %d: a beam search (beam_width %d) has none; ask for them "
                    "in a request of their own",
                    g->n_prompt_logprobs, g->beam_width);
    return BRRR_OK;
}

enum brrr_status gen_params_check(const struct gen_params *g, int n_vocab, struct brrr_error *err)
{
    enum brrr_status st = sample_params_check(&g->sample, n_vocab, err);

    if (st == BRRR_OK) st = check_rows(g, false, err);
    if (st == BRRR_OK) st = check_embed(g, err);
    if (st == BRRR_OK) st = check_beams(g, err);
    if (st != BRRR_OK) return st;
    if (g->best_of > 0 && g->best_of < g->n_choices)
        return fail(err, BRRR_E_LIMIT, "best_of is %d, n is %d: it must be n at least", g->best_of,
                    g->n_choices);
    if (g->n_predict >= 0 && g->min_tokens > g->n_predict)
        return fail(err, BRRR_E_LIMIT,
                    "min_tokens is %d, n_predict is %d: an answer can not be so long",
                    g->min_tokens, g->n_predict);
    if (g->n_stop < 0 || g->n_stop > LIMIT_STOPS)
        return fail(err, BRRR_E_LIMIT, "stop: %d texts, %d at most", g->n_stop, LIMIT_STOPS);
    if (g->n_stop_id < 0 || g->n_stop_id > LIMIT_STOP_IDS)
        return fail(err, BRRR_E_LIMIT, "stop_token_ids: %d ids, %d at most", g->n_stop_id,
                    LIMIT_STOP_IDS);
    for (int i = 0; i < g->n_stop_id; i++)
        if (g->stop_id[i] < 0 || (n_vocab > 0 && g->stop_id[i] >= n_vocab))
            return fail(err, BRRR_E_LIMIT, "stop_token_ids: there is no token %d (%d ids)",
                        g->stop_id[i], n_vocab);
    return BRRR_OK;
}

enum brrr_status gen_params_add_stop(struct gen_params *g, const char *text, size_t n,
                                     struct brrr_error *err)
{
    if (n == 0) return fail(err, BRRR_E_LIMIT, "stop: the text is empty");
    if (n > LIMIT_STOP_BYTES)
        return fail(err, BRRR_E_LIMIT, "stop: a text of %zu bytes, %d at most", n,
                    LIMIT_STOP_BYTES);
    if (g->n_stop >= LIMIT_STOPS)
        return fail(err, BRRR_E_LIMIT, "stop: more than %d texts", LIMIT_STOPS);
    struct stop_text *t = &g->stop[g->n_stop++];
    t->n = (uint16_t)n;
    memcpy(t->text, text, n);
    return BRRR_OK;
}
