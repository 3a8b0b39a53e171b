/* SPDX-License-Identifier: MIT */
/* sched.c - see sched.h. */
#include "engine/sched.h"

#include <string.h>

#include "base/limits.h"
#include "base/status.h"
#include "kernels/attend.h"

/* What users were given counts in steps of this many tokens: less is no difference between them. */
static const double QUANTUM = 256;

/* A reserve is doubled so often at most: then it is larger than any cache. */
enum { DOUBLINGS = 24 };

/* A plan in the making. */
struct plan {
    const struct sched_state *s;
    struct sched_row *row;
    int n, n_running, n_heap;
    int left, read; /* rows for prompts; of them, for those with `reads` */
    int top;        /* the highest priority */
    size_t room;
};

/* --- policies --- */

static bool is_old(const struct plan *p, const struct sched_task *t)
{
    return p->s->now - t->arrival > p->s->age;
}

static int level(const struct plan *p, const struct sched_task *t)
{
    return is_old(p, t) ? p->top : t->priority;
}

static bool before_fcfs(const struct plan *p, const struct sched_task *a,
                        const struct sched_task *b)
{
    (void)p;
    return a->id < b->id;
}

static bool before_priority(const struct plan *p, const struct sched_task *a,
                            const struct sched_task *b)
{
    int la = level(p, a), lb = level(p, b);

    return la != lb ? la > lb : a->id < b->id;
}

static double quanta(const struct plan *p, const struct sched_task *t)
{
    return (double)(int64_t)(p->s->spent[t->user] / QUANTUM);
}

static bool before_fair(const struct plan *p, const struct sched_task *a,
                        const struct sched_task *b)
{
    bool old_a = is_old(p, a), old_b = is_old(p, b);
    int la = level(p, a), lb = level(p, b);

    if (a->starves != b->starves) return a->starves;
    if (a->starves) return a->id < b->id;
    if (la != lb) return la > lb;
    if (quanta(p, a) != quanta(p, b)) return quanta(p, a) < quanta(p, b);
    /* Of equals those that the cache helps most, but not for ever. */
    if (old_a != old_b) return old_a;
    if (!old_a && a->n_done != b->n_done) return a->n_done > b->n_done;
    return a->id < b->id;
}

static const struct {
    const char *name;
    bool (*before)(const struct plan *p, const struct sched_task *a, const struct sched_task *b);
} policies[] = {
#define POLICY(id, name, before, help) [id] = { name, before },
#include "engine/sched.def"
#undef POLICY
};

const char *sched_policy_name(enum sched_policy p)
{
    return policies[p].name;
}

enum sched_policy sched_policy_find(const char *name)
{
    for (int i = 0; i < SCHED_POLICIES; i++)
        if (strcmp(policies[i].name, name) == 0) return (enum sched_policy)i;
    return SCHED_POLICIES;
}

/* --- tasks in order ---
 *
 * A heap of those that are still to come, the next one first. It lies at the end of `row`, its
 * first element last: it shrinks as fast as rows are written, so they never meet.
 */

static int *heap_at(const struct plan *p, int i)
{
    return &p->row[p->s->n_task - 1 - i].task;
}

static bool goes_before(const struct plan *p, int i, int j)
{
    return policies[p->s->policy].before(p, &p->s->task[*heap_at(p, i)],
                                         &p->s->task[*heap_at(p, j)]);
}

static void sift_down(struct plan *p, int i)
{
    for (;;) {
        int next = i, child = 2 * i + 1;
        for (int c = child; c < child + 2 && c < p->n_heap; c++)
            if (goes_before(p, c, next)) next = c;
        if (next == i) return;
        int t = *heap_at(p, i);
        *heap_at(p, i) = *heap_at(p, next);
        *heap_at(p, next) = t;
        i = next;
    }
}

static void heap_build(struct plan *p)
{
    for (int i = p->n_heap / 2 - 1; i >= 0; i--)
        sift_down(p, i);
}

/* The next task, or -1. */
static int heap_take(struct plan *p)
{
    if (p->n_heap == 0) return -1;
    int first = *heap_at(p, 0);
    *heap_at(p, 0) = *heap_at(p, --p->n_heap);
    sift_down(p, 0);
    return first;
}

/* --- a step --- */

static bool decodes(const struct sched_task *t)
{
    return t->running && t->n_total - t->n_done == 1;
}

static size_t blocks(int n)
{
    return (size_t)((n + KV_BLOCK - 1) / KV_BLOCK);
}

/* Bytes of cache that positions [done, to) add. */
static size_t bytes_for(const struct sched_state *s, int done, int to)
{
    return (blocks(to) - blocks(done)) * s->block_bytes;
}

static void add(struct plan *p, int task, int n, size_t bytes, bool admit)
{
    p->row[p->n++] = (struct sched_row){ task, n, admit };
    p->room -= MIN(p->room, bytes);
}

static void add_decoding(struct plan *p)
{
    const struct sched_state *s = p->s;

    p->top = INT32_MIN;
    for (int i = 0; i < s->n_task; i++) {
        const struct sched_task *t = &s->task[i];
        int n = 1 + t->n_draft;
        p->top = MAX(p->top, t->priority);
        p->n_running += t->running;
        if (!decodes(t)) continue;
        add(p, i, n, bytes_for(s, t->n_done, t->n_done + n), false);
        p->left -= n;
    }
    p->left = MAX(p->left, s->least_chunk);
}

/* Rows of a prompt that the step has left for it, taken from what is left. */
static int take_rows(struct plan *p, const struct sched_task *t)
{
    int n = MIN(MAX(t->n_total - t->n_done, 0), p->left);

    if (t->reads) {
        n = MIN(n, p->read);
        p->read -= n;
    }
    p->left -= n;
    return n;
}

static void add_prompts(struct plan *p)
{
    const struct sched_state *s = p->s;
    int i;

    p->n_heap = 0;
    for (int k = 0; k < s->n_task; k++) {
        const struct sched_task *t = &s->task[k];
        if (t->running && !decodes(t) && t->n_done < t->n_total) *heap_at(p, p->n_heap++) = k;
    }
    heap_build(p);
    while (p->left > 0 && (i = heap_take(p)) >= 0) {
        const struct sched_task *t = &s->task[i];
        int n = take_rows(p, t);
        if (n > 0) add(p, i, n, bytes_for(s, t->n_done, t->n_done + n), false);
    }
}

/*
 * Bytes that come into use with a task: what others use already is not among them, what is only
 * cached is. And a block for each of its slots: the one in which its prefix ends is copied. Members
 * of a group share their prompt when it is read first; later nobody knows what they share.
 */
static size_t need_of(const struct plan *p, const struct sched_task *t)
{
    size_t width = (size_t)MAX(t->width, 1), copies = t->n_preempted > 0 ? width : 1;
    size_t n = copies * blocks(t->n_total) + width;

    return (n - MIN(n, (size_t)t->n_shared / KV_BLOCK)) * p->s->block_bytes;
}

/* What must be left to those that run: more for who had to give way, or it will have to again. */
static bool has_room(const struct plan *p, const struct sched_task *t, size_t need)
{
    size_t reserve = (size_t)p->n_running << MIN(t->n_preempted, DOUBLINGS);

    /* Alone it always goes: what was accepted fits into the whole cache. */
    if (p->n_running == 0) return true;
    return size_mul(&reserve, reserve, p->s->reserve) && size_add(&reserve, reserve, need) &&
           reserve <= p->room;
}

/* In order, and nobody past the first for whom there is no place: large ones do not starve. */
static void add_waiting(struct plan *p)
{
    const struct sched_state *s = p->s;
    int i;

    p->n_heap = 0;
    for (int k = 0; k < s->n_task; k++)
        if (!s->task[k].running) *heap_at(p, p->n_heap++) = k;
    heap_build(p);
    while (p->left > 0 && p->n_running < s->n_slot && (i = heap_take(p)) >= 0) {
        const struct sched_task *t = &s->task[i];
        int width = MAX(t->width, 1);
        size_t need = need_of(p, t);
        if (p->n_running + width > s->n_slot || !has_room(p, t, need)) return;
        add(p, i, take_rows(p, t), need, true);
        p->n_running += width;
    }
}

int sched_plan(const struct sched_state *s, struct sched_row *row)
{
    struct plan p = { .s = s, .row = row, .left = s->n_row, .read = s->n_read, .room = s->room };

    add_decoding(&p);
    add_prompts(&p);
    add_waiting(&p);
    return p.n;
}

static bool together(const struct sched_task *a, const struct sched_task *b)
{
    return a == b || (a->group != 0 && a->group == b->group);
}

int sched_victim(const struct sched_state *s, int who)
{
    int worst = -1;
    bool others = false;

    for (int i = 0; i < s->n_task; i++) {
        const struct sched_task *t = &s->task[i];
        if (!t->running) continue;
        others = others || !together(t, &s->task[who]);
        const struct sched_task *w = worst < 0 ? t : &s->task[worst];
        if (worst < 0 || t->priority < w->priority || (t->priority == w->priority && t->id > w->id))
            worst = i;
    }
    return others ? worst : -1;
}
