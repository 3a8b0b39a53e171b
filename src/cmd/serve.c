/* SPDX-License-Identifier: MIT */
/* serve.c - `brrr serve`: the model behind a port. */
#include "server/server.h"

#include <stdlib.h>

#include "cmd/session.h"

/* The model file's name without folder and ending: what clients call it. */
static void model_name(char *out, size_t cap, const char *path)
{
    const char *base = strrchr(path, '/');
    size_t n;

    base = base ? base + 1 : path;
    n = strlen(base);
    if (n > 5 && strcmp(base + n - 5, ".gguf") == 0) n -= 5;
    snprintf(out, cap, "%.*s", (int)MIN(n, cap - 1), base);
}

static int serve(const struct options *o, const struct server_opts *so)
{
    struct server *s;
    struct brrr_error err;
    char address[300];
    int port;

    if (server_open(&s, so, &err)) return cmd_fail(&err);
    snprintf(address, sizeof(address), "%s:%d", o->host ? o->host : "127.0.0.1", o->port);
    if (http_listen(server_http(s), address, &port, &err)) {
        fprintf(stderr, "brrr: %s\n", err.text);
        server_close(s);
        return EXIT_BIND;
    }
    fprintf(stderr, "brrr: listening on http://%s:%d\n", o->host ? o->host : "127.0.0.1", port);
    server_run(s);
    server_close(s);
    return EXIT_OK;
}

int verb_serve(const struct options *o)
{
    struct server_opts so = { 0 };
    struct brrr_model *m;
    char name[256];
    int code;

    if ((code = session_engine_opts(&so.engine, o))) return code;
    if ((code = session_open(&m, o))) return code;
    session_plan(&so.engine, o, m);
    model_name(name, sizeof(name), cmd_model_path(o));
    so.model = m;
    so.name = name;
    code = serve(o, &so);
    brrr_model_close(m);
    return code;
}
