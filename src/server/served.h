/* SPDX-License-Identifier: MIT */
/*
 * served.h - what became of the calls, counted for /metrics.
 *
 * Every call that was received ends in one of four ways, once:
 *     received = ok + error + cancelled + rejected + those that are under way
 *
 * Intervals as vLLM defines them (docs/design/metrics.md there): the time to the first token and
 * the whole begin when the request has arrived, so that preparation counts.
 *
 * Owned by: the server's thread.
 */
#ifndef SERVER_SERVED_H
#define SERVER_SERVED_H

#include "engine/metrics.h"
#include "server/problem.h"

struct call;

enum served_end {
    SERVED_CANCELLED, /* the client left, or read too slowly   */
    SERVED_OK,        /* answered to the end                   */
    SERVED_ERROR,     /* failed while it was computed          */
    SERVED_REJECTED,  /* told what is wrong before that        */
    SERVED_ENDS,
};

struct served {
    uint64_t n_received, n_end[SERVED_ENDS], n_problem[PROBLEM_KINDS];
    struct metric_times prepare; /* of calls that need the engine, and so are the rest */
    struct metric_times first, all, prefill, decode, inference, per_token;
    struct metric_times n_prompt, n_gen, n_max; /* numbers of tokens (metric_count())           */
};

/* A call is over, as c->end says; c->computed: the engine had it. */
void served_add(struct served *s, const struct call *c);

#endif
