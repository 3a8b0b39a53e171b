/* SPDX-License-Identifier: MIT */
/* tokenize.c - see tokenize.h. */
#include "server/tokenize.h"

#include <limits.h>
#include <stdlib.h>

#include "server/json_text.h"
#include "server/openai.h"
#include "server/prompts.h"
#include "server/server.h"
#include "server/tgi.h"

struct words_ask {
    struct ask ask; /* first */
    struct slice text;
    const json_t *tokens;
    int truncate;                  /* 0: not */
    bool add_special, parse, strs; /* strs: the tokens' texts, too */
};

static struct words_ask *words_of(const struct call *c)
{
    return (struct words_ask *)c->ask;
}

/* --- fields --- */

#define AT(field) offsetof(struct words_ask, field)
#define MODEL                                                                     \
    {                                                                             \
        "model", FIELD_TEXT, 0, 512, AT(ask.model), .doc = "a name of /v1/models" \
    }
#define ROW_TEXT(name, about)                                                          \
    {                                                                                  \
        name, FIELD_TEXT, 0, LIMIT_HTTP_BODY, AT(text), .doc = about, .required = true \
    }
#define ROW_FLAG(name, at, default, about)                           \
    {                                                                \
        name, FIELD_FLAG, 0, 0, AT(at), .off = default, .doc = about \
    }
#define TABLE(name) static const struct fields name##_table = { name##_rows, COUNT(name##_rows) }

/* clang-format off */
static const struct field tgi_parameter_rows[] = {
    { "truncate", FIELD_INT, 1, INT_MAX, AT(truncate), .rule = "must be strictly positive", .doc = "keep the last tokens" },
};
TABLE(tgi_parameter);
static const struct field tgi_rows[] = {
    ROW_TEXT("inputs", "the text"),
    { "parameters", FIELD_PART, .part = &tgi_parameter_table, .doc = "of generation: only `truncate` counts" },
    ROW_FLAG("add_special_tokens", add_special, "true", "BOS where the model asks for it"),
};
TABLE(tgi);
static const struct field text_rows[] = {
    MODEL,
    ROW_TEXT("prompt", "the text"),
    ROW_FLAG("add_special_tokens", add_special, "true", "BOS where the model asks for it"),
    ROW_FLAG("return_token_strs", strs, "false", "the tokens' texts, too"),
};
TABLE(text);
static const struct field chat_rows[] = {
    MODEL,
    { "messages", FIELD_JSON, 0, 0, AT(ask.messages), .schema = PROMPTS_MESSAGES_SCHEMA, .doc = "the conversation", .required = true },
    ROW_FLAG("return_token_strs", strs, "false", "the tokens' texts, too"),
};
TABLE(chat);
static const struct field llama_rows[] = {
    ROW_TEXT("content", "the text"),
    ROW_FLAG("add_special", add_special, "false", "BOS where the model asks for it"),
    ROW_FLAG("parse_special", parse, "false", "special tokens in the text are tokens"),
    ROW_FLAG("with_pieces", strs, "false", "{id, piece} in place of ids"),
};
TABLE(llama);
static const struct field back_rows[] = {
    MODEL,
    { "tokens", FIELD_JSON, 0, 0, AT(tokens), .schema = "{\"type\": \"array\", \"items\": {\"type\": \"integer\", \"minimum\": 0}}", .doc = "token ids", .required = true },
};
TABLE(back);
/* clang-format on */

/* --- reading --- */

/* Defaults, then the fields; is there a tokenizer, and is it this model? */
static bool take_fields(struct call *c, const json_t *body, struct problem *p)
{
    struct words_ask *w = words_of(c);

    w->add_special = c->d->fields == &tgi_table || c->d->fields == &text_table;
    return fields_read(c->d->fields->row, c->d->fields->n, body, w, p) &&
           server_check_model(c->s, w->ask.model, p);
}

static bool few_enough(size_t n, const char *field, struct problem *p)
{
    return n <= LIMIT_TOKENIZE ||
           problem(p, PROBLEM_INVALID, field, "`%s` has %zu tokens; %d at most", field, n,
                   LIMIT_TOKENIZE);
}

/* The text's ids, as c->prompt[0]. */
static bool take_text(struct call *c, const char *field, struct problem *p)
{
    struct words_ask *w = words_of(c);
    struct text_seg seg = { w->text.p, w->text.n, w->parse };
    struct ids *ids = &c->prompt[c->n_prompt++];
    struct brrr_error err;
    enum brrr_status st =
        tokenizer_encode(server_model(c->s)->tok, &seg, 1, w->add_special, ids, &err);

    return st ? problem_of(p, field, st, err.text) : few_enough(ids->n, field, p);
}

/* --- writing --- */

static json_t *piece_json(const struct call *c, int32_t id)
{
    return json_lossy(tokenizer_piece(server_model(c->s)->tok, id));
}

/* "[...]" of ids, or of what `one` makes of them. */
static void put_list(struct text_out *t, const struct call *c,
                     void (*one)(struct text_out *t, const struct call *c, int32_t id))
{
    const struct ids *ids = &c->prompt[0];

    text_put(t, "[", 1);
    for (size_t i = 0; i < ids->n; i++) {
        if (i) text_put(t, ",", 1);
        one(t, c, ids->id[i]);
    }
    text_put(t, "]", 1);
}

static void put_id(struct text_out *t, const struct call *c, int32_t id)
{
    (void)c;
    text_print(t, "%d", id);
}

static void put_piece(struct text_out *t, const struct call *c, int32_t id)
{
    json_t *v = piece_json(c, id);

    json_put(t, v);
    json_decref(v);
}

static void put_both(struct text_out *t, const struct call *c, int32_t id)
{
    text_print(t, "{\"id\":%d,\"piece\":", id);
    put_piece(t, c, id);
    text_put(t, "}", 1);
}

/*
 * Where in `text` the piece of a token is, from `pos` on. Tokenizers may put a space in front of a
 * text that is none of it; what they changed otherwise is looked for nearby, and is else empty.
 */
static struct slice find_piece(struct slice text, size_t pos, struct slice piece)
{
    enum { NEAR = 64 };
    size_t left = text.n - pos;
    const char *from = text.p + pos, *at;

    if (piece.n == 0) return (struct slice){ from, 0 };
    if (piece.n <= left && memcmp(from, piece.p, piece.n) == 0)
        return (struct slice){ from, piece.n };
    if (*piece.p == ' ' && piece.n - 1 <= left && memcmp(from, piece.p + 1, piece.n - 1) == 0)
        return (struct slice){ from, piece.n - 1 };
    at = memmem(from, MIN(left, piece.n + NEAR), piece.p, piece.n);
    return at ? (struct slice){ at, piece.n } : (struct slice){ from, 0 };
}

/* TGI's SimpleTokens: bytes [start, stop) of `text`; a special token that is not of the text: 0, 0.
 * specials: those in the text are tokens. */
static void put_places(struct text_out *t, const struct call *c, struct slice text, bool specials)
{
    const struct tokenizer *tok = server_model(c->s)->tok;
    const struct ids *ids = &c->prompt[0];
    size_t pos = 0;

    text_put(t, "[", 1);
    for (size_t i = 0; i < ids->n; i++) {
        struct slice at = { text.p, 0 };
        if (specials || !tokenizer_is_special(tok, ids->id[i]))
            at = find_piece(text, pos, tokenizer_piece(tok, ids->id[i]));
        size_t start = (size_t)(at.p - text.p);
        json_t *words = json_lossy(at);
        text_print(t, "%s{\"id\":%d,\"text\":", i ? "," : "", ids->id[i]);
        json_put(t, words);
        text_print(t, ",\"start\":%zu,\"stop\":%zu}", start, start + at.n);
        json_decref(words);
        if (at.n) pos = start + at.n;
    }
    text_put(t, "]", 1);
}

/* --- the dialects of /tokenize --- */

static bool read_tgi(struct call *c, const json_t *body, struct problem *p)
{
    struct words_ask *w = words_of(c);
    struct text_out t = { 0 };

    if (!take_fields(c, body, p) || !take_text(c, "inputs", p)) return false;
    prompts_cut(&c->prompt[0], w->truncate);
    put_places(&t, c, w->text, false);
    return call_made_text(c, &t, p);
}

/* {count, max_model_len, tokens, token_strs} */
static bool answer_vllm(struct call *c, struct problem *p)
{
    struct text_out t = { 0 };

    text_print(&t, "{\"count\":%zu,\"max_model_len\":%d,\"tokens\":", c->prompt[0].n,
               runner_options(server_runner(c->s))->ctx);
    put_list(&t, c, put_id);
    text_print(&t, ",\"token_strs\":");
    if (words_of(c)->strs) put_list(&t, c, put_piece);
    else text_put(&t, "null", 4);
    text_put(&t, "}", 1);
    return call_made_text(c, &t, p);
}

static bool read_text(struct call *c, const json_t *body, struct problem *p)
{
    return take_fields(c, body, p) && take_text(c, "prompt", p) && answer_vllm(c, p);
}

static bool read_chat(struct call *c, const json_t *body, struct problem *p)
{
    return take_fields(c, body, p) && prompts_chat(c, c->ask->messages, p) &&
           few_enough(c->prompt[0].n, "messages", p) && answer_vllm(c, p);
}

static bool read_llama(struct call *c, const json_t *body, struct problem *p)
{
    struct text_out t = { 0 };

    if (!take_fields(c, body, p) || !take_text(c, "content", p)) return false;
    text_print(&t, "{\"tokens\":");
    put_list(&t, c, words_of(c)->strs ? put_both : put_id);
    text_put(&t, "}", 1);
    return call_made_text(c, &t, p);
}

/* --- /chat_tokenize --- */

static bool read_chat_tokenize(struct call *c, const json_t *body, struct problem *p)
{
    const struct brrr_model *m = server_model(c->s);
    struct template_text text = { 0 };
    struct text_out t = { 0 };
    struct brrr_error err;
    json_t *messages, *words;
    bool ok;

    gen_params_init(&c->ask->gen);
    if (!fields_read(c->d->fields->row, c->d->fields->n, body, c->ask, p) ||
        !server_check_model(c->s, c->ask->model, p) ||
        !(messages = prompts_messages(c->ask->messages, p)))
        return false;
    enum brrr_status st = bundle_chat_text(m, messages, &text, &err);
    if (!st) st = bundle_text_ids(m, &text, &c->prompt[c->n_prompt++], &err);
    json_decref(messages);
    ok = st ? problem(p, st == BRRR_E_NOMEM ? PROBLEM_MEMORY : PROBLEM_TEMPLATE, "messages", "%s",
                      err.text)
            : few_enough(c->prompt[0].n, "messages", p);
    if (ok) {
        words = json_lossy((struct slice){ text.text, text.n });
        text_print(&t, "{\"tokenize_response\":");
        put_places(&t, c, (struct slice){ text.text, text.n }, true);
        text_print(&t, ",\"templated_text\":");
        json_put(&t, words);
        text_put(&t, "}", 1);
        json_decref(words);
        ok = call_made_text(c, &t, p);
    }
    template_text_fini(&text);
    return ok;
}

/* --- /detokenize --- */

static bool decode(struct call *c, struct text_out *t, struct problem *p)
{
    const struct ids *ids = &c->prompt[0];
    struct detok d;
    struct slice s;

    if (!detok_init(&d, server_model(c->s)->tok, true))
        return problem(p, PROBLEM_MEMORY, NULL, "no memory for the answer");
    for (size_t i = 0; i < ids->n && t->n <= LIMIT_DETOKENIZE_BYTES; i++) {
        s = detok_push(&d, ids->id[i]);
        text_put(t, s.p, s.n);
    }
    s = detok_flush(&d);
    text_put(t, s.p, s.n);
    detok_fini(&d);
    return t->n <= LIMIT_DETOKENIZE_BYTES ||
           problem(p, PROBLEM_INVALID, "tokens", "`tokens`: their text has more than %d bytes",
                   LIMIT_DETOKENIZE_BYTES);
}

/* vLLM looks for `prompt`, llama.cpp for `content`. */
static bool read_back(struct call *c, const json_t *body, struct problem *p)
{
    struct words_ask *w = words_of(c);
    struct text_out t = { 0 };

    if (!take_fields(c, body, p)) return false;
    if (!prompts_ids(c, w->tokens, "tokens", p) || !few_enough(c->prompt[0].n, "tokens", p))
        return false;
    bool ok = decode(c, &t, p);
    struct slice s = text_take(&t);
    json_t *words = ok ? json_lossy(s) : NULL;
    free((char *)s.p);
    return ok && call_made(c, json_pack("{s:O, s:o}", "prompt", words, "content", words), p);
}

#define WORDS .ask_size = sizeof(struct words_ask)
#define TGI   .error = tgi_error, .status = tgi_status
#define OAI   .error = openai_error, .status = openai_status

static const struct dialect of_tgi = { "tokenize-inputs", WORDS, .read = read_tgi, TGI,
                                       .fields = &tgi_table };
static const struct dialect of_text = { "tokenize-prompt", WORDS, .read = read_text, OAI,
                                        .fields = &text_table };
static const struct dialect of_chat = { "tokenize-messages", WORDS, .read = read_chat, OAI,
                                        .fields = &chat_table };
static const struct dialect of_llama = { "tokenize-content", WORDS, .read = read_llama, OAI,
                                         .fields = &llama_table };
static const struct dialect_key keys[] = { { "inputs", &of_tgi },
                                           { "prompt", &of_text },
                                           { "messages", &of_chat },
                                           { "content", &of_llama },
                                           { NULL, NULL } };

const struct dialect tokenize_any = { "tokenize", OAI, .choose = keys };
const struct dialect tokenize_chat = { "chat-tokenize", .ask_size = sizeof(struct ask),
                                       .read = read_chat_tokenize, TGI,
                                       .fields = &openai_chat_table };
const struct dialect tokenize_back = { "detokenize", WORDS, .read = read_back, OAI,
                                       .fields = &back_table };
