/* SPDX-License-Identifier: MIT */
/*
 * pool.c - see pool.h.
 *
 * Every wait is on one 32-bit word that changes when the wait is over: `epoch`
 * for a new program, `phase` for a barrier. A waiter that gives up spinning
 * counts itself in `sleepers` before it sleeps on the word (futex); the one
 * that changes the word looks at the count afterwards. Both sides are
 * sequentially consistent, so either the waiter sees the new word or the
 * changer sees the sleeper.
 *
 * The word of a program carries how many workers it is for (its low bits), so
 * that one who is not among them never looks at a program that may be over.
 */
#include "base/pool.h"

#include <assert.h>
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/noalloc.h"

enum {
    SPINS = 4000, /* pauses: 50 to 150 us, longer than any phase differs between workers */
    SPINS_LEAST = 60,
    LINE = 128,     /* two cache lines: the prefetcher of x86 fetches them in pairs */
    EPOCH = 1 << 9, /* epoch.v: programs in steps of this, plus the workers of the last */
};

/* Longer than a wait of workers that all run, shorter than what the kernel's scheduler deals in. */
static const double LATE_S = 300e-6;

struct word {
    _Alignas(LINE) atomic_uint v;
    atomic_uint sleepers;
};

struct worker_start {
    struct pool *pool;
    int index;
};

struct pool {
    struct word epoch, phase;
    _Alignas(LINE) atomic_int arrived;
    _Alignas(LINE) atomic_int spins; /* pauses before a waiter sleeps */
    int n, n_active;                 /* workers; those of the running program */
    int n_started;
    atomic_bool quit;
    pool_fn *fn;
    void *arg;
    pthread_t *thread;
    struct worker_start *start;
};

static inline void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

/* Return when w->v is no longer `old`: spin, then sleep. Seconds slept. */
static double word_wait(struct word *w, unsigned old, int spins)
{
    for (int i = 0; i < spins; i++) {
        if (atomic_load_explicit(&w->v, memory_order_acquire) != old) return 0;
        relax();
    }
    double t0 = clock_now();
    atomic_fetch_add(&w->sleepers, 1);
    while (atomic_load(&w->v) == old)
        syscall(SYS_futex, &w->v, FUTEX_WAIT_PRIVATE, old, NULL, NULL, 0);
    atomic_fetch_sub(&w->sleepers, 1);
    return clock_now() - t0;
}

static void word_set(struct word *w, unsigned v)
{
    atomic_store(&w->v, v);
    if (atomic_load(&w->sleepers) > 0)
        syscall(SYS_futex, &w->v, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

/*
 * A worker that comes very late is one whose core another program has: then every pause here takes
 * the time of somebody who could work, perhaps of that very worker; and who sleeps early is let run
 * early by the kernel's scheduler. So after such a wait there is next to no spinning, and it comes
 * back over some hundred shorter ones.
 */
static void barrier_wait(struct pool *p, unsigned phase)
{
    int spins = atomic_load_explicit(&p->spins, memory_order_relaxed), next;
    double slept = word_wait(&p->phase, phase, spins);

    next = slept > LATE_S ? SPINS_LEAST : MIN(SPINS, spins + spins / 16);
    if (next != spins) atomic_store_explicit(&p->spins, next, memory_order_relaxed);
}

void pool_barrier(struct pool *p)
{
    int n = p->n_active; /* read before arriving: the next program may follow at once */

    if (n == 1) return;
    unsigned phase = atomic_load_explicit(&p->phase.v, memory_order_relaxed);
    if (atomic_fetch_add(&p->arrived, 1) == n - 1) {
        atomic_store_explicit(&p->arrived, 0, memory_order_relaxed);
        word_set(&p->phase, phase + 1);
        return;
    }
    barrier_wait(p, phase);
}

static void *worker_main(void *arg)
{
    struct worker_start *s = arg;
    struct pool *p = s->pool;
    int spins = SPINS;

    noalloc_begin(); /* workers only compute */
    for (unsigned epoch = 0;;) {
        word_wait(&p->epoch, epoch, spins);
        epoch = atomic_load(&p->epoch.v);
        if (atomic_load(&p->quit)) return NULL;
        int n = (int)(epoch % EPOCH);
        /* One who is left out now will be so again: no spinning beside those who work. */
        spins = 0;
        if (s->index >= n) continue;
        p->fn(p->arg, s->index, n);
        pool_barrier(p);
        spins = atomic_load_explicit(&p->spins, memory_order_relaxed);
    }
}

void pool_run_n(struct pool *p, int n, pool_fn *fn, void *arg)
{
    assert(n >= 1 && n <= p->n);
    p->fn = fn;
    p->arg = arg;
    p->n_active = n;
    if (n > 1) {
        unsigned epoch = atomic_load_explicit(&p->epoch.v, memory_order_relaxed);
        word_set(&p->epoch, (epoch / EPOCH + 1) * EPOCH + (unsigned)n);
    }
    fn(arg, 0, n);
    pool_barrier(p);
}

void pool_run(struct pool *p, pool_fn *fn, void *arg)
{
    pool_run_n(p, p->n, fn, arg);
}

int pool_n_workers(const struct pool *p)
{
    return p->n;
}

enum brrr_status pool_new(struct pool **out, int n_workers, struct brrr_error *err)
{
    enum brrr_status st = BRRR_E_NOMEM;
    struct pool *p;
    int rc;

    assert(n_workers >= 1 && n_workers < EPOCH);
    *out = NULL;
    p = aligned_alloc(LINE, sizeof(*p));
    if (!p) return fail(err, BRRR_E_NOMEM, "no memory for the thread pool");
    memset(p, 0, sizeof(*p));
    p->n = p->n_active = n_workers;
    atomic_store(&p->spins, SPINS);
    p->thread = calloc((size_t)n_workers, sizeof(*p->thread));
    p->start = calloc((size_t)n_workers, sizeof(*p->start));
    if (!p->thread || !p->start) {
        fail(err, st, "no memory for the thread pool");
        goto error;
    }
    for (int i = 1; i < n_workers; i++) {
        p->start[i] = (struct worker_start){ p, i };
        rc = pthread_create(&p->thread[i], NULL, worker_main, &p->start[i]);
        if (rc) {
            st = fail(err, BRRR_E_IO, "cannot start thread %d of %d: %s", i + 1, n_workers,
                      strerror(rc));
            goto error;
        }
        p->n_started = i;
    }
    *out = p;
    return BRRR_OK;

error:
    pool_free(p);
    return st;
}

void pool_free(struct pool *p)
{
    if (!p) return;
    if (p->n_started) {
        atomic_store(&p->quit, true);
        word_set(&p->epoch, atomic_load(&p->epoch.v) + EPOCH);
        for (int i = 1; i <= p->n_started; i++)
            pthread_join(p->thread[i], NULL);
    }
    free(p->thread);
    free(p->start);
    free(p);
}
