/* SPDX-License-Identifier: MIT */
/* bench_limits.c - what the machine can do at most (engine/machine.h); see bench.h. */
#include "cmd/bench.h"

#define READ_BUDGET_S 0.2
/* A working set up to this much larger than the weights is read as fast as they are. */
#define ABOUT 1.1

enum brrr_status bench_limits_measure(struct bench *b, struct brrr_error *err)
{
    const struct arena *w = &b->m->model->weights;
    struct machine_limits now, *best = &b->limits;
    struct pool *pool;
    enum brrr_status st = pool_new(&pool, b->eo.n_threads, err);

    if (st) return st;
    machine_measure(&now, pool, &b->m->model->kernels, w->base, w->used);
    pool_free(pool);
    now.dot8 = MAX(now.dot8, best->dot8);
    now.bf16 = MAX(now.bf16, best->bf16);
    now.fma = MAX(now.fma, best->fma);
    now.read = MAX(now.read, best->read);
    if (best->barrier_ns > 0) now.barrier_ns = MIN(now.barrier_ns, best->barrier_ns);
    *best = now;
    return BRRR_OK;
}

/* Every worker writes the share that it will read, so that it lies near it. */
static void touch_program(void *arg, int worker, int n_workers)
{
    const struct arena *a = arg;
    size_t lo = a->n_bytes / (size_t)n_workers * (size_t)worker;
    size_t hi = worker + 1 == n_workers ? a->n_bytes : lo + a->n_bytes / (size_t)n_workers;

    memset(a->base + lo, 1, hi - lo);
}

double bench_limits_read(struct bench *b, double n_bytes)
{
    struct arena a = { 0 };
    struct pool *pool = NULL;
    double rate = 0;

    if (n_bytes < ABOUT * b->limits.read_bytes || n_bytes > 0.5 * (double)mem_available()) return 0;
    if (pool_new(&pool, b->eo.n_threads, NULL)) return 0;
    if (arena_init(&a, (size_t)n_bytes, "memory to read", NULL) == BRRR_OK) {
        pool_run(pool, touch_program, &a);
        rate = machine_read(pool, &b->m->model->kernels, a.base, a.n_bytes, READ_BUDGET_S);
    }
    arena_fini(&a);
    pool_free(pool);
    return rate;
}
