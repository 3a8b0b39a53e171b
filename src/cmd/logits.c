/* SPDX-License-Identifier: MIT */
/* logits.c - `brrr logits --jsonl`: logits after given ids (docs/jsonl.md). */
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "cmd/session.h"
#include "engine/eval.h"

struct state {
    struct eval *eval;
    int n_vocab, top;
    json_t *rows; /* all_positions: one answer per row; else the answer itself */
    bool all;
};

struct ranked {
    float logit;
    int32_t id;
};

/* Largest first, then lowest id. */
static int by_logit(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;

    if (x->logit != y->logit) return x->logit < y->logit ? 1 : -1;
    return x->id < y->id ? -1 : 1;
}

/* JSON has no infinities and no NaN. */
static json_t *number(float v)
{
    return isfinite(v) ? json_real((double)v) : json_real(v > 0 ? 3.4e38 : -3.4e38);
}

static json_t *top_rows(const float *logits, int n_vocab, int top)
{
    struct ranked *r = malloc((size_t)n_vocab * sizeof(*r));
    json_t *list = json_array();

    for (int i = 0; r && i < n_vocab; i++)
        r[i] = (struct ranked){ logits[i], i };
    if (r) qsort(r, (size_t)n_vocab, sizeof(*r), by_logit);
    for (int i = 0; r && i < MIN(top, n_vocab); i++)
        json_array_append_new(list, json_pack("[i, o]", r[i].id, number(r[i].logit)));
    free(r);
    return list;
}

static json_t *all_logits(const float *logits, int n_vocab)
{
    json_t *list = json_array();

    for (int i = 0; i < n_vocab; i++)
        json_array_append_new(list, number(logits[i]));
    return list;
}

static bool take_row(void *arg, int row, const float *logits)
{
    struct state *s = arg;
    json_t *v = s->top ? top_rows(logits, s->n_vocab, s->top) : all_logits(logits, s->n_vocab);

    (void)row;
    if (s->all) json_array_append_new(s->rows, v);
    else s->rows = v;
    return true;
}

/* Enough memory for an answer of n rows? It is built as a whole before it is printed. */
static bool check_size(const struct state *s, size_t n, struct brrr_error *err)
{
    enum { BYTES_PAIR = 256, BYTES_NUMBER = 96 }; /* as JSON values and once more as text */
    size_t row = s->top ? (size_t)s->top * BYTES_PAIR : (size_t)s->n_vocab * BYTES_NUMBER, need;

    if (size_mul(&need, row, s->all ? n : 1) && need <= mem_available() / 2) return true;
    fail(err, BRRR_E_NOMEM,
         "the logits of %zu positions need %zu MiB, half of %zu MiB may be used; "
         "ask for fewer with \"top\" or in parts",
         n, need >> 20, mem_available() >> 20);
    return false;
}

static json_t *answer(void *arg, const json_t *line, struct brrr_error *err)
{
    struct state *s = arg;
    json_t *ids = json_object_get(line, "ids"), *top = json_object_get(line, "top");
    json_t *all = json_object_get(line, "all_positions");
    size_t n = json_array_size(ids);

    if (!json_is_array(ids) || n == 0 || n > LIMIT_CTX) {
        fail(err, BRRR_E_FORMAT, "\"ids\" must be a list of 1 to %d token ids", LIMIT_CTX);
        return NULL;
    }
    if ((top && (!json_is_integer(top) || json_integer_value(top) < 0)) ||
        (all && !json_is_boolean(all))) {
        fail(err, BRRR_E_FORMAT, "\"top\" must be a number from 0, \"all_positions\" a boolean");
        return NULL;
    }
    s->top = top ? (int)MIN(json_integer_value(top), s->n_vocab) : 10;
    s->all = json_is_true(all);
    if (!check_size(s, n, err)) return NULL;
    int32_t *id = malloc(n * sizeof(*id));
    if (!id) {
        fail(err, BRRR_E_NOMEM, "no memory for %zu ids", n);
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        json_int_t v = json_integer_value(json_array_get(ids, i));
        bool ok = json_is_integer(json_array_get(ids, i)) && v >= 0 && v <= INT32_MAX;
        id[i] = ok ? (int32_t)v : -1; /* refused by eval_run() with its index */
    }
    s->rows = s->all ? json_array() : NULL;
    struct eval_rows rows = { s->all, take_row, s };
    enum brrr_status st = eval_run(s->eval, id, (int)n, &rows, err);
    free(id);
    if (st) {
        json_decref(s->rows);
        return NULL;
    }
    json_t *out = json_pack("{s:o}", "top", s->rows);
    /* Dense models choose no experts. */
    if (out && json_is_true(json_object_get(line, "experts")))
        json_object_set_new(out, "experts", json_array());
    return out;
}

int verb_logits(const struct options *o)
{
    struct brrr_model *m;
    struct engine_opts eo;
    struct brrr_error err;
    struct state s = { 0 };
    int code;

    if (!o->jsonl) return cmd_usage("logits", "it reads JSON lines: give --jsonl");
    if ((code = session_engine_opts(&eo, o))) return code;
    if ((code = session_open(&m, o))) return code;
    session_plan(&eo, o, m);
    if (eval_new(&s.eval, m, &eo, &err)) {
        code = cmd_fail(&err);
    } else {
        s.n_vocab = brrr_model_n_vocab(m);
        code = cmd_jsonl(answer, &s);
    }
    eval_free(s.eval);
    brrr_model_close(m);
    return code;
}
