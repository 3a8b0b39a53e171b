/* SPDX-License-Identifier: MIT */
/* prefault.c - see prefault.h. */
#include "base/prefault.h"

#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>

#include "base/status.h"

enum { PIECE = 2 << 20 }; /* a huge page: what is made present, and asked for, at once */

#ifdef MADV_POPULATE_WRITE
static bool populate(char *p, size_t n)
{
    return madvise(p, n, MADV_POPULATE_WRITE) == 0;
}
#else
static bool populate(char *p, size_t n)
{
    (void)p, (void)n;
    return false;
}
#endif

void prefault_add(struct prefault *p, void *base, size_t n_bytes)
{
    struct prefault_range *r = &p->range[p->n_range++];
    size_t skipped = (PIECE - (uintptr_t)base % PIECE) % PIECE;

    *r = (struct prefault_range){ .base = (char *)base + skipped, .skipped = skipped };
    if (n_bytes > skipped) r->n = (n_bytes - skipped) / PIECE;
}

/* A piece that is wanted and not there, or NULL. What is in use is left to who uses it. */
static char *next_piece(struct prefault_range *r)
{
    r->done = MAX(r->done, r->used);
    return r->done < r->want ? r->base + PIECE * r->done++ : NULL;
}

static void *run(void *arg)
{
    struct prefault *p = arg;
    struct sched_param none = { 0 };
    bool ok = true;

    pthread_setschedparam(pthread_self(), SCHED_IDLE, &none);
    pthread_mutex_lock(&p->lock);
    while (ok && !p->stop) {
        char *at = NULL;
        for (int i = 0; !at && i < p->n_range; i++)
            at = next_piece(&p->range[i]);
        if (at) {
            pthread_mutex_unlock(&p->lock);
            ok = populate(at, PIECE);
            pthread_mutex_lock(&p->lock);
        } else {
            p->is_idle = true;
            pthread_cond_signal(&p->idle);
            pthread_cond_wait(&p->work, &p->lock);
        }
    }
    p->is_idle = p->failed = !ok;
    pthread_cond_signal(&p->idle);
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

void prefault_start(struct prefault *p, size_t lead)
{
    sigset_t all, before;

    p->lead = lead / PIECE;
    if (p->lead == 0) return;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->work, NULL);
    pthread_cond_init(&p->idle, NULL);
    for (int i = 0; i < p->n_range; i++)
        p->range[i].asked = p->range[i].want = MIN(p->lead, p->range[i].n);
    /* Signals are for the other threads. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    p->runs = pthread_create(&p->thread, NULL, run, p) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (p->runs) return;
    pthread_cond_destroy(&p->idle);
    pthread_cond_destroy(&p->work);
    pthread_mutex_destroy(&p->lock);
}

void prefault_stop(struct prefault *p)
{
    if (!p->runs) return;
    pthread_mutex_lock(&p->lock);
    p->stop = true;
    pthread_cond_signal(&p->work);
    pthread_mutex_unlock(&p->lock);
    pthread_join(p->thread, NULL);
    pthread_cond_destroy(&p->idle);
    pthread_cond_destroy(&p->work);
    pthread_mutex_destroy(&p->lock);
    p->runs = false;
}

void prefault_use(struct prefault *p, int range, size_t used)
{
    struct prefault_range *r = &p->range[range];
    size_t n = used > r->skipped ? (used - r->skipped + PIECE - 1) / PIECE : 0;
    size_t want = MIN(n + p->lead, r->n);

    if (!p->runs || want <= r->asked) return;
    r->asked = want;
    pthread_mutex_lock(&p->lock);
    r->used = n;
    r->want = want;
    p->is_idle = p->failed;
    pthread_cond_signal(&p->work);
    pthread_mutex_unlock(&p->lock);
}

bool prefault_wait(struct prefault *p)
{
    if (!p->runs) return false;
    pthread_mutex_lock(&p->lock);
    while (!p->is_idle)
        pthread_cond_wait(&p->idle, &p->lock);
    bool ok = !p->failed;
    pthread_mutex_unlock(&p->lock);
    return ok;
}
