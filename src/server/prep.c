/* SPDX-License-Identifier: MIT */
/* prep.c - see prep.h. */
#include "server/prep.h"

#include <pthread.h>
#include <stdlib.h>

struct line {
    struct call *first, **end;
};

struct prep {
    void (*wake)(void *arg);
    void *arg;
    int n_thread;
    pthread_t *thread;
    pthread_mutex_t lock;
    pthread_cond_t more;
    bool ends;
    struct line todo, done;
};

static void line_init(struct line *l)
{
    l->first = NULL;
    l->end = &l->first;
}

static void line_add(struct line *l, struct call *c)
{
    c->next = NULL;
    *l->end = c;
    l->end = &c->next;
}

static struct call *line_take(struct line *l)
{
    struct call *c = l->first;

    if (c && !(l->first = c->next)) l->end = &l->first;
    return c;
}

static void *work(void *arg)
{
    struct prep *p = arg;

    pthread_mutex_lock(&p->lock);
    while (!p->ends) {
        struct call *c = line_take(&p->todo);
        if (!c) {
            pthread_cond_wait(&p->more, &p->lock);
            continue;
        }
        pthread_mutex_unlock(&p->lock);
        call_prepare(c);
        pthread_mutex_lock(&p->lock);
        line_add(&p->done, c);
        p->wake(p->arg);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

enum brrr_status prep_open(struct prep **out, int n_threads, void (*wake)(void *arg), void *arg,
                           struct brrr_error *err)
{
    struct prep *p = calloc(1, sizeof(*p));

    *out = NULL;
    if (p) p->thread = calloc((size_t)n_threads, sizeof(*p->thread));
    if (!p || !p->thread) {
        free(p);
        return fail(err, BRRR_E_NOMEM, "no memory for the preparing threads");
    }
    p->wake = wake;
    p->arg = arg;
    line_init(&p->todo);
    line_init(&p->done);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->more, NULL);
    for (; p->n_thread < n_threads; p->n_thread++)
        if (pthread_create(&p->thread[p->n_thread], NULL, work, p)) break;
    if (p->n_thread == 0) {
        prep_close(p);
        return fail(err, BRRR_E_NOMEM, "cannot start a preparing thread");
    }
    *out = p;
    return BRRR_OK;
}

void prep_close(struct prep *p)
{
    if (!p) return;
    pthread_mutex_lock(&p->lock);
    p->ends = true;
    pthread_cond_broadcast(&p->more);
    pthread_mutex_unlock(&p->lock);
    for (int i = 0; i < p->n_thread; i++)
        pthread_join(p->thread[i], NULL);
    pthread_cond_destroy(&p->more);
    pthread_mutex_destroy(&p->lock);
    free(p->thread);
    free(p);
}

void prep_submit(struct prep *p, struct call *c)
{
    pthread_mutex_lock(&p->lock);
    line_add(&p->todo, c);
    pthread_cond_signal(&p->more);
    pthread_mutex_unlock(&p->lock);
}

void prep_ready(struct prep *p, void (*fn)(struct call *c))
{
    pthread_mutex_lock(&p->lock);
    struct call *done = p->done.first;
    line_init(&p->done);
    pthread_mutex_unlock(&p->lock);
    for (struct call *c = done, *next; c; c = next) {
        next = c->next;
        fn(c);
    }
}
