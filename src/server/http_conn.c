/* SPDX-License-Identifier: MIT */
/* http_conn.c - see http_conn.h. */
#include "server/http_conn.h"

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/util.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <xxhash.h>

static struct timeval seconds(double s)
{
    return (struct timeval){ (time_t)s, (suseconds_t)((s - (double)(time_t)s) * 1e6) };
}

static void arm(struct conn *c, double s)
{
    struct timeval tv = seconds(s);

    evtimer_add(c->timer, &tv);
}

/* Bytes on an idle connection begin a request: from here on it has a deadline for all of it. */
static void on_bytes(struct evbuffer *in, const struct evbuffer_cb_info *info, void *arg)
{
    struct conn *c = arg;

    (void)in;
    if (info->n_added == 0 || c->state != CONN_IDLE) return;
    c->state = CONN_READS;
    arm(c, c->h->o.request_s);
}

static struct conn_list *bev_bucket(struct http *h, const struct bufferevent *bev)
{
    return &h->by_bev[((uintptr_t)bev >> 5) * 0x9e3779b1u >> 7 & (CONN_BUCKETS - 1)];
}

static struct conn_list *addr_bucket(struct http *h, const char *addr)
{
    return &h->by_addr[XXH3_64bits(addr, strlen(addr)) & (CONN_BUCKETS - 1)];
}

static void forget(struct conn *c)
{
    evbuffer_remove_cb(bufferevent_get_input(c->bev), on_bytes, c);
    LIST_REMOVE(c, same_bev);
    if (c->addr[0]) LIST_REMOVE(c, same_addr);
    c->h->stats.n_conn--;
    event_free(c->timer);
    bufferevent_decref(c->bev);
    free(c);
}

/* evhttp lets go of the connection. A request that it took off it, as it was not answered to its
 * end, is ours to free. */
static void on_close(struct evhttp_connection *ec, void *arg)
{
    struct conn *c = arg;
    struct http *h = c->h;
    struct exchange x = c->x;
    bool held = c->state == CONN_HELD || c->state == CONN_WRITES, closing = h->closing;

    (void)ec;
    forget(c);
    if (!held) return;
    if (!evhttp_request_get_connection(x.req)) evhttp_request_free(x.req);
    free(x.path);
    if (!x.gone || closing) return;
    h->stats.n_gone++;
    x.gone(x.arg);
}

static void say_late(struct conn *c)
{
    static const char late[] = "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n"
                               "Connection: close\r\n\r\n";

    if (c->h->o.tls) return;
    (void)!send(bufferevent_getfd(c->bev), late, sizeof(late) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void on_deadline(struct conn *c)
{
    if (c->state == CONN_READS) {
        c->h->stats.n_late++;
        say_late(c);
    }
    conn_drop(c);
}

static int count_addr(struct http *h, const char *addr)
{
    const struct conn *c;
    int n = 0;

    LIST_FOREACH(c, addr_bucket(h, addr), same_addr) n += strcmp(c->addr, addr) == 0;
    return n;
}

static void take_addr(struct conn *c)
{
    struct sockaddr_storage a;
    socklen_t n = sizeof(a);

    snprintf(c->addr, sizeof(c->addr), "unix");
    if (getpeername(bufferevent_getfd(c->bev), (struct sockaddr *)&a, &n)) return;
    if (a.ss_family == AF_INET)
        inet_ntop(AF_INET, &((struct sockaddr_in *)&a)->sin_addr, c->addr, sizeof(c->addr));
    if (a.ss_family == AF_INET6)
        inet_ntop(AF_INET6, &((struct sockaddr_in6 *)&a)->sin6_addr, c->addr, sizeof(c->addr));
}

static void list_addr(struct conn *c)
{
    take_addr(c);
    LIST_INSERT_HEAD(addr_bucket(c->h, c->addr), c, same_addr);
}

/* A piece of a stream, or the end of an answer, goes out at once: it would else wait until the
 * client acknowledges what came before, which clients put off for 40 ms. Unix sockets know no such
 * thing. */
static void send_at_once(struct bufferevent *bev)
{
    int on = 1;

    (void)setsockopt(bufferevent_getfd(bev), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

/* In the loop's next round: evhttp has made its connection, or gave up. */
static void meet(struct conn *c)
{
    bufferevent_data_cb r, w;
    bufferevent_event_cb e;
    void *ec = NULL;

    bufferevent_getcb(c->bev, &r, &w, &e, &ec);
    if (!ec) {
        forget(c);
        return;
    }
    c->ec = ec;
    evhttp_connection_set_closecb(c->ec, on_close, c);
    bufferevent_set_timeouts(c->bev, NULL, NULL); /* the deadlines are ours */
    send_at_once(c->bev);
    list_addr(c);
    arm(c, c->state == CONN_READS ? c->h->o.request_s : c->h->o.idle_s);
    const struct http_opts *o = &c->h->o;
    if (c->h->stats.n_conn <= o->conn_max && count_addr(c->h, c->addr) <= o->addr_max) return;
    c->h->stats.n_refused_conn++;
    conn_drop(c);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct conn *c = arg;

    (void)fd;
    (void)what;
    if (c->ec) on_deadline(c);
    else meet(c);
}

static struct bufferevent *make_bev(struct event_base *base, SSL_CTX *tls)
{
    if (!tls) return bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
    SSL *ssl = SSL_new(tls);
    struct bufferevent *bev =
        ssl ? bufferevent_openssl_socket_new(base, -1, ssl, BUFFEREVENT_SSL_ACCEPTING,
                                             BEV_OPT_CLOSE_ON_FREE)
            : NULL;
    if (ssl && !bev) SSL_free(ssl);
    return bev;
}

struct bufferevent *conn_begin(struct event_base *base, void *arg)
{
    struct http *h = arg;
    struct conn *c = calloc(1, sizeof(*c));
    struct bufferevent *bev = c ? make_bev(base, h->o.tls) : NULL;

    if (c) c->timer = evtimer_new(base, on_timer, c);
    if (!bev || !c->timer || !evbuffer_add_cb(bufferevent_get_input(bev), on_bytes, c)) {
        if (bev) bufferevent_free(bev);
        if (c && c->timer) event_free(c->timer);
        free(c);
        return NULL; /* evhttp makes one itself, which conn_of() does not know */
    }
    c->h = h;
    c->bev = bev;
    bufferevent_incref(bev);
    LIST_INSERT_HEAD(bev_bucket(h, bev), c, same_bev);
    h->stats.n_conn++;
    h->stats.n_conn_all++;
    event_active(c->timer, EV_TIMEOUT, 1);
    return bev;
}

struct conn *conn_of(struct http *h, struct evhttp_request *req)
{
    struct bufferevent *bev = evhttp_connection_get_bufferevent(evhttp_request_get_connection(req));
    struct conn *c;

    LIST_FOREACH(c, bev_bucket(h, bev), same_bev) if (c->bev == bev) return c;
    return NULL;
}

void conn_hold(struct conn *c, struct evhttp_request *req)
{
    bufferevent_data_cb r, w;
    bufferevent_event_cb e;
    void *arg;
    struct timeval stall = seconds(c->h->o.stall_s);

    c->state = CONN_HELD;
    c->x = (struct exchange){ .c = c, .req = req };
    evtimer_del(c->timer);
    /* Reading stays on, to see the client leave. What it sends now is a next request: it stays in
     * the buffer; evhttp's own callback does not expect it. */
    bufferevent_getcb(c->bev, &r, &w, &e, &arg);
    bufferevent_setcb(c->bev, NULL, w, e, arg);
    bufferevent_setwatermark(c->bev, EV_READ, 0, LIMIT_HTTP_PIPELINED);
    bufferevent_set_timeouts(c->bev, NULL, &stall);
    bufferevent_enable(c->bev, EV_READ);
}

void conn_next(struct conn *c)
{
    bool more = evbuffer_get_length(bufferevent_get_input(c->bev)) > 0;

    free(c->x.path);
    c->x = (struct exchange){ 0 };
    c->state = more ? CONN_READS : CONN_IDLE;
    bufferevent_setwatermark(c->bev, EV_READ, 0, 0);
    bufferevent_set_timeouts(c->bev, NULL, NULL);
    arm(c, more ? c->h->o.request_s : c->h->o.idle_s);
}

void conn_drop(struct conn *c)
{
    evhttp_connection_free(c->ec); /* on_close() does the rest */
}
