/* SPDX-License-Identifier: MIT */
/*
 * guard.h - who may come in: the Host and Origin of a request, and its key.
 *
 * A server on a loopback address answers only to names of this machine, else a page on the web
 * could reach it under a name of its own (DNS rebinding; CVE-2024-28224). A request with an
 * Origin that is not the server's own must be allowed by name: there is no CORS otherwise.
 *
 * Owned by: the server's thread.
 */
#ifndef SERVER_GUARD_H
#define SERVER_GUARD_H

#include "server/http.h"
#include "server/keys.h"

/* Who may use a route. */
enum access {
    ACCESS_OPEN,  /* everybody                                                */
    ACCESS_KEY,   /* who has a key, where keys are asked for                  */
    ACCESS_LOCAL, /* this machine; others as ACCESS_KEY, unless metrics_public */
};

struct guard_opts {
    bool local;          /* listens on loopback addresses or sockets only      */
    const char *hosts;   /* further names, separated by commas; NULL: none     */
    const char *origins; /* that pages may come from, separated by commas; "*" */
    bool metrics_public;
};

/* *who: as keys_find(). False: *p says why not. CORS headers are set on the way. */
bool guard_admit(const struct guard_opts *g, struct keys *k, struct exchange *x, enum access a,
                 int *who, struct problem *p);
/* The answer to a browser that asks first (OPTIONS); false: it is none of these. */
bool guard_preflight(const struct guard_opts *g, struct exchange *x);
/* Is this address ("127.0.0.1:80", "[::1]:80", "unix:/path", "localhost") one of this machine only?
 */
bool guard_is_local(const char *address);

#endif
