/* SPDX-License-Identifier: MIT */
/* sched.c - see sched.h. */
#include "engine/sched.h"

#include <string.h>

#include "base/limits.h"
#include "base/status.h"
#include "kernels/attend.h"

/* What users were given counts in steps of this many tokens: less is no difference between them. */
static const double QUANTUM = 256;

/* --- policies --- */

static bool before_fcfs(const struct sched_state *s, const struct sched_task *a,
                        const struct sched_task *b)
{
    (void)s;
    return a->id < b->id;
}

static bool before_priority(const struct sched_state *s, const struct sched_task *a,
                            const struct sched_task *b)
{
    (void)s;
    if (a->priority != b->priority) return a->priority > b->priority;
    return a->id < b->id;
}

static double quanta(const struct sched_state *s, const struct sched_task *t)
{
    return (double)(int64_t)(s->spent[t->user] / QUANTUM);
}

static bool before_fair(const struct sched_state *s, const struct sched_task *a,
                        const struct sched_task *b)
{
    if (a->priority != b->priority) return a->priority > b->priority;
    if (quanta(s, a) != quanta(s, b)) return quanta(s, a) < quanta(s, b);
    if (a->n_done != b->n_done) return a->n_done > b->n_done;
    return a->id < b->id;
}

static const struct {
    const char *name;
    bool (*before)(const struct sched_state *s, const struct sched_task *a,
                   const struct sched_task *b);
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

static bool is_old(const struct sched_state *s, const struct sched_task *t)
{
    return s->now - t->arrival > s->age;
}

/* Nothing starves: who has waited for too long goes first, whatever the policy says. */
static bool before(const struct sched_state *s, const struct sched_task *a,
                   const struct sched_task *b)
{
    if (is_old(s, a) != is_old(s, b)) return is_old(s, a);
    if (is_old(s, a)) return a->id < b->id;
    return policies[s->policy].before(s, a, b);
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

/* A plan in the making. */
struct plan {
    const struct sched_state *s;
    struct sched_row *row;
    int n, n_running;
    int left; /* rows for prompts */
    size_t room;
};

static void add(struct plan *p, int task, int n, bool admit)
{
    const struct sched_task *t = &p->s->task[task];
    size_t bytes = bytes_for(p->s, t->n_done, t->n_done + n);

    p->row[p->n++] = (struct sched_row){ task, n, admit };
    p->room -= MIN(p->room, bytes);
}

static void add_decoding(struct plan *p)
{
    const struct sched_state *s = p->s;

    for (int i = 0; i < s->n_task; i++) {
        p->n_running += s->task[i].running;
        if (!decodes(&s->task[i])) continue;
        add(p, i, 1 + s->task[i].n_draft, false);
        p->left -= 1 + s->task[i].n_draft;
    }
    p->left = MAX(p->left, s->least_chunk);
}

/* The next of the tasks that have (or have not) a slot, after `last` in the order; -1: none. */
static int next_in_order(const struct sched_state *s, bool running, int last)
{
    int best = -1;

    for (int i = 0; i < s->n_task; i++) {
        const struct sched_task *t = &s->task[i];
        if (t->running != running || decodes(t) || t->n_done >= t->n_total) continue;
        if (last >= 0 && (i == last || !before(s, &s->task[last], t))) continue;
        if (best < 0 || before(s, t, &s->task[best])) best = i;
    }
    return best;
}

static void add_prompts(struct plan *p)
{
    const struct sched_state *s = p->s;

    for (int i = -1; p->left > 0 && (i = next_in_order(s, true, i)) >= 0;) {
        int n = MIN(s->task[i].n_total - s->task[i].n_done, p->left);
        add(p, i, n, false);
        p->left -= n;
    }
}

/* In order, and nobody past the first for whom there is no memory: large ones do not starve. */
static void add_waiting(struct plan *p)
{
    const struct sched_state *s = p->s;

    for (int i = -1;
         p->left > 0 && p->n_running < s->n_slot && (i = next_in_order(s, false, i)) >= 0;) {
        const struct sched_task *t = &s->task[i];
        /* One more block: the one in which its cached prefix ends is copied. */
        size_t need = bytes_for(s, t->n_done, t->n_total) + s->block_bytes;
        /* Alone it always goes: what was accepted fits into the whole cache. */
        int width = MAX(t->width, 1);
        need *= (size_t)width;
        if (p->n_running + width > s->n_slot) return;
        if (p->n_running > 0 && need + s->reserve > p->room) return;
        int n = MIN(t->n_total - t->n_done, p->left);
        p->row[p->n++] = (struct sched_row){ i, n, true };
        p->room -= MIN(p->room, need);
        p->left -= n;
        p->n_running += width;
    }
}

int sched_plan(const struct sched_state *s, struct sched_row *row)
{
    struct plan p = { .s = s, .row = row, .left = s->n_row, .room = s->room };

    add_decoding(&p);
    add_prompts(&p);
    add_waiting(&p);
    return p.n;
}

int sched_victim(const struct sched_state *s, int who)
{
    int worst = -1, n_running = 0;

    for (int i = 0; i < s->n_task; i++) {
        const struct sched_task *t = &s->task[i];
        if (!t->running) continue;
        n_running++;
        const struct sched_task *w = worst < 0 ? t : &s->task[worst];
        if (worst < 0 || t->priority < w->priority || (t->priority == w->priority && t->id > w->id))
            worst = i;
    }
    return n_running > 1 || worst != who ? worst : -1;
}
