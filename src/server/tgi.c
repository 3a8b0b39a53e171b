/* SPDX-License-Identifier: MIT */
/* tgi.c - see tgi.h. */
#include "server/tgi.h"

#include <float.h>
#include <limits.h>
#include <stdio.h>

#include "server/prompts.h"
#include "server/server.h"

/* What /generate asks for beyond a struct ask. */
struct tgi_ask {
    struct ask ask; /* first */
    struct slice inputs;
    bool has_parameters;
    bool do_sample, watermark;
    bool details, prefill, full_text;
    double temperature, top_p, typical_p; /* 0: not given */
    int top_k, truncate, best_of, max_new_tokens;
    const json_t *grammar, *adapter;
};

static struct tgi_ask *tgi_of(const struct call *c)
{
    return (struct tgi_ask *)c->ask;
}

#define AT(field)  offsetof(struct tgi_ask, field)
#define GEN(field) offsetof(struct tgi_ask, ask.gen.field)
#define BELOW_ONE  (1 - DBL_EPSILON / 2)

#define POSITIVE "must be strictly positive"
#define INSIDE   "must be > 0.0 and < 1.0"

/* In the order in which TGI checks them. */
/* clang-format off */
static const struct field parameter_fields[] = {
    { "best_of", FIELD_INT, 1, TGI_BEST_OF, AT(best_of), .rule = "must be > 0 and <= 4", .doc = "answers to choose the likeliest of" },
    { "temperature", FIELD_REAL, DBL_MIN, 1e6, AT(temperature), .rule = POSITIVE, .doc = "" },
    { "repetition_penalty", FIELD_REAL, 0.01, 100, GEN(sample.repetition_penalty), .off = "1", .rule = POSITIVE ", from 0.01 to 100", .doc = "" },
    { "frequency_penalty", FIELD_REAL, -2, 2, GEN(sample.frequency_penalty), .off = "0", .rule = "must be >= -2.0 and <= 2.0", .doc = "" },
    { "top_p", FIELD_REAL, DBL_MIN, BELOW_ONE, AT(top_p), .rule = INSIDE, .doc = "" },
    { "typical_p", FIELD_REAL, DBL_MIN, BELOW_ONE, AT(typical_p), .rule = INSIDE, .doc = "" },
    { "top_k", FIELD_INT, 1, INT_MAX, AT(top_k), .rule = POSITIVE, .doc = "" },
    { "max_new_tokens", FIELD_INT, 1, INT_MAX, AT(max_new_tokens), .rule = POSITIVE, .doc = "" },
    { "stop", FIELD_OWN, .read = ask_read_stop, .schema = ASK_STOP_SCHEMA, .doc = "texts that end the answer; part of it" },
    { "seed", FIELD_OWN, .read = ask_read_seed, .schema = ASK_SEED_SCHEMA, .doc = "" },
    { "top_n_tokens", FIELD_INT, 0, TGI_TOP, AT(ask.n_top), .off = "0", .rule = "must be >= 0 and <= 20", .doc = "alternatives of each token" },
    { "truncate", FIELD_INT, 1, INT_MAX, AT(truncate), .rule = POSITIVE, .doc = "keep the last tokens of the prompt" },
    { "do_sample", FIELD_FLAG, 0, 0, AT(do_sample), .off = "false", .doc = "" },
    { "return_full_text", FIELD_FLAG, 0, 0, AT(full_text), .off = "false", .doc = "the prompt before the answer" },
    { "watermark", FIELD_FLAG, 0, 0, AT(watermark), .off = "false", .doc = "not supported" },
    { "details", FIELD_FLAG, 0, 0, AT(details), .off = "false", .doc = "tokens one by one" },
    { "decoder_input_details", FIELD_FLAG, 0, 0, AT(prefill), .off = "false", .doc = "the prompt's tokens" },
    { "grammar", FIELD_JSON, 0, 0, AT(grammar), .schema = "{\"type\": \"null\"}", .doc = "not supported" },
    { "adapter_id", FIELD_JSON, 0, 0, AT(adapter), .schema = "{\"type\": \"null\"}", .doc = "not supported" },
};
/* clang-format on */
static const struct fields parameter_table = { parameter_fields, COUNT(parameter_fields) };

static const struct field body_fields[] = {
    { "inputs", FIELD_TEXT, 0, LIMIT_HTTP_BODY, AT(inputs), .doc = "the prompt", .required = true },
    { "parameters", FIELD_PART, 0, 0, AT(has_parameters), .part = &parameter_table,
      .doc = "how to answer; without it: sampling" },
    { "stream", FIELD_FLAG, 0, 0, AT(ask.stream), .off = "false", .doc = "of / only" },
};
/* `stream`, the last, is of / alone. */
static const struct fields root_table = { body_fields, COUNT(body_fields) };
static const struct fields body_table = { body_fields, COUNT(body_fields) - 1 };

/* --- reading --- */

static void set_defaults(struct tgi_ask *t)
{
    gen_params_init(&t->ask.gen);
    t->ask.gen.sample.pipeline = PIPELINE_TGI;
    t->ask.gen.include_stop = true;
    t->best_of = 1;
}

static bool sets(const struct tgi_ask *t)
{
    return t->do_sample || t->temperature > 0 || t->top_k > 0 || t->top_p > 0 || t->typical_p > 0;
}

/* What no single field decides. */
static bool check_together(const struct tgi_ask *t, struct problem *p)
{
    if (t->best_of > 1 && !sets(t))
        return problem(p, PROBLEM_INVALID, "best_of",
                       "you must use sampling when `best_of` is > 1");
    if (t->best_of > 1 && t->ask.seeded)
        return problem(p, PROBLEM_INVALID, "seed", "`seed` must not be set when `best_of` > 1");
    if (t->best_of > 1 && t->ask.stream)
        return problem(p, PROBLEM_INVALID, "best_of",
                       "`best_of` != 1 is not supported when streaming tokens");
    if (t->prefill && t->ask.stream)
        return problem(p, PROBLEM_INVALID, "decoder_input_details",
                       "`decoder_input_details` == true is not supported when streaming tokens");
    if (t->watermark)
        return problem(p, PROBLEM_INVALID, "watermark", "`watermark` is not supported");
    if (t->grammar) return problem(p, PROBLEM_INVALID, "grammar", "grammar is not supported");
    if (t->adapter) return problem(p, PROBLEM_INVALID, "adapter_id", "adapter_id is not supported");
    if (t->inputs.n == 0) return problem(p, PROBLEM_INVALID, "inputs", "`inputs` cannot be empty");
    return true;
}

static void settle(struct call *c)
{
    struct tgi_ask *t = tgi_of(c);
    struct gen_params *g = &t->ask.gen;

    if (!t->ask.seeded) g->sample.seed = server_random(c->s) >> 1;
    g->sample.temperature = !sets(t) ? 0 : t->temperature > 0 ? t->temperature : 1;
    g->sample.top_k = t->top_k;
    g->sample.top_p = t->top_p > 0 ? t->top_p : 1;
    g->sample.typical_p = t->typical_p > 0 ? t->typical_p : 1;
    g->n_choices = t->best_of;
    g->n_predict = t->max_new_tokens > 0 ? t->max_new_tokens : -1;
    g->n_logprobs = t->ask.n_top;
    t->ask.keep = t->ask.logprobs = true;
}

/* jansson's texts are UTF-8. */
static size_t characters(struct slice s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++)
        n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
    return n;
}

/* First the sum, then the prompt alone, as TGI does. */
static bool fits(const struct call *c, struct problem *p)
{
    const struct tgi_ask *t = tgi_of(c);
    int ctx = runner_options(server_runner(c->s))->ctx, slice = MIN(t->max_new_tokens, 1024);
    size_t n = c->prompt[0].n;

    if (n + (size_t)slice > (size_t)ctx)
        return problem(p, PROBLEM_INVALID, "inputs",
                       "`inputs` tokens + `max_new_tokens` must be <= %d. Given: %zu `inputs` "
                       "tokens and %d `max_new_tokens`",
                       ctx, n, t->max_new_tokens);
    if (n >= (size_t)ctx)
        return problem(p, PROBLEM_INVALID, "inputs",
                       "`inputs` must have less than %d tokens. Given: %zu", ctx, n);
    return true;
}

static bool read(struct call *c, const json_t *body, struct problem *p)
{
    struct tgi_ask *t = tgi_of(c);
    struct brrr_error err;

    set_defaults(t);
    t->ask.stream = c->d == &tgi_stream;
    if (!fields_read(c->d->fields->row, c->d->fields->n, body, t, p)) return false;
    if (!t->has_parameters) t->do_sample = true;
    if (!check_together(t, p)) return false;
    settle(c);
    enum brrr_status st =
        gen_params_check(&t->ask.gen, brrr_model_n_vocab(server_model(c->s)), &err);
    if (st) return problem_of(p, NULL, st, err.text);
    if (!prompts_text(c, json_object_get(body, "inputs"), "inputs", p)) return false;
    c->n_chars = characters(t->inputs);
    prompts_cut(&c->prompt[0], t->truncate);
    return fits(c, p);
}

/* --- writing --- */

static json_t *token_json(const struct call *c, int32_t id, double logprob, struct slice text)
{
    const struct tokenizer *tok = server_model(c->s)->tok;
    bool special = tokenizer_is_special(tok, id);
    struct slice shown = special ? tokenizer_piece(tok, id) : text;

    return json_pack("{s:i, s:s%, s:f, s:b}", "id", id, "text", shown.n ? shown.p : "", shown.n,
                     "logprob", logprob, "special", special);
}

/* One of several at a place: its own bytes, for what it would have added is not known. */
static json_t *top_json(const struct call *c, const struct sample_logprob *top)
{
    struct slice piece = tokenizer_piece(server_model(c->s)->tok, top->id);
    json_t *text = json_stringn(piece.p, piece.n), *out;

    out = token_json(c, top->id, (double)top->logprob, (struct slice){ 0 });
    json_object_set_new(out, "text", text ? text : json_string("\xef\xbf\xbd"));
    return out;
}

static json_t *tops_json(const struct call *c, const struct answer *a, const struct token *t)
{
    json_t *list = json_array();

    for (int i = 0; i < t->n_top; i++)
        json_array_append_new(list, top_json(c, &a->top[t->top0 + (size_t)i]));
    return list;
}

static json_t *kept_json(const struct call *c, const struct answer *a, const struct token *t)
{
    return token_json(c, t->id, (double)t->logprob,
                      (struct slice){ a->text + t->text0, t->n_text });
}

static const char *finish_name(const struct call *c, const struct answer *a)
{
    int32_t last = a->n_token ? a->token[a->n_token - 1].id : -1;

    if (a->finish != BRRR_FINISH_STOP) return "length";
    return tokenizer_is_stop(server_model(c->s)->tok, last) ? "eos_token" : "stop_sequence";
}

static json_t *seed_json(const struct call *c)
{
    const struct sample_params *s = &c->ask->gen.sample;

    return s->temperature > 0 ? json_integer((json_int_t)s->seed) : json_null();
}

static json_t *full_text(const struct call *c, const struct answer *a)
{
    const struct tgi_ask *t = tgi_of(c);
    json_t *text = json_stringn(a->text ? a->text : "", a->n_text), *both;

    if (!t->full_text) return text;
    both = json_sprintf("%.*s%s", (int)t->inputs.n, t->inputs.p, json_string_value(text));
    json_decref(text);
    return both;
}

/* What TGI's Details and BestOfSequence have in common. */
static json_t *details_json(const struct call *c, const struct answer *a)
{
    json_t *tokens = json_array(), *tops = json_array(), *out;

    for (size_t i = 0; i < a->n_token; i++) {
        json_array_append_new(tokens, kept_json(c, a, &a->token[i]));
        json_array_append_new(tops, tops_json(c, a, &a->token[i]));
    }
    out =
        json_pack("{s:s, s:i, s:o, s:[], s:o}", "finish_reason", finish_name(c, a),
                  "generated_tokens", a->n_gen, "seed", seed_json(c), "prefill", "tokens", tokens);
    if (c->ask->n_top > 0) json_object_set(out, "top_tokens", tops);
    json_decref(tops);
    return out;
}

static double mean_logprob(const struct answer *a)
{
    double sum = 0;

    for (size_t i = 0; i < a->n_token; i++)
        sum += (double)a->token[i].logprob;
    return a->n_token ? sum / (double)a->n_token : 0;
}

static int best_answer(const struct call *c)
{
    int best = 0;

    for (int i = 1; i < c->n_answer; i++)
        if (mean_logprob(&c->answer[i]) > mean_logprob(&c->answer[best])) best = i;
    return best;
}

static json_t *whole(struct call *c)
{
    const struct tgi_ask *t = tgi_of(c);
    int best = best_answer(c);
    json_t *out = json_pack("{s:o}", "generated_text", full_text(c, &c->answer[best]));
    json_t *details, *others, *one;

    call_timing_headers(c);
    if (!t->details && !t->prefill) return out;
    details = details_json(c, &c->answer[best]);
    if (c->n_answer > 1) {
        others = json_array();
        for (int i = 0; i < c->n_answer; i++) {
            if (i == best) continue;
            one = details_json(c, &c->answer[i]);
            json_object_set_new(one, "generated_text", full_text(c, &c->answer[i]));
            json_array_append_new(others, one);
        }
        json_object_set_new(details, "best_of_sequences", others);
    }
    json_object_set_new(out, "details", details);
    return out;
}

static json_t *whole_list(struct call *c)
{
    return json_pack("[o]", whole(c));
}

static void piece(struct call *c, int i, const struct engine_event *ev)
{
    const struct answer *a = &c->answer[i];
    const struct tgi_ask *t = tgi_of(c);
    const struct token *last = a->n_token ? &a->token[a->n_token - 1] : NULL;
    json_t *out;

    if (ev->token < 0 || !last) return; /* the context is full: the end says so */
    out = json_pack("{s:i, s:o}", "index", (int)a->n_token, "token", kept_json(c, a, last));
    if (c->ask->n_top > 0) json_object_set_new(out, "top_tokens", tops_json(c, a, last));
    json_object_set_new(out, "generated_text", ev->finish ? full_text(c, a) : json_null());
    json_object_set_new(out, "details",
                        ev->finish && t->details
                            ? json_pack("{s:s, s:i, s:o, s:i}", "finish_reason", finish_name(c, a),
                                        "generated_tokens", a->n_gen, "seed", seed_json(c),
                                        "input_length", (int)c->prompt[0].n)
                            : json_null());
    call_event(c, out);
}

/* --- problems --- */

json_t *tgi_error(const struct problem *p, bool in_stream)
{
    bool invalid = p->kind == PROBLEM_INVALID;

    (void)in_stream;
    return json_pack("{s:s+, s:s}", "error", invalid ? "Input validation error: " : "", p->text,
                     "error_type", problem_forms[p->kind].tgi_type);
}

int tgi_status(const struct problem *p)
{
    return problem_forms[p->kind].tgi_status;
}

static void end(struct call *c)
{
    if (c->problem.kind) call_event(c, tgi_error(&c->problem, true));
}

/* Of the three only the body's table and the form of a whole answer differ. */
#define TGI(id, table, whole_fn)                                                       \
    {                                                                                  \
        .name = id, .stream_type = "text/event-stream", .ping = ":\n\n",               \
        .ask_size = sizeof(struct tgi_ask), .read = read, .piece = piece, .end = end,  \
        .whole = whole_fn, .error = tgi_error, .status = tgi_status, .fields = &table, \
    }

const struct dialect tgi_generate = TGI("tgi-generate", body_table, whole);
const struct dialect tgi_stream = TGI("tgi-stream", body_table, whole);
const struct dialect tgi_root = TGI("tgi-root", root_table, whole_list);
