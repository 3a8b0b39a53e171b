/* SPDX-License-Identifier: MIT */
/*
 * users.h - who is served, and how much each was given: the scheduler's virtual counters.
 *
 * A user is whatever number a request carries. While a request of a user waits or runs, the
 * user is active. What it is given adds to its counter, in tokens:
 *
 *   1      for each token that was computed for it, for the first time: what the cache
 *          had costs nothing, and who is computed again because others needed the room
 *          does not pay twice
 *   s T    for the part s of the KV cache that its sequences held for a time in which T tokens
 *          are computed on average: block-seconds, at a price at which to hold all of the cache
 *          costs as much as to have all of the processor. Blocks that it found in the cache are
 *          not counted.
 *
 * Whoever has the smallest counter goes first (sched.h, `fair`). A user who comes (back) is
 * lifted to the least counter of those that are active: nobody saves up a claim by staying
 * away, and none is forgiven what it had by leaving for a moment. When nobody is active
 * all begin anew.
 * Source: Sheng et al., arXiv:2401.00588 (virtual token counter), which charges for tokens only.
 *
 * Owned by: the engine's thread. No allocation after users_init().
 */
#ifndef ENGINE_USERS_H
#define ENGINE_USERS_H

#include "base/status.h"

struct users {
    int cap, n;           /* places; of them, in use       */
    int n_active;         /* users with requests           */
    double now;           /* of users_begin()              */
    uint64_t *id;         /* [cap]                         */
    double *spent;        /* [cap] the counters            */
    double *served;       /* [cap] when something of it ran, or it came; seconds */
    int *n_request;       /* [cap] that wait or run        */
    int *n_listed;        /* [cap] since users_begin()     */
    int32_t *next;        /* [cap] in the list of its hash */
    int32_t *first;       /* [n_hash]                      */
    int n_hash;           /* a power of two                */
    double rows, seconds; /* of all steps */
};

/* `cap`: users that can be active at once. As many more are remembered. */
enum brrr_status users_init(struct users *u, int cap, struct brrr_error *err);
void users_fini(struct users *u); /* zeroed is allowed */

/* A request of this user came now; its index. At most `cap` are active. */
int users_enter(struct users *u, uint64_t id, double now);
/* One of its requests has ended. */
void users_leave(struct users *u, int user);

/* A step of `n_row` rows took so long: in as many tokens, what is computed in that time on average
 * so far; n_row where no time has passed. */
double users_step(struct users *u, int n_row, double seconds);
/* In a step n tokens were computed for it, and its sequences held this part of the cache: `worth`
 * of users_step(). */
void users_charge(struct users *u, int user, int n, double worth, double part);

/* Counting what a step chooses from, running tasks first: begin, then once for each task. True if
 * the user starves: this is its first that is counted, and nothing of it ran for `age` seconds. */
void users_begin(struct users *u, double now);
bool users_list(struct users *u, int user, bool runs, double age);

#endif
