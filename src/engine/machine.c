/* SPDX-License-Identifier: MIT */
/* machine.c - see machine.h. */
#include "engine/machine.h"

#include "base/clock.h"
#include "base/limits.h"
#include "model/cost.h"

enum {
    BLOCKS = 4096, /* of a probe in one call: 50 us and more */
    LEAST_TRIES = 3,
    PAGE = 4096,
    READ_AT_LEAST = 64 << 20, /* bytes between two looks at the clock   */
    BARRIERS = 200,           /* few: on a machine that others use too, one may take milliseconds */
};

static const double READ_BUDGET_S = 0.3;

/* Least seconds of a program in about `budget` seconds, three tries at least. */
static double best_time(struct pool *pool, pool_fn *fn, void *arg, double budget)
{
    double start = clock_now(), t0 = start, best = 1e9;

    for (int i = 0; i < LEAST_TRIES || t0 - start < budget; i++) {
        pool_run(pool, fn, arg);
        double t1 = clock_now();
        best = MIN(best, t1 - t0);
        t0 = t1;
    }
    return best;
}

/* --- peaks --- */

struct peak {
    const struct kernels *k;
    int n_block, n_call;
};

static void dot8_program(void *arg, int worker, int n_workers)
{
    const struct peak *p = arg;
    struct probe_dot8_args a;

    (void)worker, (void)n_workers;
    memset(a.codes, 9, sizeof(a.codes));
    memset(a.x, 77, sizeof(a.x));
    a.n_block = p->n_block;
    for (int i = 0; i < p->n_call; i++)
        p->k->probe_dot8(&a);
}

/* 1 x 1/2 + 1 x 1/2 until adding one more rounds away: the same speed, and never subnormal. */
static void bf16_program(void *arg, int worker, int n_workers)
{
    const struct peak *p = arg;
    struct probe_bf16_args a;

    (void)worker, (void)n_workers;
    for (size_t i = 0; i < sizeof(a.w) / sizeof(uint32_t); i++)
        (&a.w[0][0][0][0])[i] = 0x3f803f80;
    for (size_t i = 0; i < sizeof(a.x) / sizeof(uint32_t); i++)
        (&a.x[0][0][0])[i] = 0x3f003f00;
    a.n_block = p->n_block;
    for (int i = 0; i < p->n_call; i++)
        p->k->probe_bf16(&a);
}

static void fma_program(void *arg, int worker, int n_workers)
{
    const struct peak *p = arg;
    struct probe_fma_args a;

    (void)worker, (void)n_workers;
    /* Small values: sums stay far from infinity, and no product is subnormal. */
    for (size_t i = 0; i < sizeof(a.w) / sizeof(float); i++)
        (&a.w[0][0][0][0])[i] = i & 1 ? 0.5f : -0.25f;
    for (size_t i = 0; i < sizeof(a.x) / sizeof(float); i++)
        (&a.x[0][0][0])[i] = i & 2 ? 0.75f : -0.125f;
    a.n_block = p->n_block;
    for (int i = 0; i < p->n_call; i++)
        p->k->probe_fma(&a);
}

/* 1e9 multiply-adds a second of a program that does `macs` per block and worker. */
static double peak(struct pool *pool, const struct kernels *k, pool_fn *fn, double macs,
                   double budget)
{
    struct peak p = { k, 64, 1 };

    /* Runs of at least 1 ms, so that starting the workers does not count. */
    while (p.n_block < BLOCKS && best_time(pool, fn, &p, 0) < 1e-3)
        p.n_block *= 4;
    while (p.n_call < 64 && best_time(pool, fn, &p, 0) < 1e-3)
        p.n_call *= 2;
    double work = macs * p.n_block * p.n_call * pool_n_workers(pool);
    return work / best_time(pool, fn, &p, budget) * 1e-9;
}

double machine_dot8(struct pool *pool, const struct kernels *k, double budget_s)
{
    return peak(pool, k, dot8_program, PROBE_DOT8_MACS, budget_s);
}

double machine_bf16(struct pool *pool, const struct kernels *k, double budget_s)
{
    return peak(pool, k, bf16_program, PROBE_BF16_MACS, budget_s);
}

double machine_fma(struct pool *pool, const struct kernels *k, double budget_s)
{
    return peak(pool, k, fma_program, PROBE_FMA_MACS, budget_s);
}

/* --- reads --- */

struct reading {
    const struct kernels *k;
    const char *p;
    size_t n_line;
    int n_pass;
};

static void read_program(void *arg, int worker, int n_workers)
{
    const struct reading *r = arg;
    size_t lo = r->n_line * (size_t)worker / (size_t)n_workers;
    size_t hi = r->n_line * (size_t)(worker + 1) / (size_t)n_workers;
    uint64_t sum[8];

    for (int i = 0; i < r->n_pass; i++)
        r->k->probe_read(sum, r->p + lo * PROBE_LINE, hi - lo);
}

double machine_read(struct pool *pool, const struct kernels *k, const void *mem, size_t n_bytes,
                    double budget_s)
{
    struct reading r = { k, mem, n_bytes / PROBE_LINE, 1 };

    if (r.n_line == 0) return 0;
    r.n_pass = (int)(1 + READ_AT_LEAST / (r.n_line * PROBE_LINE));
    double bytes = (double)(r.n_line * PROBE_LINE) * r.n_pass;
    return bytes / best_time(pool, read_program, &r, budget_s) * 1e-9;
}

/* Every worker writes to the pages of its share, so that they lie near it. */
static void touch_program(void *arg, int worker, int n_workers)
{
    const struct arena *a = arg;
    size_t lo = a->n_bytes / (size_t)n_workers * (size_t)worker;
    size_t hi = worker + 1 == n_workers ? a->n_bytes : lo + a->n_bytes / (size_t)n_workers;

    for (size_t i = lo; i < hi; i += PAGE)
        a->base[i] = 1;
}

double machine_read_fresh(struct pool *pool, const struct kernels *k, size_t n_bytes,
                          double budget_s)
{
    struct arena a = { 0 };
    double rate = 0;

    if (arena_init(&a, n_bytes, "memory to read", NULL) == BRRR_OK) {
        pool_run(pool, touch_program, &a);
        rate = machine_read(pool, k, a.base, n_bytes, budget_s);
    }
    arena_fini(&a);
    return rate;
}

/* --- barriers --- */

static void barrier_program(void *arg, int worker, int n_workers)
{
    (void)worker, (void)n_workers;
    for (int i = 0; i < BARRIERS; i++)
        pool_barrier(arg);
}

double machine_barrier_ns(struct pool *pool, double budget_s)
{
    return best_time(pool, barrier_program, pool, budget_s) / BARRIERS * 1e9;
}

void machine_measure(struct machine_limits *out, struct pool *pool, const struct kernels *k,
                     const void *mem, size_t n_bytes)
{
    *out = (struct machine_limits){ .n_threads = pool_n_workers(pool), .isa = k->isa };
    out->dot8 = machine_dot8(pool, k, 0.1);
    out->bf16 = machine_bf16(pool, k, 0.1);
    out->fma = machine_fma(pool, k, 0.1);
    out->read = machine_read(pool, k, mem, n_bytes, READ_BUDGET_S);
    out->read_bytes = (double)n_bytes;
    out->barrier_ns = machine_barrier_ns(pool, 0.05);
}

void machine_measure_model(struct machine_limits *out, struct pool *pool, const struct model *m)
{
    struct model_cost c;

    machine_measure(out, pool, &m->kernels, m->weights.base, m->weights.used);
    model_cost(&c, m, KV_F16);
    double bytes = MIN(cost_weight_bytes(&c), (double)mem_available() / 4);
    if (out->read_bytes > 0.9 * bytes) return;
    double rate = machine_read_fresh(pool, &m->kernels, (size_t)bytes, READ_BUDGET_S);
    if (rate <= 0) return;
    out->read = rate;
    out->read_bytes = bytes;
}

/* --- what a step asks --- */

/* The multiply-adds of a matrix, by the numbers that they are on. */
static void count_matrix(struct step_work *w, const struct matrix *m, double macs)
{
    if (m->bf16) {
        w->macs16 += macs;
        w->linear16 += macs;
    } else if (m->packed && !m->wide) {
        w->macs8 += macs;
        w->linear8 += macs;
    } else {
        w->macs32 += macs;
    }
}

static struct step_work linear_work(const struct model *m, const struct model_cost *c, double rows,
                                    double out)
{
    struct step_work w = { .linear_macs = rows * c->linear_macs + out * c->head_macs,
                           .weight_bytes = c->layer_bytes + (out > 0 ? c->head_bytes : 0) };

    /* The matrices of the layers are of one kind, but for rare mixtures of types. */
    count_matrix(&w, &m->layer[0].wq, rows * c->linear_macs);
    count_matrix(&w, &m->g.lm_head, out * c->head_macs);
    return w;
}

struct step_work machine_step_work(const struct model *m, const struct step_shape *s)
{
    struct model_cost c;
    struct step_work w;

    model_cost(&c, m, s->kv_type);
    w = linear_work(m, &c, (double)s->n_seq * s->n_row, (double)s->n_seq * s->n_out);
    /* A sequence's rows share what they read of its cache: what the last one sees. */
    w.kv_bytes = s->n_seq * cost_kv_bytes(&c, s->n_past + s->n_row);
    for (int i = 1; i <= s->n_row; i++)
        *(s->kv_type == KV_INT8 ? &w.macs8 : &w.macs32) +=
            s->n_seq * cost_attend_macs(&c, s->n_past + i);
    return w;
}

struct step_work machine_batch_work(const struct model *m, const struct model_cost *c,
                                    const struct batch *b, int kv_type)
{
    struct step_work w = linear_work(m, c, b->n_row, b->n_out);
    double *attend = kv_type == KV_INT8 ? &w.macs8 : &w.macs32;

    for (int i = 0; i < b->n_seq; i++) {
        const struct batch_seq *s = &b->seq[i];
        w.kv_bytes += cost_kv_bytes(c, s->pos0 + s->n_row);
        for (int r = 1; r <= s->n_row; r++)
            *attend += cost_attend_macs(c, s->pos0 + r);
    }
    return w;
}

void machine_add_work(struct step_work *sum, const struct step_work *w)
{
    sum->macs8 += w->macs8;
    sum->macs16 += w->macs16;
    sum->macs32 += w->macs32;
    sum->linear_macs += w->linear_macs;
    sum->linear8 += w->linear8;
    sum->linear16 += w->linear16;
    sum->weight_bytes += w->weight_bytes;
    sum->kv_bytes += w->kv_bytes;
}

double machine_peak(const struct machine_limits *l, const struct step_work *w, const char **name)
{
    const char *kind = w->linear8 > 0 ? "int8" : w->linear16 > 0 ? "bf16" : "f32";

    if (name) *name = kind;
    return w->linear8 > 0 ? l->dot8 : w->linear16 > 0 ? l->bf16 : l->fma;
}

static double compute_seconds(const struct machine_limits *l, const struct step_work *w)
{
    double bf16 = w->macs16 > 0 ? w->macs16 / l->bf16 : 0;

    return (w->macs8 / l->dot8 + bf16 + w->macs32 / l->fma) * 1e-9;
}

double machine_step_seconds(const struct machine_limits *l, const struct step_work *w)
{
    double read = (w->weight_bytes + w->kv_bytes) / l->read * 1e-9;

    return MAX(read, compute_seconds(l, w));
}

double machine_critical_batch(const struct machine_limits *l, const struct model *m)
{
    struct model_cost c;

    if (l->read <= 0 || l->dot8 <= 0 || l->fma <= 0) return 0;
    model_cost(&c, m, KV_F16);
    struct step_work one = linear_work(m, &c, 1, 1);
    return one.weight_bytes / l->read * 1e-9 / compute_seconds(l, &one);
}
