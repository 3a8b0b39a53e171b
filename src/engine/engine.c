/* SPDX-License-Identifier: MIT */
/* engine.c - see engine.h. */
#include "engine/engine.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "base/limits.h"
#include "engine/kvpool.h"
#include "engine/request.h"

enum {
    DEFAULT_CHUNK = 256,
    CTX_UNIT = 256,
    LOOK_AHEAD = 256,  /* waiting requests that a step chooses from, oldest first       */
    MATCH_AT_ONCE = 4, /* of them, whose prefixes are looked up again in a step         */
    SPARE = 8,         /* times what the running sequences may come to: cache for earlier ones  */
    LEAST_CHUNK = 16,  /* rows that prompts get however many decode                     */
};

static const double AGE_S = 10; /* who has waited longer goes first */

struct brrr_engine {
    const struct brrr_model *m;
    struct engine_opts o;
    struct pool *pool;
    struct kvpool *kv;
    struct step *step;
    struct sampler *sampler;
    uint64_t next_id;
    struct request *head, **tail; /* waiting, oldest first     */
    struct request **slot;        /* [n_parallel], NULL: free  */
    struct sched_task *task;      /* [n_task_max] of a step    */
    struct request **task_request;
    struct sched_row *row;
    int n_task_max;
    struct request *gone; /* ended in the last poll; its text is still shown */

    struct engine_event
        *ev; /* [n_parallel] the last step's news; [ev_at, n_ev) is not handed over */
    int n_ev, ev_at;

    /* One step's batch, [max_row] and [n_parallel]. */
    int32_t *token, *out_row;
    struct batch_seq *seq;
    struct request **out_request;
};

static struct kvpool_opts pool_opts(const struct engine_opts *o, int ctx)
{
    return (struct kvpool_opts){ .kv_type = o->kv_type,
                                 .ctx = ctx,
                                 .n_slot = o->n_parallel,
                                 .chunk = o->chunk,
                                 .budget = o->kv_bytes,
                                 .no_prefix = o->no_prefix };
}

/*
 * Blocks that are never used cost next to nothing, and those of earlier prompts save work: room for
 * some more sequences than run at once, as far as a quarter of the free memory goes.
 */
static size_t default_budget(const struct hparams *hp, const struct kvpool_opts *k)
{
    size_t need = kvpool_bytes(hp, k), more;

    if (!size_mul(&more, need, SPARE)) return need;
    return MAX(need, MIN(more, mem_available() / 4));
}

/* A number that no client knows; without one from the system the clock must do. */
static uint64_t secret(void)
{
    uint64_t x;

    if (getrandom(&x, sizeof(x), GRND_NONBLOCK) != sizeof(x)) x = (uint64_t)(clock_now() * 1e9);
    return x;
}

/* The largest context, in steps of CTX_UNIT, whose cache fits in half of the free memory. */
static int fitting_ctx(const struct hparams *hp, const struct engine_opts *o)
{
    struct kvpool_opts k = pool_opts(o, hp->ctx_max);
    size_t most = mem_available() / 2;

    /* A budget is for all of them together. */
    if (o->kv_bytes) {
        most = o->kv_bytes;
        k.n_slot = 1;
    }
    while (k.ctx > CTX_UNIT && kvpool_bytes(hp, &k) > most)
        k.ctx = k.ctx > 2 * CTX_UNIT ? k.ctx / 2 / CTX_UNIT * CTX_UNIT : CTX_UNIT;
    return k.ctx;
}

enum brrr_status engine_opts_settle(struct engine_opts *o, const struct brrr_model *m,
                                    struct brrr_error *err)
{
    const struct hparams *hp = &m->model->hp;

    if (o->n_threads == 0) o->n_threads = MIN(cpu_count(), LIMIT_THREADS);
    if (o->chunk == 0) o->chunk = DEFAULT_CHUNK;
    if (o->n_parallel == 0) o->n_parallel = 1;
    if (o->ahead == 0) o->ahead = MATMUL_AHEAD;
    if (o->n_threads < 1 || o->n_threads > LIMIT_THREADS)
        return fail(err, BRRR_E_LIMIT, "%d threads: 1 to %d are possible", o->n_threads,
                    LIMIT_THREADS);
    if (o->n_threads_decode == 0) o->n_threads_decode = o->n_threads;
    if (o->n_threads_decode < 1 || o->n_threads_decode > LIMIT_THREADS)
        return fail(err, BRRR_E_LIMIT, "%d threads to decode: 1 to %d are possible",
                    o->n_threads_decode, LIMIT_THREADS);
    if (o->chunk < 1 || o->chunk > LIMIT_CHUNK)
        return fail(err, BRRR_E_LIMIT, "a chunk of %d tokens: 1 to %d are possible", o->chunk,
                    LIMIT_CHUNK);
    if (o->n_parallel < 1 || o->n_parallel > LIMIT_PARALLEL)
        return fail(err, BRRR_E_LIMIT, "%d sequences at once: 1 to %d are possible", o->n_parallel,
                    LIMIT_PARALLEL);
    if (o->ahead < 1 || o->ahead > LIMIT_AHEAD)
        return fail(err, BRRR_E_LIMIT, "%d bytes to fetch ahead: 1 to %d are possible", o->ahead,
                    LIMIT_AHEAD);
    if (o->ctx == 0) o->ctx = fitting_ctx(hp, o);
    if (o->ctx < 1 || o->ctx > hp->ctx_max)
        return fail(err, BRRR_E_LIMIT, "a context of %d tokens: this model has 1 to %d", o->ctx,
                    hp->ctx_max);
    struct kvpool_opts k = pool_opts(o, o->ctx);
    k.n_slot = 1;
    if (o->kv_bytes && kvpool_bytes(hp, &k) > o->kv_bytes)
        return fail(
            err, BRRR_E_LIMIT,
            "a sequence of %d tokens takes %zu MiB of KV cache, which has %zu MiB; a smaller "
            "--ctx-size helps",
            o->ctx, kvpool_bytes(hp, &k) >> 20, o->kv_bytes >> 20);
    return BRRR_OK;
}

static bool take_tables(struct brrr_engine *e, int max_row)
{
    size_t n = (size_t)e->o.n_parallel;

    e->n_task_max = e->o.n_parallel + LOOK_AHEAD;
    e->task = calloc((size_t)e->n_task_max, sizeof(*e->task));
    e->task_request = calloc((size_t)e->n_task_max, sizeof(struct request *));
    e->row = calloc((size_t)e->n_task_max, sizeof(*e->row));
    if (!e->task || !e->task_request || !e->row) return false;
    e->slot = calloc(n, sizeof(*e->slot));
    e->seq = calloc(n, sizeof(*e->seq));
    e->out_request = calloc(n, sizeof(*e->out_request));
    e->out_row = calloc(n, sizeof(*e->out_row));
    e->token = calloc((size_t)max_row, sizeof(*e->token));
    e->ev = calloc(n, sizeof(*e->ev));
    return e->ev && e->slot && e->seq && e->out_request && e->out_row && e->token;
}

enum brrr_status engine_open(struct brrr_engine **out, const struct brrr_model *m,
                             const struct engine_opts *opts, struct brrr_error *err)
{
    struct brrr_engine *e = calloc(1, sizeof(*e));
    const struct model *model = m->model;
    enum brrr_status st;

    *out = NULL;
    if (!e) return fail(err, BRRR_E_NOMEM, "no memory for an engine");
    e->m = m;
    e->o = *opts;
    e->tail = &e->head;
    e->next_id = 1;
    if ((st = engine_opts_settle(&e->o, m, err))) goto error;
    struct kvpool_opts k = pool_opts(&e->o, e->o.ctx);
    k.secret = secret();
    if (k.budget == 0) k.budget = default_budget(&model->hp, &k);
    int max_row = e->o.chunk + e->o.n_parallel;
    int n_workers = MAX(e->o.n_threads, e->o.n_threads_decode);
    struct step_opts so = { .max_row = max_row,
                            .max_out = e->o.n_parallel,
                            .ctx = e->o.ctx,
                            .n_workers = n_workers,
                            .ahead = e->o.ahead };
    if ((st = pool_new(&e->pool, n_workers, err))) goto error;
    if ((st = kvpool_new(&e->kv, &model->hp, &k, err))) goto error;
    if ((st = step_new(&e->step, model, &so, err))) goto error;
    if ((st = sampler_new(&e->sampler, model->hp.n_vocab, &model->kernels, err))) goto error;
    if (!take_tables(e, max_row)) {
        st = fail(err, BRRR_E_NOMEM, "no memory for an engine");
        goto error;
    }
    *out = e;
    return BRRR_OK;

error:
    brrr_engine_close(e);
    return st;
}

static void forget_gone(struct brrr_engine *e)
{
    while (e->gone) {
        struct request *r = e->gone;
        e->gone = r->next;
        request_free(r);
    }
}

void brrr_engine_close(struct brrr_engine *e)
{
    if (!e) return;
    for (int i = 0; e->slot && i < e->o.n_parallel; i++)
        request_free(e->slot[i]);
    while (e->head) {
        struct request *r = e->head;
        e->head = r->next;
        request_free(r);
    }
    forget_gone(e);
    sampler_free(e->sampler);
    step_free(e->step);
    kvpool_free(e->kv);
    pool_free(e->pool);
    free(e->slot);
    free(e->seq);
    free(e->out_request);
    free(e->out_row);
    free(e->token);
    free(e->ev);
    free(e->task);
    free(e->task_request);
    free(e->row);
    free(e);
}

static enum brrr_status check_prompt(const struct brrr_engine *e, const int32_t *prompt, size_t n,
                                     struct brrr_error *err)
{
    int n_vocab = e->m->model->hp.n_vocab;

    if (n == 0) return fail(err, BRRR_E_FORMAT, "the prompt has no tokens");
    if (n >= (size_t)e->o.ctx)
        return fail(err, BRRR_E_LIMIT,
                    "the prompt has %zu tokens, the context holds %d, the answer included "
                    "(--ctx-size; the model's limit is %d)",
                    n, e->o.ctx, e->m->model->hp.ctx_max);
    for (size_t i = 0; i < n; i++)
        if (prompt[i] < 0 || prompt[i] >= n_vocab)
            return fail(err, BRRR_E_FORMAT, "token %zu of the prompt is %d; ids are 0 to %d", i,
                        prompt[i], n_vocab - 1);
    return BRRR_OK;
}

enum brrr_status engine_submit(struct brrr_engine *e, const int32_t *prompt, size_t n_prompt,
                               const struct gen_params *gen, uint64_t *id, struct brrr_error *err)
{
    struct request *r;
    enum brrr_status st;

    *id = 0;
    if ((st = check_prompt(e, prompt, n_prompt, err))) return st;
    if ((st = gen_params_check(gen, e->m->model->hp.n_vocab, err))) return st;
    if ((st = request_new(&r, e->m, prompt, n_prompt, gen, err))) return st;
    int64_t want = (int64_t)n_prompt + gen->n_predict;
    int limit = gen->n_predict < 0 ? e->o.ctx : (int)MIN(want, e->o.ctx);
    if ((st = request_limit(r, limit, err))) {
        request_free(r);
        return st;
    }
    r->id = *id = e->next_id++;
    *e->tail = r;
    e->tail = &r->next;
    return BRRR_OK;
}

/* The request with this id, running or waiting, or NULL. */
static struct request *find(const struct brrr_engine *e, uint64_t id)
{
    for (int i = 0; i < e->o.n_parallel; i++)
        if (e->slot[i] && e->slot[i]->id == id) return e->slot[i];
    for (struct request *r = e->head; r; r = r->next)
        if (r->id == id) return r;
    return NULL;
}

void engine_cancel(struct brrr_engine *e, uint64_t id)
{
    struct request *r = find(e, id);

    if (r) r->cancelled = true;
}

bool engine_progress(const struct brrr_engine *e, uint64_t id, int *done, int *total)
{
    const struct request *r = find(e, id);

    if (!r) return false;
    *done = MIN(r->n_done, r->n_prompt);
    *total = r->n_prompt;
    return true;
}

const struct engine_opts *engine_options(const struct brrr_engine *e)
{
    return &e->o;
}

void engine_memory(const struct brrr_engine *e, size_t *buffers, size_t *kv)
{
    struct kvpool_opts k = pool_opts(&e->o, e->o.ctx);

    *buffers = step_bytes(e->step);
    *kv = kvpool_bytes(&e->m->model->hp, &k);
}

/* --- a step: who takes part, with how many of its tokens --- */

/* What waits for a slot stands in order of arrival. */
static void enqueue(struct brrr_engine *e, struct request *r)
{
    struct request **at = &e->head;

    while (*at && (*at)->id < r->id)
        at = &(*at)->next;
    r->next = *at;
    *at = r;
    if (!r->next) e->tail = &r->next;
}

static void dequeue(struct brrr_engine *e, struct request *r)
{
    struct request **at = &e->head;

    while (*at != r)
        at = &(*at)->next;
    *at = r->next;
    if (!r->next) e->tail = at;
    r->next = NULL;
}

/* A request begins, or goes on after it had to make room: from what the cache has of it. */
static void admit(struct brrr_engine *e, struct request *r)
{
    int slot = 0;

    while (e->slot[slot])
        slot++;
    dequeue(e, r);
    r->n_done = kvpool_start(e->kv, slot, r->ids.id, (int)r->ids.n, 0);
    if (r->t_start == 0) {
        r->t_start = clock_now();
        r->n_cached = r->n_done;
    }
    e->slot[slot] = r;
    r->slot = slot;
}

static void leave_slot(struct brrr_engine *e, struct request *r)
{
    kvpool_release(e->kv, r->slot);
    e->slot[r->slot] = NULL;
    r->slot = -1;
}

/* A finished request leaves its slot; it is freed at the next poll, after its text was read. */
static void retire(struct brrr_engine *e, struct request *r)
{
    leave_slot(e, r);
    r->next = e->gone;
    e->gone = r;
}

/* A request's blocks are needed by others: it waits again, all its tokens to be computed. */
static void preempt(struct brrr_engine *e, struct request *r)
{
    leave_slot(e, r);
    r->n_done = r->n_match = 0;
    r->n_preempted++;
    enqueue(e, r);
}

static void list_task(struct brrr_engine *e, struct sched_state *s, struct request *r)
{
    e->task_request[s->n_task] = r;
    e->task[s->n_task++] = (struct sched_task){ .id = r->id,
                                                .running = r->slot >= 0,
                                                .n_total = (int)r->ids.n,
                                                .n_done = r->slot >= 0 ? r->n_done : r->n_match,
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
        if (e->slot[i]) {
            list_task(e, &s, e->slot[i]);
            s.n_row += e->slot[i]->n_done + 1 == (int)e->slot[i]->ids.n;
        }
    s.n_row = MIN(s.n_row, e->o.chunk + e->o.n_parallel);
    for (struct request *r = e->head; r && s.n_task < e->n_task_max; r = r->next) {
        if (looked++ < MATCH_AT_ONCE) r->n_match = kvpool_match(e->kv, r->ids.id, (int)r->ids.n, 0);
        list_task(e, &s, r);
    }
    kvpool_room(e->kv, &s.room, &s.block_bytes);
    /* Those that run can each fill another block before anybody has to give way. */
    s.reserve = s.block_bytes * (size_t)e->o.n_parallel;
    return s;
}

/* Room for the n next tokens of task `who`; others give way, and have no row in this step. False:
 * it had to give way itself. */
static bool make_room(struct brrr_engine *e, struct sched_state *s, int n_plan, int who, int n)
{
    struct request *r = e->task_request[who];

    while (!kvpool_extend(e->kv, r->slot, r->n_done, r->n_done + n)) {
        int victim = sched_victim(s, who);
        assert(victim >= 0); /* alone, every accepted request fits */
        preempt(e, e->task_request[victim]);
        e->task[victim].running = false;
        for (int i = 0; i < n_plan; i++)
            if (e->row[i].task == victim) e->row[i].n = 0;
        if (victim == who) return false;
    }
    return true;
}

/* Carry out a plan: slots and blocks for all its rows. */
static void allot(struct brrr_engine *e, struct sched_state *s, int n_plan)
{
    for (int i = 0; i < n_plan; i++) {
        struct sched_row *w = &e->row[i];
        struct request *r = e->task_request[w->task];

        if (w->n == 0) continue;
        if (w->admit) {
            admit(e, r);
            e->task[w->task].running = true;
            w->n = MIN(w->n, (int)r->ids.n - r->n_done);
        }
        make_room(e, s, n_plan, w->task, w->n);
    }
}

static void add_rows(struct brrr_engine *e, struct batch *b, struct request *r, int n)
{
    e->seq[b->n_seq++] =
        (struct batch_seq){ .slot = r->slot, .row0 = b->n_row, .n_row = n, .pos0 = r->n_done };
    memcpy(e->token + b->n_row, r->ids.id + r->n_done, (size_t)n * sizeof(*e->token));
    b->n_row += n;
    r->n_done += n;
    if (r->n_done == (int)r->ids.n) {
        e->out_request[b->n_out] = r;
        e->out_row[b->n_out++] = b->n_row - 1;
    }
}

static struct batch make_batch(struct brrr_engine *e)
{
    struct batch b = { .token = e->token, .seq = e->seq, .out_row = e->out_row };
    struct sched_state s = look(e);
    int n_plan = sched_plan(&s, e->row);

    allot(e, &s, n_plan);
    for (int i = 0; i < n_plan; i++)
        if (e->row[i].n > 0) add_rows(e, &b, e->task_request[e->row[i].task], e->row[i].n);
    b.n_workers = b.n_row > b.n_seq ? e->o.n_threads : e->o.n_threads_decode;
    return b;
}

/* Events for requests that were cancelled, running or waiting. */
static int end_cancelled(struct brrr_engine *e)
{
    int n = 0;

    for (int i = 0; i < e->o.n_parallel; i++)
        if (e->slot[i] && e->slot[i]->cancelled) {
            request_end(e->slot[i], BRRR_FINISH_CANCELLED, &e->ev[n++]);
            retire(e, e->slot[i]);
        }
    struct request **at = &e->head;
    while (*at && n < e->o.n_parallel) {
        struct request *r = *at;
        if (!r->cancelled) {
            at = &r->next;
            continue;
        }
        *at = r->next;
        if (!r->next) e->tail = at;
        request_end(r, BRRR_FINISH_CANCELLED, &e->ev[n++]);
        r->next = e->gone;
        e->gone = r;
    }
    return n;
}

static bool idle(const struct brrr_engine *e)
{
    for (int i = 0; i < e->o.n_parallel; i++)
        if (e->slot[i]) return false;
    return !e->head;
}

/* One step of the model; its events into e->ev. Returns how many. */
static int run_step(struct brrr_engine *e)
{
    struct batch b = make_batch(e);
    const float *logits = step_run(e->step, e->pool, &b, kvpool_view(e->kv));
    size_t n_vocab = (size_t)e->m->model->hp.n_vocab;
    for (int i = 0; i < b.n_seq; i++) {
        struct request *r = e->slot[b.seq[i].slot];
        kvpool_publish(e->kv, b.seq[i].slot, r->ids.id, r->n_done);
    }
    for (int i = 0; i < b.n_out; i++) {
        struct request *r = e->out_request[i];
        request_step(r, e->m, e->sampler, logits + (size_t)i * n_vocab, &e->ev[i]);
        if (e->ev[i].finish) retire(e, r);
    }
    return b.n_out;
}

int engine_poll(struct brrr_engine *e, struct engine_event *ev, int cap)
{
    assert(cap >= 1);
    /* The texts of events live in their requests: no step before all events were handed over. */
    if (e->ev_at == e->n_ev) {
        forget_gone(e);
        if (idle(e)) return -1;
        e->ev_at = 0;
        e->n_ev = end_cancelled(e);
        if (e->n_ev == 0) e->n_ev = run_step(e);
    }
    int n = MIN(cap, e->n_ev - e->ev_at);
    memcpy(ev, e->ev + e->ev_at, (size_t)n * sizeof(*ev));
    e->ev_at += n;
    return n;
}
