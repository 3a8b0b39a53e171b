/* SPDX-License-Identifier: MIT */
/* bundle.c - see bundle.h; and the public functions on a model (include/brrr.h). */
#include "engine/bundle.h"

#include <stdlib.h>

#include "base/cpu.h"
#include "base/limits.h"

enum brrr_status brrr_model_open(struct brrr_model **out, const char *path,
                                 const struct brrr_model_opts *opts, struct brrr_error *err)
{
    static const struct brrr_model_opts defaults;
    struct brrr_model *b = calloc(1, sizeof(*b));
    struct pool *pool = NULL;
    enum brrr_status st;

    *out = NULL;
    if (!b) return fail(err, BRRR_E_NOMEM, "%s: no memory", path);
    if (!opts) opts = &defaults;
    struct model_opts mo = { .precision = opts->precision,
                             .progress = opts->progress,
                             .progress_arg = opts->progress_arg };
    int n_threads = opts->n_threads > 0 ? opts->n_threads : MIN(cpu_count(), LIMIT_THREADS);
    if (n_threads > LIMIT_THREADS) {
        st = fail(err, BRRR_E_LIMIT, "%d threads: 1 to %d are possible", n_threads, LIMIT_THREADS);
        goto error;
    }
    if ((st = gguf_open(&b->file, path, err))) goto error;
    if ((st = model_check(b->file, mo.precision, NULL, err))) goto error;
    if (tokenizer_present(b->file) && (st = tokenizer_open(&b->tok, b->file, err))) goto error;
    /* A template that does not compile is an error only for those who chat. */
    st = chat_open(&b->chat, b->file, NULL);
    if (!st) b->has_template = !chat_is_fallback(b->chat);
    if (st == BRRR_E_NOMEM) {
        st = fail(err, st, "%s: no memory for the chat template", path);
        goto error;
    }
    if ((st = pool_new(&pool, n_threads, err))) goto error;
    if ((st = model_load(&b->model, b->file, &mo, pool, err))) goto error;
    pool_free(pool);
    *out = b;
    return BRRR_OK;

error:
    pool_free(pool);
    brrr_model_close(b);
    return st;
}

void brrr_model_close(struct brrr_model *b)
{
    if (!b) return;
    model_free(b->model);
    chat_close(b->chat);
    tokenizer_close(b->tok);
    gguf_close(b->file);
    free(b);
}

int brrr_model_ctx_max(const struct brrr_model *b)
{
    return b->model->hp.ctx_max;
}
int brrr_model_n_vocab(const struct brrr_model *b)
{
    return b->model->hp.n_vocab;
}

int64_t brrr_tokenize(const struct brrr_model *b, const char *text, size_t n_bytes,
                      bool add_special, bool parse_special, int32_t *ids, size_t cap)
{
    struct text_seg seg = { text, n_bytes, parse_special };
    struct ids v = { 0 };
    int64_t n = -1;

    if (b->tok && !tokenizer_encode(b->tok, &seg, 1, add_special, &v, NULL)) {
        n = (int64_t)v.n;
        if (v.n && cap) memcpy(ids, v.id, MIN(v.n, cap) * sizeof(*ids));
    }
    ids_free(&v);
    return n;
}

/* BOS in front, where the model wants one and its template did not write it. */
static enum brrr_status add_bos(const struct tokenizer *t, struct ids *v, struct brrr_error *err)
{
    int32_t bos = tokenizer_bos(t);

    if (!tokenizer_adds_bos(t) || bos < 0 || (v->n > 0 && v->id[0] == bos)) return BRRR_OK;
    if (ids_push(v, bos)) return fail(err, BRRR_E_NOMEM, "no memory for %zu tokens", v->n);
    memmove(v->id + 1, v->id, (v->n - 1) * sizeof(*v->id));
    v->id[0] = bos;
    return BRRR_OK;
}

enum brrr_status bundle_chat_text(const struct brrr_model *b, const json_t *messages,
                                  struct template_text *out, struct brrr_error *err)
{
    struct chat_request req = { .messages = messages,
                                .add_generation_prompt = true,
                                .now = chat_wall_clock() };
    struct template_error te = { 0 };
    enum brrr_status st = BRRR_OK;

    if (!b->tok || !b->chat)
        return fail(err, BRRR_E_UNSUPPORTED, "%s: %s; completion works (run --raw)",
                    gguf_path(b->file),
                    b->tok ? "its chat template does not compile" : "it has no tokenizer");
    if (!chat_render(b->chat, &req, out, &te))
        st = fail(err, BRRR_E_FORMAT, "the chat template: %s", te.text ? te.text : "no memory");
    template_error_fini(&te);
    return st;
}

enum brrr_status bundle_text_ids(const struct brrr_model *b, const struct template_text *text,
                                 struct ids *out, struct brrr_error *err)
{
    enum brrr_status st = tokenizer_encode(b->tok, text->seg, text->n_seg, false, out, err);

    return st ? st : add_bos(b->tok, out, err);
}

enum brrr_status bundle_chat_ids(const struct brrr_model *b, const json_t *messages,
                                 struct ids *out, struct brrr_error *err)
{
    struct template_text text = { 0 };
    enum brrr_status st = bundle_chat_text(b, messages, &text, err);

    if (!st) st = bundle_text_ids(b, &text, out, err);
    template_text_fini(&text);
    return st;
}

int64_t brrr_chat_tokenize(const struct brrr_model *b, const struct brrr_message *msg, size_t n_msg,
                           int32_t **ids, struct brrr_error *err)
{
    json_t *list = json_array();
    struct ids v = { 0 };
    enum brrr_status st = list ? BRRR_OK : fail(err, BRRR_E_NOMEM, "no memory for the messages");

    *ids = NULL;
    for (size_t i = 0; !st && i < n_msg; i++) {
        json_t *m = json_pack("{s:s, s:s}", "role", msg[i].role, "content", msg[i].content);
        if (!m || json_array_append_new(list, m))
            st = fail(err, BRRR_E_FORMAT, "message %zu is not UTF-8, or memory is short", i);
    }
    if (!st) st = bundle_chat_ids(b, list, &v, err);
    json_decref(list);
    if (st) {
        ids_free(&v);
        return -1;
    }
    *ids = v.id;
    return (int64_t)v.n;
}
