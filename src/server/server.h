/* SPDX-License-Identifier: MIT */
/*
 * server.h - models behind a port: the event loop, the routes, what is ready.
 */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include "engine/engine.h"
#include "server/http.h"
#include "server/problem.h"

struct server;

struct server_opts {
    const struct brrr_model *model; /* stays the caller's      */
    const char *name;               /* by which clients call it */
    struct engine_opts engine;
    struct http_opts http;
};

enum brrr_status server_open(struct server **out, const struct server_opts *o,
                             struct brrr_error *err);
void server_close(struct server *s); /* NULL is allowed */
struct http *server_http(struct server *s);
/* Answers until a signal ends it: SIGINT or SIGTERM drain, a second one ends at once. */
void server_run(struct server *s);

/* --- for calls and routes --- */

struct runner *server_runner(struct server *s);
struct prep *server_prep(struct server *s);
const struct brrr_model *server_model(const struct server *s);
const struct server_opts *server_options(const struct server *s);
/* Whether the client means the model that is here. */
bool server_knows(const struct server *s, struct slice name);
/* The same, with what to say where it does not. */
bool server_check_model(const struct server *s, struct slice name, struct problem *p);
int64_t server_started(const struct server *s); /* seconds since 1970 */
/* A random 64-bit number, from the system. */
uint64_t server_random(struct server *s);

#endif
