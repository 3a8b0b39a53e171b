/* SPDX-License-Identifier: MIT */
/*
 * http_gate.h - which requests are looked at at all.
 *
 * Requests that two servers could read differently are refused, so that nothing can be
 * smuggled past a proxy in front: RFC 9112, sections 3.2 (Host), 5.1 (names), 6.1
 * (Transfer-Encoding), 6.3 (Content-Length). What evhttp's parser hides (a bare LF, odd
 * chunk sizes, folded lines) is not seen here.
 */
#ifndef SERVER_HTTP_GATE_H
#define SERVER_HTTP_GATE_H

#include <event2/http.h>

/* NULL, or why not; then *status is 400, 431 or 501, and the connection must be closed. */
const char *http_gate(struct evhttp_request *req, int *status);

#endif
