/* SPDX-License-Identifier: MIT */
/* bench_stats.c - medians, percentiles, shares of the limits; see bench.h. Nothing here measures.
 */
#include <math.h>
#include <stdlib.h>

#include "cmd/bench.h"

bool samples_push(struct samples *s, double v)
{
    if (s->n == s->cap) {
        size_t cap = s->cap ? 2 * s->cap : 64;
        double *p = realloc(s->v, cap * sizeof(*p));
        if (!p) return false;
        s->v = p;
        s->cap = cap;
    }
    s->v[s->n++] = v;
    return true;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Nearest rank: the least value that `part` of all are not above. */
static double percentile(const double *sorted, size_t n, double part)
{
    size_t rank = (size_t)ceil(part * (double)n);

    return sorted[rank > 0 ? rank - 1 : 0];
}

static double *sorted_copy(const struct samples *s)
{
    double *v = s->n ? malloc(s->n * sizeof(*v)) : NULL;

    if (!v) return NULL;
    memcpy(v, s->v, s->n * sizeof(*v));
    qsort(v, s->n, sizeof(*v), by_value);
    return v;
}

double bench_percentile(const struct samples *s, double part)
{
    double *v = sorted_copy(s), p = v ? percentile(v, s->n, part) : 0;

    free(v);
    return p;
}

struct bench_stat bench_stat_of(const struct samples *s)
{
    struct bench_stat st = { 0 };
    double *v = sorted_copy(s), sum = 0;

    if (!v) return st;
    for (size_t i = 0; i < s->n; i++)
        sum += v[i];
    st =
        (struct bench_stat){ .min = v[0],
                             .median = s->n % 2 ? v[s->n / 2] : (v[s->n / 2 - 1] + v[s->n / 2]) / 2,
                             .mean = sum / (double)s->n,
                             .p90 = percentile(v, s->n, 0.90),
                             .p95 = percentile(v, s->n, 0.95),
                             .p99 = percentile(v, s->n, 0.99),
                             .max = v[s->n - 1],
                             .n = (int)s->n };
    free(v);
    return st;
}

struct bench_share bench_share_of(const struct bench *b, const struct bench_case *c)
{
    const struct bench_work *w = &c->work;
    struct machine_limits l = b->limits;
    double tok_s = bench_stat_of(&c->tok_s).median, tokens = w->prompt_tokens + w->gen_tokens;
    double bytes = w->sum.weight_bytes + w->sum.kv_bytes;
    struct bench_share s = { 0 };

    l.read = c->read;
    if (tok_s <= 0 || l.read <= 0 || l.dot8 <= 0 || l.fma <= 0) return s;
    double time = tokens / tok_s, best = machine_step_seconds(&l, &w->sum);
    double peak = w->layer_macs / time / (machine_peak(&l, &w->sum, NULL) * 1e9);
    return (struct bench_share){ .read = bytes / time / (l.read * 1e9),
                                 .int8 = w->sum.linear8 > 0 ? peak : 0,
                                 .bf16 = w->sum.linear8 > 0 || w->sum.linear16 <= 0 ? 0 : peak,
                                 .bound = best / time,
                                 .bound_tok_s = tokens / best,
                                 .intensity = w->macs / bytes,
                                 .mac_s = w->macs / time,
                                 .prompt_s = w->prompt_tokens / time,
                                 .gen_s = w->gen_tokens / time };
}

double bench_knee_measured(const struct bench *b, int depth)
{
    double one = 0, most = 0;

    for (int i = 0; i < b->n_done; i++) {
        const struct bench_case *c = &b->c[i];
        if (c->kind != BENCH_DECODE || c->depth != depth) continue;
        double tok_s = bench_stat_of(&c->tok_s).median;
        if (c->batch == 1) one = tok_s;
        most = MAX(most, tok_s);
    }
    return one > 0 ? most / one : 0;
}
