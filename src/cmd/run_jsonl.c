/* SPDX-License-Identifier: MIT */
/*
 * run_jsonl.c - `brrr run --jsonl`: independent requests, answers in order.
 *
 * Up to --parallel lines run at once, and --queue more wait for them, so that the policy has
 * a choice. A line is read only when a place is free, and without waiting while others run, so that
 * a program may send one line and wait for its answer. Entries form a ring in input order; the
 * oldest is printed as soon as it is complete. A line whose answer there is no memory for is
 * answered with that; where even this can not be said, the program ends.
 */
#include <assert.h>
#include <stdlib.h>
#include <xxhash.h>

#include "cmd/lines.h"
#include "cmd/params.h"
#include "cmd/run.h"
#include "cmd/session.h"

/* What makes an answer an error while it is made. */
enum loss { LOST_NOTHING, LOST_MEMORY, LOST_VALUES };

/* One answer to a line. */
struct part {
    json_t *ids, *logprobs, *out; /* out: it is complete */
    char *text;
    size_t n_text;
};

struct entry {
    uint64_t id;   /* 0: no request (an error)                                  */
    uint64_t upto; /* of the newest request when it came: never falls in the ring */
    int n;
    struct part *part; /* [n] */
    json_t *out;
    enum loss lost;
    int n_value; /* log-probabilities that it holds */
};

struct stream {
    const struct brrr_model *m;
    struct brrr_engine *e;
    struct gen_params *gen, *base; /* of this line; before it: what the options say */
    struct lines in;
    json_t *held; /* a line for which the engine has no place before others end; NULL: none */
    int n_ended;  /* requests, since it was tried */
    struct entry *ring;
    int cap, first, n;
    uint64_t newest; /* request that was submitted           */
    int64_t n_value; /* log-probabilities that entries hold  */
};

/* The keys of a line that are not generation parameters. */
static const char *const own_keys[] = { "prompt", "ids", "messages", "model",      "stream",
                                        "tools",  "id",  "user",     "cache_salt", NULL };

static enum brrr_status line_ids(struct stream *s, const json_t *line, struct ids *ids,
                                 struct brrr_error *err)
{
    json_t *prompt = json_object_get(line, "prompt"), *list = json_object_get(line, "ids");
    json_t *messages = json_object_get(line, "messages");

    if (json_is_array(messages)) return bundle_chat_ids(s->m, messages, ids, err);
    if (json_is_string(prompt)) {
        struct slice text = { json_string_value(prompt), json_string_length(prompt) };
        return run_raw_ids(s->m, text, ids, err);
    }
    if (!json_is_array(list))
        return fail(err, BRRR_E_FORMAT, "give \"prompt\" (a string), \"ids\" or \"messages\"");
    size_t n = json_array_size(list);
    ids->id = malloc((n + 1) * sizeof(*ids->id));
    if (!ids->id) return fail(err, BRRR_E_NOMEM, "no memory for %zu ids", n);
    ids->cap = n + 1;
    int64_t got = params_ids(list, "ids", ids->id, n, err);
    if (got < 0) return BRRR_E_FORMAT;
    ids->n = (size_t)got;
    return BRRR_OK;
}

/* Who asks, and with whom cached prompts may be shared: any text, or an integer. */
static enum brrr_status line_name(const json_t *line, const char *key, uint64_t *out,
                                  struct brrr_error *err)
{
    json_t *v = json_object_get(line, key);

    *out = 0;
    if (!v || json_is_null(v)) return BRRR_OK;
    if (json_is_integer(v)) *out = (uint64_t)json_integer_value(v);
    else if (json_is_string(v)) *out = XXH3_64bits(json_string_value(v), json_string_length(v));
    else return fail(err, BRRR_E_FORMAT, "\"%s\" must be a string or an integer", key);
    return BRRR_OK;
}

/* *later: nothing was done, for the engine has no place before others end. */
static enum brrr_status submit(struct stream *s, const json_t *line, uint64_t *id, bool *later,
                               struct brrr_error *err)
{
    struct ids ids = { 0 };
    enum brrr_status st;

    *s->gen = *s->base;
    st = params_gen(line, own_keys, s->gen, err);
    if (!st) st = line_ids(s, line, &ids, err);
    struct engine_request q = { .prompt = ids.id, .n_prompt = ids.n, .gen = s->gen };
    if (!st) st = line_name(line, "user", &q.user, err);
    if (!st) st = line_name(line, "cache_salt", &q.salt, err);
    if (!st) st = gen_params_check(s->gen, brrr_model_n_vocab(s->m), err);
    *later = !st && !engine_has_place(s->e, &q);
    if (!st && !*later) st = engine_submit(s->e, &q, id, err);
    ids_free(&ids);
    return st;
}

static bool make_parts(struct entry *en, const struct gen_params *g)
{
    bool ok = true;

    en->part = calloc((size_t)g->n_choices, sizeof(*en->part));
    en->n = en->part ? g->n_choices : 0;
    for (int i = 0; i < en->n; i++) {
        en->part[i].ids = json_array();
        if (g->n_logprobs >= 0) en->part[i].logprobs = json_array();
        ok = ok && en->part[i].ids && (g->n_logprobs < 0 || en->part[i].logprobs);
    }
    return ok && en->part;
}

/* The answer of an entry will be an error. */
static void lose(struct stream *s, struct entry *en, enum loss why)
{
    en->lost = why;
    engine_cancel(s->e, en->id);
}

/* A line becomes the newest entry; the reference is taken. NULL: err says what is wrong with it. */
static void start(struct stream *s, json_t *line, struct brrr_error *err)
{
    struct entry *en = &s->ring[(s->first + s->n) % s->cap];
    bool later = false;

    *en = (struct entry){ 0 };
    if (!line || submit(s, line, &en->id, &later, err)) {
        en->id = 0;
        en->out = cmd_json_error(err->text);
    }
    s->held = later ? line : NULL;
    s->n_ended = 0;
    if (later) return;
    json_decref(line);
    s->n++;
    s->newest = en->upto = MAX(s->newest, en->id);
    if (en->id && !make_parts(en, s->gen)) lose(s, en, LOST_MEMORY);
}

static bool append_text(struct part *en, struct slice text)
{
    char *p = text.n ? realloc(en->text, en->n_text + text.n) : NULL;

    if (!p) return text.n == 0;
    memcpy(p + en->n_text, text.p, text.n);
    en->text = p;
    en->n_text += text.n;
    return true;
}

static bool append_logprob(json_t *list, const struct sample_logprob *p)
{
    return json_array_append_new(list, json_pack("[i, f]", p->id, (double)p->logprob)) == 0;
}

/* The alternatives of one token; the chosen one is added where it is not among them. */
static bool append_logprobs(struct part *en, const struct engine_event *ev)
{
    json_t *list = json_array();
    bool has = false, ok = json_array_append_new(en->logprobs, list) == 0;

    for (int i = 0; ok && i < ev->n_top; i++) {
        has = has || ev->top[i].id == ev->token;
        ok = append_logprob(list, &ev->top[i]);
    }
    return ok && (has || append_logprob(list, &ev->chosen));
}

static json_t *timings(const struct engine_timings *t)
{
    double itl = t->n_gen > 1 ? t->decode_s / (t->n_gen - 1) : 0;

    return json_pack("{s:i, s:i, s:i, s:i, s:i, s:f, s:f, s:f, s:f}", "n_prompt", t->n_prompt,
                     "n_cached", t->n_cached, "n_gen", t->n_gen, "n_drafted", t->n_drafted,
                     "n_accepted", t->n_accepted, "queue_s", t->queue_s, "ttft_s",
                     t->queue_s + t->prefill_s, "decode_s", t->decode_s, "itl_s", itl);
}

static json_t *answer(const struct part *p, const struct engine_event *ev)
{
    return json_pack("{s:s%, s:O, s:s, s:O*}", "text", p->text ? p->text : "", p->n_text, "ids",
                     p->ids, "finish_reason", ev->finish == BRRR_FINISH_STOP ? "stop" : "length",
                     "logprobs", p->logprobs);
}

/* All answers are complete: one stands for itself, several are a list. */
static json_t *line_of(const struct entry *en, const struct engine_event *ev)
{
    json_t *out, *list;

    if (en->n == 1) {
        out = json_incref(en->part[0].out);
    } else {
        list = json_array();
        for (int i = 0; i < en->n; i++)
            if (json_array_append(list, en->part[i].out)) goto nomem;
        out = json_pack("{s:O}", "choices", list);
        json_decref(list);
    }
    if (json_object_set_new(out, "timings", timings(&ev->timings)) == 0) return out;
    json_decref(out);
    return NULL;
nomem:
    json_decref(list);
    return NULL;
}

static json_t *error_of(const struct entry *en)
{
    char text[160];

    if (en->lost != LOST_VALUES) return cmd_json_error("no memory for the answer");
    snprintf(text, sizeof(text),
             "logprobs: the answers to this line have more than %d of them: a smaller k, n or "
             "n_predict helps",
             LIMIT_ANSWER_LOGPROBS);
    return cmd_json_error(text);
}

static void finish(struct entry *en, const struct engine_event *ev)
{
    en->out = en->lost ? NULL : line_of(en, ev);
    if (!en->out) en->out = error_of(en);
}

static bool take_part(struct part *p, const struct engine_event *ev)
{
    bool ok = append_text(p, ev->text);

    if (ok && ev->token >= 0) ok = !json_array_append_new(p->ids, json_integer(ev->token));
    if (ok && ev->token >= 0 && p->logprobs) ok = append_logprobs(p, ev);
    if (ok && ev->finish) p->out = answer(p, ev);
    return ok && (!ev->finish || p->out);
}

/* False: more log-probabilities than a line may have. */
static bool count_values(struct stream *s, struct entry *en, const struct engine_event *ev)
{
    int n = en->part[ev->choice].logprobs && ev->token >= 0 ? ev->n_top + 1 : 0;

    en->n_value += n;
    s->n_value += n;
    return en->n_value <= LIMIT_ANSWER_LOGPROBS;
}

/* The entry of a request: the first that came when there was no newer one. */
static struct entry *entry_of(const struct stream *s, uint64_t id)
{
    int lo = 0, hi = s->n - 1;

    while (lo < hi) {
        int mid = (lo + hi) / 2;
        if (s->ring[(s->first + mid) % s->cap].upto < id) lo = mid + 1;
        else hi = mid;
    }
    return &s->ring[(s->first + lo) % s->cap];
}

static void take_event(struct stream *s, const struct engine_event *ev)
{
    struct entry *en = entry_of(s, ev->id);

    assert(s->n > 0 && en->id == ev->id && !en->out);
    if (!en->lost && !count_values(s, en, ev)) lose(s, en, LOST_VALUES);
    if (!en->lost && !take_part(&en->part[ev->choice], ev)) lose(s, en, LOST_MEMORY);
    s->n_ended += ev->last;
    if (ev->last) finish(en, ev);
}

static void entry_fini(struct entry *en)
{
    for (int i = 0; i < en->n; i++) {
        json_decref(en->part[i].ids);
        json_decref(en->part[i].logprobs);
        json_decref(en->part[i].out);
        free(en->part[i].text);
    }
    free(en->part);
    json_decref(en->out);
    *en = (struct entry){ 0 };
}

/* Print what is complete, oldest first. */
static int print_ready(struct stream *s)
{
    while (s->n > 0 && s->ring[s->first].out) {
        int code = cmd_print_json(json_incref(s->ring[s->first].out));
        s->n_value -= s->ring[s->first].n_value;
        entry_fini(&s->ring[s->first]);
        s->first = (s->first + 1) % s->cap;
        s->n--;
        if (code) return code;
    }
    return EXIT_OK;
}

static int no_memory(void)
{
    fputs("brrr: no memory for the answer\n", stderr);
    return EXIT_NOMEM;
}

/* The lines that are there, as far as there are places for them; waits for one if there is nothing
 * else to do. False: there will be no more. */
static bool read_lines(struct stream *s)
{
    struct brrr_error err = { 0 };
    struct slice text;

    if (s->held && s->n_ended > 0) start(s, s->held, &err);
    /* Answers that wait to be printed may be large: no more of them meanwhile. */
    while (!s->held && s->n < s->cap && s->n_value <= LIMIT_ANSWER_LOGPROBS) {
        enum lines_got got = lines_next(&s->in, s->n == 0, &text);
        json_t *line;
        if (got != LINES_LINE) return got != LINES_END;
        if (text.n == 0) continue;
        lines_json(&line, &s->in, text, &err);
        start(s, line, &err);
    }
    return true;
}

static int serve_lines(struct stream *s)
{
    struct engine_event ev[LIMIT_PARALLEL];
    bool more = true;
    int code = EXIT_OK;

    while (!code && (more || s->n > 0) && !session_interrupted()) {
        more = more && read_lines(s);
        int n = engine_poll(s->e, ev, LIMIT_PARALLEL);
        for (int i = 0; i < n; i++)
            take_event(s, &ev[i]);
        code = print_ready(s);
        if (!code && n < 0 && s->n > 0) code = no_memory(); /* an entry that can not be filled */
    }
    if (session_interrupted()) return session_terminated() ? EXIT_TERM : EXIT_INT;
    if (!code) return lines_end(&s->in);
    return code == EXIT_RUN && ferror(stdout) ? EXIT_OK : code;
}

/* Options that were given hold for lines that do not say otherwise; the defaults of the other
 * options are those of a person at a terminal and hold for none: greedy unless asked. */
static enum brrr_status base_params(const struct options *o, struct gen_params *base,
                                    struct brrr_error *err)
{
    struct options plain = *o;
    struct gen_params off;

    gen_params_init(&off);
    if (!OPTION_GIVEN(o, n_predict)) plain.n_predict = off.n_predict;
    if (!OPTION_GIVEN(o, temperature)) plain.temperature = off.sample.temperature;
    if (!OPTION_GIVEN(o, top_k)) plain.top_k = off.sample.top_k;
    if (!OPTION_GIVEN(o, top_p)) plain.top_p = off.sample.top_p;
    if (!OPTION_GIVEN(o, min_p)) plain.min_p = off.sample.min_p;
    return params_from_options(&plain, base, err);
}

int run_jsonl(const struct options *o, const struct engine_opts *eo)
{
    struct stream s = { .cap = o->parallel + o->queue };
    struct engine_opts planned = *eo;
    struct brrr_model *m = NULL;
    struct brrr_error err;
    int code = EXIT_OK;

    s.ring = calloc((size_t)s.cap, sizeof(*s.ring));
    s.gen = malloc(sizeof(*s.gen));
    s.base = malloc(sizeof(*s.base));
    if (!s.ring || !s.gen || !s.base) code = EXIT_NOMEM;
    else if (base_params(o, s.base, &err)) code = cmd_usage("run", "%s", err.text);
    else code = session_open(&m, o);
    s.m = m;
    session_catch_interrupt();
    if (code) goto out;
    session_plan(&planned, o, m);
    planned.max_waiting = o->queue;
    if ((code = session_open_draft(&planned, o))) goto out;
    if (engine_open(&s.e, m, &planned, &err)) code = cmd_fail_engine(&err);
    else code = serve_lines(&s);
out:
    while (s.n-- > 0)
        entry_fini(&s.ring[(s.first + s.n) % s.cap]);
    brrr_engine_close(s.e);
    lines_fini(&s.in);
    json_decref(s.held);
    free(s.ring);
    free(s.gen);
    free(s.base);
    session_close_draft(&planned);
    brrr_model_close(m);
    return code;
}
