/* SPDX-License-Identifier: MIT */
/* habits.c - see habits.h. */
#include "server/habits.h"

#include "model/arch.h"

#include "server/call.h"
#include "server/json_text.h"
#include "server/openai.h"
#include "server/server.h"
#include "server/tgi.h"

enum { STUCK_S = 30 }; /* without a sign of life of an engine that has work */

void habits_ok(struct server *s, struct exchange *x, const char *rest)
{
    (void)s;
    (void)rest;
    routes_json(x, 200, json_pack("{s:s}", "status", "ok"));
}

void habits_ready(struct server *s, struct exchange *x, const char *rest)
{
    struct problem p = { 0 };
    double stuck = runner_stuck(server_runner(s));

    if (stuck >= STUCK_S)
        problem(&p, PROBLEM_LOADING, NULL, "the engine has not moved for %.0f seconds", stuck);
    if (!p.kind && server_admits(s, &p)) habits_ok(s, x, rest);
    else routes_problem(x, &p);
}

void habits_version(struct server *s, struct exchange *x, const char *rest)
{
    (void)s;
    (void)rest;
    routes_json(x, 200, json_pack("{s:s}", "version", BRRR_VERSION));
}

/* TGI's Info, then our own. */
void habits_info(struct server *s, struct exchange *x, const char *rest)
{
    const struct engine_opts *o = runner_options(server_runner(s));
    const struct model *m = server_model(s)->model;
    const char *name = server_options(s)->name;
    char profile[64];

    (void)rest;
    model_profile_kv(m, o->kv_type, profile, sizeof(profile));
    json_t *v = json_pack("{s:s, s:n, s:s, s:i, s:i, s:i, s:i, s:i}", "model_id", name, "model_sha",
                          "model_pipeline_tag", "text-generation", "max_concurrent_requests",
                          o->n_parallel + MAX(o->max_waiting, 0), "max_best_of", TGI_BEST_OF,
                          "max_stop_sequences", TGI_STOPS, "max_input_tokens", o->ctx - 1,
                          "max_total_tokens", o->ctx);
    json_t *more = json_pack("{s:i, s:i, s:s, s:s, s:n, s:n, s:s, s:s, s:i, s:i, s:i}",
                             "validation_workers", 1, "max_client_batch_size", CALL_PROMPTS,
                             "router", "brrr", "version", BRRR_VERSION, "sha", "docker_label",
                             "model_architecture", m->arch->name, "numerics", profile, "context",
                             o->ctx, "parallel", o->n_parallel, "vocabulary", m->hp.n_vocab);
    if (v && more) json_object_update(v, more);
    json_decref(more);
    routes_json(x, 200, v);
}

/* A token's name; null where there is none. */
static json_t *token_name(const struct server *s, int64_t id)
{
    const struct tokenizer *tok = server_model(s)->tok;

    if (id < 0 || id >= tokenizer_n_vocab(tok)) return json_null();
    return json_lossy(tokenizer_piece(tok, (int32_t)id));
}

static json_t *template_source(const struct server *s)
{
    const struct brrr_model *m = server_model(s);
    struct slice source = { 0 };

    if (m->has_template) gguf_str(m->file, "tokenizer.chat_template", GGUF_OPTIONAL, &source, NULL);
    return source.p ? json_lossy(source) : json_string(chat_fallback);
}

/* As the file has it; -1: it has none. */
static int64_t pad_token(const struct server *s)
{
    int64_t id = -1;

    gguf_int(server_model(s)->file, "tokenizer.ggml.padding_token_id", GGUF_OPTIONAL, 0, INT32_MAX,
             &id, NULL);
    return id;
}

void habits_words(struct server *s, struct exchange *x, const char *rest)
{
    const struct tokenizer *tok = server_model(s)->tok;

    (void)rest;
    routes_json(x, 200,
                json_pack("{s:s, s:o, s:o, s:o, s:b, s:o, s:i}", "tokenizer_class",
                          tokenizer_model_name(tok), "bos_token", token_name(s, tokenizer_bos(tok)),
                          "eos_token", token_name(s, tokenizer_eos(tok)), "pad_token",
                          token_name(s, pad_token(s)), "add_bos_token", tokenizer_adds_bos(tok),
                          "chat_template", template_source(s), "model_max_length",
                          runner_options(server_runner(s))->ctx));
}

/* What a request that says nothing gets; llama.cpp's names. */
static json_t *default_params(void)
{
    struct gen_params g;

    gen_params_init(&g);
    return json_pack("{s:f, s:i, s:f, s:f, s:f, s:f, s:f, s:f, s:i}", "temperature",
                     g.sample.temperature, "top_k", g.sample.top_k, "top_p", g.sample.top_p,
                     "min_p", g.sample.min_p, "typical_p", g.sample.typical_p, "repeat_penalty",
                     g.sample.repetition_penalty, "presence_penalty", g.sample.presence_penalty,
                     "frequency_penalty", g.sample.frequency_penalty, "n_predict", -1);
}

void habits_props(struct server *s, struct exchange *x, const char *rest)
{
    const struct engine_opts *o = runner_options(server_runner(s));
    const struct tokenizer *tok = server_model(s)->tok;
    const char *name = server_options(s)->name;

    (void)rest;
    routes_json(x, 200,
                json_pack("{s:{s:i, s:o}, s:i, s:s, s:s, s:o, s:o, s:o, s:{s:b, s:b}, s:s}",
                          "default_generation_settings", "n_ctx", o->ctx, "params",
                          default_params(), "total_slots", o->n_parallel, "model_alias", name,
                          "model_path", name, "chat_template", template_source(s), "bos_token",
                          token_name(s, tokenizer_bos(tok)), "eos_token",
                          token_name(s, tokenizer_eos(tok)), "modalities", "vision", 0, "audio", 0,
                          "build_info", "brrr " BRRR_VERSION));
}

/* How many are at work is known, not in which: the first ones stand for them. */
void habits_slots(struct server *s, struct exchange *x, const char *rest)
{
    const struct engine_opts *o = runner_options(server_runner(s));
    json_t *list = json_array();
    struct metrics m;

    (void)rest;
    runner_metrics(server_runner(s), &m);
    for (int i = 0; i < o->n_parallel; i++)
        json_array_append_new(list, json_pack("{s:i, s:i, s:b, s:b}", "id", i, "n_ctx", o->ctx,
                                              "speculative", o->speculate != DRAFT_NONE,
                                              "is_processing", i < m.n_running));
    routes_json(x, 200, list);
}

static const struct dialect_key keys[] = { { "inputs", &tgi_root },
                                           { "messages", &openai_chat },
                                           { "prompt", &openai_completion },
                                           { NULL, NULL } };
const struct dialect habits_invocations = { "invocations", .error = tgi_error, .status = tgi_status,
                                            .choose = keys };
