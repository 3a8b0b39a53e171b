/* SPDX-License-Identifier: MIT */
/* guard.c - see guard.h. */
#include "server/guard.h"

#include <stdio.h>
#include <strings.h>

#include "base/clock.h"

/* The name in "name:port", "[v6]:port" or "name". */
static struct slice host_name(const char *host)
{
    const char *end;

    if (*host == '[' && (end = strchr(host, ']')))
        return (struct slice){ host + 1, (size_t)(end - host - 1) };
    return (struct slice){ host, strcspn(host, ":") };
}

static bool is(struct slice s, const char *name, size_t n)
{
    return s.n == n && strncasecmp(s.p, name, n) == 0;
}

static bool listed(const char *list, struct slice name)
{
    for (const char *at = list; at && *at;) {
        size_t n = strcspn(at, ",");
        if (is(name, at, n) || (n == 1 && *at == '*')) return true;
        at += n + (at[n] == ',');
    }
    return false;
}

static bool is_local(struct slice name)
{
    return is(name, "localhost", 9) || is(name, "::1", 3) ||
           (name.n > 4 && strncmp(name.p, "127.", 4) == 0 &&
            strspn(name.p, "0123456789.") >= name.n);
}

bool guard_is_local(const char *address)
{
    return strncmp(address, "unix:", 5) == 0 || is_local(host_name(address));
}

static bool check_host(const struct guard_opts *g, const struct exchange *x, struct problem *p)
{
    const char *host = http_header(x, "Host");
    struct slice name = host_name(host ? host : "");
    char shown[80];

    if (!g->local || !host || strcmp(http_peer(x), "unix") == 0) return true;
    if (is_local(name) || listed(g->hosts, name)) return true;
    return problem(p, PROBLEM_HOST, NULL,
                   "this server does not answer to the name '%s' (--allowed-host)",
                   slice_print(shown, sizeof(shown), name));
}

/* The page's own requests name the host that they were sent to. */
static bool is_own(const struct exchange *x, const char *origin)
{
    const char *host = http_header(x, "Host"), *at = strstr(origin, "://");

    return host && at && strcasecmp(at + 3, host) == 0;
}

static bool check_origin(const struct guard_opts *g, struct exchange *x, struct problem *p)
{
    const char *origin = http_header(x, "Origin");

    if (!origin || is_own(x, origin)) return true;
    if (listed(g->origins, (struct slice){ origin, strlen(origin) })) {
        http_set(x, "Access-Control-Allow-Origin", origin);
        http_set(x, "Vary", "Origin");
        return true;
    }
    if (http_method(x) == HTTP_GET || http_method(x) == HTTP_HEAD)
        return true; /* without the header the browser keeps the answer from the page */
    return problem(p, PROBLEM_FORBIDDEN, NULL,
                   "requests of pages from elsewhere are not allowed (--cors-origin)");
}

/* Bearer KEY, or the key alone in x-api-key. */
static const char *presented(const struct exchange *x)
{
    const char *v = http_header(x, "Authorization");

    if (v && strncasecmp(v, "Bearer ", 7) == 0) return v + 7 + strspn(v + 7, " ");
    return http_header(x, "X-Api-Key");
}

static bool is_near(const struct exchange *x)
{
    const char *peer = http_peer(x);

    return strcmp(peer, "unix") == 0 || is_local((struct slice){ peer, strlen(peer) });
}

bool guard_admit(const struct guard_opts *g, struct keys *k, struct exchange *x, enum access a,
                 int *who, struct problem *p)
{
    const char *key = presented(x);

    *who = KEYS_NONE;
    if (!check_host(g, x, p) || !check_origin(g, x, p)) return false;
    if (a == ACCESS_OPEN || (a == ACCESS_LOCAL && (g->metrics_public || is_near(x)))) return true;
    if (keys_find(k, key, http_peer(x), clock_now(), who, p)) return true;
    if (p->kind == PROBLEM_KEY) http_set(x, "WWW-Authenticate", "Bearer");
    return false;
}

bool guard_preflight(const struct guard_opts *g, struct exchange *x)
{
    const char *origin = http_header(x, "Origin");

    if (http_method(x) != HTTP_OPTIONS || !origin ||
        !listed(g->origins, (struct slice){ origin, strlen(origin) }))
        return false;
    http_set(x, "Access-Control-Allow-Origin", origin);
    http_set(x, "Access-Control-Allow-Methods", "GET, POST");
    http_set(x, "Access-Control-Allow-Headers", "Authorization, Content-Type");
    http_set(x, "Access-Control-Max-Age", "600");
    http_set(x, "Vary", "Origin");
    http_reply(x, 204, NULL, (struct slice){ "", 0 });
    return true;
}
