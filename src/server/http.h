/* SPDX-License-Identifier: MIT */
/*
 * http.h - HTTP/1.1 on libevent's evhttp, with what evhttp leaves to its user.
 *
 * One thread, one event loop. A request that arrived whole and passed the gate
 * (http_gate.h) is an exchange; its handler answers at once or later, from this
 * thread. Added to evhttp: a client that leaves while its request waits is noticed
 * at once; deadlines for requests and idle connections that no dripping byte
 * renews; limits on connections, in all and per address; a reader that does not
 * read is cut, and nobody waits for it.
 *
 * Owned by: the thread that runs the loop.
 */
#ifndef SERVER_HTTP_H
#define SERVER_HTTP_H

#include "base/limits.h"
#include "base/status.h"

struct event_base;
struct http;
struct exchange;

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_POST, HTTP_DELETE, HTTP_OPTIONS, HTTP_OTHER };

struct http_opts {
    size_t body_max;        /* bytes; larger bodies get 413 before they are read           */
    double request_s;       /* from a request's first byte to its last                     */
    double idle_s;          /* a connection without a request                              */
    double stall_s;         /* a reader that takes nothing                                 */
    size_t unsent_max;      /* bytes that may wait for a slow reader of a stream           */
    int conn_max, addr_max; /* connections: in all, of one address                         */
    void *tls;              /* SSL_CTX, or NULL. Borrowed                                  */
    /* A request is there; it must be answered once. */
    void (*handle)(void *arg, struct exchange *x);
    void *arg;
};

struct http_stats {
    int n_conn;              /* open now                                    */
    uint64_t n_conn_all;     /* since the start                             */
    uint64_t n_refused_conn; /* one too many                                */
    uint64_t n_late, n_gate; /* beyond a deadline; refused by the gate      */
    uint64_t n_slow, n_gone; /* readers cut; clients that left before the end */
    uint64_t n_answer[6];    /* by the first digit of their status; evhttp's own are not here */
};

/* Zeros become the defaults of limits.h. */
enum brrr_status http_new(struct http **out, struct event_base *base, const struct http_opts *o,
                          struct brrr_error *err);
/* Open connections are closed; no handler is called any more. NULL is allowed. */
void http_free(struct http *h);
/* "127.0.0.1:8080", "[::1]:0", "unix:/run/brrr.sock". *port: the one that was taken (0: unix). */
enum brrr_status http_listen(struct http *h, const char *address, int *port,
                             struct brrr_error *err);
/* A socket that listens already (systemd). It is owned from here on. */
enum brrr_status http_listen_fd(struct http *h, int fd, struct brrr_error *err);
/* No new connection is taken from here on, and answers close theirs. */
void http_drain(struct http *h);
/* Is an answer not written to its last byte yet? */
bool http_writes(const struct http *h);
void http_stats(const struct http *h, struct http_stats *out);

/* --- a request --- */

enum http_method http_method(const struct exchange *x);
const char *http_path(const struct exchange *x);  /* decoded, without the query              */
const char *http_query(const struct exchange *x); /* as it came; NULL: none                  */
const char *http_header(const struct exchange *x, const char *name); /* NULL: not there      */
const char *http_peer(const struct exchange *x);                     /* address, "unix"      */
struct slice http_body(struct exchange *x);                          /* until the answer     */

/* --- its answer --- */

/* A header of the answer, before it begins. Control bytes in `value` become spaces. */
void http_set(struct exchange *x, const char *name, const char *value);
/* The whole answer. x is gone then. */
void http_reply(struct exchange *x, int status, const char *type, struct slice body);

/* A stream of pieces. */
void http_begin(struct exchange *x, int status, const char *type);
/* False: the reader is too slow and was cut; `gone` is not called for it. x is gone then. */
bool http_send(struct exchange *x, struct slice piece);
void http_end(struct exchange *x); /* x is gone then */

/* Called at most once, when the client leaves before the end of the answer; x is gone then. */
void http_on_gone(struct exchange *x, void (*gone)(void *arg), void *arg);

#endif
