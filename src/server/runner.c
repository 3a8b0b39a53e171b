/* SPDX-License-Identifier: MIT */
/* runner.c - see runner.h. */
#include "server/runner.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"

enum {
    POLL_EVENTS = 256, /* of a call of engine_poll()            */
    STEPS_KEPT = METRIC_STEPS,
};
/* The map of the cache's blocks takes a walk over all of them: only while somebody looks. */
#define MAP_EVERY_S  0.5
#define MAP_LOOKED_S 5.0

/* What one call of engine_poll() brought, in one piece of memory: news, events, alternatives,
 * texts. */
struct bundle {
    struct bundle *next;
    int n;
    struct news *news;
    struct engine_event *ev;
    struct sample_logprob *top;
    char *text;
};

struct runner {
    struct runner_opts o;
    struct brrr_engine *e;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t more; /* orders, or the end */
    /* under the lock */
    bool ends;
    double busy_since; /* clock_now() when the running call of engine_poll() began; 0: it sleeps */
    struct job *submit, **submit_end, *cancel;
    struct bundle *first, **end;
    struct metrics metrics;
    struct metric_step step[METRIC_STEPS];
    int n_step;
    struct kv_map map[KV_KINDS];
    double map_s, looked_s; /* clock_now() when it was drawn; when somebody last asked for it */
    /* the engine's thread's */
    struct engine_event ev[POLL_EVENTS];
};

/* --- news --- */

/* Without memory the engine waits until there is some: nothing may be lost. */
static void *surely(size_t n)
{
    static const struct timespec pause = { 0, 10 * 1000 * 1000 };
    void *p;

    while (!(p = malloc(n)))
        nanosleep(&pause, NULL);
    return p;
}

static struct bundle *bundle_new(int n, size_t n_top, size_t n_text)
{
    struct bundle *b = surely(sizeof(*b) + (size_t)n * (sizeof(*b->news) + sizeof(*b->ev)) +
                              n_top * sizeof(*b->top) + n_text);

    b->next = NULL;
    b->n = n;
    b->news = (struct news *)(b + 1);
    b->ev = (struct engine_event *)(b->news + n);
    b->top = (struct sample_logprob *)(b->ev + n);
    b->text = (char *)(b->top + n_top);
    return b;
}

static void publish(struct runner *r, struct bundle *b)
{
    pthread_mutex_lock(&r->lock);
    *r->end = b;
    r->end = &b->next;
    pthread_mutex_unlock(&r->lock);
    r->o.wake(r->o.arg);
}

static void refused(struct runner *r, struct job *j, const struct brrr_error *err)
{
    size_t n = strlen(err->text) + 1;
    struct bundle *b = bundle_new(1, 0, n);

    memcpy(b->text, err->text, n);
    b->news[0] = (struct news){ .job = j, .status = err->status, .why = b->text, .last = true };
    publish(r, b);
}

/* Copies of events, with what they point to. */
static void tell(struct runner *r, const struct engine_event *ev, int n)
{
    size_t n_top = 0, n_text = 0;

    for (int i = 0; i < n; i++) {
        n_top += (size_t)ev[i].n_top;
        n_text += ev[i].text.n;
    }
    struct bundle *b = bundle_new(n, n_top, n_text);
    struct sample_logprob *top = b->top;
    char *text = b->text;
    for (int i = 0; i < n; i++) {
        struct job *j = ev[i].tag;

        b->ev[i] = ev[i];
        b->ev[i].top = top;
        b->ev[i].text.p = text;
        if (ev[i].n_top) memcpy(top, ev[i].top, (size_t)ev[i].n_top * sizeof(*top));
        if (ev[i].text.n) memcpy(text, ev[i].text.p, ev[i].text.n);
        top += ev[i].n_top;
        text += ev[i].text.n;
        b->news[i] = (struct news){ .job = j, .ev = &b->ev[i], .last = ev[i].last };
        if (ev[i].last) j->id = 0;
    }
    publish(r, b);
}

/* Its last news are about to be told: an order to cancel it has nothing to do any more. */
static void let_go(struct runner *r, struct job *j)
{
    pthread_mutex_lock(&r->lock);
    for (struct job **p = &r->cancel; *p; p = &(*p)->next_cancel)
        if (*p == j) {
            *p = j->next_cancel;
            break;
        }
    pthread_mutex_unlock(&r->lock);
}

void runner_news(struct runner *r, void (*fn)(void *arg, const struct news *n), void *arg)
{
    pthread_mutex_lock(&r->lock);
    struct bundle *b = r->first, *next;
    r->first = NULL;
    r->end = &r->first;
    pthread_mutex_unlock(&r->lock);
    for (; b; b = next) {
        for (int i = 0; i < b->n; i++) {
            if (b->news[i].last && b->news[i].job->cancelled) let_go(r, b->news[i].job);
            fn(arg, &b->news[i]);
        }
        next = b->next;
        free(b);
    }
}

/* --- orders --- */

void runner_submit(struct runner *r, struct job *j)
{
    j->q.tag = j;
    j->next = j->next_cancel = NULL;
    j->id = 0;
    j->cancelled = false;
    pthread_mutex_lock(&r->lock);
    *r->submit_end = j;
    r->submit_end = &j->next;
    pthread_cond_signal(&r->more);
    pthread_mutex_unlock(&r->lock);
}

void runner_cancel(struct runner *r, struct job *j)
{
    pthread_mutex_lock(&r->lock);
    if (!j->cancelled) {
        j->cancelled = true;
        j->next_cancel = r->cancel;
        r->cancel = j;
        pthread_cond_signal(&r->more);
    }
    pthread_mutex_unlock(&r->lock);
}

static void carry_out(struct runner *r, struct job *submit)
{
    struct brrr_error err;

    for (struct job *j = submit, *next; j; j = next) {
        next = j->next;
        if (engine_submit(r->e, &j->q, &j->id, &err)) {
            j->id = 0;
            refused(r, j, &err);
        }
    }
}

/* Under the lock, all of it: a job in this list may be gone as soon as it is let go (let_go()). */
static void carry_out_cancels(struct runner *r)
{
    for (; r->cancel; r->cancel = r->cancel->next_cancel)
        if (r->cancel->id) engine_cancel(r->e, r->cancel->id);
}

/* --- the thread --- */

/* Under the lock; by another thread only while the engine's sleeps. */
static void draw_map(struct runner *r, double now)
{
    for (int k = 0; k < KV_KINDS; k++)
        engine_kv_map(r->e, (enum kv_kind)k, &r->map[k]);
    r->map_s = now;
}

/* Under the lock. */
static void snapshot(struct runner *r)
{
    engine_metrics(r->e, &r->metrics);
    r->n_step = engine_steps(r->e, r->step, METRIC_STEPS);
    double now = clock_now();
    if (now - r->looked_s < MAP_LOOKED_S && now - r->map_s > MAP_EVERY_S) draw_map(r, now);
}

static void *run(void *arg)
{
    struct runner *r = arg;
    int n = -1;

    pthread_mutex_lock(&r->lock);
    while (!r->ends) {
        struct job *submit = r->submit;
        if (!submit && !r->cancel && n < 0) {
            r->busy_since = 0;
            pthread_cond_wait(&r->more, &r->lock);
            continue;
        }
        r->submit = NULL;
        r->submit_end = &r->submit;
        r->busy_since = clock_now();
        pthread_mutex_unlock(&r->lock);
        carry_out(r, submit);
        pthread_mutex_lock(&r->lock);
        carry_out_cancels(r);
        pthread_mutex_unlock(&r->lock);
        n = engine_poll(r->e, r->ev, POLL_EVENTS);
        if (n > 0) tell(r, r->ev, n);
        pthread_mutex_lock(&r->lock);
        snapshot(r);
    }
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

enum brrr_status runner_open(struct runner **out, const struct runner_opts *o,
                             struct brrr_error *err)
{
    struct runner *r = calloc(1, sizeof(*r));
    enum brrr_status st;

    *out = NULL;
    if (!r) return fail(err, BRRR_E_NOMEM, "no memory for an engine's thread");
    r->o = *o;
    r->end = &r->first;
    r->submit_end = &r->submit;
    if ((st = engine_open(&r->e, o->model, &o->engine, err))) {
        free(r);
        return st;
    }
    snapshot(r);
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->more, NULL);
    if (pthread_create(&r->thread, NULL, run, r)) {
        brrr_engine_close(r->e);
        free(r);
        return fail(err, BRRR_E_NOMEM, "cannot start the engine's thread");
    }
    *out = r;
    return BRRR_OK;
}

static void nothing(void *arg, const struct news *n)
{
    (void)arg;
    (void)n;
}

void runner_close(struct runner *r)
{
    if (!r) return;
    pthread_mutex_lock(&r->lock);
    r->ends = true;
    pthread_cond_signal(&r->more);
    pthread_mutex_unlock(&r->lock);
    pthread_join(r->thread, NULL);
    runner_news(r, nothing, NULL);
    brrr_engine_close(r->e);
    pthread_cond_destroy(&r->more);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

const struct engine_opts *runner_options(const struct runner *r)
{
    return engine_options(r->e);
}

void runner_metrics(struct runner *r, struct metrics *out)
{
    pthread_mutex_lock(&r->lock);
    *out = r->metrics;
    pthread_mutex_unlock(&r->lock);
}

int runner_steps(struct runner *r, struct metric_step *out, int cap)
{
    pthread_mutex_lock(&r->lock);
    int n = r->n_step < cap ? r->n_step : cap;
    memcpy(out, r->step + (r->n_step - n), (size_t)n * sizeof(*out));
    pthread_mutex_unlock(&r->lock);
    return n;
}

void runner_kv_map(struct runner *r, enum kv_kind kind, struct kv_map *out)
{
    pthread_mutex_lock(&r->lock);
    r->looked_s = clock_now();
    if (r->busy_since == 0) draw_map(r, r->looked_s); /* nobody is at it */
    *out = r->map[kind];
    pthread_mutex_unlock(&r->lock);
}

double runner_stuck(struct runner *r)
{
    pthread_mutex_lock(&r->lock);
    double since = r->busy_since;
    pthread_mutex_unlock(&r->lock);
    return since > 0 ? clock_now() - since : 0;
}
