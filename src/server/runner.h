/* SPDX-License-Identifier: MIT */
/*
 * runner.h - an engine in a thread of its own, and the two queues that join it to the server.
 *
 * Orders (submit, cancel) go to the engine's thread, which takes them between two steps. What
 * a step brought comes back as one batch of news and one wake-up: the event loop never waits for
 * the engine, the engine never for a client.
 *
 * A job belongs to who submitted it until its news say `last`; until then its prompt and
 * parameters stay as they are.
 */
#ifndef SERVER_RUNNER_H
#define SERVER_RUNNER_H

#include "engine/engine.h"
#include "engine/metrics.h"

struct runner;

struct job {
    struct engine_request q; /* what is asked; q.tag is the job itself  */
    void *owner;             /* the server's, as is this: its last news */
    bool over;               /* have come                               */
    /* the runner's */
    uint64_t id; /* the engine's; 0: not there, or not any more         */
    struct job *next, *next_cancel;
    bool cancelled;
};

/* One piece of news, in the order of events. */
struct news {
    struct job *job;
    const struct engine_event *ev; /* as of engine_poll(); NULL: refused             */
    enum brrr_status status;       /* why                                            */
    const char *why;
    bool last; /* of this job */
};

struct runner_opts {
    const struct brrr_model *model;
    struct engine_opts engine;
    /* Called by the engine's thread when there is news; must be quick. */
    void (*wake)(void *arg);
    void *arg;
};

enum brrr_status runner_open(struct runner **out, const struct runner_opts *o,
                             struct brrr_error *err);
/* What runs is cancelled, without news. NULL is allowed. */
void runner_close(struct runner *r);

void runner_submit(struct runner *r, struct job *j);
/* Its last news will come all the same. */
void runner_cancel(struct runner *r, struct job *j);
/* Hand what has come since the last call to `fn`, in order. */
void runner_news(struct runner *r, void (*fn)(void *arg, const struct news *n), void *arg);

const struct engine_opts *runner_options(const struct runner *r);
/* As of the end of the last step. */
void runner_metrics(struct runner *r, struct metrics *out);
int runner_steps(struct runner *r, struct metric_step *out, int cap);
/* The cache's blocks, half a second old at most while steps are short. The first call after a while
 * may bring what an earlier one saw. */
void runner_kv_map(struct runner *r, enum kv_kind kind, struct kv_map *out);
/* Seconds since the engine last gave a sign of life while it had work; 0: it has none. */
double runner_stuck(struct runner *r);

#endif
