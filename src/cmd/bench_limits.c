/* SPDX-License-Identifier: MIT */
/* bench_limits.c - what the machine can do at most (engine/machine.h); see bench.h. */
#include "cmd/bench.h"

#define READ_BUDGET_S 0.2
/* A working set up to this much larger than the weights is read as fast as they are. */
#define ABOUT 1.1

/* The limits are those of all threads that a case can use. */
static int n_workers(const struct bench *b)
{
    return MAX(b->eo.n_threads, b->eo.n_threads_decode); /* both are settled */
}

enum brrr_status bench_limits_measure(struct bench *b, struct brrr_error *err)
{
    struct machine_limits now, *best = &b->limits;
    struct pool *pool;
    enum brrr_status st = pool_new(&pool, n_workers(b), err);

    if (st) return st;
    machine_measure_model(&now, pool, b->m->model);
    pool_free(pool);
    now.dot8 = MAX(now.dot8, best->dot8);
    now.bf16 = MAX(now.bf16, best->bf16);
    now.fma = MAX(now.fma, best->fma);
    now.read = MAX(now.read, best->read);
    if (best->barrier_ns > 0) now.barrier_ns = MIN(now.barrier_ns, best->barrier_ns);
    *best = now;
    return BRRR_OK;
}

double bench_limits_read(struct bench *b, double n_bytes)
{
    struct pool *pool;

    if (n_bytes < ABOUT * b->limits.read_bytes || n_bytes > 0.5 * (double)mem_available()) return 0;
    if (pool_new(&pool, n_workers(b), NULL)) return 0;
    double rate = machine_read_fresh(pool, &b->m->model->kernels, (size_t)n_bytes, READ_BUDGET_S);
    pool_free(pool);
    return rate;
}
