/* SPDX-License-Identifier: MIT */
/*
 * params.c - see params.h. One table from a name to a field and to the function
 * that reads its value; the rows of gen.def come first, by the same macro that
 * declares the fields.
 */
#include "cmd/params.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "text/json_in.h"

struct row;
typedef enum brrr_status read_fn(const struct row *r, const json_t *v, void *base,
                                 struct brrr_error *err);

struct row {
    const char *name, *alias;
    bool gen;    /* only in struct gen_params                                     */
    size_t off;  /* of the field; sample_params is where gen_params starts        */
    read_fn *to; /* base: the struct sample_params or the struct gen_params       */
};

static enum brrr_status wants(const struct row *r, const char *what, const json_t *v,
                              struct brrr_error *err)
{
    return fail(err, BRRR_E_FORMAT, "%s must be %s, not %s", r->name, what, json_in_kind(v));
}

static enum brrr_status read_REAL(const struct row *r, const json_t *v, void *base,
                                  struct brrr_error *err)
{
    if (!json_is_number(v)) return wants(r, "a number", v, err);
    *(double *)((char *)base + r->off) = json_number_value(v);
    return BRRR_OK;
}

static enum brrr_status read_INT(const struct row *r, const json_t *v, void *base,
                                 struct brrr_error *err)
{
    json_int_t i;

    if (!json_in_whole(v, &i)) return wants(r, "a whole number", v, err);
    if (i < INT_MIN || i > INT_MAX)
        return fail(err, BRRR_E_LIMIT, "%s is %lld: that is too large", r->name, (long long)i);
    *(int *)((char *)base + r->off) = (int)i;
    return BRRR_OK;
}

static enum brrr_status read_FLAG(const struct row *r, const json_t *v, void *base,
                                  struct brrr_error *err)
{
    if (!json_is_boolean(v)) return wants(r, "true or false", v, err);
    *(bool *)((char *)base + r->off) = json_is_true(v);
    return BRRR_OK;
}

/* -1 (llama.cpp: choose one yourself) leaves the seed that the caller put there. */
static enum brrr_status read_seed(const struct row *r, const json_t *v, void *base,
                                  struct brrr_error *err)
{
    json_int_t i;

    if (!json_in_whole(v, &i)) return wants(r, "a whole number", v, err);
    if (i < -1)
        return fail(err, BRRR_E_LIMIT, "seed is %lld: must be from 0 to 2^63 - 1", (long long)i);
    if (i >= 0) ((struct sample_params *)base)->seed = (uint64_t)i;
    return BRRR_OK;
}

static enum brrr_status read_pipeline(const struct row *r, const json_t *v, void *base,
                                      struct brrr_error *err)
{
    char shown[32];

    if (!json_is_string(v)) return wants(r, "a text", v, err);
    enum sample_pipeline p = sample_pipeline_find(json_string_value(v));
    if (p == PIPELINE_COUNT) {
        struct slice s = { json_string_value(v), json_string_length(v) };
        return fail(err, BRRR_E_FORMAT,
                    "pipeline '%s' is none of hf, openai, tgi, temp_last, greedy",
                    slice_print(shown, sizeof(shown), s));
    }
    ((struct sample_params *)base)->pipeline = p;
    return BRRR_OK;
}

/* The bias itself: a number, or false (llama.cpp) or "-inf" for never. */
static enum brrr_status add_bias(const struct row *r, json_int_t id, const json_t *v,
                                 struct sample_params *p, struct brrr_error *err)
{
    bool never = json_is_false(v) || (json_is_string(v) && !strcmp(json_string_value(v), "-inf"));

    if (!never && !json_is_number(v))
        return fail(err, BRRR_E_FORMAT, "%s of token %lld must be a number, false or \"-inf\"",
                    r->name, (long long)id);
    if (id < 0 || id > INT32_MAX)
        return fail(err, BRRR_E_LIMIT, "%s: there is no token %lld", r->name, (long long)id);
    if (p->n_bias == LIMIT_LOGIT_BIAS)
        return fail(err, BRRR_E_LIMIT, "%s: more than %d tokens", r->name, LIMIT_LOGIT_BIAS);
    p->bias[p->n_bias++] =
        (struct sample_bias){ (int32_t)id, never ? -INFINITY : (float)json_number_value(v) };
    return BRRR_OK;
}

/* {"15": 2.5, ...} as OpenAI has it, or [[15, 2.5], ...] as llama.cpp does. */
static enum brrr_status read_bias(const struct row *r, const json_t *v, void *base,
                                  struct brrr_error *err)
{
    struct sample_params *p = base;
    enum brrr_status st = BRRR_OK;
    const char *key;
    json_t *add, *pair;
    size_t i;
    json_int_t id = 0;

    p->n_bias = 0;
    if (json_is_object(v)) {
        json_object_foreach((json_t *)v, key, add)
        {
            char *end;
            errno = 0;
            id = strtoll(key, &end, 10);
            if (errno || end == key || *end)
                return fail(err, BRRR_E_FORMAT, "%s: a key is not a token id", r->name);
            if ((st = add_bias(r, id, add, p, err)) != BRRR_OK) return st;
        }
        return BRRR_OK;
    }
    if (!json_is_array(v)) return wants(r, "an object {\"id\": bias}", v, err);
    json_array_foreach(v, i, pair)
    {
        if (json_array_size(pair) != 2 || !json_in_whole(json_array_get(pair, 0), &id))
            return fail(err, BRRR_E_FORMAT, "%s: an entry is not [id, bias]", r->name);
        if ((st = add_bias(r, id, json_array_get(pair, 1), p, err)) != BRRR_OK) return st;
    }
    return BRRR_OK;
}

/* One text or an array of them. */
static enum brrr_status read_stop(const struct row *r, const json_t *v, void *base,
                                  struct brrr_error *err)
{
    struct gen_params *g = base;
    enum brrr_status st = BRRR_OK;
    json_t *one;
    size_t i;

    g->n_stop = 0;
    if (json_is_string(v))
        return gen_params_add_stop(g, json_string_value(v), json_string_length(v), err);
    if (!json_is_array(v)) return wants(r, "a text or an array of texts", v, err);
    json_array_foreach(v, i, one)
    {
        if (!json_is_string(one)) return wants(r, "a text or an array of texts", one, err);
        st = gen_params_add_stop(g, json_string_value(one), json_string_length(one), err);
        if (st != BRRR_OK) return st;
    }
    return BRRR_OK;
}

static enum brrr_status read_stop_ids(const struct row *r, const json_t *v, void *base,
                                      struct brrr_error *err)
{
    struct gen_params *g = base;
    int64_t n = params_ids(v, r->name, g->stop_id, LIMIT_STOP_IDS, err);

    if (n < 0) return BRRR_E_FORMAT;
    if (n > LIMIT_STOP_IDS)
        return fail(err, BRRR_E_LIMIT, "%s: %lld ids, %d at most", r->name, (long long)n,
                    LIMIT_STOP_IDS);
    g->n_stop_id = (int)n;
    return BRRR_OK;
}

static enum brrr_status read_embed(const struct row *r, const json_t *v, void *base,
                                   struct brrr_error *err)
{
    char shown[32];

    if (!json_is_string(v)) return wants(r, "a text", v, err);
    enum gen_embed e = gen_embed_find(json_string_value(v));
    if (e == EMBED_KINDS) {
        struct slice s = { json_string_value(v), json_string_length(v) };
        return fail(err, BRRR_E_FORMAT, "embed '%s' is none of none, mean, last",
                    slice_print(shown, sizeof(shown), s));
    }
    ((struct gen_params *)base)->embed = e;
    return BRRR_OK;
}

/* A number of likeliest tokens; true (OpenAI) is the chosen token's alone. */
static enum brrr_status read_logprobs(const struct row *r, const json_t *v, void *base,
                                      struct brrr_error *err)
{
    struct gen_params *g = base;

    if (!json_is_boolean(v)) return read_INT(r, v, base, err);
    g->n_logprobs = json_is_true(v) ? MAX(g->n_logprobs, 0) : -1;
    return BRRR_OK;
}

static const struct row rows[] = {
#define SAMPLE(field, kind, def, least, largest, alias) \
    { #field, alias, false, offsetof(struct sample_params, field), read_##kind },
#define GEN(field, kind, def, least, largest, alias) \
    { #field, alias, true, offsetof(struct gen_params, field), read_##kind },
#include "engine/gen.def"
#undef SAMPLE
#undef GEN
    { "seed", "", false, 0, read_seed },
    { "pipeline", "", false, 0, read_pipeline },
    { "logit_bias", "", false, 0, read_bias },
    { "stop", "stop_sequences stop_strings", true, 0, read_stop },
    { "stop_token_ids", "", true, 0, read_stop_ids },
    { "embed", "", true, 0, read_embed },
    { "logprobs", "n_probs top_logprobs top_n_tokens", true,
      offsetof(struct gen_params, n_logprobs), read_logprobs },
};

/* True if `name` is one of the words in `list`, separated by spaces. */
static bool in_words(const char *list, const char *name)
{
    size_t n = strlen(name);

    while (*list) {
        size_t w = strcspn(list, " ");
        if (w == n && memcmp(list, name, n) == 0) return true;
        list += w + (list[w] == ' ');
    }
    return false;
}

static const struct row *find(const char *name, bool gen)
{
    for (size_t i = 0; i < COUNT(rows); i++)
        if ((gen || !rows[i].gen) &&
            (strcmp(rows[i].name, name) == 0 || in_words(rows[i].alias, name)))
            return &rows[i];
    return NULL;
}

static bool skipped(const char *const *skip, const char *name)
{
    for (; skip && *skip; skip++)
        if (strcmp(*skip, name) == 0) return true;
    return false;
}

static enum brrr_status fill(const json_t *obj, const char *const *skip, void *base, bool gen,
                             struct brrr_error *err)
{
    const char *key;
    json_t *v;

    if (!json_is_object(obj)) return fail(err, BRRR_E_FORMAT, "parameters must be a JSON object");
    json_object_foreach((json_t *)obj, key, v)
    {
        if (skipped(skip, key)) continue;
        const struct row *r = find(key, gen);
        if (!r) {
            char shown[64];
            struct slice s = { key, strlen(key) };
            return fail(err, BRRR_E_FORMAT, "unknown parameter '%s'",
                        slice_print(shown, sizeof(shown), s));
        }
        if (json_is_null(v)) continue;
        enum brrr_status st = r->to(r, v, base, err);
        if (st != BRRR_OK) return st;
    }
    return BRRR_OK;
}

enum brrr_status params_sample(const json_t *obj, struct sample_params *p, struct brrr_error *err)
{
    return fill(obj, NULL, p, false, err);
}

enum brrr_status params_gen(const json_t *obj, const char *const *skip, struct gen_params *g,
                            struct brrr_error *err)
{
    return fill(obj, skip, g, true, err);
}

enum brrr_status params_from_options(const struct options *o, struct gen_params *g,
                                     struct brrr_error *err)
{
    enum brrr_status st;

    gen_params_init(g);
    g->sample.temperature = o->temperature;
    g->sample.top_k = o->top_k;
    g->sample.top_p = o->top_p;
    g->sample.min_p = o->min_p;
    g->sample.typical_p = o->typical_p;
    g->sample.repetition_penalty = o->repeat;
    g->sample.presence_penalty = o->presence;
    g->sample.frequency_penalty = o->frequency;
    g->sample.no_repeat_ngram_size = o->no_repeat_ngram;
    g->sample.epsilon_cutoff = o->epsilon;
    g->sample.eta_cutoff = o->eta;
    g->sample.seed = o->seed;
    g->n_predict = o->n_predict;
    g->ignore_eos = o->ignore_eos;
    for (int i = 0; i < o->stop.n; i++) {
        st = gen_params_add_stop(g, o->stop.v[i], strlen(o->stop.v[i]), err);
        if (st != BRRR_OK) return st;
    }
    return gen_params_check(g, 0, err);
}

int64_t params_ids(const json_t *list, const char *name, int32_t *ids, size_t cap,
                   struct brrr_error *err)
{
    json_int_t id;
    json_t *v;
    size_t i;

    if (!json_is_array(list)) {
        fail(err, BRRR_E_FORMAT, "%s must be an array of token ids", name);
        return -1;
    }
    json_array_foreach(list, i, v)
    {
        if (!json_in_whole(v, &id) || id < 0 || id > INT32_MAX) {
            fail(err, BRRR_E_FORMAT, "%s: entry %zu is not a token id", name, i);
            return -1;
        }
        if (i < cap) ids[i] = (int32_t)id;
    }
    return (int64_t)json_array_size(list);
}
