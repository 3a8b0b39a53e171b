/* SPDX-License-Identifier: MIT */
/* prefault.c - see prefault.h. */
#include "base/prefault.h"

#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/status.h"

enum {
    PIECE = 2 << 20, /* a huge page: what is made present, and asked for, at once */
    LEAST_PRIORITY = 19,
};

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
    size_t done = r->done, used = r->used, at = MAX(done, used);

    r->done = at;
    return at < r->want ? r->base + PIECE * at : NULL;
}

/* All that is wanted. */
static bool work(struct prefault *p)
{
    char *at;

    for (int i = 0; i < p->n_range; i++)
        while (!p->stop && (at = next_piece(&p->range[i]))) {
            if (!populate(at, PIECE)) return false;
            p->range[i].done++;
        }
    return true;
}

static void *run(void *arg)
{
    struct prefault *p = arg;

    setpriority(PRIO_PROCESS, (id_t)gettid(), LEAST_PRIORITY);
    do {
        if (!work(p)) p->failed = true;
        while (sem_wait(&p->work) != 0)
            continue; /* a signal */
    } while (!p->stop && !p->failed);
    return NULL;
}

void prefault_start(struct prefault *p, size_t lead)
{
    sigset_t all, before;

    p->lead = lead / PIECE;
    if (p->lead == 0) return;
    if (sem_init(&p->work, 0, 0) != 0) return;
    for (int i = 0; i < p->n_range; i++) {
        p->range[i].asked = MIN(p->lead, p->range[i].n);
        p->range[i].want = p->range[i].asked;
    }
    /* Signals are for the other threads. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    p->runs = pthread_create(&p->thread, NULL, run, p) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!p->runs) sem_destroy(&p->work);
}

void prefault_stop(struct prefault *p)
{
    if (!p->runs) return;
    p->stop = true;
    sem_post(&p->work);
    pthread_join(p->thread, NULL);
    sem_destroy(&p->work);
    p->runs = false;
}

void prefault_use(struct prefault *p, int range, size_t used)
{
    struct prefault_range *r = &p->range[range];
    size_t n = used > r->skipped ? (used - r->skipped + PIECE - 1) / PIECE : 0;
    size_t want = MIN(n + p->lead, r->n);

    if (!p->runs || want <= r->asked) return;
    r->asked = want;
    r->used = n;
    r->want = want;
    sem_post(&p->work);
}

bool prefault_wait(struct prefault *p)
{
    if (!p->runs) return false;
    for (int i = 0; i < p->n_range; i++)
        while (p->range[i].done < p->range[i].want && !p->failed)
            nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    return !p->failed;
}
