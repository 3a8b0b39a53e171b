/* SPDX-License-Identifier: MIT */
/* commit.c - what came of a step: tokens, events, ends; see run.h. */
#include <assert.h>

#include "base/clock.h"
#include "engine/run.h"

static void count_token(struct brrr_engine *e, struct seq *q, double gap)
{
    struct metrics *m = &e->metrics;

    m->n_made++;
    if (q->n == q->r->n_prompt + 1) {
        metric_time(&m->queue, q->r->t_start - q->r->t_submit);
        metric_time(&m->ttft, q->t_first - q->r->t_submit);
        return;
    }
    metric_time(&m->itl, gap);
    q->itl_max = MAX(q->itl_max, gap);
}

static void count_end(struct brrr_engine *e, const struct seq *q, double now)
{
    e->metrics.n_finished[q->finish]++;
    metric_time(&e->metrics.total, now - q->r->t_submit);
}

/* A drawn token of a sequence, the i-th of this step, and its event unless the request is quiet. */
static void take(struct brrr_engine *e, struct seq *q, int i)
{
    double now = clock_now(), before = q->t_last;
    int n = q->n;

    seq_take(q, e->m, now, i, &e->ev[e->n_ev]);
    if (q->n > n) count_token(e, q, now - before);
    if (q->finish) count_end(e, q, now);
    if (q->r->quiet) return;
    e->n_ev++;
    assert(e->n_ev <= e->ev_cap);
}

/* A further answer to a prompt that was just read: it starts from the same blocks, in a slot of its
 * own, or waits for one. */
static void branch(struct brrr_engine *e, struct seq *from, struct seq *q)
{
    int slot = slots_free(e);

    if (slot < 0) {
        slots_enqueue(e, q);
        return;
    }
    kvpool_fork(e->kv, from->slot, slot, from->n_done);
    q->n_done = from->n_done;
    q->n_cached = q->n_paid = from->n_done;
    slots_take(e, q, slot);
}

/* The prompt has been read: all answers begin. */
static void release_held(struct brrr_engine *e, struct seq *first)
{
    struct request *r = first->r;

    for (int i = 1; r->n_held > 0 && i < r->n_seq; i++) {
        struct seq *q = &r->seq[i];
        q->held = false;
        r->n_held--;
        take(e, q, 0);
        if (q->finish) slots_retire(e, q);
        else branch(e, first, q);
    }
}

/* The blocks of beams go where the beams went. */
static void move_blocks(struct brrr_engine *e, struct request *r)
{
    const struct beams *b = r->beams;

    for (int i = 0; i < b->n_move; i++) {
        int to = r->seq[b->move[i].to].slot;
        kvpool_release(e->kv, to);
        kvpool_fork(e->kv, r->seq[b->move[i].from].slot, to, r->seq[b->move[i].from].n_done);
    }
    for (int i = 0; i < r->n_seq; i++)
        if (!r->seq[i].live) kvpool_release(e->kv, r->seq[i].slot);
}

static void commit_beams(struct brrr_engine *e, struct request *r)
{
    if (r->n_step == e->n_step + 1) return; /* with the first of them */
    r->n_step = e->n_step + 1;
    if (!beams_advance(r->beams, r, e->m, clock_now())) {
        move_blocks(e, r);
        return;
    }
    for (int i = 0; i < r->n_seq; i++)
        slots_leave(e, &r->seq[i]);
    for (int i = 0; i < r->gen.n_choices; i++)
        count_end(e, &r->seq[i], clock_now());
    r->n_left = 0;
    slots_show(e, r);
}

void commit_token(struct brrr_engine *e, struct seq *q)
{
    if (q->r->beams) {
        commit_beams(e, q->r);
        return;
    }
    int n = 0;
    while (n < q->n_drawn && !q->finish)
        take(e, q, n++);
    guess_verified(e, q, n);
    release_held(e, q);
    if (q->finish) slots_retire(e, q);
}

/* --- the end --- */

static void stop_computing(struct brrr_engine *e, struct seq *q)
{
    if (q->slot >= 0) slots_leave(e, q);
    else if (q->waits) slots_dequeue(e, q);
}

/* The sequence behind answer i that a client gets. */
static struct seq *answer(struct request *r, int i)
{
    return &r->seq[r->quiet && r->n_left == 0 ? r->winner[i] : i];
}

/* The answers whose last event is not out end here. */
static void cancel(struct brrr_engine *e, struct request *r)
{
    for (int i = 0; i < r->n_seq; i++)
        stop_computing(e, &r->seq[i]);
    for (int i = 0; i < r->gen.n_choices; i++) {
        struct seq *q = answer(r, i);
        if (r->quiet ? q->shown : q->finish != BRRR_FINISH_NONE) continue;
        seq_end(q, BRRR_FINISH_CANCELLED, &e->ev[e->n_ev++]);
        count_end(e, q, clock_now());
    }
    e->ev[e->n_ev - 1].last = true;
    slots_finish(e, r);
}

/* A request that is cancelled while its answers are shown says no more than that. */
static void unlist_shown(struct brrr_engine *e, const struct request *r)
{
    struct request **at = &e->shown;

    while (*at && *at != r)
        at = &(*at)->show_next;
    if (*at) *at = r->show_next;
}

void commit_cancelled(struct brrr_engine *e)
{
    struct request *after;

    for (struct request *r = e->first; r && e->n_cancelled > 0; r = after) {
        after = r->after;
        if (!r->cancelled) continue;
        if (e->n_ev + r->gen.n_choices > e->ev_cap) return; /* the next poll goes on */
        unlist_shown(e, r);
        cancel(e, r);
    }
}

/* One token of each answer. True when all were shown. */
static bool show_one(struct brrr_engine *e, struct request *r)
{
    bool all = true;

    for (int i = 0; i < r->gen.n_choices; i++) {
        struct seq *q = answer(r, i);
        struct engine_event *ev = &e->ev[e->n_ev];
        if (q->shown) continue;
        seq_show(q, e->m, ev);
        q->shown = ev->finish != BRRR_FINISH_NONE;
        all = all && q->shown;
        e->n_ev++;
    }
    if (all) e->ev[e->n_ev - 1].last = true;
    return all;
}

void commit_shown(struct brrr_engine *e)
{
    struct request **at = &e->shown;

    while (*at && e->n_ev + (*at)->gen.n_choices <= e->ev_cap) {
        struct request *r = *at;
        if (show_one(e, r)) {
            *at = r->show_next;
            slots_finish(e, r);
        } else at = &r->show_next;
    }
}
