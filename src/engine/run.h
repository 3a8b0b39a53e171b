/* SPDX-License-Identifier: MIT */
/*
 * run.h - the engine's state, for the files that make it up. Private to engine/.
 *
 *     engine.c  opens and closes; takes requests in, hands events out
 *     loop.c    one step: who takes part, blocks for them, the batch
 *     slots.c   who waits, who has a slot, who is gone
 * commit.c  what came of a step: tokens, events, ends
 *     guess.c   guesses of next tokens, and what was right of them
 *
 * Everything here belongs to the thread that polls; workers only read it, and fill what is drawn.
 */
#ifndef ENGINE_RUN_H
#define ENGINE_RUN_H

#include "engine/engine.h"
#include "engine/metrics.h"
#include "engine/request.h"
#include "engine/users.h"

struct brrr_engine {
    const struct brrr_model *m;
    struct engine_opts o;
    struct pool *pool;
    struct kvpool *kv;
    struct kvdisk *disk; /* NULL: none */
    struct step *step;
    struct sampler **sampler; /* [n_sampler] of the workers 0, 1, ...: at most one per sequence */
    int n_sampler;
    const float *logits; /* of this step: [n_out][n_vocab]                                   */
    struct pace pace;    /* what steps cost here                                              */
    struct users users;

    uint64_t next_id, next_order, n_step;
    struct request *first, *last; /* all that have not ended, in order of arrival         */
    int n_cancelled;              /* of them                                              */
    int n_alive;                  /* of them, those with something to compute             */
    size_t request_bytes;         /* of them                                              */
    struct request *shown;        /* quiet ones whose answers are handed out (by `after`) */
    struct request *gone;         /* ended in the last poll; their texts are still shown  */
    struct seq *head, **tail;     /* waiting for a slot, in order of arrival              */
    int n_waiting;                /* of them                                              */
    uint64_t match_from;          /* prefixes are looked up again from this order on      */
    int match_credit;             /* in blocks                                            */
    struct seq **slot;            /* [n_parallel], NULL: free                             */
    size_t n_kv_block;            /* that the cache has room for                          */

    /* What a step is planned from: [n_task_max]. */
    int n_task_max;
    struct sched_task *task;
    struct seq **task_seq;
    struct sched_row *row;

    /* One step's batch. */
    int32_t *token;        /* [max_row]    */
    int32_t *out_row;      /* [n_parallel + n_guess_max] */
    struct batch_seq *seq; /* [n_parallel] */
    struct seq **out_seq;  /* [n_parallel] sequences with logits, in the order of their rows */
    int n_out_seq;
    struct model_cost cost;
    struct metrics metrics;
    struct metric_step now;    /* the step that is being made   */
    struct metric_step *steps; /* [METRIC_STEPS], a ring: index % METRIC_STEPS */

    /* Speculation. */
    int n_guess_max;             /* in a step, over all sequences                         */
    struct draft_shared *shared; /* what answers said; NULL: the drafter does not ask     */
    struct second *second;       /* the draft model; NULL: none                           */
    double second_size;     /* weights that it reads in a step, as a part of the first model's */
    struct second_job *job; /* [n_parallel] what is asked of it                      */
    struct spec_rate experience; /* acceptance, over all sequences                        */
    int n_plain, n_reading;      /* this step: sequences that decode; rows of prompts, about */

    struct engine_event *ev; /* [ev_cap] news; [ev_at, n_ev) is not handed over              */
    int n_ev, ev_at, ev_cap;
};

/* --- loop.c --- */

/* One step of the model; its events go to e->ev. */
void loop_step(struct brrr_engine *e);

/* --- slots.c --- */

/* What waits for a slot stands in order of arrival. */
void slots_enqueue(struct brrr_engine *e, struct seq *q);
void slots_dequeue(struct brrr_engine *e, struct seq *q);
/* What the cache has of a sequence that waits; what only the disk has is fetched ahead, once. */
void slots_match(struct brrr_engine *e, struct seq *q);
/* A slot that is free, or -1. */
int slots_free(const struct brrr_engine *e);
void slots_take(struct brrr_engine *e, struct seq *q, int slot);
/* The slot and its blocks are free again. */
void slots_leave(struct brrr_engine *e, struct seq *q);
/* A sequence that waits begins, or goes on after it had to make room: from what the cache has of
 * it. There must be slots for it and for those that go with it. */
void slots_admit(struct brrr_engine *e, struct seq *q);
/* Its blocks are needed by others: it waits again, all its tokens to be computed. */
void slots_preempt(struct brrr_engine *e, struct seq *q);
/* One sequence of a request has ended, and with the last of them the request, or its showing
 * begins. */
void slots_retire(struct brrr_engine *e, struct seq *q);
void slots_show(struct brrr_engine *e, struct request *r);
/* The request is gone; its texts are shown until the next poll, then it is freed. */
void slots_finish(struct brrr_engine *e, struct request *r);
/* Its user has one request less; once. */
void slots_leave_user(struct brrr_engine *e, struct request *r);

/* --- guess.c --- */

enum brrr_status guess_open(struct brrr_engine *e, struct brrr_error *err);
void guess_close(struct brrr_engine *e);
/* A new request's sequences get their drafters. */
enum brrr_status guess_attach(struct brrr_engine *e, struct request *r, struct brrr_error *err);
/* Before a step is planned: guesses for the sequences that decode, as many as pay. */
void guess_plan(struct brrr_engine *e);
/* n drawn tokens of a sequence were taken: learn from it, and forget what was computed for wrong
 * guesses. */
void guess_verified(struct brrr_engine *e, struct seq *q, int n_taken);

/* --- commit.c --- */

/* What was drawn for a sequence, and for those that begin with it, and all that follows. */
void commit_token(struct brrr_engine *e, struct seq *q);
/* Requests that were cancelled end, whatever they were doing. */
void commit_cancelled(struct brrr_engine *e);
/* The next events of quiet requests whose sequences have ended. */
void commit_shown(struct brrr_engine *e);

#endif
