/* SPDX-License-Identifier: MIT */
/*
 * server.h - models behind a port: the event loop, the routes, what is ready.
 */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include "engine/engine.h"
#include "server/guard.h"
#include "server/http.h"
#include "server/keys.h"
#include "server/problem.h"

struct server;
struct call;
struct served;

struct server_opts {
    const struct brrr_model *model; /* stays the caller's      */
    const char *name;               /* by which clients call it */
    struct engine_opts engine;
    struct http_opts http;
    struct guard_opts guard;
    struct keys *keys; /* the server's from server_open() on, also if that fails */
    bool isolate;      /* keys do not share cached prompts                       */
    double drain_s;    /* that requests have to end; 0: LIMIT_DRAIN_S            */
};

enum brrr_status server_open(struct server **out, const struct server_opts *o,
                             struct brrr_error *err);
void server_close(struct server *s); /* NULL is allowed */
struct http *server_http(struct server *s);
/*
 * Answers until a signal ends it. SIGINT or SIGTERM: no new requests, those that are there have
 * drain_s to end, then they are told; a second signal ends at once. SIGHUP: keys are read again;
 * `note` is told what came of it. True: everything ended in time.
 */
bool server_run(struct server *s);

/* --- for calls and routes --- */

struct runner *server_runner(struct server *s);
struct prep *server_prep(struct server *s);
const struct brrr_model *server_model(const struct server *s);
const struct server_opts *server_options(const struct server *s);
struct served *server_served(struct server *s);
struct keys *server_keys(struct server *s);
/* A call is there; it is through. */
void server_enter(struct server *s, struct call *c);
void server_leave(struct server *s, struct call *c);
/* False: the server is being stopped. */
bool server_admits(struct server *s, struct problem *p);
bool server_drains(const struct server *s);
/* Is there a place in the engine's queue for n more? False: *p says when to come again. */
bool server_has_room(struct server *s, int n, struct problem *p);
/* So many jobs more; fewer. */
void server_count_jobs(struct server *s, int n);
/* Whether the client means the model that is here. */
bool server_knows(const struct server *s, struct slice name);
/* The same, with what to say where it does not. */
bool server_check_model(const struct server *s, struct slice name, struct problem *p);
int64_t server_started(const struct server *s); /* seconds since 1970 */
/* A random 64-bit number, from the system. */
uint64_t server_random(struct server *s);

#endif
