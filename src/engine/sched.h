/* SPDX-License-Identifier: MIT */
/*
 * sched.h - what the next step computes: pure functions of what runs, what waits and the time.
 *
 * There are no phases. A task is a sequence with tokens that are there and tokens that
 * are computed; the difference is what may be computed now. A step takes, within its
 * budget of rows, first every running task that lacks only its newest token (one row,
 * and its drafts), then the next chunks of running prompts, then tasks that wait, in the
 * order of the policy, as far as slots and memory go. So prompts never stall those
 * that decode, and decoding fills what prompts leave.
 *
 * Nobody starves. A task that is old counts as of the highest priority that is there. In
 * `fair`, where that would let the old tasks of one user pass the new ones of all others,
 * it is users who take turns: by what they were given, in steps of a quantum; only who got
 * nothing for so long goes before all. Nobody passes the first one for whom there is no memory.
 *
 * Nobody comes and goes. A task is admitted when there is room for all of its tokens and a
 * reserve for those that run; each time that it had to give way doubles the reserve, until it
 * runs with few others, or alone.
 * Sources: Agrawal et al., SARATHI, arXiv:2308.16369, and Sarathi-Serve, arXiv:2403.02310;
 * Yu et al., Orca (OSDI 2022); fairness by virtual counters: Sheng et al., arXiv:2401.00588.
 *
 * Nothing here is remembered between calls, so that a simulation can ask by the million.
 */
#ifndef ENGINE_SCHED_H
#define ENGINE_SCHED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sched_task {
    uint64_t id;    /* ascending with arrival                                         */
    uint64_t group; /* running tasks of the same one give way together; 0: none       */
    int user;       /* index into sched_state.spent                                   */
    int priority;
    bool running;        /* it has a slot                                            */
    bool starves;        /* waiting: its user's oldest, of whom nothing ran for `age` */
    int n_total, n_done; /* tokens that are there; computed (waiting: in the cache)  */
    int n_shared;        /* waiting: of n_done, in blocks that others use anyway     */
    int width;           /* waiting: slots that it takes, all at once; 0: one        */
    bool reads;          /* each of its rows has logits                              */
    int n_draft;         /* guesses behind them, to be verified with the last token  */
    int n_preempted;     /* times that it had to give way                            */
    double arrival;      /* seconds, as sched_state.now                              */
};

enum sched_policy {
#define POLICY(id, name, before, help) id,
#include "engine/sched.def"
#undef POLICY
    SCHED_POLICIES,
};

struct sched_state {
    const struct sched_task *task; /* [n_task], in any order                            */
    int n_task;
    enum sched_policy policy;
    const double *spent; /* of each user: what it was given so far (users.h)           */
    double now, age;     /* who has waited longer than `age` seconds is old            */
    int n_slot;          /* tasks that may run at once                                 */
    int n_row;           /* the step's budget; decoding tasks have their rows in any case */
    int n_read;          /* rows of tasks with `reads`, together                          */
    int least_chunk;     /* rows that prompts get however many decode                    */
    size_t room;         /* bytes of KV cache that can come into use                     */
    size_t reserve;      /* of them, left to each one that runs when a task is admitted   */
    size_t block_bytes;  /* of KV_BLOCK positions, all kinds                             */
};

struct sched_row {
    int task; /* index into sched_state.task */
    int n;    /* its next n tokens, drafts included */
    bool admit;
};

/* The step: into `row`, with room for n_task of them, running tasks first; returns how many. A task
 * that is admitted may have 0 rows: what it lacks is in the cache. Costs n_task comparisons, and
 * log(n_task) for each row. */
int sched_plan(const struct sched_state *s, struct sched_row *row);
/*
 * There is no room for task `who`, which runs: the task that gives its blocks back, and its group
 * with it: the newest of the lowest priority. May be `who` itself; -1 if nothing runs but it and
 * its group.
 */
int sched_victim(const struct sched_state *s, int who);

/* The policy's name, and back; SCHED_POLICIES for a name that is none. */
const char *sched_policy_name(enum sched_policy p);
enum sched_policy sched_policy_find(const char *name);

#endif
