/* SPDX-License-Identifier: MIT */
/*
 * prep.h - threads that prepare calls: parse, check, render, tokenize.
 *
 * A body may have megabytes and a template may take its time: none of it holds up the event loop.
 */
#ifndef SERVER_PREP_H
#define SERVER_PREP_H

#include "server/call.h"

struct prep;

/* wake: called from a preparing thread when a call is ready. */
enum brrr_status prep_open(struct prep **out, int n_threads, void (*wake)(void *arg), void *arg,
                           struct brrr_error *err);
/* What is queued is dropped without a word. NULL is allowed. */
void prep_close(struct prep *p);
void prep_submit(struct prep *p, struct call *c);
/* Hand over those that are ready, oldest first. */
void prep_ready(struct prep *p, void (*fn)(struct call *c));

#endif
