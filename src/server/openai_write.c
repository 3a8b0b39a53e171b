/* SPDX-License-Identifier: MIT */
/* openai_write.c - see openai_write.h. */
#include "server/openai_write.h"

#include "server/openai.h"
#include "server/server.h"

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
    return json_pack("{s:s+, s:s, s:I, s:s, s:s}", "id", prefix, c->id, "object", object, "created",
                     (json_int_t)c->created, "model", server_options(c->s)->name,
                     "system_fingerprint", "brrr-" BRRR_VERSION);
}

json_t *openai_chat_whole(struct call *c)
{
    json_t *out = head(c, "chatcmpl-", "chat.completion"), *choices = json_array();

    for (int i = 0; i < c->n_answer; i++) {
        const struct answer *a = &c->answer[i];
        json_array_append_new(choices,
                              json_pack("{s:i, s:{s:s, s:s%, s:n, s:n}, s:o, s:s}", "index", i,
                                        "message", "role", "assistant", "content",
                                        a->text ? a->text : "", a->n_text, "tool_calls", "refusal",
                                        "logprobs", chat_logprobs(c, a, 0, a->n_token),
                                        "finish_reason", finish_name(a->finish)));
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

void openai_chat_begin(struct call *c)
{
    for (int i = 0; i < c->n_answer && c->x; i++)
        chat_chunk(c, i, (struct slice){ 0 }, json_null(), NULL);
}

void openai_chat_piece(struct call *c, int i, const struct engine_event *ev)
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

void openai_chat_end(struct call *c)
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
            one =
                token_entry(c, a->top[t->top0 + (size_t)k].id, a->top[t->top0 + (size_t)k].logprob);
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

json_t *openai_completion_whole(struct call *c)
{
    json_t *out = head(c, "cmpl-", "text_completion"), *choices = json_array();

    for (int i = 0; i < c->n_answer; i++) {
        const struct answer *a = &c->answer[i];
        json_array_append_new(choices, json_pack("{s:i, s:s%, s:o, s:s}", "index", i, "text",
                                                 a->text ? a->text : "", a->n_text, "logprobs",
                                                 completion_logprobs(c, a, 0, a->n_token),
                                                 "finish_reason", finish_name(a->finish)));
    }
    json_object_set_new(out, "choices", choices);
    json_object_set_new(out, "usage", usage(c));
    return out;
}

void openai_completion_piece(struct call *c, int i, const struct engine_event *ev)
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

void openai_completion_end(struct call *c)
{
    end_stream(c, "cmpl-", "text_completion");
}
