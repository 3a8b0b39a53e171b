/* SPDX-License-Identifier: MIT */
/*
 * pool.h - a persistent pool of workers that run one program together.
 *
 * pool_run() makes every worker call the same function once (single program,
 * multiple data); the caller is worker 0. Inside, pool_barrier() joins all
 * workers: what was written before it by any is seen after it by all. There
 * are no tasks and no queues: who does what is the program's business.
 *
 * Waiting: spin for some microseconds, then sleep in the kernel, so that barriers
 * cost a cache-line round trip when every worker has a core and an idle pool uses
 * none. Where cores are shared with others, waiters learn to sleep almost at once.
 *
 * Threads: pool_run() from one thread at a time.
 */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include "base/status.h"

struct pool;
typedef void pool_fn(void *arg, int worker, int n_workers);

enum brrr_status pool_new(struct pool **out, int n_workers, struct brrr_error *err);
void pool_free(struct pool *p); /* NULL is allowed; joins the threads */
int pool_n_workers(const struct pool *p);
void pool_run(struct pool *p, pool_fn *fn, void *arg);
/* The same with the first n workers only, which its barriers join; the others do not spin. */
void pool_run_n(struct pool *p, int n, pool_fn *fn, void *arg);
void pool_barrier(struct pool *p);

#endif
