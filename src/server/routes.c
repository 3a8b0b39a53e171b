/* SPDX-License-Identifier: MIT */
/* routes.c - see routes.h. */
#include "server/routes.h"

#include <stdlib.h>

#include "server/guard.h"
#include "server/habits.h"
#include "server/json_text.h"
#include "server/openai.h"
#include "server/openapi.h"
#include "server/page.h"
#include "server/prom.h"
#include "server/server.h"
#include "server/stats.h"
#include "server/tgi.h"
#include "server/tokenize.h"

void routes_json(struct exchange *x, int status, json_t *v)
{
    struct slice body;

    if (!json_text(&body, v, "", "\n")) status = 503;
    http_reply(x, status, "application/json", body);
    free((char *)body.p);
}

void routes_problem(struct exchange *x, const struct problem *p)
{
    routes_json(x, openai_status(p), openai_error(p, false));
}

static json_t *model_entry(const struct server *s)
{
    return json_pack("{s:s, s:s, s:I, s:s}", "id", server_options(s)->name, "object", "model",
                     "created", (json_int_t)server_started(s), "owned_by", "brrr");
}

static void plain_models(struct server *s, struct exchange *x, const char *rest)
{
    (void)rest;
    routes_json(x, 200, json_pack("{s:s, s:[o]}", "object", "list", "data", model_entry(s)));
}

static void plain_model(struct server *s, struct exchange *x, const char *rest)
{
    struct problem p;

    if (strcmp(rest, server_options(s)->name) == 0) {
        routes_json(x, 200, model_entry(s));
        return;
    }
    problem(&p, PROBLEM_NOT_FOUND, "model", "the model `%s` does not exist", rest);
    routes_problem(x, &p);
}

static void plain_stats(struct server *s, struct exchange *x, const char *rest)
{
    (void)rest;
    http_set(x, "Cache-Control", "no-store");
    routes_json(x, 200, stats_json(s));
}

static void plain_root(struct server *s, struct exchange *x, const char *rest)
{
    (void)s;
    (void)rest;
    page_root(x);
}

static void plain_page(struct server *s, struct exchange *x, const char *rest)
{
    struct problem p;

    (void)s;
    if (page_file(x, rest)) return;
    problem(&p, PROBLEM_NOT_FOUND, NULL, "there is no /page/%s here", rest);
    routes_problem(x, &p);
}

#define CALL(what)  .call = &what
#define PLAIN(what) .plain = what
static const struct route routes[] = {
#define ROUTE(method, path, access, how, what, about) \
    { HTTP_##method, path, ACCESS_##access, how(what), .summary = about },
#include "server/routes.def"
#undef ROUTE
};

size_t routes_n(void)
{
    return COUNT(routes);
}

const struct route *routes_at(size_t i)
{
    return &routes[i];
}

/* Where the path matches: what its '*' stands for; NULL: it does not. */
static const char *match(const struct route *r, const char *path)
{
    size_t n = strlen(r->path);

    if (n > 0 && r->path[n - 1] == '*')
        return strncmp(r->path, path, n - 1) == 0 && path[n - 1] ? path + n - 1 : NULL;
    return strcmp(r->path, path) == 0 ? "" : NULL;
}

/* The route of a request; NULL: *p says why there is none. *rest: what its '*' stands for. */
static const struct route *find(const struct exchange *x, const char **rest, struct problem *p)
{
    enum http_method method = http_method(x) == HTTP_HEAD ? HTTP_GET : http_method(x);
    bool known = false;

    for (size_t i = 0; i < COUNT(routes); i++) {
        if (!(*rest = match(&routes[i], http_path(x)))) continue;
        known = true;
        if (routes[i].method == method) return &routes[i];
    }
    if (known) problem(p, PROBLEM_METHOD, NULL, "%s does not take this method", http_path(x));
    else problem(p, PROBLEM_NOT_FOUND, NULL, "there is no %s here", http_path(x));
    return NULL;
}

void routes_handle(struct server *s, struct exchange *x)
{
    const struct server_opts *o = server_options(s);
    struct problem p = { 0 };
    const char *rest;
    int who;

    if (guard_preflight(&o->guard, x)) return;
    const struct route *r = find(x, &rest, &p);
    bool admitted =
        guard_admit(&o->guard, server_keys(s), x, r ? r->access : ACCESS_OPEN, &who, &p);
    if (!r || !admitted) {
        const struct dialect *d = r && r->call ? r->call : &openai_chat;
        routes_json(x, d->status(&p), d->error(&p, false));
    } else if (r->call) {
        call_begin(s, x, who, r->call);
    } else {
        r->plain(s, x, rest);
    }
}
