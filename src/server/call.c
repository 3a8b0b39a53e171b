/* SPDX-License-Identifier: MIT */
/* call.c - see call.h. */
#include "server/call.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <xxhash.h>

#include "base/clock.h"
#include "server/json_text.h"
#include "server/prep.h"
#include "server/server.h"

static int n_tokens(const struct call *c)
{
    int n = 0;

    for (int i = 0; i < c->n_prompt && !c->made.p; i++) /* what is only listed costs nothing */
        n += (int)c->prompt[i].n;
    for (int i = 0; i < c->n_answer; i++)
        n += c->answer[i].n_gen;
    return n;
}

static void call_free(struct call *c)
{
    if (c->counted) keys_end(server_keys(c->s), c->who, n_tokens(c), clock_now());
    served_add(server_served(c->s), c);
    server_leave(c->s, c);
    for (int i = 0; i < c->n_answer; i++) {
        free(c->answer[i].text);
        free(c->answer[i].token);
        free(c->answer[i].top);
    }
    for (int i = 0; i < c->n_prompt; i++)
        ids_free(&c->prompt[i]);
    free(c->answer);
    free(c->job);
    json_decref(c->body);
    free(c->ask);
    free(c->raw);
    free((char *)c->made.p);
    free(c);
}

/* --- in: body, preparation, jobs --- */

/* Before it is prepared they are the preparing thread's, and nobody's to cancel. */
static void cancel_jobs(struct call *c)
{
    for (int i = 0; c->computed && i < c->n_prompt; i++)
        if (!c->job[i].over) runner_cancel(server_runner(c->s), &c->job[i]);
}

/* The client left. Whoever prepares the call, or its last news, frees it. */
static void on_gone(void *arg)
{
    struct call *c = arg;

    c->x = NULL;
    cancel_jobs(c);
}

static void reply_json(struct call *c, int status, json_t *v)
{
    struct slice body;

    if (!json_text(&body, v, "", "\n")) {
        problem(&c->problem, PROBLEM_MEMORY, NULL, "no memory for the answer");
        c->end = SERVED_ERROR;
        status = 503;
    }
    http_reply(c->x, status, "application/json", body);
    free((char *)body.p);
    c->x = NULL;
}

/* Tell the client; nothing follows. */
static void tell_problem(struct call *c)
{
    const struct problem *p = &c->problem;
    char retry[16];

    if (!c->x) return;
    c->end = c->computed ? SERVED_ERROR : SERVED_REJECTED;
    if (c->began) {
        c->d->end(c);
        if (c->x) http_end(c->x);
        c->x = NULL;
        return;
    }
    if (p->retry_s) {
        snprintf(retry, sizeof(retry), "%d", p->retry_s);
        http_set(c->x, "Retry-After", retry);
    }
    reply_json(c, c->d->status(p), c->d->error(p, false));
}

void call_begin(struct server *s, struct exchange *x, int who, const struct dialect *d)
{
    static const char nomem[] = "{\"error\":{\"message\":\"no memory for the request\"}}\n";
    struct slice body = http_body(x);
    struct call *c = calloc(1, sizeof(*c));

    server_served(s)->n_received++;
    if (c) c->raw = malloc(body.n + 1);
    if (!c || !c->raw) {
        server_served(s)->n_end[SERVED_REJECTED]++;
        server_served(s)->n_problem[PROBLEM_MEMORY]++;
        free(c);
        http_reply(x, 503, "application/json", (struct slice){ nomem, sizeof(nomem) - 1 });
        return;
    }
    memcpy(c->raw, body.p, body.n);
    c->n_raw = body.n;
    c->s = s;
    c->x = x;
    c->d = d;
    c->who = who;
    c->t_received = clock_now();
    c->created = (int64_t)time(NULL);
    snprintf(c->id, sizeof(c->id), "%016llx", (unsigned long long)server_random(s));
    server_enter(s, c);
    c->counted = server_admits(s, &c->problem) && server_has_room(s, 0, &c->problem) &&
                 keys_begin(server_keys(s), who, c->t_received, &c->problem);
    if (!c->counted) {
        tell_problem(c);
        call_free(c);
        return;
    }
    http_on_gone(x, on_gone, c);
    prep_submit(server_prep(s), c);
}

static void begin_stream(struct call *c)
{
    http_set(c->x, "Cache-Control", "no-cache");
    http_set(c->x, "X-Accel-Buffering", "no");
    http_begin(c->x, 200, c->d->stream_type);
    c->began = true;
    if (c->d->begin) c->d->begin(c);
}

void call_ping(struct call *c, double now)
{
    bool due = now - MAX(c->t_sent, c->t_ready) >= LIMIT_PING_S;

    if (!due || !c->x || c->t_ready == 0 || c->problem.kind || !c->ask->stream || !c->d->ping)
        return;
    if (!c->began) begin_stream(c);
    call_send_text(c, c->d->ping);
}

void call_drop(struct call *c)
{
    call_free(c);
}

static void stopping(struct call *c)
{
    if (!c->problem.kind)
        problem(&c->problem, PROBLEM_LOADING, NULL, "the server is being stopped");
}

void call_abort(struct call *c)
{
    c->failed = true;
    if (c->t_ready == 0) return; /* call_prepared() tells */
    stopping(c);
    cancel_jobs(c);
}

/* One answer place for each choice of each prompt. */
static bool take_places(struct call *c)
{
    c->n_answer = c->n_prompt * c->ask->gen.n_choices;
    c->answer = calloc((size_t)c->n_answer, sizeof(*c->answer));
    c->job = calloc((size_t)c->n_prompt, sizeof(*c->job));
    if (c->answer && c->job) return true;
    c->n_answer = 0;
    return problem(&c->problem, PROBLEM_MEMORY, NULL, "no memory for %d answers",
                   c->n_prompt * c->ask->gen.n_choices);
}

/* Which of its dialects the body is in. */
static bool choose(struct call *c)
{
    const struct dialect_key *k = c->d->choose;
    struct text_out keys = { 0 };

    for (; k && k->key; k++)
        if (!json_is_null(json_object_get(c->body, k->key)) && json_object_get(c->body, k->key)) {
            c->d = k->d;
            return true;
        }
    if (!k) return true;
    for (k = c->d->choose; k->key; k++)
        text_print(&keys, "%s`%s`", k == c->d->choose ? "" : k[1].key ? ", " : " or ", k->key);
    struct slice s = text_take(&keys);
    problem(&c->problem, PROBLEM_INVALID, c->d->choose[0].key, "%.*s is missing", (int)s.n,
            s.p ? s.p : "");
    free((char *)s.p);
    return false;
}

void call_prepare(struct call *c)
{
    c->body = json_body((struct slice){ c->raw, c->n_raw }, &c->problem);
    free(c->raw);
    c->raw = NULL;
    if (!c->body || !choose(c)) return;
    c->ask = calloc(1, c->d->ask_size);
    if (!c->ask) problem(&c->problem, PROBLEM_MEMORY, NULL, "no memory for the request");
    else if (c->d->read(c, c->body, &c->problem) && !c->made.p) take_places(c);
}

/* Users of one key are told apart by the name that it gives them. */
static uint64_t user_of(const struct call *c)
{
    return XXH3_64bits_withSeed(c->ask->user.n ? c->ask->user.p : "", c->ask->user.n,
                                keys_user(server_keys(c->s), c->who));
}

static uint64_t salt_of(const struct call *c)
{
    const struct slice salt = c->ask->salt;
    uint64_t key = server_options(c->s)->isolate ? keys_user(server_keys(c->s), c->who) : 0;

    return salt.n || key ? XXH3_64bits_withSeed(salt.n ? salt.p : "", salt.n, key) : 0;
}

void call_prepared(struct call *c)
{
    c->t_ready = clock_now();
    if (c->failed) stopping(c);
    if (c->x && !c->problem.kind && !c->made.p) server_has_room(c->s, c->n_prompt, &c->problem);
    if (!c->x || c->problem.kind) {
        tell_problem(c);
        call_free(c);
        return;
    }
    if (c->made.p) {
        http_reply(c->x, 200, "application/json", c->made);
        c->end = SERVED_OK;
        call_free(c);
        return;
    }
    c->computed = true;
    c->n_job_left = c->n_prompt;
    server_count_jobs(c->s, c->n_prompt);
    for (int i = 0; i < c->n_prompt; i++) {
        c->job[i].q = (struct engine_request){ .prompt = c->prompt[i].id,
                                               .n_prompt = c->prompt[i].n,
                                               .gen = &c->ask->gen,
                                               .user = user_of(c),
                                               .salt = salt_of(c) };
        c->job[i].owner = c;
        runner_submit(server_runner(c->s), &c->job[i]);
    }
}

/* --- out: news --- */

/* Room for n more of `size` bytes. */
static bool grow(void *at, size_t n_have, size_t *cap, size_t n, size_t size)
{
    size_t want = *cap ? *cap : 64;
    void *p;

    while (want < n_have + n)
        want *= 2;
    if (want <= *cap) return true;
    if (!(p = realloc(*(void **)at, want * size))) return false;
    *(void **)at = p;
    *cap = want;
    return true;
}

static bool keep_token(struct answer *a, const struct engine_event *ev)
{
    if (!grow(&a->token, a->n_token, &a->token_cap, 1, sizeof(*a->token)) ||
        !grow(&a->top, a->n_top, &a->top_cap, (size_t)ev->n_top, sizeof(*a->top)))
        return false;
    a->token[a->n_token++] = (struct token){ .id = ev->token,
                                             .logprob = ev->chosen.logprob,
                                             .text0 = a->n_text,
                                             .n_text = ev->text.n,
                                             .top0 = a->n_top,
                                             .n_top = ev->n_top };
    if (ev->n_top) memcpy(a->top + a->n_top, ev->top, (size_t)ev->n_top * sizeof(*a->top));
    a->n_top += (size_t)ev->n_top;
    return true;
}

static bool add(struct answer *a, const struct engine_event *ev, bool keep)
{
    if (ev->token >= 0 && keep && !keep_token(a, ev)) return false;
    if (!grow(&a->text, a->n_text, &a->text_cap, ev->text.n, 1)) return false;
    if (ev->text.n) memcpy(a->text + a->n_text, ev->text.p, ev->text.n);
    a->n_text += ev->text.n;
    a->n_gen += ev->token >= 0;
    if (ev->finish) a->finish = ev->finish;
    return true;
}

static void take_event(struct call *c, int i, const struct engine_event *ev)
{
    if (ev->token >= 0 && c->t_first == 0) c->t_first = clock_now();
    if (!add(&c->answer[i], ev, c->ask->keep)) {
        problem(&c->problem, PROBLEM_MEMORY, NULL, "no memory for the answer");
        c->failed = true;
        cancel_jobs(c);
        return;
    }
    if (ev->finish == BRRR_FINISH_CANCELLED) stopping(c);
    if (!c->x || !c->ask->stream || c->failed) return;
    if (!c->began) begin_stream(c);
    if (c->x) c->d->piece(c, i, ev);
}

static void finish(struct call *c)
{
    if (c->x && c->problem.kind) {
        tell_problem(c);
    } else if (c->x && c->ask->stream) {
        c->d->end(c);
        c->end = c->x ? SERVED_OK : SERVED_CANCELLED;
        if (c->x) http_end(c->x);
    } else if (c->x) {
        c->end = SERVED_OK;
        reply_json(c, 200, c->d->whole(c));
    }
    call_free(c);
}

/* Of the jobs of a call: tokens add up, times are those of the slowest. */
static void add_timings(struct engine_timings *sum, const struct engine_timings *t)
{
    sum->n_prompt += t->n_prompt;
    sum->n_cached += t->n_cached;
    sum->queue_s = MAX(sum->queue_s, t->queue_s);
    sum->prefill_s = MAX(sum->prefill_s, t->prefill_s);
    sum->decode_s = MAX(sum->decode_s, t->decode_s);
}

void call_news(void *arg, const struct news *n)
{
    struct job *j = n->job;
    struct call *c = j->owner;
    int i = (int)(j - c->job) * c->ask->gen.n_choices;

    (void)arg;
    if (n->ev) {
        take_event(c, i + n->ev->choice, n->ev);
    } else {
        if (!c->problem.kind) problem_of(&c->problem, NULL, n->status, n->why);
        c->failed = true;
    }
    if (!n->last) return;
    j->over = true;
    server_count_jobs(c->s, -1);
    if (n->ev) add_timings(&c->timings, &n->ev->timings);
    if (c->failed) cancel_jobs(c);
    if (--c->n_job_left == 0) finish(c);
}

/* --- for dialects --- */

void call_send_text(struct call *c, const char *text)
{
    c->t_sent = clock_now();
    if (!c->x || http_send(c->x, (struct slice){ text, strlen(text) })) return;
    c->x = NULL;
    cancel_jobs(c);
}

void call_send(struct call *c, const char *before, json_t *v, const char *after)
{
    struct slice text;
    bool ok = json_text(&text, v, before, after);

    c->t_sent = clock_now();
    if (c->x && ok && !http_send(c->x, text)) {
        c->x = NULL;
        cancel_jobs(c);
    }
    if (!ok) problem(&c->problem, PROBLEM_MEMORY, NULL, "no memory for the answer");
    free((char *)text.p);
}

bool call_made_text(struct call *c, struct text_out *text, struct problem *p)
{
    text_put(text, "\n", 1);
    c->made = text_take(text);
    return c->made.p || problem(p, PROBLEM_MEMORY, NULL, "no memory for the answer");
}

bool call_made(struct call *c, json_t *v, struct problem *p)
{
    struct text_out t = { 0 };

    json_put(&t, v);
    json_decref(v);
    return call_made_text(c, &t, p);
}

void call_event(struct call *c, json_t *v)
{
    call_send(c, "data: ", v, "\n\n");
}

static void set_number(struct call *c, const char *name, double value)
{
    char text[32];

    snprintf(text, sizeof(text), "%.0f", value);
    http_set(c->x, name, text);
}

void call_timing_headers(struct call *c)
{
    const struct engine_timings *t = &c->timings;
    double inference = t->prefill_s + t->decode_s, all = clock_now() - c->t_received;
    char seconds[32];
    int n_gen = 0, n_prompt = 0;

    for (int i = 0; i < c->n_answer; i++)
        n_gen += c->answer[i].n_gen;
    for (int i = 0; i < c->n_prompt; i++)
        n_prompt += (int)c->prompt[i].n;
    snprintf(seconds, sizeof(seconds), "%.3f", all);
    http_set(c->x, "x-compute-type", "cpu");
    http_set(c->x, "x-compute-time", seconds);
    set_number(c, "x-compute-characters", (double)c->n_chars);
    set_number(c, "x-total-time", 1e3 * all);
    set_number(c, "x-validation-time", 1e3 * (c->t_ready - c->t_received));
    set_number(c, "x-queue-time", 1e3 * t->queue_s);
    set_number(c, "x-inference-time", 1e3 * inference);
    set_number(c, "x-time-per-token", n_gen ? 1e3 * inference / n_gen : 0);
    set_number(c, "x-prompt-tokens", n_prompt);
    set_number(c, "x-generated-tokens", n_gen);
}
