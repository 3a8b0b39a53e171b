/* SPDX-License-Identifier: MIT */
/* tune.c - see tune.h. */
#include "engine/tune.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "base/limits.h"

enum {
    ROUNDS = 3,   /* of each candidate; odd, for the median                      */
    PROMPT = 512, /* tokens of the prompt that is timed                          */
    STEPS = 24,   /* decoded in a run at most; the first is not timed            */
    LEAST_STEPS = 3,
    AHEAD_ROUNDS = 5, /* differences are small                                   */
    MIB = 1 << 20,
};
static const double STEP_BUDGET_S = 0.4; /* of one run of decoding */
static const double LONG_S = 1;          /* a prompt that takes longer is timed once */
static const double SLACK = 0.02;        /* noise of a median on a machine at rest */
/* What must be gained to leave the default distance: the best one may differ from hour to hour, and
 * a wrong one costs much more than a better one gains. */
static const double SLACK_AHEAD = 0.05;

struct tuner {
    const struct brrr_model *m;
    const struct tune_opts *o;
    struct tune_result *r;
    int rounds;         /* ROUNDS, or one where a single prompt takes long */
    double done, total; /* units of progress */
};

static enum brrr_status advance(struct tuner *t, struct brrr_error *err)
{
    t->done += 1;
    if (!t->o->progress || t->o->progress(t->o->progress_arg, MIN(1, t->done / t->total)))
        return BRRR_OK;
    return fail(err, BRRR_E_IO, "interrupted");
}

/* --- choices --- */

void tune_decode_range(const struct tune_result *r, double *least, double *most)
{
    double rate[3] = { 0 };

    for (int i = 0; i < r->n_threads; i++)
        if (r->threads[i].n == r->plan.n_threads_decode) rate[0] = r->threads[i].decode;
    for (int i = 0; i < r->n_ahead; i++)
        if (r->ahead[i].bytes == r->plan.ahead) rate[1] = r->ahead[i].tok_s;
    if (r->n_batch > 0 && r->batch[0].step_s > 0) rate[2] = r->batch[0].n / r->batch[0].step_s;
    *least = 0;
    *most = 0;
    for (size_t i = 0; i < COUNT(rate); i++) {
        if (rate[i] <= 0) continue;
        *most = MAX(*most, rate[i]);
        *least = *least > 0 ? MIN(*least, rate[i]) : rate[i];
    }
}

int tune_thread_list(int list[TUNE_THREADS], int n)
{
    int n_list = MIN(n, TUNE_THREADS);

    for (int i = 0; i < n_list; i++)
        list[i] = n <= TUNE_THREADS ? i + 1 : MAX(1, n * (i + 1) / TUNE_THREADS);
    return n_list;
}

int tune_choose(const double *rate, int n, double slack)
{
    double best = 0;

    for (int i = 0; i < n; i++)
        best = MAX(best, rate[i]);
    for (int i = 0; i < n; i++)
        if (rate[i] >= best * (1 - slack)) return i;
    return 0;
}

double tune_knee(const struct tune_batch *b, int n)
{
    double best = 0;

    if (n == 0 || b[0].step_s <= 0) return 0;
    for (int i = 0; i < n; i++)
        if (b[i].step_s > 0) best = MAX(best, b[i].n / b[i].step_s);
    return best * b[0].step_s / b[0].n;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *v, int n)
{
    qsort(v, (size_t)n, sizeof(*v), by_value);
    return n ? v[n / 2] : 0;
}

/* --- the machine --- */

/* Sizes that are powers of four, the model's weights among them, ascending. */
static void choose_sizes(struct tuner *t)
{
    static const double mib[] = { 1, 4, 16, 64, 256, 1024 };
    double own = (double)t->m->model->weights.used, most = (double)mem_available() / 4;
    struct tune_result *r = t->r;
    bool placed = own < 1;

    if (t->o->most_read > 0) most = MIN(most, (double)t->o->most_read);
    for (size_t i = 0; i < COUNT(mib) && mib[i] * MIB <= most; i++) {
        if (!placed && own <= mib[i] * MIB) {
            r->size[r->n_size++] = own;
            placed = true;
        }
        r->size[r->n_size++] = mib[i] * MIB;
    }
    if (!placed) r->size[r->n_size++] = own;
}

static void touch_program(void *arg, int worker, int n_workers)
{
    const struct arena *a = arg;
    size_t page = 4096, n = a->n_bytes / page;

    for (size_t i = n * (size_t)worker / (size_t)n_workers;
         i < n * (size_t)(worker + 1) / (size_t)n_workers; i++)
        a->base[i * page] = 1;
}

/* What n workers read, and their barriers. */
static enum brrr_status measure_threads(struct tuner *t, struct tune_threads *at,
                                        const struct arena *mem, struct brrr_error *err)
{
    const struct kernels *k = &t->m->model->kernels;
    const struct arena *w = &t->m->model->weights;
    struct tune_result *r = t->r;
    struct pool *pool;
    enum brrr_status st = pool_new(&pool, at->n, err);

    for (int i = 0; !st && i < r->n_size; i++) {
        const char *p = r->size[i] == (double)w->used ? w->base : mem->base;
        at->read[i] = machine_read(pool, k, p, (size_t)r->size[i], 0.1);
        st = advance(t, err);
    }
    if (!st && at->n > 1) at->barrier_ns = machine_barrier_ns(pool, 0.05);
    pool_free(pool);
    return st;
}

/* Every number of threads, the largest first: its workers touch the memory, as the engine's do. */
static enum brrr_status measure_reads(struct tuner *t, struct brrr_error *err)
{
    struct tune_result *r = t->r;
    const struct arena *w = &t->m->model->weights;
    struct arena mem = { 0 };
    struct pool *pool;
    double most = 0;
    enum brrr_status st = pool_new(&pool, r->threads[r->n_threads - 1].n, err);

    for (int i = 0; i < r->n_size; i++)
        if (r->size[i] != (double)w->used) most = MAX(most, r->size[i]);
    if (!st) st = arena_init(&mem, (size_t)most, "memory to read", err);
    if (!st) pool_run(pool, touch_program, &mem);
    pool_free(pool);
    for (int i = r->n_threads - 1; !st && i >= 0; i--)
        st = measure_threads(t, &r->threads[i], &mem, err);
    arena_fini(&mem);
    return st;
}

/* Peaks of each instruction set that this processor has, by one worker and by all. */
static enum brrr_status measure_peaks(struct tuner *t, struct brrr_error *err)
{
    struct tune_result *r = t->r;
    int n = r->threads[r->n_threads - 1].n;
    struct pool *one = NULL, *all = NULL;
    struct kernels k = { 0 };
    enum brrr_status st;

    if ((st = pool_new(&one, 1, err)) || (st = pool_new(&all, n, err))) goto end;
    /* Each on top of the weaker ones, as kernels_select() fills the table. */
    for (int i = 0; i < kernels_n_isas && r->n_isa < TUNE_ISAS; i++) {
        if (kernels_isas[i].needs & ~cpu_features()) continue;
        kernels_isas[i].fill(&k);
        r->isa[r->n_isa++] =
            (struct tune_isa){ kernels_isas[i].name,       machine_dot8(one, &k, 0.1),
                               machine_dot8(all, &k, 0.1), machine_bf16(one, &k, 0.1),
                               machine_bf16(all, &k, 0.1), machine_fma(one, &k, 0.1),
                               machine_fma(all, &k, 0.1) };
        if ((st = advance(t, err))) goto end;
    }
end:
    pool_free(one);
    pool_free(all);
    return st;
}

/* --- the model --- */

/* Random but fixed ids: the same work every time. */
static int32_t nth_token(int i, int n_vocab)
{
    uint32_t x = (uint32_t)i * 2654435761u + 12345u;
    return (int32_t)((x >> 8) % (uint32_t)n_vocab);
}

/* `batch` requests of n_prompt tokens that make n_gen each. */
static enum brrr_status submit_all(struct brrr_engine *e, const struct brrr_model *m, int batch,
                                   int n_prompt, int n_gen, struct brrr_error *err)
{
    struct gen_params *g = malloc(sizeof(*g));
    int32_t *prompt = malloc((size_t)n_prompt * sizeof(*prompt));
    enum brrr_status st = g && prompt ? BRRR_OK : fail(err, BRRR_E_NOMEM, "no memory to tune");
    uint64_t id;

    if (!st) {
        gen_params_init(g);
        g->sample.temperature = 0;
        g->n_predict = n_gen;
        g->ignore_eos = true;
        for (int i = 0; i < n_prompt; i++)
            prompt[i] = nth_token(i, brrr_model_n_vocab(m));
    }
    struct engine_request q = { .prompt = prompt, .n_prompt = (size_t)n_prompt, .gen = g };
    for (int i = 0; !st && i < batch; i++)
        st = engine_submit(e, &q, &id, err);
    free(g);
    free(prompt);
    return st;
}

/* Seconds from a prompt's submission to its first token; the better of two, since the first one
 * touches fresh memory. */
static enum brrr_status time_prefill(struct tuner *t, int n_threads, int chunk, double *seconds,
                                     struct brrr_error *err)
{
    struct engine_opts eo = { .n_threads = n_threads,
                              .chunk = chunk,
                              .ctx = t->r->n_prompt + 1,
                              .kv_type = t->o->kv_type,
                              .no_prefix = true };
    struct engine_event ev[1];
    struct brrr_engine *e;
    enum brrr_status st = engine_open(&e, t->m, &eo, err);

    *seconds = 1e9;
    for (int i = 0; !st && i < 2; i++) {
        double t0 = clock_now();
        st = submit_all(e, t->m, 1, t->r->n_prompt, 1, err);
        while (!st && engine_poll(e, ev, 1) >= 0)
            continue;
        *seconds = MIN(*seconds, clock_now() - t0);
        if (*seconds > LONG_S) break;
    }
    if (*seconds > 2 * LONG_S) t->rounds = 1;
    brrr_engine_close(e);
    return st ? st : advance(t, err);
}

/* The median time of a step in which each of `batch` sequences decodes one token. */
static enum brrr_status time_decode(struct tuner *t, int n_threads, int batch, int ahead,
                                    double *seconds, struct brrr_error *err)
{
    struct engine_opts eo = { .n_threads = n_threads,
                              .ctx = STEPS + 2,
                              .n_parallel = batch,
                              .kv_type = t->o->kv_type,
                              .ahead = ahead,
                              .no_prefix = true };
    struct engine_event ev[LIMIT_PARALLEL];
    double step[STEPS], spent = 0, t0;
    struct brrr_engine *e;
    int n = 0;
    enum brrr_status st = engine_open(&e, t->m, &eo, err);

    if (!st) st = submit_all(e, t->m, batch, 1, STEPS, err);
    if (!st) engine_poll(e, ev, LIMIT_PARALLEL);
    for (t0 = clock_now(); !st && n < STEPS; n++) {
        if (n >= LEAST_STEPS && spent > STEP_BUDGET_S) break;
        if (engine_poll(e, ev, LIMIT_PARALLEL) < 0) break;
        double t1 = clock_now();
        step[n] = t1 - t0;
        spent += step[n];
        t0 = t1;
    }
    brrr_engine_close(e);
    *seconds = median(step, n);
    return st ? st : advance(t, err);
}

/* Prompts and single tokens with each number of threads; sets the plan's threads. */
static enum brrr_status tune_threads(struct tuner *t, struct brrr_error *err)
{
    struct tune_result *r = t->r;
    double prefill[TUNE_THREADS][ROUNDS], decode[TUNE_THREADS][ROUNDS], rate[TUNE_THREADS];
    enum brrr_status st = BRRR_OK;

    for (int round = 0; round < t->rounds; round++)
        for (int i = 0; !st && i < r->n_threads; i++) {
            st = time_prefill(t, r->threads[i].n, 0, &prefill[i][round], err);
            if (!st) st = time_decode(t, r->threads[i].n, 1, 0, &decode[i][round], err);
        }
    if (st) return st;
    for (int i = 0; i < r->n_threads; i++)
        rate[i] = r->threads[i].prefill = r->n_prompt / median(prefill[i], t->rounds);
    r->plan.n_threads = r->threads[tune_choose(rate, r->n_threads, SLACK)].n;
    for (int i = 0; i < r->n_threads; i++)
        rate[i] = r->threads[i].decode = 1 / median(decode[i], t->rounds);
    r->plan.n_threads_decode = r->threads[tune_choose(rate, r->n_threads, SLACK)].n;
    return BRRR_OK;
}

static enum brrr_status tune_chunks(struct tuner *t, struct brrr_error *err)
{
    static const int rows[TUNE_CHUNKS] = { 64, 128, 256, 512 };
    struct tune_result *r = t->r;
    double seconds[TUNE_CHUNKS][ROUNDS], rate[TUNE_CHUNKS];
    enum brrr_status st = BRRR_OK;

    while (r->n_chunk < TUNE_CHUNKS && (r->n_chunk == 0 || rows[r->n_chunk] <= r->n_prompt))
        r->n_chunk++;
    for (int round = 0; round < t->rounds; round++)
        for (int i = 0; !st && i < r->n_chunk; i++)
            st = time_prefill(t, r->plan.n_threads, rows[i], &seconds[i][round], err);
    if (st) return st;
    for (int i = 0; i < r->n_chunk; i++) {
        rate[i] = r->n_prompt / median(seconds[i], t->rounds);
        r->chunk[i] = (struct tune_chunk){ rows[i], rate[i] };
    }
    r->plan.chunk = rows[tune_choose(rate, r->n_chunk, SLACK)];
    return BRRR_OK;
}

/* The default first: it stays unless another one is clearly better. */
static enum brrr_status tune_ahead(struct tuner *t, struct brrr_error *err)
{
    static const int bytes[TUNE_AHEADS] = { MATMUL_AHEAD, 1024, 2048, 4096, 16384 };
    struct tune_result *r = t->r;
    double seconds[TUNE_AHEADS][AHEAD_ROUNDS], rate[TUNE_AHEADS];
    int rounds = t->rounds == 1 ? 1 : AHEAD_ROUNDS;
    enum brrr_status st = BRRR_OK;

    for (int round = 0; round < rounds; round++)
        for (int i = 0; !st && i < TUNE_AHEADS; i++)
            st = time_decode(t, r->plan.n_threads_decode, 1, bytes[i], &seconds[i][round], err);
    if (st) return st;
    for (int i = 0; i < TUNE_AHEADS; i++) {
        rate[i] = 1 / median(seconds[i], rounds);
        r->ahead[r->n_ahead++] = (struct tune_ahead){ bytes[i], rate[i] };
    }
    r->plan.ahead = bytes[tune_choose(rate, TUNE_AHEADS, SLACK_AHEAD)];
    return BRRR_OK;
}

static enum brrr_status tune_batches(struct tuner *t, struct brrr_error *err)
{
    static const int size[TUNE_BATCHES] = { 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64 };
    struct tune_result *r = t->r;
    double seconds[TUNE_BATCHES][ROUNDS];
    enum brrr_status st = BRRR_OK;

    for (int round = 0; round < t->rounds; round++)
        for (int i = 0; !st && i < TUNE_BATCHES; i++)
            st = time_decode(t, r->plan.n_threads_decode, size[i], r->plan.ahead,
                             &seconds[i][round], err);
    if (st) return st;
    for (int i = 0; i < TUNE_BATCHES; i++)
        r->batch[r->n_batch++] =
            (struct tune_batch){ .n = size[i], .step_s = median(seconds[i], t->rounds) };
    return BRRR_OK;
}

/* --- the roofline --- */

/* The better of what was known and what is measured now. */
static enum brrr_status measure_limits(struct tuner *t, struct brrr_error *err)
{
    const struct model *m = t->m->model;
    int n_threads = MAX(t->r->plan.n_threads, t->r->plan.n_threads_decode);
    struct machine_limits *l = &t->r->limits, now;
    struct pool *pool;
    enum brrr_status st = pool_new(&pool, n_threads, err);

    if (st) return st;
    machine_measure_model(&now, pool, m);
    pool_free(pool);
    if (l->n_threads == n_threads) {
        now.dot8 = MAX(now.dot8, l->dot8);
        now.bf16 = MAX(now.bf16, l->bf16);
        now.fma = MAX(now.fma, l->fma);
        now.read = MAX(now.read, l->read);
        now.barrier_ns = MIN(now.barrier_ns, l->barrier_ns);
    }
    *l = now;
    return advance(t, err);
}

/* The prompt in the plan's chunks, then each batch of decoding, in the middle of what was timed. */
static void make_phases(struct tuner *t)
{
    struct tune_result *r = t->r;
    const struct model *m = t->m->model;
    struct tune_phase *p = &r->phase[r->n_phase++];

    snprintf(p->name, sizeof(p->name), "prefill %d", r->n_prompt);
    for (int at = 0; at < r->n_prompt; at += r->plan.chunk) {
        int rows = MIN(r->plan.chunk, r->n_prompt - at);
        struct step_work w = machine_step_work(
            m, &(struct step_shape){ 1, at, rows, at + rows == r->n_prompt, t->o->kv_type });
        machine_add_work(&p->work, &w);
    }
    for (int i = 0; i < r->n_chunk; i++)
        if (r->chunk[i].rows == r->plan.chunk) p->seconds = r->n_prompt / r->chunk[i].tok_s;
    for (int i = 0; i < r->n_batch; i++) {
        struct step_shape s = { r->batch[i].n, STEPS / 2, 1, 1, t->o->kv_type };
        p = &r->phase[r->n_phase++];
        snprintf(p->name, sizeof(p->name), "decode %d", r->batch[i].n);
        p->work = machine_step_work(m, &s);
        p->seconds = r->batch[i].step_s;
        r->batch[i].bound_s = machine_step_seconds(&r->limits, &p->work);
    }
}

/* The steps that were timed, for the plan: batches, and chunks in the middle of a prompt. */
static void keep_steps(struct tune_result *r)
{
    struct pace_prior *k = &r->plan.pace;

    _Static_assert((int)TUNE_BATCHES <= (int)PACE_PRIOR && (int)TUNE_CHUNKS <= (int)PACE_PRIOR,
                   "they fit");
    for (int i = 0; i < r->n_batch; i++)
        k->decode[k->n_decode++] = (struct pace_known){ r->batch[i].n, r->batch[i].step_s };
    for (int i = 0; i < r->n_chunk; i++)
        k->prompt[k->n_prompt++] =
            (struct pace_known){ r->chunk[i].rows, r->chunk[i].rows / r->chunk[i].tok_s };
}

enum brrr_status tune_run(struct tune_result *out, const struct brrr_model *m,
                          const struct tune_opts *o, struct brrr_error *err)
{
    struct tuner t = { .m = m, .o = o, .r = out, .rounds = ROUNDS };
    int list[TUNE_THREADS], most = o->n_threads ? o->n_threads : MIN(cpu_count(), LIMIT_THREADS);
    enum brrr_status st;

    *out = (struct tune_result){ .n_prompt = MIN(PROMPT, brrr_model_ctx_max(m) - 1) };
    if (out->n_prompt < 1 || brrr_model_ctx_max(m) < STEPS + 2)
        return fail(err, BRRR_E_LIMIT, "a context of %d tokens is too short to tune for",
                    brrr_model_ctx_max(m));
    out->n_threads = tune_thread_list(list, most);
    choose_sizes(&t);
    t.total = out->n_threads * (out->n_size + 2 * ROUNDS) + kernels_n_isas + 2 +
              ROUNDS * (TUNE_CHUNKS + TUNE_BATCHES) + AHEAD_ROUNDS * TUNE_AHEADS;
    for (int i = 0; i < out->n_threads; i++)
        out->threads[i].n = list[i];
    st = measure_reads(&t, err);
    if (!st) st = measure_peaks(&t, err);
    if (!st) st = tune_threads(&t, err);
    if (!st) st = measure_limits(&t, err);
    if (!st) st = tune_chunks(&t, err);
    if (!st) st = tune_ahead(&t, err);
    if (!st) st = tune_batches(&t, err);
    if (!st) st = measure_limits(&t, err);
    if (st) return st;
    make_phases(&t);
    out->plan.batch_predicted = machine_critical_batch(&out->limits, m->model);
    out->plan.batch_measured = tune_knee(out->batch, out->n_batch);
    out->plan.limits = (struct machine_limits){ .dot8 = out->limits.dot8,
                                                .bf16 = out->limits.bf16,
                                                .fma = out->limits.fma,
                                                .read = out->limits.read };
    keep_steps(out);
    return BRRR_OK;
}
