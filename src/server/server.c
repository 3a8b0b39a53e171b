/* SPDX-License-Identifier: MIT */
/* server.c - see server.h. */
#include "server/server.h"

#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

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
    struct event *wake, *signals[2];
    int64_t started;
    bool drains;
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

static void on_signal(evutil_socket_t fd, short what, void *arg)
{
    struct server *s = arg;

    (void)fd;
    (void)what;
    event_base_loopbreak(s->base);
}

static void handle(void *arg, struct exchange *x)
{
    routes_handle(arg, x);
}

static enum brrr_status open_parts(struct server *s, struct brrr_error *err)
{
    struct runner_opts ro = { s->o.model, s->o.engine, wake, s };
    struct http_opts ho = s->o.http;
    enum brrr_status st;

    s->base = event_base_new();
    s->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (!s->base || s->wake_fd < 0)
        return fail(err, BRRR_E_NOMEM, "cannot make the server's event loop");
    s->wake = event_new(s->base, s->wake_fd, EV_READ | EV_PERSIST, on_wake, s);
    s->signals[0] = evsignal_new(s->base, SIGINT, on_signal, s);
    s->signals[1] = evsignal_new(s->base, SIGTERM, on_signal, s);
    if (!s->wake || !s->signals[0] || !s->signals[1])
        return fail(err, BRRR_E_NOMEM, "cannot make the server's events");
    event_add(s->wake, NULL);
    for (int i = 0; i < 2; i++)
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
    if (!s) return fail(err, BRRR_E_NOMEM, "no memory for the server");
    s->o = *o;
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
    http_free(s->http);
    for (int i = 0; i < 2; i++)
        if (s->signals[i]) event_free(s->signals[i]);
    if (s->wake) event_free(s->wake);
    if (s->wake_fd >= 0) close(s->wake_fd);
    if (s->base) event_base_free(s->base);
    free(s);
}

void server_run(struct server *s)
{
    event_base_dispatch(s->base);
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
