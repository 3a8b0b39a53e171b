/* SPDX-License-Identifier: MIT */
/*
 * tgi.h - the dialect of Hugging Face's text-generation-inference: /, /generate, /generate_stream.
 *
 * Parameters, their rules, the order in which they are checked and the messages are TGI's 3.x
 * (router/src/validation.rs); so are the defaults: greedy unless parameters ask for sampling, and
 * sampling where there are no parameters at all.
 */
#ifndef SERVER_TGI_H
#define SERVER_TGI_H

#include "server/call.h"
#include "server/fields.h"

/* tgi_root answers with a list, and streams where the body says so. */
extern const struct dialect tgi_generate, tgi_stream, tgi_root;
json_t *tgi_error(const struct problem *p, bool in_stream);
int tgi_status(const struct problem *p);

enum {
    TGI_BEST_OF = 4, /* TGI: 2 */
    TGI_STOPS = LIMIT_STOPS,
    TGI_TOP = 20, /* TGI: 5 */
};

#endif
