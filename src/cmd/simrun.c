/* SPDX-License-Identifier: MIT */
/*
 * simrun.c - one run of `brrr bench --serve-sim`: a client that submits, polls and times; see
 * servesim.h.
 *
 * With `concurrency` so many requests (chats: from the first turn to the last) are open, and the
 * next one is due when one ends; without, each is due when the load says so. The next turn of a
 * chat is due when the answer before it has ended.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/clock.h"
#include "cmd/servesim.h"
#include "cmd/term.h"

enum { WARM_TOKENS = 8 };
static const double NAP_S = 0.01; /* at most, so that Ctrl-C is noticed */

/* What was submitted, by the engine's number: ascending. */
struct sent {
    uint64_t id;
    int i;
};

struct client {
    struct sim_run *run;
    const struct simload *l;
    const struct simload_text *text;
    struct brrr_engine *e;
    struct gen_params *gen;
    struct engine_event *ev; /* [ev_cap] */
    int ev_cap;
    int *fresh; /* [n_fresh] first turns, in order of arrival    */
    int n_fresh, at_fresh;
    int *ready; /* [n_ready] later turns that are due            */
    int n_ready, at_ready;
    int *next;         /* [n] the turn after this one; -1: none         */
    struct sent *sent; /* [n_sent] */
    int n_sent;
    int32_t **ids; /* [n] prompt and answer of requests in flight */
    double *last;  /* [n * n_samples] when each answer's newest token came */
    int n_open;    /* requests, and chats between their turns     */
    int n_done;
    double t0;
    uint64_t n_step;      /* of the engine, seen */
    enum brrr_status bad; /* the run cannot go on */
};

static double now(const struct client *c)
{
    return clock_now() - c->t0;
}

/* --- sending --- */

/* The prompt of request i: what its chat holds so far, then its own tokens. Takes the room for its
 * answer too. */
static int32_t *make_prompt(struct client *c, int i)
{
    const struct simload_request *q = &c->l->r[i];
    size_t n = (size_t)q->n_prompt + (size_t)q->n_out;
    int32_t *ids = q->after >= 0 ? c->ids[q->after] : NULL;

    if (q->after >= 0) c->ids[q->after] = NULL;
    int32_t *p = realloc(ids, n * sizeof(*p));
    if (!p) {
        free(ids);
        return NULL;
    }
    simload_tokens(c->l, i, c->text, p + q->n_prompt - q->n_prefix - q->n_new);
    return p;
}

static void refuse(struct client *c, int i, const struct brrr_error *err)
{
    if (err->status == BRRR_E_NOMEM) c->bad = err->status;
    c->run->r[i].refused = true;
    c->n_open--;
    c->n_done++;
    for (int k = c->next[i]; k >= 0; k = c->next[k]) { /* its chat ends here */
        c->run->r[k].refused = true;
        c->n_done++;
    }
}

static void submit(struct client *c, int i, double due, struct brrr_error *err)
{
    const struct simload_request *q = &c->l->r[i];
    struct sim_request *r = &c->run->r[i];
    uint64_t id;

    c->ids[i] = make_prompt(c, i);
    if (!c->ids[i]) {
        c->bad = fail(err, BRRR_E_NOMEM, "no memory for a prompt of %d tokens", q->n_prompt);
        return;
    }
    r->due = due;
    r->sent = now(c);
    r->n_left = c->run->n_samples;
    c->gen->n_predict = q->n_out;
    if (engine_submit(c->e,
                      &(struct engine_request){ .prompt = c->ids[i],
                                                .n_prompt = (size_t)q->n_prompt,
                                                .gen = c->gen,
                                                .user = q->user },
                      &id, err)) {
        refuse(c, i, err);
        return;
    }
    assert(c->n_sent == 0 || id > c->sent[c->n_sent - 1].id);
    c->sent[c->n_sent++] = (struct sent){ id, i };
}

/* Everything that is due. */
static void send_due(struct client *c, struct brrr_error *err)
{
    double t = now(c);
    int most = c->run->concurrency;

    while (!c->bad && c->at_ready < c->n_ready) {
        int i = c->ready[c->at_ready++];
        submit(c, i, c->run->r[c->l->r[i].after].end, err);
    }
    while (!c->bad && c->at_fresh < c->n_fresh) {
        int i = c->fresh[c->at_fresh];
        double due = c->l->r[i].at;
        if (most > 0 ? c->n_open >= most : due > t) return;
        c->at_fresh++;
        c->n_open++;
        submit(c, i, most > 0 ? t : due, err);
    }
}

/* --- what comes back --- */

static int by_id(const void *key, const void *item)
{
    uint64_t id = *(const uint64_t *)key, other = ((const struct sent *)item)->id;

    return (id > other) - (id < other);
}

static void finish(struct client *c, int i, const struct engine_event *ev, double t)
{
    struct sim_request *r = &c->run->r[i];

    if (ev->choice == 0) {
        r->n_cached = ev->timings.n_cached;
        r->n_preempted = ev->timings.n_preempted;
        r->queue_s = ev->timings.queue_s;
    }
    r->n_drafted += ev->timings.n_drafted;
    r->n_accepted += ev->timings.n_accepted;
    if (--r->n_left > 0) return;
    r->end = t;
    r->ended = ev->finish == BRRR_FINISH_LENGTH;
    c->n_done++;
    if (c->next[i] >= 0) c->ready[c->n_ready++] = c->next[i];
    else c->n_open--;
    if (c->next[i] >= 0) return;
    free(c->ids[i]);
    c->ids[i] = NULL;
}

/* One token of a request; false where there is no memory for the time. */
static bool note_token(struct client *c, int i, const struct engine_event *ev, double t)
{
    struct sim_request *r = &c->run->r[i];
    double *last = &c->last[(size_t)i * (size_t)c->run->n_samples + (size_t)ev->choice];
    double gap = t - *last;
    bool is_first = *last == 0;

    if (r->n_tok == 0) r->first = t;
    if (ev->choice == 0 && r->n_tok < c->l->r[i].n_out && c->run->n_samples == 1)
        c->ids[i][c->l->r[i].n_prompt + r->n_tok] = ev->token;
    r->n_tok++;
    *last = t;
    if (is_first) return true;
    r->gap_max = MAX(r->gap_max, gap);
    return samples_push(&c->run->itl_s, gap);
}

static void collect(struct client *c, int n, struct brrr_error *err)
{
    double t = now(c);

    for (int k = 0; k < n; k++) {
        const struct engine_event *ev = &c->ev[k];
        const struct sent *s =
            bsearch(&ev->id, c->sent, (size_t)c->n_sent, sizeof(*c->sent), by_id);
        assert(s);
        if (ev->token >= 0 && !note_token(c, s->i, ev, t))
            c->bad = fail(err, BRRR_E_NOMEM, "no memory for the times of tokens");
        if (ev->finish) finish(c, s->i, ev, t);
    }
    if (n > 0) c->run->wall = t;
}

/* The step that the last poll made, if it made one. */
static void note_step(struct client *c, struct brrr_error *err)
{
    struct sim_run *run = c->run;
    struct metric_step s;

    if (engine_steps(c->e, &s, 1) == 0 || s.index < c->n_step) return;
    c->n_step = s.index + 1;
    if (run->n_step == run->cap_step) {
        size_t cap = run->cap_step ? 2 * run->cap_step : 1024;
        struct metric_step *p = realloc(run->step, cap * sizeof(*p));
        if (!p) {
            c->bad = fail(err, BRRR_E_NOMEM, "no memory for %zu steps", cap);
            return;
        }
        run->step = p;
        run->cap_step = cap;
    }
    s.t0 -= c->t0;
    run->step[run->n_step++] = s;
}

static void nap(const struct client *c)
{
    double s = NAP_S;

    if (c->at_fresh < c->n_fresh) s = MIN(s, c->l->r[c->fresh[c->at_fresh]].at - now(c));
    if (s <= 0) return;
    nanosleep(&(struct timespec){ .tv_nsec = (long)(s * 1e9) }, NULL);
}

static enum brrr_status replay(struct client *c, struct progress *bar, struct brrr_error *err)
{
    c->t0 = clock_now();
    while (c->n_done < c->l->n && !c->bad && !session_interrupted()) {
        send_due(c, err);
        int n = engine_poll(c->e, c->ev, c->ev_cap);
        if (n < 0) nap(c);
        else collect(c, n, err);
        if (n >= 0) note_step(c, err);
        progress_show(bar, c->n_done, c->l->n);
    }
    c->run->interrupted = session_interrupted();
    return c->bad;
}

/* --- begin and end --- */

/* It touches the memory first and wakes the cores; its tokens are in no prompt's beginning. */
static enum brrr_status warm_up(struct client *c, struct brrr_error *err)
{
    int n = MIN(c->run->eo.chunk, c->run->eo.ctx - WARM_TOKENS);
    int32_t *ids = n > 0 ? calloc((size_t)n, sizeof(*ids)) : NULL;
    struct metric_step s;
    uint64_t id;

    if (!ids) return n > 0 ? fail(err, BRRR_E_NOMEM, "no memory to warm up") : BRRR_OK;
    for (int i = 0; i < n; i++)
        ids[i] = (int32_t)((int64_t)i * 7919 % c->text->n_vocab);
    c->gen->n_predict = WARM_TOKENS;
    enum brrr_status st = engine_submit(
        c->e, &(struct engine_request){ .prompt = ids, .n_prompt = (size_t)n, .gen = c->gen }, &id,
        err);
    free(ids);
    while (!st && engine_poll(c->e, c->ev, c->ev_cap) >= 0)
        continue;
    if (!st && engine_steps(c->e, &s, 1) == 1) c->n_step = s.index + 1;
    return st;
}

static const struct simload *sorted_load; /* for by_arrival: qsort has no argument */

static int by_arrival(const void *a, const void *b)
{
    int i = *(const int *)a, k = *(const int *)b;
    double x = sorted_load->r[i].at, y = sorted_load->r[k].at;

    return x != y ? (x > y) - (x < y) : (i > k) - (i < k);
}

static void order_load(struct client *c)
{
    for (int i = 0; i < c->l->n; i++)
        c->next[i] = -1;
    for (int i = 0; i < c->l->n; i++)
        if (c->l->r[i].after >= 0) c->next[c->l->r[i].after] = i;
        else c->fresh[c->n_fresh++] = i;
    sorted_load = c->l;
    qsort(c->fresh, (size_t)c->n_fresh, sizeof(*c->fresh), by_arrival);
}

static enum brrr_status client_init(struct client *c, struct brrr_error *err)
{
    size_t n = (size_t)c->l->n;

    c->ev_cap = c->run->eo.n_parallel * c->run->n_samples + 1;
    c->gen = malloc(sizeof(*c->gen));
    c->ev = calloc((size_t)c->ev_cap, sizeof(*c->ev));
    c->fresh = calloc(n, sizeof(*c->fresh));
    c->ready = calloc(n, sizeof(*c->ready));
    c->next = calloc(n, sizeof(*c->next));
    c->sent = calloc(n, sizeof(*c->sent));
    c->ids = calloc(n, sizeof(int32_t *));
    c->last = calloc(n * (size_t)c->run->n_samples, sizeof(*c->last));
    c->run->r = calloc(n, sizeof(*c->run->r));
    if (!c->gen || !c->ev || !c->fresh || !c->ready || !c->next || !c->sent || !c->ids ||
        !c->last || !c->run->r)
        return fail(err, BRRR_E_NOMEM, "no memory for %zu requests", n);
    gen_params_init(c->gen);
    c->gen->sample.temperature = c->run->n_samples > 1; /* greedy ones would all be the same */
    c->gen->sample.seed = c->l->seed;
    c->gen->ignore_eos = true;
    order_load(c);
    return BRRR_OK;
}

static void client_fini(struct client *c)
{
    brrr_engine_close(c->e);
    for (int i = 0; c->ids && i < c->l->n; i++)
        free(c->ids[i]);
    free(c->gen);
    free(c->ev);
    free(c->fresh);
    free(c->ready);
    free(c->next);
    free(c->sent);
    free(c->ids);
    free(c->last);
}

enum brrr_status sim_replay(struct sim_run *run, const struct bench *b,
                            const struct simload_text *text, struct brrr_error *err)
{
    struct client c = { .run = run, .l = run->load, .text = text };
    struct progress bar;
    struct metrics m;

    progress_start(&bar, run->name, b->o->quiet);
    enum brrr_status st = client_init(&c, err);
    if (!st) st = engine_open(&c.e, b->m, &run->eo, err);
    if (!st) st = warm_up(&c, err);
    if (!st) {
        c.gen->n_choices = run->n_samples;
        c.gen->beam_width = run->n_beams;
        st = replay(&c, &bar, err);
        engine_metrics(c.e, &m);
        run->kv = m.kv;
    }
    progress_end(&bar);
    client_fini(&c);
    return st;
}

void sim_run_fini(struct sim_run *run)
{
    free(run->r);
    free(run->step);
    free(run->itl_s.v);
    free(run->ttft_s.v);
    free(run->tpot_s.v);
    free(run->e2e_s.v);
    free(run->queue_s.v);
}
