/* SPDX-License-Identifier: MIT */
/* simsum.c - what a run of --serve-sim amounts to; see servesim.h. Nothing here measures. */
#include <stdlib.h>

#include "cmd/servesim.h"
#include "engine/kvpool.h"

const char *const sim_slo_names[SIM_SLOS] = {
    [SIM_TTFT] = "ttft", [SIM_ITL] = "itl", [SIM_TPOT] = "tpot", [SIM_E2E] = "e2e"
};

bool sim_slo_parse(struct sim_slo *out, const char *s)
{
    *out = (struct sim_slo){ 0 };
    for (;;) {
        size_t n = strcspn(s, "=");
        char *end;
        int k = 0;

        while (k < SIM_SLOS && !(strlen(sim_slo_names[k]) == n && !memcmp(sim_slo_names[k], s, n)))
            k++;
        if (k == SIM_SLOS || s[n] != '=') return false;
        out->most[k] = strtod(s + n + 1, &end);
        if (end == s + n + 1 || !(out->most[k] > 0 && out->most[k] < 1e9)) return false;
        if (*end == 0) return true;
        if (*end != ',') return false;
        s = end + 1;
    }
}

/* --- requests --- */

static double times_of(const struct sim_run *run, const struct sim_request *r, double out[SIM_SLOS])
{
    int gaps = r->n_tok - run->n_samples;

    out[SIM_TTFT] = r->first - r->due;
    out[SIM_ITL] = r->gap_max;
    out[SIM_TPOT] = gaps > 0 ? (r->end - r->first) * run->n_samples / gaps : 0;
    out[SIM_E2E] = r->end - r->due;
    return r->sent - r->due + r->queue_s;
}

/* One that ended: its times, and whether they keep to the objectives. */
static bool add_times(struct sim_run *run, struct sim_request *r)
{
    double t[SIM_SLOS], queue = times_of(run, r, t);

    r->met = true;
    for (int k = 0; k < SIM_SLOS; k++)
        if (run->slo.most[k] > 0 && t[k] > run->slo.most[k]) r->met = false;
    return samples_push(&run->ttft_s, t[SIM_TTFT]) && samples_push(&run->tpot_s, t[SIM_TPOT]) &&
           samples_push(&run->e2e_s, t[SIM_E2E]) && samples_push(&run->queue_s, queue);
}

static bool add_requests(struct sim_run *run)
{
    struct sim_sum *s = &run->sum;
    double good = 0, made = 0;

    for (int i = 0; i < run->load->n; i++) {
        struct sim_request *r = &run->r[i];
        s->refused += r->refused;
        made += r->n_tok;
        s->preempted += r->n_preempted;
        s->drafted += r->n_drafted;
        s->accepted += r->n_accepted;
        if (r->n_tok > 0) {
            s->prompt_tokens += run->load->r[i].n_prompt;
            s->cached_tokens += r->n_cached;
        }
        if (!r->ended) continue;
        if (!add_times(run, r)) return false;
        s->ended++;
        good += r->met;
    }
    if (run->wall <= 0) return true;
    s->out_tok_s = made / run->wall;
    s->total_tok_s = (made + s->prompt_tokens) / run->wall;
    s->req_s = s->ended / run->wall;
    s->good_req_s = good / run->wall;
    s->good_share = s->ended > 0 ? good / s->ended : 0;
    return true;
}

/* --- what the prefix cache could have found --- */

static int full_blocks(int n)
{
    return n / KV_BLOCK * KV_BLOCK;
}

/* A request with a prefix, and when it was admitted or its first token came. */
struct moment {
    int prefix, n_prefix, i;
    double t;
};

static int by_prefix_and_time(const void *a, const void *b)
{
    const struct moment *x = a, *y = b;

    if (x->prefix != y->prefix) return (x->prefix > y->prefix) - (x->prefix < y->prefix);
    return (x->t > y->t) - (x->t < y->t);
}

/* A prefix is seen once a request that has it has its first token: for each request, as much of
 * its own as any had seen when it was admitted. */
static void count_seen(struct sim_run *run, const struct moment *begun, const struct moment *read,
                       int n)
{
    for (int i = 0, k = 0, most = 0; i < n; i++) {
        const struct moment *m = &begun[i];
        if (i == 0 || m->prefix != begun[i - 1].prefix) most = 0;
        for (; k < n &&
               (read[k].prefix < m->prefix || (read[k].prefix == m->prefix && read[k].t <= m->t));
             k++)
            if (read[k].prefix == m->prefix) most = MAX(most, read[k].n_prefix);
        run->r[m->i].n_could = full_blocks(MIN(most, m->n_prefix));
    }
}

static bool count_could(struct sim_run *run)
{
    const struct simload *l = run->load;
    size_t cap = (size_t)l->n + 1;
    struct moment *begun = calloc(cap, sizeof(*begun)), *read = calloc(cap, sizeof(*read));
    int n = 0;

    for (int i = 0; begun && read && i < l->n; i++) {
        const struct simload_request *q = &l->r[i];
        struct sim_request *r = &run->r[i];
        if (r->n_tok == 0) continue;
        /* All that its chat holds but the last token made, which nobody has computed. */
        if (q->after >= 0) r->n_could = full_blocks(q->n_prompt - q->n_new - 1);
        if (q->n_prefix == 0) continue;
        begun[n] = (struct moment){ q->prefix, q->n_prefix, i, r->sent + r->queue_s };
        read[n++] = (struct moment){ q->prefix, q->n_prefix, i, r->first };
    }
    if (begun && read) {
        qsort(begun, (size_t)n, sizeof(*begun), by_prefix_and_time);
        qsort(read, (size_t)n, sizeof(*read), by_prefix_and_time);
        count_seen(run, begun, read, n);
    }
    bool ok = begun && read;
    free(begun);
    free(read);
    return ok;
}

static void add_hits(struct sim_run *run)
{
    struct sim_sum *s = &run->sum;
    double hit = 0;

    for (int i = 0; i < run->load->n; i++) {
        const struct simload_request *q = &run->load->r[i];
        const struct sim_request *r = &run->r[i];
        if (r->n_tok == 0) continue;
        s->could_tokens += r->n_could;
        hit += MIN(r->n_could, r->n_cached);
        if (q->after >= 0)
            s->recomputed_most =
                MAX(s->recomputed_most, (double)(q->n_prompt - r->n_cached - q->n_new));
    }
    s->hit_share = s->could_tokens > 0 ? hit / s->could_tokens : 0;
}

/* --- steps --- */

/* Each phase's share of the time of all steps. */
static void add_phases(struct sim_run *run)
{
    double sum[PHASES] = { 0 }, *share[PHASES] = {
#define PHASE(id, name, label, help) [id] = &run->sum.name##_share,
#include "engine/phases.def"
#undef PHASE
    };

    for (size_t i = 0; i < run->n_step; i++)
        for (int k = 0; k < PHASES; k++)
            sum[k] += run->step[i].phase_s[k];
    for (int k = 0; k < PHASES; k++)
        *share[k] = sum[k] / run->sum.step_s;
}

static void add_steps(struct sim_run *run, const struct bench *b)
{
    struct sim_sum *s = &run->sum;
    double running = 0, used = 0, tail = 0, alone = 0, tail_alone = 0, rows = 0, most = 0,
           bound = 0;

    for (size_t i = 0; i < run->n_step; i++) {
        const struct metric_step *x = &run->step[i];
        double t = metric_step_seconds(x);
        s->step_s += t;
        running += x->n_running * t;
        used += (double)x->kv_used * t;
        tail += (double)x->kv_tail * t;
        alone += (double)x->kv_alone * t;
        tail_alone += (double)x->kv_tail_alone * t;
        rows += x->n_prompt + x->n_decode + x->n_draft;
        most = MAX(most, (double)x->kv_used);
        s->running_most = MAX(s->running_most, x->n_running);
        if (b->limits.read > 0) bound += machine_step_seconds(&b->limits, &x->work);
    }
    s->steps = (double)run->n_step;
    if (s->step_s <= 0) return;
    add_phases(run);
    s->rows = rows / s->steps;
    s->running_mean = running / s->step_s;
    s->bound_share = bound / s->step_s;
    s->idle_share = MAX(1 - s->step_s / run->wall, 0);
    if (run->kv.budget == 0 || used <= 0) return;
    s->kv_used_mean = used / s->step_s / (double)run->kv.budget;
    s->kv_used_most = most / (double)run->kv.budget;
    s->kv_tail_share = tail / used;
    s->kv_tail_seq_share = tail_alone / alone;
    s->kv_saved_share = 1 - used / alone;
}

/* Sequences for which a cache that gives each a whole context at once has room. */
static double reserved(const struct sim_run *run, const struct bench *b)
{
    struct kvpool_opts k = {
        .kv_type = run->eo.kv_type, .ctx = run->eo.ctx, .n_slot = 1, .chunk = run->eo.chunk
    };
    size_t one = kvpool_bytes(&b->m->model->hp, &k);

    return one > 0 ? (double)(run->kv.budget / one) : 0;
}

bool sim_summarize(struct sim_run *run, const struct bench *b)
{
    run->sum = (struct sim_sum){ .wall_s = run->wall, .kv_budget = (double)run->kv.budget };
    if (!add_requests(run) || !count_could(run)) return false;
    add_hits(run);
    add_steps(run, b);
    run->sum.reserved_seqs = reserved(run, b);
    return true;
}
