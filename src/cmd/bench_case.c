/* SPDX-License-Identifier: MIT */
/*
 * bench_case.c - runs one case of `brrr bench` on an engine (bench.h).
 *
 * One poll of the engine is one step of the model, so the time of a poll is the time between two
 * tokens of every sequence that decodes in it. Each case has an engine of its own, with room for
 * what it needs and no more, and one run that is not counted: it touches the memory first and
 * wakes the cores.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/clock.h"
#include "cmd/bench.h"
#include "cmd/term.h"

/* One engine and what is submitted to it. */
struct run {
    const struct bench *b;
    struct bench_case *c;
    struct brrr_engine *e;
    struct gen_params *gen;
    int32_t *prompt;             /* [longest] */
    uint64_t id[LIMIT_PARALLEL]; /* of the sequences that decode */
    int n_tok[LIMIT_PARALLEL];   /* and the tokens that they hold */
    struct engine_event ev[LIMIT_PARALLEL];
    struct bench_work work; /* so far */
    bool counted;
    double latency; /* of the last poll */
};

/* Random but fixed ids: the same work every time, none of it special. */
static int32_t nth_token(int i, int n_vocab)
{
    uint32_t x = (uint32_t)i * 2654435761u + 12345u;
    return (int32_t)((x >> 8) % (uint32_t)n_vocab);
}

static int chunks(int n, int chunk)
{
    return (n + chunk - 1) / chunk;
}

/*
 * Prompts of a batch are read in slot order, so the first sequences decode while the last are still
 * reading. How many tokens sequence i is ahead by then; its prompt is that much shorter, so that
 * all are about equally deep when the clock starts.
 */
static int lead_of(const struct bench *b, const struct bench_case *c, int i)
{
    int64_t depth = MAX(c->depth, 1), chunk = b->eo.chunk;
    int64_t last = (depth * c->batch + chunk - 1) / chunk;

    return (int)MIN(last - (depth * (i + 1) + chunk - 1) / chunk, LIMIT_CTX);
}

static int prompt_of(const struct bench *b, const struct bench_case *c, int i)
{
    return MAX(c->depth - lead_of(b, c, i), 1);
}

enum { WARM_TOKENS = 16 };

/* Steps in which the prompts of a mixed case are read, at most. */
static int mixed_steps(const struct bench *b, const struct bench_case *c)
{
    int rows = b->eo.itl_s > 0 ? MIN(ENGINE_LEAST_CHUNK, b->eo.chunk) : b->eo.chunk;

    return BENCH_MIXED_PROMPTS * chunks(c->n_prompt, rows);
}

/* How many tokens more than its lead a sequence of a batch may be ahead, by rounding. */
static int slack(const struct bench_case *c)
{
    return c->kind == BENCH_DECODE && c->batch > 1 && c->depth > 1 ? 3 : 0;
}

int bench_case_ctx(const struct bench *b, const struct bench_case *c)
{
    if (c->kind == BENCH_PREFILL) return c->n_prompt + 1;
    if (c->kind == BENCH_MIXED) return MAX(c->n_prompt + 1, mixed_steps(b, c) + 2);
    return prompt_of(b, c, 0) + lead_of(b, c, 0) + 1 + c->n_gen + slack(c);
}

/* --- steps --- */

/* One step: how many events, -1 at the end or when interrupted. */
static int step(struct run *r)
{
    double t = clock_now();

    if (session_interrupted()) return -1;
    int n = engine_poll(r->e, r->ev, LIMIT_PARALLEL);
    r->latency = clock_now() - t;
    return n;
}

static enum brrr_status submit(struct run *r, int n_prompt, int n_gen, uint64_t *id,
                               struct brrr_error *err)
{
    r->gen->n_predict = n_gen;
    return engine_submit(r->e,
                         &(struct engine_request){
                             .prompt = r->prompt, .n_prompt = (size_t)n_prompt, .gen = r->gen },
                         id, err);
}

static void drain(struct run *r)
{
    for (int i = 0; i < r->c->batch; i++)
        engine_cancel(r->e, r->id[i]);
    while (step(r) >= 0)
        continue;
}

/* Add tokens that were made to the sequences' lengths; true if `id` is among the events. */
static bool note_events(struct run *r, int n, uint64_t id)
{
    bool seen = false;

    for (int i = 0; i < n; i++) {
        seen |= r->ev[i].id == id;
        for (int k = 0; k < r->c->batch; k++)
            r->n_tok[k] += r->id[k] == r->ev[i].id;
    }
    return seen;
}

/* All decoding sequences submitted, and each has made its first token (or interrupted). */
static enum brrr_status start_decoding(struct run *r, int n_gen, struct brrr_error *err)
{
    int first[LIMIT_PARALLEL], waiting = r->c->batch, n;
    enum brrr_status st;

    for (int i = 0; i < r->c->batch; i++) {
        first[i] = r->n_tok[i] = r->c->kind == BENCH_DECODE ? prompt_of(r->b, r->c, i) : 1;
        int ahead = r->c->kind == BENCH_DECODE ? lead_of(r->b, r->c, i) : 0;
        if ((st = submit(r, first[i], n_gen + ahead + 1 + slack(r->c), &r->id[i], err))) return st;
    }
    while (waiting > 0 && (n = step(r)) >= 0) {
        note_events(r, n, 0);
        waiting = 0;
        for (int i = 0; i < r->c->batch; i++)
            waiting += r->n_tok[i] == first[i];
    }
    return BRRR_OK;
}

/* What a step of all decoding sequences (if any) and n_chunk tokens of a prompt asks of the
 * machine. The sequences are about equally long: their mean stands for each. */
static void count_step(struct run *r, int n_seq, int past, int n_chunk, int n_out)
{
    const struct model *m = r->b->m->model;
    int64_t held = 0;

    for (int i = 0; i < n_seq; i++)
        held += r->n_tok[i] - 1;
    struct step_shape decode = { n_seq, n_seq ? (int)(held / n_seq) : 0, 1, 1, r->b->eo.kv_type };
    struct step_shape chunk = { 1, past, n_chunk, n_out, r->b->eo.kv_type };
    struct step_work d = machine_step_work(m, &decode), p = machine_step_work(m, &chunk);
    p.weight_bytes = MAX(p.weight_bytes - d.weight_bytes, 0); /* both read the same */
    machine_add_work(&r->work.sum, &d);
    machine_add_work(&r->work.sum, &p);
    r->work.layer_macs += (n_seq + n_chunk) * r->b->cost.linear_macs;
    r->work.macs +=
        (n_seq + n_chunk) * r->b->cost.linear_macs + (n_seq + n_out) * r->b->cost.head_macs;
    r->work.prompt_tokens += n_chunk;
    r->work.gen_tokens += n_seq;
}

/* The run is complete: its samples stay. */
static bool complete(struct run *r, double wall)
{
    double tokens = r->work.prompt_tokens + r->work.gen_tokens;

    r->c->work = r->work;
    return !r->counted || samples_push(&r->c->tok_s, tokens / wall);
}

/* --- the three kinds of run; each returns after one run, its samples pushed if it counts --- */

static bool push(const struct run *r, struct samples *s, double v)
{
    return !r->counted || samples_push(s, v);
}

static enum brrr_status no_memory(struct brrr_error *err)
{
    return fail(err, BRRR_E_NOMEM, "no memory for the times of a run");
}

static enum brrr_status run_prefill(struct run *r, struct brrr_error *err)
{
    struct bench_case *c = r->c;
    int n, chunk = r->b->eo.chunk;
    double t0 = clock_now();
    uint64_t id;
    enum brrr_status st = submit(r, c->n_prompt, 1, &id, err);

    if (st) return st;
    while ((n = step(r)) == 0)
        continue;
    double wall = clock_now() - t0;
    if (n < 0) return BRRR_OK;
    for (int at = 0; at < c->n_prompt; at += chunk)
        count_step(r, 0, at, MIN(chunk, c->n_prompt - at), at + chunk >= c->n_prompt);
    drain(r);
    return push(r, &c->ttft_s, wall) && complete(r, wall) ? BRRR_OK : no_memory(err);
}

static enum brrr_status run_decode(struct run *r, struct brrr_error *err)
{
    struct bench_case *c = r->c;
    double wall = 0;
    enum brrr_status st = start_decoding(r, c->n_gen, err);

    if (st) return st;
    for (int i = 0; i < c->n_gen; i++) {
        count_step(r, c->batch, 0, 0, 0);
        int n = step(r);
        if (n < 0) return BRRR_OK;
        assert(n == c->batch);
        note_events(r, n, 0);
        wall += r->latency;
        if (!push(r, &c->itl_s, r->latency)) return no_memory(err);
    }
    drain(r);
    return complete(r, wall) ? BRRR_OK : no_memory(err);
}

/* One prompt among sequences that decode, from its submission to its first token. */
static enum brrr_status read_prompt(struct run *r, double *wall, struct brrr_error *err)
{
    struct bench_case *c = r->c;
    double t0 = clock_now();
    int done = 0, total, n = 0;
    bool there = false;
    uint64_t id;
    enum brrr_status st = submit(r, c->n_prompt, 1, &id, err);

    if (st) return st;
    while (!there && (n = step(r)) >= 0) {
        int before = done;
        if (!engine_progress(r->e, id, &done, &total)) done = c->n_prompt;
        count_step(r, c->batch, before, done - before, done == c->n_prompt);
        there = note_events(r, n, id);
        if (!push(r, &c->itl_s, r->latency)) return no_memory(err);
    }
    *wall += clock_now() - t0;
    if (there && !push(r, &c->ttft_s, clock_now() - t0)) return no_memory(err);
    return BRRR_OK;
}

static enum brrr_status run_mixed(struct run *r, struct brrr_error *err)
{
    double wall = 0;
    enum brrr_status st = start_decoding(r, mixed_steps(r->b, r->c), err);

    for (int i = 0; !st && i < BENCH_MIXED_PROMPTS && !session_interrupted(); i++)
        st = read_prompt(r, &wall, err);
    if (st || session_interrupted()) return st;
    drain(r);
    return complete(r, wall) ? BRRR_OK : no_memory(err);
}

static enum brrr_status (*const runs[])(struct run *, struct brrr_error *) = {
    [BENCH_PREFILL] = run_prefill,
    [BENCH_DECODE] = run_decode,
    [BENCH_MIXED] = run_mixed,
};

/* --- a case --- */

static enum brrr_status run_init(struct run *r, const struct bench *b, struct bench_case *c,
                                 struct brrr_error *err)
{
    struct engine_opts eo = b->eo;
    int n_vocab = brrr_model_n_vocab(b->m), need = bench_case_ctx(b, c);

    r->b = b;
    r->c = c;
    eo.n_parallel = c->batch + (c->kind == BENCH_MIXED);
    eo.ctx = MAX(eo.ctx, need);
    eo.no_prefix = true; /* every run reads the same prompt */
    r->gen = malloc(sizeof(*r->gen));
    r->prompt = malloc((size_t)need * sizeof(*r->prompt));
    if (!r->gen || !r->prompt) return fail(err, BRRR_E_NOMEM, "no memory for a prompt");
    for (int i = 0; i < need; i++)
        r->prompt[i] = nth_token(i, n_vocab);
    gen_params_init(r->gen);
    r->gen->sample.temperature = 0;
    r->gen->ignore_eos = true;
    return engine_open(&r->e, b->m, &eo, err);
}

/* One run; what an interrupted one measured is dropped. */
static enum brrr_status run_counted(struct run *r, struct bench_case *c, struct brrr_error *err)
{
    size_t n_run = c->tok_s.n, n_ttft = c->ttft_s.n, n_itl = c->itl_s.n;

    r->c = c;
    r->counted = true;
    r->work = (struct bench_work){ 0 };
    enum brrr_status st = runs[c->kind](r, err);
    if (c->tok_s.n > n_run) return st;
    c->ttft_s.n = n_ttft;
    c->itl_s.n = n_itl;
    return st;
}

/* The run that is not counted: a prompt in full, of decoding a few tokens without the depth. */
static enum brrr_status warm_up(struct run *r, struct bench_case *c, struct brrr_error *err)
{
    struct bench_case warm = *c;

    if (c->kind == BENCH_DECODE) {
        warm.depth = 0;
        warm.n_gen = MIN(c->n_gen, WARM_TOKENS);
    }
    r->c = &warm;
    r->counted = false;
    return runs[c->kind](r, err);
}

enum brrr_status bench_case_run(const struct bench *b, struct bench_case *c, struct brrr_error *err)
{
    struct run *r = calloc(1, sizeof(*r));
    int n = b->o->repeats;
    struct progress bar;
    char name[64];

    if (!r) return fail(err, BRRR_E_NOMEM, "no memory for a run");
    bench_case_name(name, sizeof(name), c);
    progress_start(&bar, name, b->o->quiet);
    enum brrr_status st = run_init(r, b, c, err);
    if (!st) st = warm_up(r, c, err);
    for (int i = 0; !st && i < n && !session_interrupted(); i++) {
        progress_show(&bar, i + 1, n + 1);
        st = run_counted(r, c, err);
    }
    progress_end(&bar);
    brrr_engine_close(r->e);
    free(r->gen);
    free(r->prompt);
    free(r);
    return st;
}
