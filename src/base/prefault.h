/* SPDX-License-Identifier: MIT */
/*
 * prefault.h - pages that will be needed soon, made present by a thread of their own.
 *
 * The first touch of a page waits for the system to find and clear it: 2 MiB took 0.3 to 4 ms
 * on the virtual machines where this was written, and all other workers wait for the one that
 * touches. Memory that is used from its beginning on is kept present some way ahead instead: never
 * more than `lead` bytes of each range are there that nobody needed.
 *
 * It can not fail: where the thread or the system call (Linux 5.14) is missing, pages come when
 * they are touched, as ever.
 *
 * Threads: one uses it; the other is its own, and changes no byte.
 */
#ifndef BASE_PREFAULT_H
#define BASE_PREFAULT_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

enum { PREFAULT_RANGES = 2 };

struct prefault {
    size_t lead;
    int n_range;
    struct prefault_range {
        char *base;              /* at a whole piece of 2 MiB: from here on in pieces         */
        size_t n, skipped;       /* pieces; bytes before them, which are left alone           */
        size_t asked;            /* as `want`, for the thread that uses it                    */
        size_t used, want, done; /* from the first on: in use; to be present; present    */
    } range[PREFAULT_RANGES];
    bool runs, stop, is_idle, failed;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t work, idle;
};

/* Zeroed before. Of the memory whole pieces of 2 MiB are looked after. */
void prefault_add(struct prefault *p, void *base, size_t n_bytes);
/* All ranges are known: begin, with the first `lead` bytes of each. */
void prefault_start(struct prefault *p, size_t lead);
void prefault_stop(struct prefault *p); /* one that did not start is allowed */
/* The first `used` bytes of a range are used from now on. */
void prefault_use(struct prefault *p, int range, size_t used);
/* Wait until all that is wanted is present: for tests. False: the system can not do it. */
bool prefault_wait(struct prefault *p);

#endif
