/* SPDX-License-Identifier: MIT */
/* http.c - listeners, requests and answers; see http.h. */
#include "server/http.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "server/http_conn.h"
#include "server/http_gate.h"

/* --- requests --- */

static void refuse(struct exchange *x, int status, const char *why)
{
    char text[256];
    int n = snprintf(text, sizeof(text), "%s\n", why);

    http_set(x, "Connection", "close");
    http_reply(x, status, "text/plain; charset=utf-8", (struct slice){ text, (size_t)n });
}

static void on_request(struct evhttp_request *req, void *arg)
{
    struct http *h = arg;
    struct conn *c = conn_of(h, req);
    size_t n = 0;
    int status;

    if (!c) { /* there was no memory to watch it */
        evhttp_send_error(req, 503, NULL);
        return;
    }
    conn_hold(c, req);
    const char *why = http_gate(req, &status), *path = NULL;
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(req);
    if (uri) path = evhttp_uri_get_path(uri);
    c->x.path = evhttp_uridecode(path && *path ? path : "/", 0, &n);
    bool is_text = c->x.path && strlen(c->x.path) == n; /* no %00 */
    if (why) h->stats.n_gate++;
    if (why) refuse(&c->x, status, why);
    else if (!uri || !is_text) refuse(&c->x, 400, "the request's target is no path");
    else h->o.handle(h->o.arg, &c->x);
}

enum http_method http_method(const struct exchange *x)
{
    switch (evhttp_request_get_command(x->req)) {
    case EVHTTP_REQ_GET:
        return HTTP_GET;
    case EVHTTP_REQ_HEAD:
        return HTTP_HEAD;
    case EVHTTP_REQ_POST:
        return HTTP_POST;
    case EVHTTP_REQ_DELETE:
        return HTTP_DELETE;
    case EVHTTP_REQ_OPTIONS:
        return HTTP_OPTIONS;
    default:
        return HTTP_OTHER;
    }
}

const char *http_path(const struct exchange *x)
{
    return x->path;
}

const char *http_query(const struct exchange *x)
{
    return evhttp_uri_get_query(evhttp_request_get_evhttp_uri(x->req));
}

const char *http_header(const struct exchange *x, const char *name)
{
    return evhttp_find_header(evhttp_request_get_input_headers(x->req), name);
}

const char *http_peer(const struct exchange *x)
{
    return x->c->addr;
}

struct slice http_body(struct exchange *x)
{
    struct evbuffer *in = evhttp_request_get_input_buffer(x->req);
    size_t n = evbuffer_get_length(in);
    unsigned char *p = n ? evbuffer_pullup(in, -1) : NULL;

    return (struct slice){ p ? (const char *)p : "", p ? n : 0 };
}

/* --- answers --- */

void http_set(struct exchange *x, const char *name, const char *value)
{
    struct evkeyvalq *out = evhttp_request_get_output_headers(x->req);
    char clean[1024];
    size_t n = 0;

    for (; value[n] && n < sizeof(clean) - 1; n++)
        clean[n] = (unsigned char)value[n] < 0x20 || value[n] == 0x7f ? ' ' : value[n];
    clean[n] = 0;
    evhttp_remove_header(out, name);
    evhttp_add_header(out, name, clean);
}

/* The answer is written to its last byte; evhttp waits for the next request, or closes. */
static void on_complete(struct evhttp_request *req, void *arg)
{
    (void)req;
    conn_next(arg);
}

static void prepare(struct exchange *x, int status, const char *type)
{
    struct conn *c = x->c;

    c->h->stats.n_answer[status >= 100 && status < 600 ? status / 100 : 0]++;
    if (type) http_set(x, "Content-Type", type);
    http_set(x, "X-Content-Type-Options", "nosniff");
    if (c->h->drains) http_set(x, "Connection", "close");
    evhttp_request_set_on_complete_cb(x->req, on_complete, c);
    x->gone = NULL;
    c->state = CONN_WRITES;
}

static const char *reason(int status)
{
    static const struct {
        int status;
        const char *reason;
    } known[] = {
        { 200, "OK" },
        { 204, "No Content" },
        { 304, "Not Modified" },
        { 400, "Bad Request" },
        { 401, "Unauthorized" },
        { 403, "Forbidden" },
        { 404, "Not Found" },
        { 405, "Method Not Allowed" },
        { 408, "Request Timeout" },
        { 413, "Content Too Large" },
        { 415, "Unsupported Media Type" },
        { 421, "Misdirected Request" },
        { 422, "Unprocessable Content" },
        { 424, "Failed Dependency" },
        { 429, "Too Many Requests" },
        { 431, "Request Header Fields Too Large" },
        { 500, "Internal Server Error" },
        { 501, "Not Implemented" },
        { 503, "Service Unavailable" },
    };

    for (size_t i = 0; i < COUNT(known); i++)
        if (known[i].status == status) return known[i].reason;
    return "Status";
}

void http_reply(struct exchange *x, int status, const char *type, struct slice body)
{
    struct evbuffer *out = evhttp_request_get_output_buffer(x->req);

    prepare(x, status, type);
    if (evhttp_request_get_command(x->req) != EVHTTP_REQ_HEAD) evbuffer_add(out, body.p, body.n);
    evhttp_send_reply(x->req, status, reason(status), NULL);
}

void http_begin(struct exchange *x, int status, const char *type)
{
    void (*gone)(void *) = x->gone;

    prepare(x, status, type);
    x->gone = gone;
    x->stream = true;
    evhttp_send_reply_start(x->req, status, reason(status));
}

bool http_send(struct exchange *x, struct slice piece)
{
    struct conn *c = x->c;
    struct evbuffer *unsent = bufferevent_get_output(c->bev), *out;

    if (evbuffer_get_length(unsent) + piece.n > c->h->o.unsent_max) {
        c->h->stats.n_slow++;
        x->gone = NULL;
        conn_drop(c);
        return false;
    }
    out = evbuffer_new();
    if (!out || evbuffer_add(out, piece.p, piece.n)) {
        if (out) evbuffer_free(out);
        x->gone = NULL;
        conn_drop(c);
        return false;
    }
    evhttp_send_reply_chunk(x->req, out);
    evbuffer_free(out);
    return true;
}

void http_end(struct exchange *x)
{
    x->gone = NULL;
    evhttp_send_reply_end(x->req);
}

void http_on_gone(struct exchange *x, void (*gone)(void *arg), void *arg)
{
    x->gone = gone;
    x->arg = arg;
}

/* --- listeners --- */

static enum brrr_status add_listener(struct http *h, int fd, char *unix_path,
                                     struct brrr_error *err)
{
    struct evconnlistener *l = NULL;

    if (h->n_listener < (int)COUNT(h->listener))
        l = evconnlistener_new(h->base, NULL, NULL, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC,
                               -1, fd);
    if (!l || !evhttp_bind_listener(h->ev, l)) {
        if (l) evconnlistener_free(l);
        else close(fd);
        free(unix_path);
        return fail(err, BRRR_E_LIMIT, "more than %zu addresses to listen on", COUNT(h->listener));
    }
    h->unix_path[h->n_listener] = unix_path;
    h->listener[h->n_listener++] = l;
    return BRRR_OK;
}

static int open_socket(const struct sockaddr *a, socklen_t n)
{
    int fd = socket(a->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;

    if (fd < 0) return -1;
    if (a->sa_family != AF_UNIX) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (a->sa_family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    if (bind(fd, a, n) == 0 && listen(fd, SOMAXCONN) == 0) return fd;
    int e = errno;
    close(fd);
    errno = e;
    return -1;
}

/* A socket file that nobody listens on is left over. */
static bool is_stale(const struct sockaddr_un *a)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool stale =
        fd >= 0 && connect(fd, (const struct sockaddr *)a, sizeof(*a)) && errno == ECONNREFUSED;

    if (fd >= 0) close(fd);
    return stale;
}

static enum brrr_status listen_unix(struct http *h, const char *path, struct brrr_error *err)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };

    if (strlen(path) >= sizeof(a.sun_path))
        return fail(err, BRRR_E_LIMIT, "the socket's path has %zu bytes; %zu at most", strlen(path),
                    sizeof(a.sun_path) - 1);
    memcpy(a.sun_path, path, strlen(path) + 1);
    int fd = open_socket((struct sockaddr *)&a, sizeof(a));
    if (fd < 0 && errno == EADDRINUSE && is_stale(&a) && unlink(path) == 0)
        fd = open_socket((struct sockaddr *)&a, sizeof(a));
    if (fd < 0) return fail(err, BRRR_E_IO, "cannot listen on %s: %s", path, strerror(errno));
    return add_listener(h, fd, strdup(path), err);
}

static enum brrr_status listen_tcp(struct http *h, const char *host, const char *service, int *port,
                                   struct brrr_error *err)
{
    struct addrinfo hint = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
    struct addrinfo *list;
    struct sockaddr_storage a;
    socklen_t n = sizeof(a);
    int fd = -1, e = getaddrinfo(*host ? host : NULL, service, &hint, &list);

    if (e)
        return fail(err, BRRR_E_IO, "cannot listen on %s:%s: %s", host, service, gai_strerror(e));
    for (struct addrinfo *i = list; i && fd < 0; i = i->ai_next)
        fd = open_socket(i->ai_addr, i->ai_addrlen);
    e = errno;
    freeaddrinfo(list);
    if (fd < 0)
        return fail(err, BRRR_E_IO, "cannot listen on %s:%s: %s", host, service, strerror(e));
    if (getsockname(fd, (struct sockaddr *)&a, &n) == 0)
        *port = ntohs(a.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&a)->sin6_port
                                              : ((struct sockaddr_in *)&a)->sin_port);
    return add_listener(h, fd, NULL, err);
}

enum brrr_status http_listen(struct http *h, const char *address, int *port, struct brrr_error *err)
{
    const char *colon = strrchr(address, ':');
    char host[256];

    *port = 0;
    if (strncmp(address, "unix:", 5) == 0) return listen_unix(h, address + 5, err);
    size_t n = colon ? (size_t)(colon - address) : 0;
    bool bracket = n >= 2 && address[0] == '[' && address[n - 1] == ']';
    if (!colon || n >= sizeof(host))
        return fail(err, BRRR_E_FORMAT, "'%s' is not HOST:PORT or unix:PATH", address);
    snprintf(host, sizeof(host), "%.*s", (int)(bracket ? n - 2 : n), address + bracket);
    return listen_tcp(h, host, colon + 1, port, err);
}

enum brrr_status http_listen_fd(struct http *h, int fd, struct brrr_error *err)
{
    evutil_make_socket_nonblocking(fd);
    return add_listener(h, fd, NULL, err);
}

/* --- the whole --- */

static void settle(struct http_opts *o)
{
#define OFF(field, limit) \
    if (!o->field) o->field = (limit)
    OFF(body_max, LIMIT_HTTP_BODY);
    OFF(request_s, LIMIT_HTTP_REQUEST_S);
    OFF(idle_s, LIMIT_HTTP_IDLE_S);
    OFF(stall_s, LIMIT_HTTP_STALL_S);
    OFF(unsent_max, LIMIT_HTTP_UNSENT);
    OFF(conn_max, LIMIT_HTTP_CONNS);
    OFF(addr_max, LIMIT_HTTP_ADDR_CONNS);
#undef OFF
}

enum brrr_status http_new(struct http **out, struct event_base *base, const struct http_opts *o,
                          struct brrr_error *err)
{
    struct http *h = calloc(1, sizeof(*h));

    *out = NULL;
    if (h) h->ev = evhttp_new(base);
    if (!h || !h->ev) {
        free(h);
        return fail(err, BRRR_E_NOMEM, "no memory for the HTTP server");
    }
    h->base = base;
    h->o = *o;
    settle(&h->o);
    evhttp_set_max_headers_size(h->ev, LIMIT_HTTP_HEADER_BYTES);
    evhttp_set_max_body_size(h->ev, (ev_ssize_t)h->o.body_max);
    evhttp_set_allowed_methods(h->ev, EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_HEAD |
                                          EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE | EVHTTP_REQ_OPTIONS |
                                          EVHTTP_REQ_TRACE | EVHTTP_REQ_CONNECT | EVHTTP_REQ_PATCH);
    evhttp_set_default_content_type(h->ev, NULL);
    evhttp_set_bevcb(h->ev, conn_begin, h);
    evhttp_set_gencb(h->ev, on_request, h);
    *out = h;
    return BRRR_OK;
}

void http_drain(struct http *h)
{
    h->drains = true;
    for (int i = 0; i < h->n_listener; i++)
        evconnlistener_disable(h->listener[i]);
}

void http_free(struct http *h)
{
    if (!h) return;
    h->closing = true;
    evhttp_free(h->ev);
    for (int i = 0; i < h->n_listener; i++) {
        if (h->unix_path[i]) unlink(h->unix_path[i]);
        free(h->unix_path[i]);
    }
    free(h);
}

bool http_writes(const struct http *h)
{
    const struct conn *c;

    for (size_t i = 0; i < COUNT(h->by_bev); i++)
        LIST_FOREACH(c, &h->by_bev[i], same_bev) if (c->state == CONN_WRITES) return true;
    return false;
}

void http_stats(const struct http *h, struct http_stats *out)
{
    *out = h->stats;
}
