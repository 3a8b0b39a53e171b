/* SPDX-License-Identifier: MIT */
/*
 * http_conn.h - one connection: its deadlines, and the request it is at.
 *
 * evhttp tells nobody of a new connection, but asks for a bufferevent for each: there it
 * begins to be watched, with a reference of our own, and gets its evhttp_connection (from the
 * bufferevent's callbacks) once evhttp has made it.
 */
#ifndef SERVER_HTTP_CONN_H
#define SERVER_HTTP_CONN_H

#include <event2/event.h>
#include <event2/http.h>
#include <sys/queue.h>

#include "server/http.h"

enum conn_state {
    CONN_IDLE,   /* between requests, or before the first   */
    CONN_READS,  /* a request is arriving                   */
    CONN_HELD,   /* it is there; nothing was answered yet   */
    CONN_WRITES, /* its answer is being written             */
};

struct exchange {
    struct conn *c;
    struct evhttp_request *req;
    char *path; /* decoded */
    void (*gone)(void *arg);
    void *arg;
    bool stream;
};

struct conn {
    struct http *h;
    struct bufferevent *bev;
    struct evhttp_connection *ec;
    struct event *timer; /* idle, or the request's deadline */
    enum conn_state state;
    char addr[64];
    struct exchange x; /* valid while state is CONN_HELD or CONN_WRITES */
    LIST_ENTRY(conn) same_bev, same_addr;
};
LIST_HEAD(conn_list, conn);

enum { CONN_BUCKETS = 4096 };

struct http {
    struct event_base *base;
    struct evhttp *ev;
    struct http_opts o;
    struct http_stats stats;
    struct conn_list by_bev[CONN_BUCKETS], by_addr[CONN_BUCKETS]; /* hashed */
    bool drains, closing;
    struct evconnlistener *listener[16];
    int n_listener;
    char *unix_path[16]; /* to be removed; by listener */
};

/* For evhttp_set_bevcb(); arg: the struct http. */
struct bufferevent *conn_begin(struct event_base *base, void *arg);
/* The connection of a request that has just arrived; NULL: it is to be dropped. */
struct conn *conn_of(struct http *h, struct evhttp_request *req);
/* Its request is held from here on: the client's leaving is noticed, its deadline is over. */
void conn_hold(struct conn *c, struct evhttp_request *req);
/* The answer is written: what comes next is another request. */
void conn_next(struct conn *c);
/* Close it without another byte. */
void conn_drop(struct conn *c);

#endif
