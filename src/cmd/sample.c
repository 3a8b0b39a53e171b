/* SPDX-License-Identifier: MIT */
/*
 * sample.c - `brrr sample --jsonl`: the distribution that a token would be drawn from.
 *
 * Line in: {"logits": [...], "history": [id], "params": {...}, "pipeline": name};
 * logits may be "-inf", "inf" and "nan". Line out: {"probs": [...], "kept": [id]},
 * one probability per id. No model is needed; docs/jsonl.md has examples.
 */
#include <math.h>
#include <stdlib.h>

#include "base/cpu.h"
#include "cmd/params.h"

/* What one line asks for; everything is freed by question_fini(). */
struct question {
    struct kernels *k;
    struct sample_params p;
    struct sampler *sampler;
    float *logits;
    int32_t *history;
    int n_vocab, n_history;
};

static void question_fini(struct question *q)
{
    sampler_free(q->sampler);
    free(q->logits);
    free(q->history);
}

static bool read_logit(const json_t *v, float *out)
{
    static const struct {
        const char *word;
        float value;
    } words[] = { { "-inf", -INFINITY }, { "inf", INFINITY }, { "nan", NAN } };

    if (json_is_number(v)) {
        *out = (float)json_number_value(v);
        return true;
    }
    for (size_t i = 0; json_is_string(v) && i < COUNT(words); i++)
        if (strcmp(json_string_value(v), words[i].word) == 0) {
            *out = words[i].value;
            return true;
        }
    return false;
}

static enum brrr_status read_logits(struct question *q, const json_t *list, struct brrr_error *err)
{
    size_t n = json_array_size(list), i;
    json_t *v;

    if (n < 1 || n > LIMIT_VOCAB)
        return fail(err, BRRR_E_FORMAT, "logits must be an array of 1 to %d numbers", LIMIT_VOCAB);
    q->logits = malloc(n * sizeof(*q->logits));
    if (!q->logits) return fail(err, BRRR_E_NOMEM, "no memory for %zu logits", n);
    json_array_foreach(list, i, v)
    {
        if (!read_logit(v, &q->logits[i]))
            return fail(err, BRRR_E_FORMAT,
                        "logits: entry %zu is no number, nor \"-inf\", \"inf\", \"nan\"", i);
    }
    q->n_vocab = (int)n;
    return BRRR_OK;
}

static enum brrr_status read_history(struct question *q, const json_t *list, struct brrr_error *err)
{
    size_t n = json_array_size(list);

    if (!list || json_is_null(list)) return BRRR_OK;
    if (n > LIMIT_CTX) return fail(err, BRRR_E_LIMIT, "history: more than %d tokens", LIMIT_CTX);
    q->history = malloc((n + 1) * sizeof(*q->history));
    if (!q->history) return fail(err, BRRR_E_NOMEM, "no memory for the history");
    if (params_ids(list, "history", q->history, n, err) < 0) return BRRR_E_FORMAT;
    q->n_history = (int)n;
    for (int i = 0; i < q->n_history; i++)
        if (q->history[i] >= q->n_vocab)
            return fail(err, BRRR_E_LIMIT, "history: there is no token %d (%d logits)",
                        q->history[i], q->n_vocab);
    return BRRR_OK;
}

static enum brrr_status read_question(struct question *q, const json_t *line,
                                      struct brrr_error *err)
{
    static const char *const known[] = { "logits", "history", "params", "pipeline" };
    enum brrr_status st;
    const char *key;
    json_t *v;

    json_object_foreach((json_t *)line, key, v)
    {
        size_t i = 0;
        while (i < COUNT(known) && strcmp(key, known[i]) != 0)
            i++;
        if (i < COUNT(known)) continue;
        char shown[48];
        return fail(err, BRRR_E_FORMAT,
                    "a key other than logits, history, params and pipeline: '%s'",
                    slice_print(shown, sizeof(shown), (struct slice){ key, strlen(key) }));
    }
    if ((st = read_logits(q, json_object_get(line, "logits"), err)) != BRRR_OK) return st;
    if ((st = read_history(q, json_object_get(line, "history"), err)) != BRRR_OK) return st;
    sample_params_init(&q->p);
    if ((v = json_object_get(line, "params")) && !json_is_null(v))
        if ((st = params_sample(v, &q->p, err)) != BRRR_OK) return st;
    if ((v = json_object_get(line, "pipeline"))) {
        json_t *wrap = json_pack("{s:O}", "pipeline", v);
        if (!wrap) return fail(err, BRRR_E_NOMEM, "no memory for a line");
        st = params_sample(wrap, &q->p, err);
        json_decref(wrap);
        if (st != BRRR_OK) return st;
    }
    if ((st = sample_params_check(&q->p, q->n_vocab, err)) != BRRR_OK) return st;
    return sampler_new(&q->sampler, q->n_vocab, q->k, err);
}

static int by_id(const void *a, const void *b)
{
    return *(const int32_t *)a < *(const int32_t *)b ? -1 : 1;
}

/* dist in the order of ids; NULL when memory is short. */
static json_t *print_dist(struct question *q, const struct sample_dist *dist)
{
    json_t *probs = json_array(), *kept = json_array();
    int32_t *ids = malloc((size_t)dist->n * sizeof(*ids));
    float *prob = q->logits; /* not needed any more */

    if (!probs || !kept || !ids) goto error;
    memset(prob, 0, (size_t)q->n_vocab * sizeof(*prob));
    for (int i = 0; i < dist->n; i++) {
        ids[i] = dist->id[i];
        prob[dist->id[i]] = dist->prob[i];
    }
    qsort(ids, (size_t)dist->n, sizeof(*ids), by_id);
    for (int i = 0; i < q->n_vocab; i++)
        if (json_array_append_new(probs, json_real((double)prob[i]))) goto error;
    for (int i = 0; i < dist->n; i++)
        if (json_array_append_new(kept, json_integer(ids[i]))) goto error;
    free(ids);
    return json_pack("{s:o, s:o}", "probs", probs, "kept", kept);

error:
    free(ids);
    json_decref(probs);
    json_decref(kept);
    return NULL;
}

static json_t *answer(void *arg, const json_t *line, struct brrr_error *err)
{
    struct question q = { .k = arg };
    struct sample_dist dist;
    json_t *out = NULL;

    if (read_question(&q, line, err) != BRRR_OK) goto done;
    struct sample_in in = { .logits = q.logits, .history = q.history, .n_history = q.n_history };
    sampler_apply(q.sampler, &q.p, &in, &dist);
    out = print_dist(&q, &dist);
    if (!out) fail(err, BRRR_E_NOMEM, "no memory for the answer");
done:
    question_fini(&q);
    return out;
}

int verb_sample(const struct options *o)
{
    struct kernels k;

    if (!o->jsonl) return cmd_usage(o->verb, "give --jsonl: the lines come on standard input");
    kernels_select(&k, cpu_features());
    return cmd_jsonl(answer, &k);
}
