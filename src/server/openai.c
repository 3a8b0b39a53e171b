/* SPDX-License-Identifier: MIT */
/* openai.c - see openai.h. */
#include "server/openai.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>

#include "server/server.h"

/* --- fields with a shape of their own; `into` is the struct ask --- */

static bool read_stop(void *into, const json_t *v, const char *name, struct problem *p)
{
    struct gen_params *g = &((struct ask *)into)->gen;
    struct brrr_error err;
    json_t *one;
    size_t i;

    if (json_is_string(v)) {
        if (json_string_length(v) == 0) return true; /* clients send "" for none */
        enum brrr_status st =
            gen_params_add_stop(g, json_string_value(v), json_string_length(v), &err);
        return !st || problem_of(p, name, st, err.text);
    }
    if (!json_is_array(v)) return fields_wants(p, name, "a text or an array of texts", v);
    json_array_foreach(v, i, one)
    {
        if (!json_is_string(one)) return fields_wants(p, name, "a text or an array of texts", one);
        enum brrr_status st =
            gen_params_add_stop(g, json_string_value(one), json_string_length(one), &err);
        if (st) return problem_of(p, name, st, err.text);
    }
    return true;
}

static bool read_seed(void *into, const json_t *v, const char *name, struct problem *p)
{
    struct ask *a = into;
    json_int_t i;

    if (!fields_whole(v, &i)) return fields_wants(p, name, "a whole number", v);
    if (i == -1) return true; /* choose one */
    a->gen.sample.seed = (uint64_t)i;
    a->seeded = true;
    return true;
}

static bool read_bias(void *into, const json_t *v, const char *name, struct problem *p)
{
    struct sample_params *s = &((struct ask *)into)->gen.sample;
    const char *key;
    json_t *add;

    if (!json_is_object(v)) return fields_wants(p, name, "an object {\"id\": bias}", v);
    json_object_foreach((json_t *)v, key, add)
    {
        char *end;
        errno = 0;
        long long id = strtoll(key, &end, 10);
        double d = json_number_value(add);
        if (errno || end == key || *end || id < 0 || id > INT32_MAX)
            return problem(p, PROBLEM_INVALID, name, "`%s`: a key is not a token id", name);
        if (!json_is_number(add) || !(d >= -100 && d <= 100))
            return problem(p, PROBLEM_INVALID, name,
                           "`%s` of token %lld must be a number from -100 to 100", name, id);
        if (s->n_bias == LIMIT_LOGIT_BIAS)
            return problem(p, PROBLEM_INVALID, name, "`%s`: more than %d tokens", name,
                           LIMIT_LOGIT_BIAS);
        s->bias[s->n_bias++] =
            (struct sample_bias){ (int32_t)id, d == -100 ? -INFINITY : (float)d };
    }
    return true;
}

static bool read_stream_options(void *into, const json_t *v, const char *name, struct problem *p)
{
    struct ask *a = into;

    if (!json_is_object(v)) return fields_wants(p, name, "an object", v);
    a->usage = json_is_true(json_object_get(v, "include_usage"));
    a->usage_each = json_is_true(json_object_get(v, "continuous_usage_stats"));
    return true;
}

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
    if (!fields_whole(v, &i)) return fields_wants(p, name, "a whole number", v);
    if (i < 0 || i > 20)
        return problem(p, PROBLEM_INVALID, name, "`%s` is %lld: must be from 0 to 20", name,
                       (long long)i);
    a->logprobs = true;
    a->n_top = (int)i;
    return true;
}

#define ASK(field) offsetof(struct ask, field)
#define GEN(field) offsetof(struct ask, gen.field)

/* What both routes have. */
/* clang-format off */
#define COMMON_FIELDS \
    { "model", FIELD_TEXT, 0, 512, ASK(model), .doc = "a name of /v1/models" }, \
    { "max_tokens", FIELD_INT, 0, INT_MAX, ASK(max_tokens), .doc = "tokens of an answer at most" }, \
    { "temperature", FIELD_REAL, 0, 2, GEN(sample.temperature), .off = "1", .doc = "0: greedy" }, \
    { "top_p", FIELD_REAL, 0, 1, GEN(sample.top_p), .off = "1", .doc = "keep the likeliest tokens that sum to it" }, \
    { "n", FIELD_INT, 1, 16, GEN(n_choices), .off = "1", .doc = "answers to each prompt" }, \
    { "stop", FIELD_OWN, .read = read_stop, .schema = "{\"type\": [\"string\", \"array\", \"null\"], \"items\": {\"type\": \"string\"}}", .doc = "texts that end an answer" }, \
    { "seed", FIELD_OWN, .read = read_seed, .schema = "{\"type\": [\"integer\", \"null\"]}", .doc = "same seed, same text" }, \
    { "presence_penalty", FIELD_REAL, -2, 2, GEN(sample.presence_penalty), .off = "0", .doc = "" }, \
    { "frequency_penalty", FIELD_REAL, -2, 2, GEN(sample.frequency_penalty), .off = "0", .doc = "" }, \
    { "logit_bias", FIELD_OWN, .read = read_bias, .schema = "{\"type\": [\"object\", \"null\"]}", .doc = "token ids and what is added to their logits" }, \
    { "stream", FIELD_FLAG, 0, 0, ASK(stream), .off = "false", .doc = "the answer in pieces, as server-sent events" }, \
    { "stream_options", FIELD_OWN, .read = read_stream_options, .schema = "{\"type\": [\"object\", \"null\"]}", .doc = "include_usage, continuous_usage_stats" }, \
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

const struct field openai_chat_fields[] = {
    COMMON_FIELDS,
    { "messages", FIELD_JSON, 0, 0, ASK(messages),
      .schema = "{\"type\": \"array\", \"items\": {\"type\": \"object\"}}",
      .doc = "the conversation", .required = true },
    { "max_completion_tokens", FIELD_INT, 0, INT_MAX, ASK(max_completion_tokens),
      .doc = "as max_tokens" },
    { "logprobs", FIELD_OWN, .read = read_logprobs_flag,
      .schema = "{\"type\": [\"boolean\", \"null\"]}", .doc = "log-probabilities of tokens" },
    { "top_logprobs", FIELD_INT, 0, 20, ASK(n_top), .doc = "and of so many alternatives" },
    { "response_format", FIELD_OWN, .read = read_format, .schema = "{\"type\": \"object\"}",
      .doc = "text" },
    { "tools", FIELD_OWN, .read = refuse, .schema = "{\"type\": \"array\"}",
      .doc = "none are supported" },
    { "functions", FIELD_OWN, .read = refuse, .schema = "{\"type\": \"array\"}",
      .doc = "none are supported" },
    { "tool_choice", FIELD_OWN, .read = refuse, .schema = "{}", .doc = "none or auto" },
};
const size_t openai_n_chat_fields = COUNT(openai_chat_fields);

const struct field openai_completion_fields[] = {
    COMMON_FIELDS,
    { "prompt", FIELD_JSON, 0, 0, ASK(prompt), .schema = "{\"type\": [\"string\", \"array\"]}",
      .doc = "a text, token ids, or an array of those", .required = true },
    { "logprobs", FIELD_OWN, .read = read_logprobs_count,
      .schema = "{\"type\": [\"integer\", \"null\"], \"minimum\": 0, \"maximum\": 20}",
      .doc = "log-probabilities of tokens, with so many alternatives" },
    { "echo", FIELD_FLAG, 0, 0, ASK(echo), .off = "false", .doc = "the prompt before the answer" },
    { "suffix", FIELD_OWN, .read = refuse, .schema = "{}", .doc = "not supported" },
};
const size_t openai_n_completion_fields = COUNT(openai_completion_fields);

/* --- reading --- */

static void set_defaults(struct ask *a, int max_tokens)
{
    gen_params_init(&a->gen);
    a->gen.sample.pipeline = PIPELINE_OPENAI;
    a->max_tokens = max_tokens;
    a->max_completion_tokens = -1;
}

/* What follows from several fields together. */
static bool settle(struct call *c, struct problem *p)
{
    struct ask *a = c->ask;
    struct brrr_error err;
    int most = a->max_completion_tokens >= 0 ? a->max_completion_tokens : a->max_tokens;

    if (!server_knows(c->s, a->model)) {
        char name[128];
        return problem(p, PROBLEM_NOT_FOUND, "model", "the model `%s` does not exist",
                       slice_print(name, sizeof(name), a->model));
    }
    if (!a->seeded) a->gen.sample.seed = server_random(c->s) >> 1;
    if (a->n_top > 0 && !a->logprobs)
        return problem(p, PROBLEM_INVALID, "top_logprobs", "`top_logprobs` needs `logprobs`");
    a->keep = a->logprobs;
    a->gen.n_logprobs = a->logprobs ? a->n_top : -1;
    a->gen.n_predict = most;
    enum brrr_status st = gen_params_check(&a->gen, tokenizer_n_vocab(server_model(c->s)->tok), &err);
    return !st || problem_of(p, NULL, st, err.text);
}

/* Both numbers in the message. */
static bool check_context(const struct call *c, struct problem *p)
{
    int ctx = runner_options(server_runner(c->s))->ctx, most = c->ask->gen.n_predict;

    for (int i = 0; i < c->n_prompt; i++) {
        size_t n = c->prompt[i].n;
        if (n == 0) return problem(p, PROBLEM_INVALID, NULL, "the prompt is empty");
        if (n >= (size_t)ctx)
            return problem(p, PROBLEM_INVALID, NULL,
                           "the prompt has %zu tokens, the context holds %d", n, ctx);
        if (most > 0 && n + (size_t)most > (size_t)ctx)
            return problem(p, PROBLEM_INVALID, "max_tokens",
                           "the prompt's %zu tokens and max_tokens %d are more than the context's "
                           "%d tokens",
                           n, most, ctx);
    }
    return true;
}

static bool is_role(const char *role)
{
    static const char *const roles[] = { "system", "developer", "user",
                                         "assistant", "tool", "function" };

    for (size_t i = 0; i < COUNT(roles); i++)
        if (strcmp(roles[i], role) == 0) return true;
    return false;
}

/* Parts of type text, joined. */
static json_t *join_parts(const json_t *parts, const char *path, struct problem *p)
{
    json_t *text = json_string(""), *part;
    size_t i;

    json_array_foreach(parts, i, part)
    {
        const char *type = json_string_value(json_object_get(part, "type"));
        json_t *piece = json_object_get(part, "text");
        json_t *joined;
        if (!type || strcmp(type, "text") != 0 || !json_is_string(piece)) {
            problem(p, PROBLEM_INVALID, path,
                    "`%s`: part %zu is no {\"type\": \"text\", \"text\": ...}", path, i);
            json_decref(text);
            return NULL;
        }
        joined = json_sprintf("%s%s", json_string_value(text), json_string_value(piece));
        json_decref(text);
        text = joined;
    }
    return text;
}

/* A message as templates want it: the content is one text. */
static json_t *plain_message(const json_t *m, size_t i, struct problem *p)
{
    const char *role = json_string_value(json_object_get(m, "role"));
    json_t *content = json_object_get(m, "content"), *out, *text;
    char path[48];

    snprintf(path, sizeof(path), "messages[%zu].content", i);
    if (!role || !is_role(role)) {
        problem(p, PROBLEM_INVALID, "messages",
                "`messages[%zu].role` must be system, developer, user, assistant or tool", i);
        return NULL;
    }
    if (json_is_array(content)) text = join_parts(content, path, p);
    else if (json_is_string(content)) text = json_incref(content);
    else if (!content || json_is_null(content)) text = json_string("");
    else {
        fields_wants(p, path, "a text or an array of parts", content);
        return NULL;
    }
    if (!text) return NULL;
    out = json_copy((json_t *)m);
    json_object_set_new(out, "content", text);
    if (strcmp(role, "developer") == 0) json_object_set_new(out, "role", json_string("system"));
    return out;
}

static bool chat_ids(struct call *c, struct problem *p)
{
    json_t *plain = json_array(), *m;
    struct brrr_error err;
    size_t i;

    if (!json_is_array(c->ask->messages) || json_array_size(c->ask->messages) == 0) {
        json_decref(plain);
        return problem(p, PROBLEM_INVALID, "messages", "`messages` must be an array of messages");
    }
    json_array_foreach(c->ask->messages, i, m)
    {
        json_t *one = plain_message(m, i, p);
        if (!one) {
            json_decref(plain);
            return false;
        }
        json_array_append_new(plain, one);
    }
    c->n_prompt = 1;
    enum brrr_status st = bundle_chat_ids(server_model(c->s), plain, &c->prompt[0], &err);
    json_decref(plain);
    return !st || problem(p, st == BRRR_E_NOMEM ? PROBLEM_MEMORY : PROBLEM_TEMPLATE, "messages",
                          "%s", err.text);
}

static bool read_chat(struct call *c, const json_t *body, struct problem *p)
{
    set_defaults(c->ask, -1);
    return fields_read(openai_chat_fields, COUNT(openai_chat_fields), body, c->ask, p) &&
           settle(c, p) && chat_ids(c, p) && check_context(c, p);
}

static bool add_ids(struct call *c, const json_t *list, struct problem *p)
{
    struct ids *ids = &c->prompt[c->n_prompt++];
    int n_vocab = brrr_model_n_vocab(server_model(c->s));
    json_int_t id;
    json_t *v;
    size_t i;

    json_array_foreach(list, i, v)
    {
        if (!fields_whole(v, &id) || id < 0 || id >= n_vocab)
            return problem(p, PROBLEM_INVALID, "prompt", "`prompt`: entry %zu is no token id", i);
        if (ids_push(ids, (int32_t)id))
            return problem(p, PROBLEM_MEMORY, NULL, "no memory for the prompt");
    }
    return true;
}

static bool add_text(struct call *c, const json_t *v, struct problem *p)
{
    struct text_seg seg = { json_string_value(v), json_string_length(v), false };
    struct brrr_error err;
    enum brrr_status st = tokenizer_encode(server_model(c->s)->tok, &seg, 1, true,
                                           &c->prompt[c->n_prompt++], &err);

    return !st || problem_of(p, "prompt", st, err.text);
}

static bool completion_ids(struct call *c, struct problem *p)
{
    const json_t *prompt = c->ask->prompt;
    json_t *one;
    size_t i;

    if (json_is_string(prompt)) return add_text(c, prompt, p);
    if (!json_is_array(prompt) || json_array_size(prompt) == 0)
        return problem(p, PROBLEM_INVALID, "prompt",
                       "`prompt` must be a text, token ids, or an array of those");
    if (json_is_number(json_array_get(prompt, 0))) return add_ids(c, prompt, p);
    if (json_array_size(prompt) > ASK_PROMPTS)
        return problem(p, PROBLEM_INVALID, "prompt", "`prompt` has %zu prompts; %d at most",
                       json_array_size(prompt), ASK_PROMPTS);
    json_array_foreach(prompt, i, one)
    {
        if (json_is_string(one) ? !add_text(c, one, p)
                                : !json_is_array(one) || !add_ids(c, one, p))
            return p->kind ? false
                           : problem(p, PROBLEM_INVALID, "prompt",
                                     "`prompt[%zu]` is neither a text nor token ids", i);
    }
    return true;
}

static bool read_completion(struct call *c, const json_t *body, struct problem *p)
{
    set_defaults(c->ask, 16);
    return fields_read(openai_completion_fields, COUNT(openai_completion_fields), body, c->ask,
                       p) &&
           settle(c, p) && completion_ids(c, p) && check_context(c, p);
}

/* --- writing --- */

static const char *finish_name(enum brrr_finish f)
{
    return f == BRRR_FINISH_NONE ? NULL : f == BRRR_FINISH_STOP ? "stop" : "length";
}

static json_t *usage(const struct call *c)
{
    int n_prompt = 0, n_gen = 0;

    for (int i = 0; i < c->n_prompt; i++)
        n_prompt += (int)c->prompt[i].n;
    for (int i = 0; i < c->n_answer; i++)
        n_gen += c->answer[i].n_gen;
    return json_pack("{s:i, s:i, s:i, s:{s:i}}", "prompt_tokens", n_prompt, "completion_tokens",
                     n_gen, "total_tokens", n_prompt + n_gen, "prompt_tokens_details",
                     "cached_tokens", c->timings.n_cached);
}

/* The text and the bytes of one token, as its log-probability's entry has them. */
static json_t *token_entry(const struct call *c, int32_t id, float logprob)
{
    struct slice piece = tokenizer_piece(server_model(c->s)->tok, id);
    json_t *bytes = json_array(), *text = json_stringn(piece.p, piece.n);

    for (size_t i = 0; i < piece.n; i++)
        json_array_append_new(bytes, json_integer((unsigned char)piece.p[i]));
    if (!text) text = json_string("\xef\xbf\xbd"); /* a part of a character */
    return json_pack("{s:o, s:f, s:o}", "token", text, "logprob", (double)logprob, "bytes", bytes);
}

static json_t *chat_logprob(const struct call *c, int32_t id, float logprob,
                            const struct sample_logprob *top, int n_top)
{
    json_t *entry = token_entry(c, id, logprob), *list = json_array();

    for (int i = 0; i < n_top; i++)
        json_array_append_new(list, token_entry(c, top[i].id, top[i].logprob));
    json_object_set_new(entry, "top_logprobs", list);
    return entry;
}

/* Of the tokens [from, to) of an answer; null where none were asked for. */
static json_t *chat_logprobs(const struct call *c, const struct answer *a, size_t from, size_t to)
{
    json_t *content;

    if (!c->ask->logprobs) return json_null();
    content = json_array();
    for (size_t i = from; i < to; i++) {
        const struct token *t = &a->token[i];
        json_array_append_new(content,
                              chat_logprob(c, t->id, t->logprob, a->top + t->top0, t->n_top));
    }
    return json_pack("{s:o, s:n}", "content", content, "refusal");
}

static json_t *head(const struct call *c, const char *prefix, const char *object)
{
    return json_pack("{s:s+, s:s, s:I, s:s, s:s}", "id", prefix, c->id, "object", object,
                     "created", (json_int_t)c->created, "model", server_options(c->s)->name,
                     "system_fingerprint", "brrr-" BRRR_VERSION);
}

static json_t *chat_whole(struct call *c)
{
    json_t *out = head(c, "chatcmpl-", "chat.completion"), *choices = json_array();

    for (int i = 0; i < c->n_answer; i++) {
        const struct answer *a = &c->answer[i];
        json_array_append_new(
            choices, json_pack("{s:i, s:{s:s, s:s%, s:n, s:n}, s:o, s:s}", "index", i, "message",
                               "role", "assistant", "content", a->text ? a->text : "", a->n_text,
                               "tool_calls", "refusal", "logprobs",
                               chat_logprobs(c, a, 0, a->n_token), "finish_reason",
                               finish_name(a->finish)));
    }
    json_object_set_new(out, "choices", choices);
    json_object_set_new(out, "usage", usage(c));
    return out;
}

/* finish NULL: the answer goes on. Takes `logprobs`. */
static void chat_chunk(struct call *c, int i, struct slice text, json_t *logprobs,
                       const char *finish)
{
    json_t *out = head(c, "chatcmpl-", "chat.completion.chunk");

    json_object_set_new(out, "choices",
                        json_pack("[{s:i, s:{s:s, s:s%, s:n}, s:o, s:s?}]", "index", i, "delta",
                                  "role", "assistant", "content", text.n ? text.p : "", text.n,
                                  "tool_calls", "logprobs", logprobs, "finish_reason", finish));
    if (c->ask->usage_each) json_object_set_new(out, "usage", usage(c));
    else if (c->ask->usage) json_object_set_new(out, "usage", json_null());
    call_event(c, out);
}

static void chat_begin(struct call *c)
{
    for (int i = 0; i < c->n_answer && c->x; i++)
        chat_chunk(c, i, (struct slice){ 0 }, json_null(), NULL);
}

static void chat_piece(struct call *c, int i, const struct engine_event *ev)
{
    const struct answer *a = &c->answer[i];
    bool token = ev->token >= 0 && c->ask->logprobs;

    if (ev->text.n || token)
        chat_chunk(c, i, ev->text,
                   token ? chat_logprobs(c, a, a->n_token - 1, a->n_token) : json_null(), NULL);
    if (ev->finish && c->x)
        chat_chunk(c, i, (struct slice){ 0 }, json_null(), finish_name(ev->finish));
}

/* A problem, or the usage; then the mark, but for TGI's client, which reads it as JSON. */
static void end_stream(struct call *c, const char *prefix, const char *object)
{
    if (c->problem.kind) {
        call_event(c, openai_error(&c->problem, true));
    } else if (c->ask->usage) {
        json_t *out = head(c, prefix, object);
        json_object_set_new(out, "choices", json_array());
        json_object_set_new(out, "usage", usage(c));
        call_event(c, out);
    }
    if (c->x && !slice_is(c->ask->model, "tgi")) call_send_text(c, "data: [DONE]\n\n");
}

static void chat_end(struct call *c)
{
    end_stream(c, "chatcmpl-", "chat.completion.chunk");
}

/* {"tokens", "token_logprobs", "top_logprobs", "text_offset"} of the tokens [from, to). */
static json_t *completion_logprobs(const struct call *c, const struct answer *a, size_t from,
                                   size_t to)
{
    json_t *tokens, *chosen, *tops, *offsets;

    if (!c->ask->logprobs) return json_null();
    tokens = json_array();
    chosen = json_array();
    tops = json_array();
    offsets = json_array();
    for (size_t i = from; i < to; i++) {
        const struct token *t = &a->token[i];
        json_t *top = json_object();
        json_t *one = token_entry(c, t->id, t->logprob);
        json_array_append(tokens, json_object_get(one, "token"));
        json_array_append(chosen, json_object_get(one, "logprob"));
        json_decref(one);
        for (int k = t->n_top - 1; k >= 0; k--) { /* equal texts: the likelier stays */
            one = token_entry(c, a->top[t->top0 + (size_t)k].id,
                              a->top[t->top0 + (size_t)k].logprob);
            json_object_set(top, json_string_value(json_object_get(one, "token")),
                            json_object_get(one, "logprob"));
            json_decref(one);
        }
        json_array_append_new(tops, top);
        json_array_append_new(offsets, json_integer((json_int_t)t->text0));
    }
    return json_pack("{s:o, s:o, s:o, s:o}", "tokens", tokens, "token_logprobs", chosen,
                     "top_logprobs", tops, "text_offset", offsets);
}

static json_t *completion_whole(struct call *c)
{
    json_t *out = head(c, "cmpl-", "text_completion"), *choices = json_array();

    for (int i = 0; i < c->n_answer; i++) {
        const struct answer *a = &c->answer[i];
        json_array_append_new(choices,
                              json_pack("{s:i, s:s%, s:o, s:s}", "index", i, "text",
                                        a->text ? a->text : "", a->n_text, "logprobs",
                                        completion_logprobs(c, a, 0, a->n_token), "finish_reason",
                                        finish_name(a->finish)));
    }
    json_object_set_new(out, "choices", choices);
    json_object_set_new(out, "usage", usage(c));
    return out;
}

static void completion_piece(struct call *c, int i, const struct engine_event *ev)
{
    const struct answer *a = &c->answer[i];
    bool token = ev->token >= 0 && c->ask->logprobs;
    json_t *out;

    if (!ev->text.n && !token && !ev->finish) return;
    out = head(c, "cmpl-", "text_completion");
    json_object_set_new(
        out, "choices",
        json_pack("[{s:i, s:s%, s:o, s:s?}]", "index", i, "text", ev->text.n ? ev->text.p : "",
                  ev->text.n, "logprobs",
                  token ? completion_logprobs(c, a, a->n_token - 1, a->n_token) : json_null(),
                  "finish_reason", finish_name(ev->finish)));
    if (c->ask->usage_each) json_object_set_new(out, "usage", usage(c));
    else if (c->ask->usage) json_object_set_new(out, "usage", json_null());
    call_event(c, out);
}

static void completion_end(struct call *c)
{
    end_stream(c, "cmpl-", "text_completion");
}

/* --- problems --- */

json_t *openai_error(const struct problem *p, bool in_stream)
{
    const struct problem_form *f = &problem_forms[p->kind];

    (void)in_stream;
    return json_pack("{s:{s:s, s:s, s:s?, s:s?}, s:s}", "error", "message", p->text, "type",
                     f->type, "param", p->field[0] ? p->field : NULL, "code",
                     p->kind == PROBLEM_NOT_FOUND ? "model_not_found" : NULL, "error_type",
                     f->tgi_type);
}

int openai_status(const struct problem *p)
{
    return problem_forms[p->kind].status;
}

#define SSE "text/event-stream; charset=utf-8"

const struct dialect openai_chat = { "openai-chat", SSE, sizeof(struct ask), read_chat,
                                     chat_begin, chat_piece, chat_end, chat_whole,
                                     openai_error, openai_status };
const struct dialect openai_completion = { "openai-completion", SSE, sizeof(struct ask),
                                           read_completion, NULL, completion_piece,
                                           completion_end, completion_whole, openai_error,
                                           openai_status };
