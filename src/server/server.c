/* SPDX-License-Identifier: MIT */
/* server.c - see server.h. */
#include "server/server.h"

#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "server/call.h"
#include "server/prep.h"
#include "server/routes.h"
#include "server/runner.h"

struct server {
    struct server_opts o;
    struct event_base *base;
    struct http *http;
    struct runner *runner;
    struct prep *prep;
    int wake_fd;
    struct event *wake, *signals[3], *drained, *flushed, *tick;
    int64_t started;
    struct call_list calls;
    struct served served;
    int n_call, n_job;
    double job_s;   /* between the ends of two jobs, lately; 0: not known */
    double t_ended; /* when the last one ended                            */
    bool drains, late;
};

/* From any thread: there is news, or a call is ready. */
static void wake(void *arg)
{
    struct server *s = arg;
    uint64_t one = 1;

    (void)!write(s->wake_fd, &one, sizeof(one));
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    struct server *s = arg;
    uint64_t n;

    (void)what;
    (void)!read(fd, &n, sizeof(n));
    prep_ready(s->prep, call_prepared);
    runner_news(s->runner, call_news, s);
}

/* Every answer is there, and written. */
static void end_when_empty(struct server *s)
{
    const struct timeval soon = { 0, 10 * 1000 };

    if (!s->drains || !LIST_EMPTY(&s->calls)) return;
    if (http_writes(s->http)) evtimer_add(s->flushed, &soon);
    else event_base_loopbreak(s->base);
}

static void on_flushed(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    end_when_empty(arg);
}

/* The time to end is over: those that are still there are told; a moment later nobody waits. */
static void on_drained(evutil_socket_t fd, short what, void *arg)
{
    struct server *s = arg;
    struct timeval moment = { 5, 0 };
    struct call *c;

    (void)fd;
    (void)what;
    if (s->late) {
        event_base_loopbreak(s->base);
        return;
    }
    s->late = true;
    LIST_FOREACH(c, &s->calls, all) call_abort(c);
    evtimer_add(s->drained, &moment);
}

/* Every few seconds. */
static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct server *s = arg;
    double now = clock_now();

    (void)fd;
    (void)what;
    for (struct call *c = LIST_FIRST(&s->calls), *next; c; c = next) {
        next = LIST_NEXT(c, all);
        call_ping(c, now);
    }
}

static void on_stop(evutil_socket_t fd, short what, void *arg)
{
    struct server *s = arg;
    double wait = s->o.drain_s ? s->o.drain_s : LIMIT_DRAIN_S;
    struct timeval tv = { (time_t)wait, (suseconds_t)((wait - (double)(time_t)wait) * 1e6) };

    (void)fd;
    (void)what;
    if (s->drains) {
        s->late = true;
        event_base_loopbreak(s->base);
        return;
    }
    s->drains = true;
    http_drain(s->http);
    evtimer_add(s->drained, &tv);
    end_when_empty(s);
}

static void on_hangup(evutil_socket_t fd, short what, void *arg)
{
    struct server *s = arg;
    struct brrr_error err;
    char text[600];

    (void)fd;
    (void)what;
    if (keys_reload(s->o.keys, &err))
        snprintf(text, sizeof(text), "the old keys stay: %s", err.text);
    else snprintf(text, sizeof(text), "the keys were read again");
    if (s->o.engine.note) s->o.engine.note(s->o.engine.note_arg, text);
}

static void handle(void *arg, struct exchange *x)
{
    routes_handle(arg, x);
}

static enum brrr_status open_parts(struct server *s, struct brrr_error *err)
{
    struct runner_opts ro = { s->o.model, s->o.engine, wake, s };
    struct http_opts ho = s->o.http;
    const struct timeval tick = { 5, 0 };
    enum brrr_status st;

    s->base = event_base_new();
    s->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (!s->base || s->wake_fd < 0)
        return fail(err, BRRR_E_NOMEM, "cannot make the server's event loop");
    s->wake = event_new(s->base, s->wake_fd, EV_READ | EV_PERSIST, on_wake, s);
    s->drained = evtimer_new(s->base, on_drained, s);
    s->flushed = evtimer_new(s->base, on_flushed, s);
    s->tick = event_new(s->base, -1, EV_PERSIST, on_tick, s);
    s->signals[0] = evsignal_new(s->base, SIGINT, on_stop, s);
    s->signals[1] = evsignal_new(s->base, SIGTERM, on_stop, s);
    s->signals[2] = evsignal_new(s->base, SIGHUP, on_hangup, s);
    if (!s->wake || !s->drained || !s->flushed || !s->tick || !s->signals[0] || !s->signals[1] ||
        !s->signals[2])
        return fail(err, BRRR_E_NOMEM, "cannot make the server's events");
    event_add(s->wake, NULL);
    event_add(s->tick, &tick);
    for (size_t i = 0; i < COUNT(s->signals); i++)
        event_add(s->signals[i], NULL);
    ho.handle = handle;
    ho.arg = s;
    if ((st = http_new(&s->http, s->base, &ho, err))) return st;
    if ((st = prep_open(&s->prep, 1, wake, s, err))) return st;
    return runner_open(&s->runner, &ro, err);
}

enum brrr_status server_open(struct server **out, const struct server_opts *o,
                             struct brrr_error *err)
{
    struct server *s = calloc(1, sizeof(*s));
    enum brrr_status st;

    *out = NULL;
    if (!s) {
        keys_close(o->keys);
        return fail(err, BRRR_E_NOMEM, "no memory for the server");
    }
    s->o = *o;
    LIST_INIT(&s->calls);
    s->wake_fd = -1;
    s->started = (int64_t)time(NULL);
    if ((st = open_parts(s, err))) {
        server_close(s);
        return st;
    }
    *out = s;
    return BRRR_OK;
}

void server_close(struct server *s)
{
    if (!s) return;
    prep_close(s->prep);
    runner_close(s->runner);
    while (!LIST_EMPTY(&s->calls))
        call_drop(LIST_FIRST(&s->calls));
    http_free(s->http);
    for (size_t i = 0; i < COUNT(s->signals); i++)
        if (s->signals[i]) event_free(s->signals[i]);
    if (s->wake) event_free(s->wake);
    if (s->drained) event_free(s->drained);
    if (s->flushed) event_free(s->flushed);
    if (s->tick) event_free(s->tick);
    keys_close(s->o.keys);
    if (s->wake_fd >= 0) close(s->wake_fd);
    if (s->base) event_base_free(s->base);
    free(s);
}

bool server_run(struct server *s)
{
    event_base_dispatch(s->base);
    return !s->late;
}

/* --- requests --- */

void server_enter(struct server *s, struct call *c)
{
    LIST_INSERT_HEAD(&s->calls, c, all);
    s->n_call++;
}

void server_leave(struct server *s, struct call *c)
{
    LIST_REMOVE(c, all);
    s->n_call--;
    end_when_empty(s);
}

bool server_drains(const struct server *s)
{
    return s->drains;
}

bool server_admits(struct server *s, struct problem *p)
{
    if (!s->drains) return true;
    problem(p, PROBLEM_LOADING, NULL, "the server is being stopped");
    p->retry_s = 5;
    return false;
}

bool server_has_room(struct server *s, int n, struct problem *p)
{
    const struct engine_opts *o = runner_options(s->runner);
    int most = o->n_parallel + MAX(o->max_waiting, 0);

    int here = MAX(s->n_job + n, s->n_call);

    if (here <= most) return true;
    problem(p, PROBLEM_OVERLOADED, NULL,
            "%d requests run or wait, which is as many as may: come again later", most);
    /* As long as the n + 1 next ends take, as the last ones came. */
    p->retry_s = (int)MIN(MAX(s->job_s * (n + 1), 1), 30);
    return false;
}

void server_count_jobs(struct server *s, int n)
{
    double now = clock_now();

    s->n_job += n;
    if (n > 0) return;
    double gap = s->t_ended > 0 ? MIN(now - s->t_ended, 60) : 0;
    s->job_s = s->job_s > 0 ? 0.9 * s->job_s + 0.1 * gap : gap;
    s->t_ended = now;
}

struct served *server_served(struct server *s)
{
    return &s->served;
}

struct keys *server_keys(struct server *s)
{
    return s->o.keys;
}

struct http *server_http(struct server *s)
{
    return s->http;
}

struct runner *server_runner(struct server *s)
{
    return s->runner;
}

struct prep *server_prep(struct server *s)
{
    return s->prep;
}

const struct brrr_model *server_model(const struct server *s)
{
    return s->o.model;
}

const struct server_opts *server_options(const struct server *s)
{
    return &s->o;
}

bool server_knows(const struct server *s, struct slice name)
{
    return name.n == 0 || slice_is(name, s->o.name) || slice_is(name, "tgi") ||
           slice_is(name, "dummy") || slice_is(name, "default");
}

bool server_check_model(const struct server *s, struct slice name, struct problem *p)
{
    char shown[128];

    return server_knows(s, name) ||
           problem(p, PROBLEM_NOT_FOUND, "model", "the model `%s` does not exist",
                   slice_print(shown, sizeof(shown), name));
}

int64_t server_started(const struct server *s)
{
    return s->started;
}

uint64_t server_random(struct server *s)
{
    uint64_t v = 0;

    (void)s;
    while (getrandom(&v, sizeof(v), 0) != sizeof(v))
        continue;
    return v;
}
