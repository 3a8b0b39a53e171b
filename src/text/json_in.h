/* SPDX-License-Identifier: MIT */
/*
 * json_in.h - JSON from outside: read within limits, and asked what it is.
 *
 * Threads: pure functions.
 */
#ifndef TEXT_JSON_IN_H
#define TEXT_JSON_IN_H

#include <jansson.h>

#include "base/status.h"

/*
 * The object that `text` is (a new reference): at most LIMIT_JSON_DEPTH levels, NUL in strings is
 * fine. BRRR_E_FORMAT or BRRR_E_LIMIT with the place; `what` is its name in the message ("the
 * line").
 */
enum brrr_status json_in(json_t **out, struct slice text, const char *what, struct brrr_error *err);
/* A whole number, written as 5 or 5.0. */
bool json_in_whole(const json_t *v, json_int_t *out);
/* "an object", "a fraction", "null": for messages. */
const char *json_in_kind(const json_t *v);

#endif
