/* SPDX-License-Identifier: MIT */
/* loop.c - one step of the engine; see run.h. */
#include <assert.h>

#include "base/clock.h"
#include "engine/run.h"

enum {
    MATCH_AT_ONCE = 4, /* waiting sequences whose prefixes are looked up again in a step */
    LEAST_CHUNK = 16,  /* rows that prompts get however many decode                      */
};

static const double AGE_S = 10; /* who has waited longer goes first */

/* --- waiting, running, gone --- */

/* What waits for a slot stands in order of arrival. */
static void enqueue(struct brrr_engine *e, struct seq *q)
{
    struct seq **at = &e->head;

    while (*at && (*at)->order < q->order)
        at = &(*at)->next;
    q->waits = true;
    q->next = *at;
    *at = q;
    if (!q->next) e->tail = &q->next;
}

static void dequeue(struct brrr_engine *e, struct seq *q)
{
    struct seq **at = &e->head;

    while (*at != q)
        at = &(*at)->next;
    *at = q->next;
    if (!q->next) e->tail = at;
    q->next = NULL;
    q->waits = false;
}

static int free_slot(const struct brrr_engine *e)
{
    for (int i = 0; i < e->o.n_parallel; i++)
        if (!e->slot[i]) return i;
    return -1;
}

static void take_slot(struct brrr_engine *e, struct seq *q, int slot)
{
    e->slot[slot] = q;
    q->slot = slot;
}

static void leave_slot(struct brrr_engine *e, struct seq *q)
{
    kvpool_release(e->kv, q->slot);
    e->slot[q->slot] = NULL;
    q->slot = -1;
}

/* A sequence begins, or goes on after it had to make room: from what the cache has of it. */
static void start(struct brrr_engine *e, struct seq *q)
{
    take_slot(e, q, free_slot(e));
    if (q->r->beams && !q->live) return;
    q->n_done = kvpool_start(e->kv, q->slot, q->id, q->n, q->r->salt);
    if (q->n_preempted > 0) return;
    q->n_cached = MIN(q->n_done, q->r->n_prompt);
    e->metrics.n_prompt += (uint64_t)q->r->n_prompt;
    e->metrics.n_cached += (uint64_t)q->n_cached;
}

/* The sequences that have slots and lose them together: all of a beam search, or the one. */
static struct seq *group_of(struct seq *q, int *n)
{
    *n = q->r->beams ? q->r->n_seq : 1;
    return q->r->beams ? q->r->seq : q;
}

static void admit(struct brrr_engine *e, struct seq *q)
{
    int n;
    struct seq *group = group_of(q, &n);

    dequeue(e, q);
    for (int i = 0; i < n; i++)
        start(e, &group[i]);
    if (q->r->t_start == 0) q->r->t_start = clock_now();
}

/* A sequence's blocks are needed by others: it waits again, all its tokens to be computed. */
static void preempt(struct brrr_engine *e, struct seq *q)
{
    int n;
    struct seq *group = group_of(q, &n);

    e->metrics.n_preempted++;
    for (int i = 0; i < n; i++) {
        leave_slot(e, &group[i]);
        group[i].n_done = group[i].n_match = 0;
        group[i].n_preempted++;
    } /* The first live one stands for all. */
    while (q->r->beams && !group->live)
        group++;
    enqueue(e, group);
}

/* No sequence of a request is left: its texts are shown until the next poll, then it is freed. */
static void finish_request(struct brrr_engine *e, struct request *r)
{
    *(r->before ? &r->before->after : &e->first) = r->after;
    *(r->after ? &r->after->before : &e->last) = r->before;
    e->n_cancelled -= r->cancelled;
    r->before = NULL;
    r->after = e->gone;
    e->gone = r;
}

static void list_shown(struct brrr_engine *e, struct request *r)
{
    r->show_next = e->shown;
    e->shown = r;
}

static void retire(struct brrr_engine *e, struct seq *q)
{
    if (q->slot >= 0) leave_slot(e, q);
    if (--q->r->n_left > 0) return;
    if (!q->r->quiet) {
        e->ev[e->n_ev - 1].last = true;
        finish_request(e, q->r);
        return;
    }
    request_rank(q->r);
    list_shown(e, q->r);
}

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
    bool held_back = r->beams && !beams_ready(r);

    e->task_seq[s->n_task] = q;
    e->task[s->n_task++] = (struct sched_task){ .id = q->order,
                                                .priority = r->gen.priority,
                                                .width = r->beams ? r->n_seq : 1,
                                                .running = q->slot >= 0,
                                                .n_total = q->n - held_back,
                                                .n_done = q->slot >= 0 ? q->n_done : q->n_match,
                                                .arrival = r->t_submit };
}

static struct sched_state look(struct brrr_engine *e)
{
    static const double spent[1] = { 0 };
    struct sched_state s = { .task = e->task,
                             .policy = e->o.policy,
                             .spent = spent,
                             .now = clock_now(),
                             .age = AGE_S,
                             .n_slot = e->o.n_parallel,
                             .n_row = e->o.chunk,
                             .least_chunk = MIN(LEAST_CHUNK, e->o.chunk) };
    int looked = 0;

    for (int i = 0; i < e->o.n_parallel; i++)
        if (e->slot[i] && (!e->slot[i]->r->beams || e->slot[i]->live)) {
            list_task(e, &s, e->slot[i]);
            s.n_row += e->task[s.n_task - 1].n_total - e->task[s.n_task - 1].n_done == 1;
        }
    s.n_row = MIN(s.n_row, e->o.chunk + e->o.n_parallel);
    e->now.n_running = s.n_task;
    for (struct seq *q = e->head; q && s.n_task < e->n_task_max; q = q->next) {
        if (looked++ < MATCH_AT_ONCE) q->n_match = kvpool_match(e->kv, q->id, q->n, q->r->salt);
        list_task(e, &s, q);
    }
    e->now.n_waiting = s.n_task - e->now.n_running;
    kvpool_room(e->kv, &s.room, &s.block_bytes);
    /* Those that run can each fill another block before anybody has to give way. */
    s.reserve = s.block_bytes * (size_t)e->o.n_parallel;
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
        preempt(e, e->task_seq[victim]);
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

        if (w->n == 0) continue;
        if (w->admit) {
            admit(e, q);
            w->admit = false;
            e->task[w->task].running = true;
            w->n = MIN(w->n, e->task[w->task].n_total - q->n_done);
        }
        if (w->n > 0) make_room(e, s, n_plan, w->task, w->n);
    }
}

static void add_rows(struct brrr_engine *e, struct batch *b, struct seq *q, int n)
{
    e->seq[b->n_seq++] =
        (struct batch_seq){ .slot = q->slot, .row0 = b->n_row, .n_row = n, .pos0 = q->n_done };
    memcpy(e->token + b->n_row, q->id + q->n_done, (size_t)n * sizeof(*e->token));
    bool decodes = n == 1 && q->n > q->r->n_prompt;
    *(decodes ? &e->now.n_decode : &e->now.n_prompt) += n;
    b->n_row += n;
    q->n_done += n;
    if (q->n_done < q->n) return;
    q->out0 = b->n_out;
    e->out_seq[e->n_out_seq++] = q;
    e->out_row[b->n_out++] = b->n_row - 1;
}

static struct batch make_batch(struct brrr_engine *e)
{
    struct batch b = { .token = e->token, .seq = e->seq, .out_row = e->out_row };
    struct sched_state s = look(e);
    int n_plan = sched_plan(&s, e->row);
    allot(e, &s, n_plan);
    e->n_out_seq = 0;
    for (int i = 0; i < n_plan; i++)
        if (e->row[i].n > 0) add_rows(e, &b, e->task_seq[e->row[i].task], e->row[i].n);
    b.n_workers = b.n_row > b.n_seq ? e->o.n_threads : e->o.n_threads_decode;
    return b;
}

/* --- what came of it --- */

static const float *row_of(const struct brrr_engine *e, const float *logits, int row)
{
    return logits + (size_t)row * (size_t)e->m->model->hp.n_vocab;
}

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

/* The drawn token of a sequence, and its event unless the request is quiet. */
static void take(struct brrr_engine *e, struct seq *q)
{
    double now = clock_now(), before = q->t_last;
    int n = q->n;

    seq_take(q, e->m, now, &e->ev[e->n_ev]);
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
    int slot = free_slot(e);

    if (slot < 0) {
        enqueue(e, q);
        return;
    }
    kvpool_fork(e->kv, from->slot, slot, from->n_done);
    q->n_done = from->n_done;
    q->n_cached = from->n_done;
    take_slot(e, q, slot);
}

/* The prompt has been read: all answers begin, from the same logits. */
static void release_held(struct brrr_engine *e, struct seq *first, const float *logits)
{
    struct request *r = first->r;

    for (int i = 1; r->n_held > 0 && i < r->n_seq; i++) {
        struct seq *q = &r->seq[i];
        q->held = false;
        r->n_held--;
        seq_draw(q, e->sampler, logits);
        take(e, q);
        if (q->finish) retire(e, q);
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
        leave_slot(e, &r->seq[i]);
    for (int i = 0; i < r->gen.n_choices; i++)
        count_end(e, &r->seq[i], clock_now());
    r->n_left = 0;
    list_shown(e, r);
}

static void commit(struct brrr_engine *e, struct seq *q, const float *logits)
{
    if (q->r->beams) {
        commit_beams(e, q->r);
        return;
    }
    take(e, q);
    release_held(e, q, logits);
    if (q->finish) retire(e, q);
}

/* Seconds since *t, which moves on. */
static double lap(double *t)
{
    double before = *t;

    *t = clock_now();
    return *t - before;
}

static void record(struct brrr_engine *e, const struct batch *b)
{
    struct metric_step *s = &e->now;
    struct kvpool_stats kv;

    kvpool_stats(e->kv, &kv);
    s->index = e->n_step;
    s->n_out = b->n_out;
    s->kv_used = kv.used;
    s->kv_cached = kv.cached;
    s->work = machine_batch_work(e->m->model, &e->cost, b, e->o.kv_type);
    metrics_add_step(&e->metrics, s);
    e->steps[e->n_step++ % METRIC_STEPS] = *s;
}

void loop_step(struct brrr_engine *e)
{
    double t = clock_now();

    e->now = (struct metric_step){ .t0 = t };
    struct batch b = make_batch(e);
    if (b.n_row == 0) return; /* beams that just got their slots, and all is in the cache */
    e->now.plan_s = lap(&t);
    const float *logits = step_run(e->step, e->pool, &b, kvpool_view(e->kv));
    e->now.model_s = lap(&t);
    for (int i = 0; i < e->n_out_seq; i++)
        seq_draw(e->out_seq[i], e->sampler, row_of(e, logits, e->out_seq[i]->out0));
    e->now.draw_s = lap(&t);
    for (int i = 0; i < b.n_seq; i++) {
        struct seq *q = e->slot[b.seq[i].slot];
        kvpool_publish(e->kv, q->slot, q->id, q->n_done);
    }
    for (int i = 0; i < e->n_out_seq; i++)
        commit(e, e->out_seq[i], row_of(e, logits, e->out_seq[i]->out0));
    e->now.commit_s = lap(&t);
    record(e, &b);
}

/* --- the end --- */

static void stop_computing(struct brrr_engine *e, struct seq *q)
{
    if (q->slot >= 0) leave_slot(e, q);
    else if (q->waits) dequeue(e, q);
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
    finish_request(e, r);
}

/* A request that is cancelled while its answers are shown says no more than that. */
static void unlist_shown(struct brrr_engine *e, const struct request *r)
{
    struct request **at = &e->shown;

    while (*at && *at != r)
        at = &(*at)->show_next;
    if (*at) *at = r->show_next;
}

void loop_cancelled(struct brrr_engine *e)
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

void loop_show(struct brrr_engine *e)
{
    struct request **at = &e->shown;

    while (*at && e->n_ev + (*at)->gen.n_choices <= e->ev_cap) {
        struct request *r = *at;
        if (show_one(e, r)) {
            *at = r->show_next;
            finish_request(e, r);
        } else at = &r->show_next;
    }
}
