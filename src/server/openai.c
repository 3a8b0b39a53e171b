/* SPDX-License-Identifier: MIT */
/* openai.c - see openai.h. */
#include "server/openai.h"

#include <limits.h>

#include "server/openai_write.h"
#include "server/prompts.h"
#include "server/server.h"

/* --- fields with a shape of their own; `into` is the struct ask --- */

/* Constrained answers come later; until then they are refused, never answered unconstrained. */
static bool refuse(void *into, const json_t *v, const char *name, struct problem *p)
{
    bool none = json_is_array(v) ? json_array_size(v) == 0
                                 : json_is_string(v) && strcmp(json_string_value(v), "none") == 0;

    (void)into;
    none = none || (json_is_string(v) && strcmp(json_string_value(v), "auto") == 0);
    return none || problem(p, PROBLEM_INVALID, name, "`%s` is not supported", name);
}

static bool read_format(void *into, const json_t *v, const char *name, struct problem *p)
{
    const char *type = json_string_value(json_object_get(v, "type"));

    (void)into;
    if (type && strcmp(type, "text") == 0) return true;
    return problem(p, PROBLEM_INVALID, name, "`%s`: only {\"type\": \"text\"} is supported", name);
}

static bool read_logprobs_flag(void *into, const json_t *v, const char *name, struct problem *p)
{
    struct ask *a = into;

    if (!json_is_boolean(v)) return fields_wants(p, name, "true or false", v);
    a->logprobs = json_is_true(v);
    return true;
}

/* Completions: how many alternatives; 0 is the chosen token's alone. */
static bool read_logprobs_count(void *into, const json_t *v, const char *name, struct problem *p)
{
    struct ask *a = into;
    json_int_t i;

    if (json_is_false(v)) return true;
    if (!json_in_whole(v, &i)) return fields_wants(p, name, "a whole number", v);
    if (i < 0 || i > 20)
        return problem(p, PROBLEM_INVALID, name, "`%s` is %lld: must be from 0 to 20", name,
                       (long long)i);
    a->logprobs = true;
    a->n_top = (int)i;
    return true;
}

#define ASK(field) offsetof(struct ask, field)
#define GEN(field) offsetof(struct ask, gen.field)

static const struct field stream_options[] = {
    { "include_usage", FIELD_FLAG, 0, 0, ASK(usage), .off = "false",
      .doc = "tokens counted at the stream's end" },
    { "continuous_usage_stats", FIELD_FLAG, 0, 0, ASK(usage_each), .off = "false",
      .doc = "and in each of its pieces" },
};
static const struct fields stream_options_table = { stream_options, COUNT(stream_options) };

/* What both routes have. */
/* clang-format off */
#define COMMON_FIELDS \
    { "model", FIELD_TEXT, 0, 512, ASK(model), .doc = "a name of /v1/models" }, \
    { "max_tokens", FIELD_INT, 0, INT_MAX, ASK(max_tokens), .doc = "tokens of an answer at most" }, \
    { "temperature", FIELD_REAL, 0, 2, GEN(sample.temperature), .off = "1", .doc = "0: greedy" }, \
    { "top_p", FIELD_REAL, 0, 1, GEN(sample.top_p), .off = "1", .doc = "keep the likeliest tokens that sum to it" }, \
    { "n", FIELD_INT, 1, 16, GEN(n_choices), .off = "1", .doc = "answers to each prompt" }, \
    { "stop", FIELD_OWN, .read = ask_read_stop, .schema = ASK_STOP_SCHEMA, .doc = "texts that end an answer" }, \
    { "seed", FIELD_OWN, .read = ask_read_seed, .schema = ASK_SEED_SCHEMA, .doc = "same seed, same text" }, \
    { "presence_penalty", FIELD_REAL, -2, 2, GEN(sample.presence_penalty), .off = "0", .doc = "" }, \
    { "frequency_penalty", FIELD_REAL, -2, 2, GEN(sample.frequency_penalty), .off = "0", .doc = "" }, \
    { "logit_bias", FIELD_OWN, .read = ask_read_bias, .schema = ASK_BIAS_SCHEMA, .doc = "token ids and what is added to their logits" }, \
    { "stream", FIELD_FLAG, 0, 0, ASK(stream), .off = "false", .doc = "the answer in pieces, as server-sent events" }, \
    { "stream_options", FIELD_PART, .part = &stream_options_table, .doc = "" }, \
    { "user", FIELD_TEXT, 0, 512, ASK(user), .doc = "who asks: users are served fairly" }, \
    { "best_of", FIELD_INT, 1, 4, GEN(best_of), .doc = "answers to choose `n` from" }, \
    { "top_k", FIELD_INT, -1, INT_MAX, GEN(sample.top_k), .off = "0", .doc = "keep so many tokens; 0: all" }, \
    { "min_p", FIELD_REAL, 0, 1, GEN(sample.min_p), .off = "0", .doc = "" }, \
    { "typical_p", FIELD_REAL, 0, 1, GEN(sample.typical_p), .off = "1", .doc = "" }, \
    { "repetition_penalty", FIELD_REAL, 0.01, 100, GEN(sample.repetition_penalty), .off = "1", .doc = "" }, \
    { "ignore_eos", FIELD_FLAG, 0, 0, GEN(ignore_eos), .off = "false", .doc = "do not stop at the model's stop tokens" }, \
    { "cache_salt", FIELD_TEXT, 0, 512, ASK(salt), .doc = "only requests of the same salt share cached prompts" }, \
    { "priority", FIELD_INT, -LIMIT_PRIORITY, LIMIT_PRIORITY, GEN(priority), .off = "0", .doc = "higher: sooner" }
/* clang-format on */

#define NONE_SCHEMA "{\"type\": [\"array\", \"null\"], \"maxItems\": 0}"

static const struct field chat_fields[] = {
    COMMON_FIELDS,
    { "messages", FIELD_JSON, 0, 0, ASK(messages), .schema = PROMPTS_MESSAGES_SCHEMA,
      .doc = "the conversation", .required = true },
    { "max_completion_tokens", FIELD_INT, 0, INT_MAX, ASK(max_completion_tokens),
      .doc = "as max_tokens" },
    { "logprobs", FIELD_OWN, .read = read_logprobs_flag,
      .schema = "{\"type\": [\"boolean\", \"null\"]}", .doc = "log-probabilities of tokens" },
    { "top_logprobs", FIELD_INT, 0, 20, ASK(n_top), .doc = "and of so many alternatives" },
    { "response_format", FIELD_OWN, .read = read_format,
      .schema = "{\"type\": [\"object\", \"null\"], \"required\": [\"type\"], "
                "\"properties\": {\"type\": {\"const\": \"text\"}}}",
      .doc = "text" },
    { "tools", FIELD_OWN, .read = refuse, .schema = NONE_SCHEMA, .doc = "none are supported" },
    { "functions", FIELD_OWN, .read = refuse, .schema = NONE_SCHEMA, .doc = "none are supported" },
    { "tool_choice", FIELD_OWN, .read = refuse, .schema = "{\"enum\": [\"none\", \"auto\", null]}",
      .doc = "none or auto" },
};
const struct fields openai_chat_table = { chat_fields, COUNT(chat_fields) };

static const struct field completion_fields[] = {
    COMMON_FIELDS,
    { "prompt", FIELD_JSON, 0, 0, ASK(prompt), .schema = PROMPTS_ANY_SCHEMA,
      .doc = "a text, token ids, or an array of those", .required = true },
    { "logprobs", FIELD_OWN, .read = read_logprobs_count,
      .schema = "{\"type\": [\"integer\", \"null\"], \"minimum\": 0, \"maximum\": 20}",
      .doc = "log-probabilities of tokens, with so many alternatives" },
    { "echo", FIELD_FLAG, 0, 0, ASK(echo), .off = "false", .doc = "the prompt before the answer" },
    { "suffix", FIELD_OWN, .read = refuse, .schema = "{\"type\": \"null\"}",
      .doc = "not supported" },
};
const struct fields openai_completion_table = { completion_fields, COUNT(completion_fields) };

/* --- reading --- */

static void set_defaults(struct ask *a, int max_tokens)
{
    gen_params_init(&a->gen);
    a->gen.sample.pipeline = PIPELINE_OPENAI;
    a->gen.sample.temperature = 1;
    a->max_tokens = max_tokens;
    a->max_completion_tokens = -1;
}

/* What follows from several fields together. */
static bool settle(struct call *c, struct problem *p)
{
    struct ask *a = c->ask;
    struct brrr_error err;
    int most = a->max_completion_tokens >= 0 ? a->max_completion_tokens : a->max_tokens;

    if (!server_check_model(c->s, a->model, p)) return false;
    if (!a->seeded) a->gen.sample.seed = server_random(c->s) >> 1;
    if (a->n_top > 0 && !a->logprobs)
        return problem(p, PROBLEM_INVALID, "top_logprobs", "`top_logprobs` needs `logprobs`");
    a->keep = a->logprobs;
    a->gen.n_logprobs = a->logprobs ? a->n_top : -1;
    a->gen.n_predict = most;
    enum brrr_status st =
        gen_params_check(&a->gen, tokenizer_n_vocab(server_model(c->s)->tok), &err);
    return !st || problem_of(p, NULL, st, err.text);
}

static bool read_chat(struct call *c, const json_t *body, struct problem *p)
{
    set_defaults(c->ask, -1);
    return fields_read(chat_fields, COUNT(chat_fields), body, c->ask, p) && settle(c, p) &&
           prompts_chat(c, c->ask->messages, p) && prompts_fit(c, p);
}

static bool read_completion(struct call *c, const json_t *body, struct problem *p)
{
    set_defaults(c->ask, 16);
    return fields_read(completion_fields, COUNT(completion_fields), body, c->ask, p) &&
           settle(c, p) && prompts_any(c, c->ask->prompt, "prompt", p) && prompts_fit(c, p);
}

/* --- problems --- */

json_t *openai_error(const struct problem *p, bool in_stream)
{
    const struct problem_form *f = &problem_forms[p->kind];

    (void)in_stream;
    return json_pack(
        "{s:{s:s, s:s, s:s?, s:s?}, s:s}", "error", "message", p->text, "type", f->type, "param",
        p->field[0] ? p->field : NULL, "code",
        p->kind == PROBLEM_NOT_FOUND && strcmp(p->field, "model") == 0 ? "model_not_found" : NULL,
        "error_type", f->tgi_type);
}

int openai_status(const struct problem *p)
{
    return problem_forms[p->kind].status;
}

#define SSE  "text/event-stream; charset=utf-8"
#define PING ": ping\n\n"

const struct dialect openai_chat = {
    .name = "openai-chat",
    .stream_type = SSE,
    .ping = PING,
    .ask_size = sizeof(struct ask),
    .read = read_chat,
    .begin = openai_chat_begin,
    .piece = openai_chat_piece,
    .end = openai_chat_end,
    .whole = openai_chat_whole,
    .error = openai_error,
    .status = openai_status,
    .fields = &openai_chat_table,
};

const struct dialect openai_completion = {
    .name = "openai-completion",
    .stream_type = SSE,
    .ping = PING,
    .ask_size = sizeof(struct ask),
    .read = read_completion,
    .piece = openai_completion_piece,
    .end = openai_completion_end,
    .whole = openai_completion_whole,
    .error = openai_error,
    .status = openai_status,
    .fields = &openai_completion_table,
};
