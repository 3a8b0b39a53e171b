/* SPDX-License-Identifier: MIT */
/* loop.c - one step of the engine; see run.h. */
#include <assert.h>

#include "base/clock.h"
#include "engine/run.h"

enum {
    MATCH_BLOCKS = 64, /* of prefixes of waiting sequences, looked up again in a step */
};

static const double AGE_S = 10; /* who has waited longer is old */

/* --- what a step computes --- */

/* Beams take their next step together: all are there but for their newest tokens, or there is only
 * one. */
static bool beams_ready(const struct request *r)
{
    int n_live = 0, n_ready = 0;

    for (int i = 0; i < r->n_seq; i++) {
        n_live += r->seq[i].live;
        n_ready += r->seq[i].live && r->seq[i].n_done + 1 == r->seq[i].n;
    }
    return n_live == 1 || n_ready == n_live;
}

static void list_task(struct brrr_engine *e, struct sched_state *s, struct seq *q)
{
    const struct request *r = q->r;
    bool held_back = r->beams && !beams_ready(r), runs = q->slot >= 0;
    bool starves = users_list(&e->users, r->user_index, runs, AGE_S);

    e->task_seq[s->n_task] = q;
    e->task[s->n_task++] = (struct sched_task){ .id = q->order,
                                                .group = r->beams ? r->id : 0,
                                                .user = r->user_index,
                                                .priority = r->gen.priority,
                                                .running = runs,
                                                .starves = starves,
                                                .n_total = q->n - held_back,
                                                .n_done = runs ? q->n_done : q->n_match,
                                                .n_shared = q->n_shared,
                                                .width = r->beams ? r->n_seq : 1,
                                                .n_preempted = q->n_preempted,
                                                .n_draft = q->n_guess,
                                                .arrival = r->t_submit };
}

/* What the cache has of a waiting sequence changes. A few are looked up again in each step, in
 * turn; a long one is paid for by steps in which none is. */
static void match_again(struct brrr_engine *e, struct seq *q)
{
    if (e->match_credit <= 0 || q->order < e->match_from) return;
    slots_match(e, q);
    e->match_credit -= 1 + q->n_match / KV_BLOCK;
    e->match_from = q->order + 1;
}

/* Nobody waits out of sight behind the many requests of another user. */
static void list_waiting(struct brrr_engine *e, struct sched_state *s)
{
    int quota = MAX(e->o.n_parallel, e->n_task_max / MAX(e->users.n_active, 1));

    e->match_credit = MIN(e->match_credit + MATCH_BLOCKS, MATCH_BLOCKS);
    for (struct seq *q = e->head; q && s->n_task < e->n_task_max; q = q->next) {
        match_again(e, q);
        if (e->users.n_listed[q->r->user_index] < quota) list_task(e, s, q);
    }
    if (e->match_credit > 0) e->match_from = 0; /* all had their turn */
}

/* Rows of prompts for the next step: a chunk, or what the time between tokens allows. */
static int prompt_rows(const struct brrr_engine *e, int n_decode)
{
    if (e->o.itl_s == 0 || n_decode == 0) return e->o.chunk;
    return pace_rows(&e->pace, e->o.itl_s, n_decode, e->o.chunk);
}

/* A slot of a beam search may be empty until the search needs it. */
static bool runs(const struct seq *q)
{
    return !q->r->beams || q->live;
}

static struct sched_state look(struct brrr_engine *e)
{
    struct sched_state s = { .task = e->task,
                             .policy = e->o.policy,
                             .spent = e->users.spent,
                             .now = clock_now(),
                             .age = AGE_S,
                             .n_slot = e->o.n_parallel,
                             .least_chunk = MIN(ENGINE_LEAST_CHUNK, e->o.chunk) };
    int n_free = 0, n_decode = 0;

    users_begin(&e->users, s.now);
    for (int i = 0; i < e->o.n_parallel; i++) {
        struct seq *q = e->slot[i];
        n_free += !q;
        s.n_slot -= q && !runs(q);
        if (!q || !runs(q)) continue;
        list_task(e, &s, q);
        n_decode += e->task[s.n_task - 1].n_total - e->task[s.n_task - 1].n_done == 1;
        n_decode += q->n_guess;
    }
    s.n_row = n_decode + prompt_rows(e, n_decode);
    e->now.n_running = s.n_task;
    e->now.n_waiting = e->n_waiting;
    if (n_free > 0) list_waiting(e, &s);
    kvpool_room(e->kv, &s.room, &s.block_bytes);
    /* Those that run can each fill another block before anybody has to give way. */
    s.reserve = s.block_bytes;
    return s;
}

/* Tasks that lost their slots have no rows. */
static void drop_rows(struct brrr_engine *e, struct sched_state *s, int n_plan)
{
    for (int i = 0; i < s->n_task; i++)
        e->task[i].running = e->task[i].running && e->task_seq[i]->slot >= 0;
    for (int i = 0; i < n_plan; i++)
        if (e->task_seq[e->row[i].task]->slot < 0 && !e->row[i].admit) e->row[i].n = 0;
}

/* Room for the n next tokens of task `who`; others give way, and have no row in this step. False:
 * it had to give way itself. */
static bool make_room(struct brrr_engine *e, struct sched_state *s, int n_plan, int who, int n)
{
    struct seq *q = e->task_seq[who];

    while (!kvpool_extend(e->kv, q->slot, q->n_done, q->n_done + n)) {
        int victim = sched_victim(s, who);
        assert(victim >= 0); /* alone, every accepted request fits */
        slots_preempt(e, e->task_seq[victim]);
        drop_rows(e, s, n_plan);
        if (q->slot < 0) return false;
    }
    return true;
}

/* Carry out a plan: slots and blocks for all its rows. */
static void allot(struct brrr_engine *e, struct sched_state *s, int n_plan)
{
    for (int i = 0; i < n_plan; i++) {
        struct sched_row *w = &e->row[i];
        struct seq *q = e->task_seq[w->task];

        if (w->admit) {
            slots_admit(e, q);
            w->admit = false;
            e->task[w->task].running = true;
            w->n = MIN(w->n, e->task[w->task].n_total - q->n_done);
        }
        /* Nobody gives way to guesses. */
        if (q->n_guess > 0 && !kvpool_extend(e->kv, q->slot, q->n_done, q->n_done + w->n)) {
            w->n -= q->n_guess;
            q->n_guess = 0;
        }
        if (w->n > 0) make_room(e, s, n_plan, w->task, w->n);
    }
}

static void add_rows(struct brrr_engine *e, struct batch *b, struct seq *q, int n)
{
    e->seq[b->n_seq++] =
        (struct batch_seq){ .slot = q->slot, .row0 = b->n_row, .n_row = n, .pos0 = q->n_done };
    memcpy(e->token + b->n_row, q->id + q->n_done, (size_t)n * sizeof(*e->token));
    int n_real = n - q->n_guess;
    bool decodes = n_real == 1 && q->n > q->r->n_prompt;
    *(decodes ? &e->now.n_decode : &e->now.n_prompt) += n_real;
    e->now.n_draft += q->n_guess;
    b->n_row += n;
    q->n_done += n_real;
    if (q->n_done < q->n) return;
    q->out0 = b->n_out;
    e->out_seq[e->n_out_seq++] = q;
    for (int i = q->n_guess; i >= 0; i--)
        e->out_row[b->n_out++] = b->n_row - 1 - i;
}

/* What was done since *t was of this phase; *t moves on. */
static void spent_on(struct brrr_engine *e, enum metric_phase phase, double *t)
{
    double before = *t;

    *t = clock_now();
    e->now.phase_s[phase] += *t - before;
}

static struct batch make_batch(struct brrr_engine *e, double *t)
{
    struct batch b = { .token = e->token, .seq = e->seq, .out_row = e->out_row };

    guess_plan(e);
    spent_on(e, PHASE_DRAFT, t);
    struct sched_state s = look(e);
    int n_plan = sched_plan(&s, e->row);
    spent_on(e, PHASE_PLAN, t);
    allot(e, &s, n_plan);
    spent_on(e, PHASE_CACHE, t);
    e->n_out_seq = 0;
    for (int i = 0; i < n_plan; i++)
        if (e->row[i].n > 0) add_rows(e, &b, e->task_seq[e->row[i].task], e->row[i].n);
    b.n_workers = b.n_row > b.n_seq ? e->o.n_threads : e->o.n_threads_decode;
    spent_on(e, PHASE_PLAN, t);
    return b;
}

static const float *row_of(const struct brrr_engine *e, int row)
{
    return e->logits + (size_t)row * (size_t)e->m->model->hp.n_vocab;
}

/* Further answers to a prompt that was just read begin with the same logits. */
static void draw_held(const struct brrr_engine *e, const struct seq *first, int worker,
                      int n_workers)
{
    struct request *r = first->r;

    for (int i = 1 + worker; r->n_held > 0 && i < r->n_seq; i += n_workers)
        seq_draw(&r->seq[i], e->sampler[worker], row_of(e, first->out0), 0);
}

/* Every n-th sequence, from the worker's own on: each fills its own q->drawn. */
static void draw_part(void *arg, int worker, int n_workers)
{
    const struct brrr_engine *e = arg;

    for (int i = worker; i < e->n_out_seq; i += n_workers)
        seq_draw_all(e->out_seq[i], e->sampler[worker], row_of(e, e->out_seq[i]->out0));
    for (int i = 0; i < e->n_out_seq; i++)
        draw_held(e, e->out_seq[i], worker, n_workers);
}

/* A token for each sequence with logits. Who draws it changes no bit; one alone wakes nobody. */
static void draw(struct brrr_engine *e, int n_workers)
{
    int n_seq = e->n_out_seq, n;

    for (int i = 0; i < e->n_out_seq; i++)
        n_seq += e->out_seq[i]->r->n_held;
    n = MIN(MIN(n_workers, e->n_sampler), n_seq);
    if (n > 1) pool_run_n(e->pool, n, draw_part, e);
    else draw_part(e, 0, 1);
}

/* What the step gave to whom: tokens that nobody had computed before, and the use of the cache. */
static void charge(struct brrr_engine *e, int n_row)
{
    double worth = users_step(&e->users, n_row, e->now.phase_s[PHASE_MODEL]);

    for (int i = 0; i < e->o.n_parallel; i++) {
        struct seq *q = e->slot[i];
        if (!q || !runs(q)) continue;
        int held = (q->n_done + KV_BLOCK - 1) / KV_BLOCK - q->n_cached / KV_BLOCK;
        users_charge(&e->users, q->r->user_index, MAX(q->n_done - q->n_paid, 0), worth,
                     MAX(held, 0) / (double)e->n_kv_block);
        q->n_paid = MAX(q->n_paid, q->n_done);
    }
}

/* Blocks that are full now get their names. */
static void publish(struct brrr_engine *e, const struct batch *b)
{
    for (int i = 0; i < b->n_seq; i++) {
        struct seq *q = e->slot[b->seq[i].slot];
        kvpool_publish(e->kv, q->slot, q->id, q->n_done);
    }
}

/* What a step took is what later ones are planned by. */
static void learn_pace(struct brrr_engine *e, double seconds)
{
    int n = e->o.chunk;

    pace_observe(&e->pace, e->now.n_prompt, e->now.n_decode + e->now.n_draft, seconds);
    kvpool_pace(e->kv, pace_step_seconds(&e->pace, n, 0) * KV_BLOCK / n);
}

static void measure(struct brrr_engine *e, const struct batch *b)
{
    struct metric_step *s = &e->now;
    struct kvpool_stats kv;

    kvpool_stats(e->kv, &kv);
    s->index = e->n_step;
    s->n_out = b->n_out;
    s->kv_used = kv.used;
    s->kv_cached = kv.cached;
    s->kv_alone = kv.alone;
    s->kv_tail = kv.tail;
    s->kv_tail_alone = kv.tail_alone;
    s->work = machine_batch_work(e->m->model, &e->cost, b, e->o.kv_type);
}

static void record(struct brrr_engine *e)
{
    metrics_add_step(&e->metrics, &e->now);
    e->steps[e->n_step++ % METRIC_STEPS] = e->now;
}

void loop_step(struct brrr_engine *e)
{
    double t = clock_now();

    e->now = (struct metric_step){ .t0 = t };
    struct batch b = make_batch(e, &t);
    if (b.n_row == 0) return; /* beams that just got their slots, and all is in the cache */
    e->logits = step_run(e->step, e->pool, &b, kvpool_view(e->kv));
    spent_on(e, PHASE_MODEL, &t);
    charge(e, b.n_row);
    spent_on(e, PHASE_PLAN, &t);
    draw(e, b.n_workers);
    spent_on(e, PHASE_DRAW, &t);
    publish(e, &b);
    spent_on(e, PHASE_CACHE, &t);
    for (int i = 0; i < e->n_out_seq; i++)
        commit_token(e, e->out_seq[i]);
    spent_on(e, PHASE_COMMIT, &t);
    learn_pace(e, t - e->now.t0);
    measure(e, &b);
    spent_on(e, PHASE_PLAN, &t);
    record(e);
}
