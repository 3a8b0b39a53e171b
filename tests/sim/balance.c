/* SPDX-License-Identifier: MIT */
/* balance.c - what must hold between polls: blocks, queues, waits; see sim.h. */
#include "sim.h"

#include "engine/kvpool.h"

static const double LATE = 1.5; /* times the time asked for: too long  */
enum {
    MOST_LATE = 20,  /* such steps in a life: it is learned */
    MEAN_WAIT = 150, /* steps of a quiet user, over MANY requests of all lives */
    MANY = 30,
};

/* --- what must hold between polls --- */

/* Blocks in use are those that tables name, each once. */
void check_blocks(struct life *l)
{
    static uint64_t seen[KV_KINDS][4096];
    const struct kv_view *v = kvpool_view(l->e->kv);
    struct kvpool_stats s;
    int n = 0;

    kvpool_stats(l->e->kv, &s);
    memset(seen, 0, sizeof(seen));
    for (int k = 0; k < KV_KINDS; k++)
        for (int slot = 0; slot < l->o.n_parallel; slot++)
            for (int b = 0; b < (CTX + KV_BLOCK - 1) / KV_BLOCK; b++) {
                int32_t x = v->table[k][slot][b];
                if (x < 0) continue;
                const struct seq *q = l->e->slot[slot];
                if (!q) die(l, "a slot that is free holds a block", slot, x);
                if (q->r->beams && !q->live) die(l, "a beam that died holds a block", slot, x);
                if (x >= 4096 * 64) die(l, "a block's number is too large", x, 0);
                n += !(seen[k][x / 64] >> (x % 64) & 1);
                seen[k][x / 64] |= (uint64_t)1 << (x % 64);
            }
    if (n != s.n_used) die(l, "blocks do not balance", n, s.n_used);
    if (s.used + s.cached > s.budget) die(l, "more blocks than the budget has", 0, 0);
}

static bool is_old(const struct seq *q, double now)
{
    return now - q->r->t_submit > 10;
}

/* The first of those that wait and are old, or NULL. */
static const struct seq *first_old(const struct life *l, double now)
{
    const struct seq *q = l->e->head;

    while (q && !is_old(q, now))
        q = q->next;
    return q;
}

/* Who waits stands in order of arrival, those that had to give way too. */
void check_queue(const struct life *l)
{
    int n = 0;

    for (const struct seq *q = l->e->head; q; q = q->next, n++)
        if (q->next && q->next->order <= q->order)
            die(l, "the queue is out of order", (int64_t)q->order, (int64_t)q->next->order);
    if (n != l->e->n_waiting) die(l, "how many wait?", n, l->e->n_waiting);
}

/* First come, first served: nobody begins before one who has waited for too long. Who that is
 * between users is tests/unit/test_sched_sim.c's. */
void check_order(struct life *l, double now)
{
    const struct seq *old = first_old(l, now);

    if (!old || l->o.policy != SCHED_FCFS) return;
    for (int i = 0; i < l->o.n_parallel; i++) {
        const struct seq *q = l->e->slot[i];
        if (q && q->r->t_start == now && q->order > old->order && !is_old(q, now) &&
            old->n_preempted == 0)
            die(l, "a newer request began before an old one", (int64_t)q->order,
                (int64_t)old->order);
    }
}

/* --- how long somebody waits --- */

static struct ask *find(struct life *l, uint64_t id)
{
    for (int i = 0; i < l->n_live; i++)
        if (l->ask[i].id == id) return &l->ask[i];
    return NULL;
}

/* Where user 0 floods, the other one begins soon. */
void check_waits(struct life *l)
{
    for (int i = 0; l->flood && i < l->o.n_parallel; i++) {
        const struct seq *q = l->e->slot[i];
        struct ask *a = q ? find(l, q->r->id) : NULL;
        if (!a || a->began || a->user != QUIET) continue;
        a->began = true;
        total.quiet++;
        total.waited += l->e->n_step - a->step;
    }
    for (int i = 0; l->flood && i < l->n_live; i++) {
        const struct ask *a = &l->ask[i];
        uint64_t waited = l->e->n_step - a->step;
        if (a->user != QUIET || a->began) continue;
        if (waited > MOST_WAIT) die(l, "a quiet user waits", (int64_t)waited, MOST_WAIT);
        total.longest_wait = MAX(total.longest_wait, waited);
    }
    /* Beside users whom the policy does not tell apart it was 290 on average: until it is old. */
    if (total.quiet >= MANY && total.waited > MEAN_WAIT * total.quiet)
        die(l, "quiet users wait", (int64_t)(total.waited / total.quiet), MEAN_WAIT);
}

/* Prompts beside decoding sequences get no more rows than the time between tokens allows, but
 * for the least that they get in any case, and until it is known what rows cost. */
void check_pace(struct life *l)
{
    struct metric_step x;

    if (l->o.itl_s == 0 || engine_steps(l->e, &x, 1) == 0 || x.index == l->seen_step) return;
    l->seen_step = x.index;
    if (x.n_decode == 0 || x.n_prompt <= ENGINE_LEAST_CHUNK) return;
    l->n_mixed++;
    l->n_late += x.phase_s[PHASE_MODEL] > LATE * l->o.itl_s;
}

void check_late(struct life *l)
{
    total.mixed += (uint64_t)l->n_mixed;
    total.late += (uint64_t)l->n_late;
    if (l->n_late > MOST_LATE) die(l, "steps take longer than asked", l->n_late, l->n_mixed);
}
