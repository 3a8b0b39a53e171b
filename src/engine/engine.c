/* SPDX-License-Identifier: MIT */
/* engine.c - see engine.h. */
#include "engine/engine.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "base/limits.h"
#include "base/noalloc.h"
#include "engine/kvdisk.h"
#include "engine/kvident.h"
#include "engine/run.h"
#include "engine/second.h"

enum {
    DEFAULT_CHUNK = 256,
    DEFAULT_DRAFT = 16,
    GUESSES = 32, /* in a step over all sequences, or as many as one may have: rows cost   */
    CTX_UNIT = 256,
    DEFAULT_WAITING = 1024,
    SPARE = 8, /* times what the running sequences may come to: cache for earlier ones  */
};

static struct kvpool_opts pool_opts(const struct engine_opts *o, int ctx)
{
    return (struct kvpool_opts){ .kv_type = o->kv_type,
                                 .ctx = ctx,
                                 .n_slot = o->n_parallel,
                                 .chunk = MAX(o->chunk, 1 + o->draft_max),
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

/* Whatever is accepted fits into the KV cache when it is alone. */
static enum brrr_status check_memory(const struct engine_opts *o, const struct hparams *hp,
                                     struct brrr_error *err)
{
    struct kvpool_opts k = pool_opts(o, o->ctx);
    size_t available = mem_available();

    k.n_slot = 1;
    if (o->kv_bytes == 0) return BRRR_OK;
    if (kvpool_bytes(hp, &k) > o->kv_bytes)
        return fail(err, BRRR_E_LIMIT,
                    "a sequence of %d tokens takes %zu bytes of KV cache, --kv-memory allows %zu: "
                    "%zu at least, or a smaller --ctx-size",
                    o->ctx, kvpool_bytes(hp, &k), o->kv_bytes, kvpool_bytes(hp, &k));
    if (o->kv_bytes > available)
        return fail(err, BRRR_E_NOMEM,
                    "--kv-memory asks for %zu MiB of KV cache, %zu MiB of memory are available",
                    o->kv_bytes >> 20, available >> 20);
    return BRRR_OK;
}

enum brrr_status engine_opts_settle(struct engine_opts *o, const struct brrr_model *m,
                                    struct brrr_error *err)
{
    const struct hparams *hp = &m->model->hp;

    if (o->n_threads == 0) o->n_threads = MIN(cpu_count(), LIMIT_THREADS);
    if (o->chunk == 0) o->chunk = DEFAULT_CHUNK;
    if (o->n_parallel == 0) o->n_parallel = 1;
    if (o->ahead == 0) o->ahead = MATMUL_AHEAD;
    if (o->max_waiting == 0) o->max_waiting = DEFAULT_WAITING;
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
    if (o->max_waiting < -1 || o->max_waiting > LIMIT_WAITING)
        return fail(err, BRRR_E_LIMIT, "%d waiting requests: 0 to %d are possible", o->max_waiting,
                    LIMIT_WAITING);
    if (!(o->itl_s >= 0 && o->itl_s <= LIMIT_ITL_S))
        return fail(err, BRRR_E_LIMIT, "%g seconds between tokens: 0 to %d are possible", o->itl_s,
                    LIMIT_ITL_S);
    if (o->draft_max == 0 && o->speculate != DRAFT_NONE) o->draft_max = DEFAULT_DRAFT;
    if (o->draft_max < 0 || o->draft_max > LIMIT_DRAFT)
        return fail(err, BRRR_E_LIMIT, "drafts of %d tokens: 1 to %d are possible", o->draft_max,
                    LIMIT_DRAFT);
    if (o->speculate == DRAFT_NONE) o->draft_max = 0;
    if (o->speculate == DRAFT_MODEL && !o->draft_model)
        return fail(err, BRRR_E_LIMIT, "speculation with a draft model needs one");
    if (o->speculate == DRAFT_MODEL) {
        enum brrr_status st = second_check(m, o->draft_model, err);
        if (st) return st;
    }
    if (o->ctx == 0) o->ctx = fitting_ctx(hp, o);
    if (o->ctx < 1 || o->ctx > hp->ctx_max)
        return fail(err, BRRR_E_LIMIT, "a context of %d tokens: this model has 1 to %d", o->ctx,
                    hp->ctx_max);
    return check_memory(o, hp, err);
}

/* A step brings at most one token for each answer of each request that runs, and as many as there
 * are guesses; one place is spare. */
static bool room_for_events(struct brrr_engine *e, int n_choices)
{
    int cap = e->o.n_parallel * n_choices + e->n_guess_max;

    if (cap <= e->ev_cap) return true;
    struct engine_event *p = realloc(e->ev, ((size_t)cap + 1) * sizeof(*p));
    if (!p) return false;
    e->ev = p;
    e->ev_cap = cap;
    return true;
}

/* Requests that may run or wait. */
static int most_alive(const struct brrr_engine *e)
{
    return e->o.n_parallel + MAX(e->o.max_waiting, 0);
}

static bool take_tables(struct brrr_engine *e, int max_row)
{
    size_t n = (size_t)e->o.n_parallel;

    /* Every request, and as many further answers of some. */
    e->n_task_max = 2 * most_alive(e);
    e->task = calloc((size_t)e->n_task_max, sizeof(*e->task));
    e->task_seq = calloc((size_t)e->n_task_max, sizeof(struct seq *));
    e->row = calloc((size_t)e->n_task_max, sizeof(*e->row));
    if (!e->task || !e->task_seq || !e->row) return false;
    e->steps = calloc(METRIC_STEPS, sizeof(*e->steps));
    e->slot = calloc(n, sizeof(*e->slot));
    e->seq = calloc(n, sizeof(*e->seq));
    e->out_seq = calloc(n, sizeof(*e->out_seq));
    e->out_row = calloc(n + (size_t)e->n_guess_max, sizeof(*e->out_row));
    e->token = calloc((size_t)max_row, sizeof(*e->token));
    return e->steps && e->slot && e->seq && e->out_seq && e->out_row && e->token &&
           room_for_events(e, 1);
}

static void count_blocks(struct brrr_engine *e)
{
    size_t room, block_bytes;

    kvpool_room(e->kv, &room, &block_bytes);
    e->n_kv_block = MAX(room / block_bytes, 1);
}

static enum brrr_status take_samplers(struct brrr_engine *e, int n, struct brrr_error *err)
{
    const struct model *m = e->m->model;
    enum brrr_status st;

    e->sampler = calloc((size_t)n, sizeof(struct sampler *));
    if (!e->sampler) return fail(err, BRRR_E_NOMEM, "no memory for %d samplers", n);
    for (; e->n_sampler < n; e->n_sampler++) {
        st = sampler_new(&e->sampler[e->n_sampler], m->hp.n_vocab, &m->kernels, err);
        if (st) return st;
    }
    return BRRR_OK;
}

/* The disk tier, if one is asked for and can be had. Its secret is that of the names of blocks. */
static void open_disk(struct brrr_engine *e, struct kvpool_opts *k)
{
    struct brrr_error why = { 0 };
    char text[sizeof(why.text) + 64];

    k->secret = secret();
    if (!e->o.kv_disk || e->o.no_prefix) return;
    struct kvdisk_opts o = { .dir = e->o.kv_disk,
                             .bytes = e->o.kv_disk_bytes,
                             .id = kvident(e->m, e->o.kv_type, e->o.ctx) };
    if (kvdisk_open(&e->disk, &o, &why) == BRRR_OK) {
        k->secret = kvdisk_secret(e->disk);
        k->disk = e->disk;
    } else if (e->o.note) {
        snprintf(text, sizeof(text), "the KV cache is not kept on disk: %s", why.text);
        e->o.note(e->o.note_arg, text);
    }
}

static void tell_news(struct brrr_engine *e)
{
    struct brrr_error news;

    if (e->disk && kvdisk_note(e->disk, &news) && e->o.note) e->o.note(e->o.note_arg, news.text);
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
    model_cost(&e->cost, model, e->o.kv_type);
    if ((st = engine_opts_settle(&e->o, m, err))) goto error;
    if (e->o.pace.n_decode == 0 && e->o.pace.n_prompt == 0)
        pace_prior_of_model(&e->o.pace, model, e->o.kv_type, e->o.n_threads);
    pace_init(&e->pace, &e->o.pace);
    struct kvpool_opts k = pool_opts(&e->o, e->o.ctx);
    open_disk(e, &k);
    if (k.budget == 0) k.budget = default_budget(&model->hp, &k);
    e->n_guess_max = MIN(e->o.n_parallel * e->o.draft_max, MAX(e->o.draft_max, GUESSES));
    int max_row = e->o.chunk + e->o.n_parallel + e->n_guess_max;
    int n_workers = MAX(e->o.n_threads, e->o.n_threads_decode);
    struct step_opts so = { .max_row = max_row,
                            .max_out = e->o.n_parallel + e->n_guess_max,
                            .ctx = e->o.ctx,
                            .n_workers = n_workers,
                            .ahead = e->o.ahead };
    if ((st = pool_new(&e->pool, n_workers, err))) goto error;
    if ((st = kvpool_new(&e->kv, &model->hp, &k, err))) goto error;
    if ((st = step_new(&e->step, model, &so, err))) goto error;
    if ((st = take_samplers(e, MIN(n_workers, e->o.n_parallel), err))) goto error;
    if ((st = users_init(&e->users, most_alive(e), err))) goto error;
    count_blocks(e);
    if ((st = guess_open(e, err))) goto error;
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

static void free_list(struct request *r)
{
    while (r) {
        struct request *after = r->after;
        request_free(r);
        r = after;
    }
}

void brrr_engine_close(struct brrr_engine *e)
{
    if (!e) return;
    free_list(e->first);
    free_list(e->gone);
    guess_close(e);
    for (int i = 0; i < e->n_sampler; i++)
        sampler_free(e->sampler[i]);
    free(e->sampler);
    step_free(e->step);
    kvdisk_stop(e->disk); /* its writer reads the pool's blocks */
    tell_news(e);
    kvdisk_close(e->disk);
    kvpool_free(e->kv);
    pool_free(e->pool);
    users_fini(&e->users);
    free(e->slot);
    free(e->seq);
    free(e->out_seq);
    free(e->out_row);
    free(e->token);
    free(e->ev);
    free(e->task);
    free(e->task_seq);
    free(e->row);
    free(e->steps);
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

/* The new request as the last of all; its first sequence waits for a slot. */
static void append(struct brrr_engine *e, struct request *r)
{
    r->id = e->next_id++;
    r->before = e->last;
    *(e->last ? &e->last->after : &e->first) = r;
    e->last = r;
    for (int i = 0; i < r->n_seq; i++)
        r->seq[i].order = e->next_order++;
    r->seq[0].waits = true;
    r->user_index = users_enter(&e->users, r->user, r->t_submit);
    e->request_bytes += r->bytes;
    e->n_alive++;
    e->n_waiting++;
    slots_match(e, &r->seq[0]);
    *e->tail = &r->seq[0];
    e->tail = &r->seq[0].next;
}

/* Beams have slots and memory all together, whatever they come to differ in. */
static enum brrr_status check_width(const struct brrr_engine *e, const struct engine_request *q,
                                    struct brrr_error *err)
{
    int width = q->gen->beam_width;
    size_t one = kvpool_seq_bytes(e->kv, request_limit(q, e->o.ctx)), all;
    struct kvpool_stats s;

    kvpool_stats(e->kv, &s);
    if (width > e->o.n_parallel)
        return fail(err, BRRR_E_LIMIT, "beam_width is %d, %d sequences run at once (--parallel)",
                    width, e->o.n_parallel);
    if (width > 0 && (!size_mul(&all, one, (size_t)width) || all > s.budget))
        return fail(err, BRRR_E_LIMIT,
                    "%d beams of %d tokens take %zu MiB of KV cache each, which has %zu MiB", width,
                    request_limit(q, e->o.ctx), one >> 20, s.budget >> 20);
    return BRRR_OK;
}

static enum brrr_status check_queue(const struct brrr_engine *e, const struct engine_request *q,
                                    struct brrr_error *err)
{
    size_t bytes = request_bytes(q, e->m, &e->o), all;

    if (e->n_alive >= most_alive(e))
        return fail(err, BRRR_E_LIMIT,
                    "the queue is full: there are %d requests, %d may run (--parallel) and %d "
                    "wait (--queue)",
                    e->n_alive, e->o.n_parallel, MAX(e->o.max_waiting, 0));
    if (!size_add(&all, bytes, e->request_bytes) || all > (size_t)LIMIT_QUEUE_BYTES)
        return fail(err, BRRR_E_LIMIT,
                    "the request takes %zu MiB beside %zu MiB of others; %d MiB are possible",
                    bytes >> 20, e->request_bytes >> 20, LIMIT_QUEUE_BYTES >> 20);
    return BRRR_OK;
}

bool engine_has_place(const struct brrr_engine *e, const struct engine_request *q)
{
    return !e->first || request_bytes(q, e->m, &e->o) > (size_t)LIMIT_QUEUE_BYTES ||
           check_queue(e, q, NULL) == BRRR_OK;
}

static enum brrr_status take_in(struct brrr_engine *e, const struct engine_request *q, uint64_t *id,
                                struct brrr_error *err)
{
    struct request *r;
    enum brrr_status st;

    *id = 0;
    if ((st = check_prompt(e, q->prompt, q->n_prompt, err))) return st;
    if ((st = gen_params_check(q->gen, e->m->model->hp.n_vocab, err))) return st;
    if ((st = check_width(e, q, err))) return st;
    if ((st = check_queue(e, q, err))) return st;
    if (!room_for_events(e, q->gen->n_choices))
        return fail(err, BRRR_E_NOMEM, "no memory for %d answers at once", q->gen->n_choices);
    if ((st = request_new(&r, e->m, q, &e->o, err))) return st;
    if ((st = guess_attach(e, r, err))) {
        request_free(r);
        return st;
    }
    append(e, r);
    *id = r->id;
    return BRRR_OK;
}

enum brrr_status engine_submit(struct brrr_engine *e, const struct engine_request *q, uint64_t *id,
                               struct brrr_error *err)
{
    enum brrr_status st = take_in(e, q, id, err);

    e->metrics.n_submitted += st == BRRR_OK;
    e->metrics.n_refused += st != BRRR_OK;
    return st;
}

/* The request with this id, if it has not ended, or NULL. */
static struct request *find(const struct brrr_engine *e, uint64_t id)
{
    struct request *r = e->first;

    while (r && r->id != id)
        r = r->after;
    return r;
}

void engine_cancel(struct brrr_engine *e, uint64_t id)
{
    struct request *r = find(e, id);

    if (!r || r->cancelled) return;
    r->cancelled = true;
    e->n_cancelled++;
}

bool engine_progress(const struct brrr_engine *e, uint64_t id, int *done, int *total)
{
    const struct request *r = find(e, id);

    if (!r) return false;
    *done = MIN(r->seq[0].n_done, r->n_prompt);
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

    *buffers = step_bytes(e->step) + (size_t)e->n_sampler * sampler_bytes(e->m->model->hp.n_vocab);
    *kv = kvpool_bytes(&e->m->model->hp, &k);
}

static void make_news(struct brrr_engine *e)
{
    noalloc_begin();
    e->ev_at = e->n_ev = 0;
    commit_cancelled(e);
    commit_shown(e);
    if (e->n_ev == 0) loop_step(e);
    noalloc_end();
}

int engine_poll(struct brrr_engine *e, struct engine_event *ev, int cap)
{
    assert(cap >= 1);
    /* The texts of events live in their requests: no step before all events were handed over. */
    if (e->ev_at == e->n_ev) {
        free_list(e->gone);
        e->gone = NULL;
        if (!e->first) return -1;
        make_news(e);
        tell_news(e);
    }
    int n = MIN(cap, e->n_ev - e->ev_at);
    memcpy(ev, e->ev + e->ev_at, (size_t)n * sizeof(*ev));
    e->ev_at += n;
    return n;
}
