/* SPDX-License-Identifier: MIT */
/* slots.c - who waits, who has a slot, who is gone; see run.h. */
#include "base/clock.h"
#include "engine/run.h"

/* What waits for a slot stands in order of arrival. */
void slots_enqueue(struct brrr_engine *e, struct seq *q)
{
    struct seq **at = &e->head;

    while (*at && (*at)->order < q->order)
        at = &(*at)->next;
    q->waits = true;
    q->next = *at;
    *at = q;
    if (!q->next) e->tail = &q->next;
    e->n_waiting++;
}

void slots_dequeue(struct brrr_engine *e, struct seq *q)
{
    struct seq **at = &e->head;

    while (*at != q)
        at = &(*at)->next;
    *at = q->next;
    if (!q->next) e->tail = at;
    q->next = NULL;
    q->waits = false;
    e->n_waiting--;
}

void slots_match(struct brrr_engine *e, struct seq *q)
{
    q->n_match = kvpool_match(e->kv, q->id, q->n, q->r->salt, &q->n_shared);
    if (e->disk && !q->expected) q->expected = kvpool_expect(e->kv, q->id, q->n, q->r->salt);
}

int slots_free(const struct brrr_engine *e)
{
    for (int i = 0; i < e->o.n_parallel; i++)
        if (!e->slot[i]) return i;
    return -1;
}

void slots_take(struct brrr_engine *e, struct seq *q, int slot)
{
    e->slot[slot] = q;
    q->slot = slot;
}

void slots_leave(struct brrr_engine *e, struct seq *q)
{
    kvpool_release(e->kv, q->slot);
    e->slot[q->slot] = NULL;
    q->slot = -1;
}

/* A sequence begins, or goes on after it had to make room: from what the cache has of it. */
static void start(struct brrr_engine *e, struct seq *q)
{
    slots_take(e, q, slots_free(e));
    if (q->r->beams && !q->live) return;
    q->n_done = kvpool_start(e->kv, q->slot, q->id, q->n, q->r->salt, q->r->user);
    if (q->n_preempted > 0) return;
    q->n_paid = q->n_done;
    q->n_cached = MIN(q->n_done, q->r->n_prompt);
    if (q != q->r->seq) return; /* a further answer, which waited for its slot */
    e->metrics.n_prompt += (uint64_t)q->r->n_prompt;
    e->metrics.n_cached += (uint64_t)q->n_cached;
}

/* The sequences that have slots and lose them together: all of a beam search, or the one. */
static struct seq *group_of(struct seq *q, int *n)
{
    *n = q->r->beams ? q->r->n_seq : 1;
    return q->r->beams ? q->r->seq : q;
}

void slots_admit(struct brrr_engine *e, struct seq *q)
{
    int n;
    struct seq *group = group_of(q, &n);

    slots_dequeue(e, q);
    for (int i = 0; i < n; i++)
        start(e, &group[i]);
    if (q->r->t_start == 0) q->r->t_start = clock_now();
}

/* A sequence's blocks are needed by others: it waits again, all its tokens to be computed. */
void slots_preempt(struct brrr_engine *e, struct seq *q)
{
    int n;
    struct seq *group = group_of(q, &n);

    e->metrics.n_preempted++;
    for (int i = 0; i < n; i++) {
        slots_leave(e, &group[i]);
        group[i].n_done = group[i].n_match = group[i].n_shared = group[i].n_guess = 0;
        group[i].expected = false;
        group[i].n_preempted++;
    } /* The first live one stands for all. */
    while (q->r->beams && !group->live)
        group++;
    slots_enqueue(e, group);
}

void slots_leave_user(struct brrr_engine *e, struct request *r)
{
    if (r->user_index < 0) return;
    users_leave(&e->users, r->user_index);
    r->user_index = -1;
    e->n_alive--;
}

/* No sequence of a request is left: its texts are shown until the next poll, then it is freed. */
void slots_finish(struct brrr_engine *e, struct request *r)
{
    *(r->before ? &r->before->after : &e->first) = r->after;
    *(r->after ? &r->after->before : &e->last) = r->before;
    e->n_cancelled -= r->cancelled;
    e->request_bytes -= r->bytes;
    slots_leave_user(e, r);
    r->before = NULL;
    r->after = e->gone;
    e->gone = r;
}

void slots_show(struct brrr_engine *e, struct request *r)
{
    slots_leave_user(e, r);
    r->show_next = e->shown;
    e->shown = r;
}

void slots_retire(struct brrr_engine *e, struct seq *q)
{
    if (q->slot >= 0) slots_leave(e, q);
    if (--q->r->n_left > 0) return;
    if (!q->r->quiet) {
        e->ev[e->n_ev - 1].last = true;
        slots_finish(e, q->r);
        return;
    }
    request_rank(q->r);
    slots_show(e, q->r);
}
