/* SPDX-License-Identifier: MIT */
/* served.c - see served.h. */
#include "server/served.h"

#include "base/clock.h"
#include "server/call.h"

static void add_computed(struct served *s, const struct call *c)
{
    const struct engine_timings *t = &c->timings;
    double inference = t->prefill_s + t->decode_s;
    int n_gen = 0;

    for (int i = 0; i < c->n_prompt; i++)
        metric_count(&s->n_prompt, (double)c->prompt[i].n);
    for (int i = 0; i < c->n_answer; i++) {
        metric_count(&s->n_gen, c->answer[i].n_gen);
        n_gen += c->answer[i].n_gen;
    }
    if (c->ask->gen.n_predict >= 0) metric_count(&s->n_max, c->ask->gen.n_predict);
    metric_time(&s->all, clock_now() - c->t_received);
    metric_time(&s->prefill, t->prefill_s);
    metric_time(&s->decode, t->decode_s);
    metric_time(&s->inference, inference);
    if (n_gen > 0) metric_time(&s->per_token, inference / n_gen);
}

void served_add(struct served *s, const struct call *c)
{
    s->n_end[c->end]++;
    if (c->end == SERVED_ERROR || c->end == SERVED_REJECTED) s->n_problem[c->problem.kind]++;
    if (!c->computed) return;
    metric_time(&s->prepare, c->t_ready - c->t_received);
    if (c->t_first > 0) metric_time(&s->first, c->t_first - c->t_received);
    if (c->end == SERVED_OK) add_computed(s, c);
}
