/* SPDX-License-Identifier: MIT */
/*
 * run.h - the engine's state, for the files that make it up. Private to engine/.
 *
 *     engine.c  opens and closes; takes requests in, hands events out
 *     loop.c    one step: who takes part, blocks for them, the batch, what came of it
 *
 * Everything here belongs to the thread that polls.
 */
#ifndef ENGINE_RUN_H
#define ENGINE_RUN_H

#include "engine/engine.h"
#include "engine/metrics.h"
#include "engine/request.h"

struct brrr_engine {
    const struct brrr_model *m;
    struct engine_opts o;
    struct pool *pool;
    struct kvpool *kv;
    struct step *step;
    struct sampler *sampler;

    uint64_t next_id, next_order, n_step;
    struct request *first, *last; /* all that have not ended, in order of arrival         */
    int n_cancelled;              /* of them                                              */
    struct request *shown;        /* quiet ones whose answers are handed out (by `after`) */
    struct request *gone;         /* ended in the last poll; their texts are still shown  */
    struct seq *head, **tail;     /* waiting for a slot, in order of arrival              */
    struct seq **slot;            /* [n_parallel], NULL: free                             */

    /* What a step is planned from: [n_task_max]. */
    int n_task_max;
    struct sched_task *task;
    struct seq **task_seq;
    struct sched_row *row;

    /* One step's batch. */
    int32_t *token;        /* [max_row]    */
    int32_t *out_row;      /* [n_parallel] */
    struct batch_seq *seq; /* [n_parallel] */
    struct seq **out_seq;  /* [n_parallel] sequences with logits, in the order of their rows */
    int n_out_seq;
    struct model_cost cost;
    struct metrics metrics;
    struct metric_step now;    /* the step that is being made   */
    struct metric_step *steps; /* [METRIC_STEPS], a ring: index % METRIC_STEPS */

    struct engine_event *ev; /* [ev_cap] news; [ev_at, n_ev) is not handed over              */
    int n_ev, ev_at, ev_cap;
};

/* One step of the model; its events go to e->ev. */
void loop_step(struct brrr_engine *e);
/* Requests that were cancelled end, whatever they were doing. */
void loop_cancelled(struct brrr_engine *e);
/* The next events of quiet requests whose sequences have ended. */
void loop_show(struct brrr_engine *e);

#endif
