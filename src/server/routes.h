/* SPDX-License-Identifier: MIT */
/* routes.h - which function answers which request; the table is routes.def. */
#ifndef SERVER_ROUTES_H
#define SERVER_ROUTES_H

#include <jansson.h>

#include "server/guard.h"
#include "server/http.h"
#include "server/problem.h"

struct dialect;
struct server;

struct route {
    enum http_method method;
    const char *path;
    enum access access;
    const struct dialect *call;
    void (*plain)(struct server *s, struct exchange *x, const char *rest);
    const char *summary;
};

/* The table, for those who describe it. */
size_t routes_n(void);
const struct route *routes_at(size_t i);

void routes_handle(struct server *s, struct exchange *x);

/* Answers for handlers: v's reference is taken (NULL: there was no memory). */
void routes_json(struct exchange *x, int status, json_t *v);
void routes_problem(struct exchange *x, const struct problem *p);

#endif
