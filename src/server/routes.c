/* SPDX-License-Identifier: MIT */
/* routes.c - see routes.h. */
#include "server/routes.h"

#include <stdlib.h>

#include "server/habits.h"
#include "server/json_text.h"
#include "server/openai.h"
#include "server/server.h"
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

struct route {
    enum http_method method;
    const char *path;
    const struct dialect *call;
    void (*plain)(struct server *s, struct exchange *x, const char *rest);
    const char *summary;
};

#define CALL(what)  .call = &what
#define PLAIN(what) .plain = what
static const struct route routes[] = {
#define ROUTE(method, path, how, what, about) { HTTP_##method, path, how(what), .summary = about },
#include "server/routes.def"
#undef ROUTE
};

/* Where the path matches: what its '*' stands for; NULL: it does not. */
static const char *match(const struct route *r, const char *path)
{
    size_t n = strlen(r->path);

    if (n > 0 && r->path[n - 1] == '*')
        return strncmp(r->path, path, n - 1) == 0 && path[n - 1] ? path + n - 1 : NULL;
    return strcmp(r->path, path) == 0 ? "" : NULL;
}

void routes_handle(struct server *s, struct exchange *x)
{
    bool known = false;
    enum http_method method = http_method(x) == HTTP_HEAD ? HTTP_GET : http_method(x);
    struct problem p;

    for (size_t i = 0; i < COUNT(routes); i++) {
        const char *rest = match(&routes[i], http_path(x));
        if (!rest) continue;
        known = true;
        if (routes[i].method != method) continue;
        if (routes[i].call) call_begin(s, x, (int)i, routes[i].call);
        else routes[i].plain(s, x, rest);
        return;
    }
    if (known) problem(&p, PROBLEM_METHOD, NULL, "%s does not take this method", http_path(x));
    else problem(&p, PROBLEM_NOT_FOUND, NULL, "there is no %s here", http_path(x));
    routes_problem(x, &p);
}
