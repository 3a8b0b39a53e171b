/* SPDX-License-Identifier: MIT */
/* metrics.c - see metrics.h. */
#include "engine/metrics.h"

#include "engine/run.h"

static double upper_bound(int bucket)
{
    return METRIC_LEAST * (double)(1 << bucket);
}

static void add(struct metric_times *m, double value, double least)
{
    int i = 0;

    while (i < METRIC_BUCKETS - 1 && value > least * (double)(1 << i))
        i++;
    m->bucket[i]++;
    m->n++;
    m->sum += value;
}

void metric_time(struct metric_times *m, double seconds)
{
    add(m, seconds, METRIC_LEAST);
}

void metric_count(struct metric_times *m, double n)
{
    add(m, n, 1);
}

double metric_quantile(const struct metric_times *m, double part)
{
    double left = part * (double)m->n;
    int i = 0;

    if (m->n == 0) return 0;
    while (i < METRIC_BUCKETS - 1 && left > (double)m->bucket[i])
        left -= (double)m->bucket[i++];
    return upper_bound(i);
}

enum metric_kind metric_kind_of(const struct metric_step *s)
{
    if (s->n_prompt == 0) return METRIC_DECODE;
    return s->n_decode > 0 ? METRIC_MIXED : METRIC_PREFILL;
}

double metric_step_seconds(const struct metric_step *s)
{
    double sum = 0;

    for (int i = 0; i < PHASES; i++)
        sum += s->phase_s[i];
    return sum;
}

void metrics_add_step(struct metrics *m, const struct metric_step *s)
{
    enum metric_kind kind = metric_kind_of(s);

    m->n_step[kind]++;
    metric_time(&m->step[kind], metric_step_seconds(s));
    metric_time(&m->pass[kind], s->phase_s[PHASE_MODEL]);
    metric_count(&m->rows, s->n_prompt + s->n_decode + s->n_draft);
    for (int i = 0; i < PHASES; i++)
        m->phase_s[i] += s->phase_s[i];
    machine_add_work(&m->work, &s->work);
}

void engine_metrics(const struct brrr_engine *e, struct metrics *out)
{
    *out = e->metrics;
    for (int i = 0; i < e->o.n_parallel; i++)
        out->n_running += e->slot[i] != NULL;
    for (const struct seq *q = e->head; q; q = q->next)
        out->n_waiting++;
    kvpool_stats(e->kv, &out->kv);
    if (e->disk) kvdisk_stats(e->disk, &out->disk);
}

void engine_kv_map(const struct brrr_engine *e, enum kv_kind kind, struct kv_map *out)
{
    kvpool_map(e->kv, kind, out);
}

int engine_steps(const struct brrr_engine *e, struct metric_step *out, int cap)
{
    int have = (int)MIN(e->n_step, METRIC_STEPS), n = MIN(cap, have);

    for (int i = 0; i < n; i++)
        out[i] = e->steps[(e->n_step - (uint64_t)(n - i)) % METRIC_STEPS];
    return n;
}
