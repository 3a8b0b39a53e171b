/* SPDX-License-Identifier: MIT */
/*
 * json_text.h - JSON from and to bytes of the network.
 *
 * Written compactly; U+0085, U+2028 and U+2029 are escaped, because clients cut a stream into lines
 * where Python's str.splitlines() would. Numbers have 9 digits: every float comes back as it
 * was, and a double that is sent twice is the same twice.
 */
#ifndef SERVER_JSON_TEXT_H
#define SERVER_JSON_TEXT_H

#include <jansson.h>

#include "server/problem.h"
#include "server/text_out.h"

/* v (whose reference it takes; may be NULL) as text, with `before` and `after` around it. The
 * caller frees out->p; false: no memory. */
bool json_text(struct slice *out, json_t *v, const char *before, const char *after);
/* v behind what `t` has; v stays the caller's. */
void json_put(struct text_out *t, const json_t *v);
/* A JSON string of these bytes: what is no UTF-8 becomes U+FFFD. NULL: no memory. */
json_t *json_lossy(struct slice s);
/* A request's body, within LIMIT_JSON_DEPTH. NULL: *p says what and where. */
json_t *json_body(struct slice body, struct problem *p);

#endif
