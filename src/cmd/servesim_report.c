/* SPDX-License-Identifier: MIT */
/*
 * servesim_report.c - runs of --serve-sim as tables for people (text, md) or for programs (json,
 * csv); see servesim.h.
 *
 * Three tables: what each run amounts to, its distributions, its steps by kind. docs/bench.md says
 * what the numbers are; simsum.def has them in one row each.
 */
#include "base/cpu.h"
#include "cmd/servesim.h"

enum { CELL = 40, COLUMNS = 16 };

/* --- one table --- */

struct table {
    bool md;
    int n_column;
    int width[COLUMNS];
};

/* A table is put through twice: first its widths are found, then it is printed. */
struct writer {
    struct table *t;
    bool measure;
    int column;
};

static void put(struct writer *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void put(struct writer *w, const char *fmt, ...)
{
    char cell[CELL];
    va_list ap;
    int k = w->column++;

    va_start(ap, fmt);
    vsnprintf(cell, sizeof(cell), fmt, ap);
    va_end(ap);
    if (w->measure) w->t->width[k] = MAX(w->t->width[k], (int)strlen(cell));
    else if (w->t->md) printf("| %s ", cell);
    else printf(k == 0 ? "%-*s" : "  %*s", w->t->width[k], cell);
}

static void end_row(struct writer *w, bool head)
{
    w->t->n_column = w->column;
    w->column = 0;
    if (w->measure) return;
    printf(w->t->md ? "|\n" : "\n");
    if (!head || !w->t->md) return;
    for (int k = 0; k < w->t->n_column; k++)
        printf(k == 0 ? "|---" : "|--:");
    printf("|\n");
}

typedef void rows_fn(struct writer *w, const struct servesim *s);

static void print_table(const struct servesim *s, bool md, rows_fn *rows)
{
    struct table t = { .md = md };
    struct writer measure = { .t = &t, .measure = true }, print = { .t = &t };

    rows(&measure, s);
    rows(&print, s);
    putchar('\n');
}

/* --- what each run amounts to --- */

static bool shown(const struct sim_run *run)
{
    return run->wall > 0;
}

static bool has_slo(const struct servesim *s)
{
    for (int k = 0; k < SIM_SLOS; k++)
        if (s->run[0].slo.most[k] > 0) return true;
    return false;
}

static void head(struct writer *w, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        put(w, "%s", names[i]);
    end_row(w, true);
}

static void sum_rows(struct writer *w, const struct servesim *s)
{
    static const char *const names[] = { "run",     "ended",  "out tok/s", "all tok/s",
                                         "req/s",   "good",   "TTFT p50",  "p99 ms",
                                         "ITL p50", "p99",    "max ms",    "at once",
                                         "KV most", "cached", "preempted", "roofline" };
    bool slo = has_slo(s);

    head(w, names, COUNT(names));
    for (int i = 0; i < s->n_run; i++) {
        const struct sim_run *run = &s->run[i];
        const struct sim_sum *m = &run->sum;
        if (!shown(run)) continue;
        put(w, "%s%s", run->name, run->interrupted ? " (interrupted)" : "");
        put(w, "%.0f", m->ended);
        put(w, "%.1f", m->out_tok_s);
        put(w, "%.1f", m->total_tok_s);
        put(w, "%.2f", m->req_s);
        if (slo) put(w, "%.0f %%", 100 * m->good_share);
        else put(w, "-");
        put(w, "%.1f", 1e3 * bench_percentile(&run->ttft_s, 0.5));
        put(w, "%.1f", 1e3 * bench_percentile(&run->ttft_s, 0.99));
        put(w, "%.2f", 1e3 * bench_percentile(&run->itl_s, 0.5));
        put(w, "%.2f", 1e3 * bench_percentile(&run->itl_s, 0.99));
        put(w, "%.2f", 1e3 * bench_percentile(&run->itl_s, 1));
        put(w, "%.0f", m->running_most);
        put(w, "%.0f %%", 100 * m->kv_used_most);
        put(w, "%.0f %%", m->prompt_tokens > 0 ? 100 * m->cached_tokens / m->prompt_tokens : 0);
        put(w, "%.0f", m->preempted);
        put(w, "%.0f %%", 100 * m->bound_share);
        end_row(w, false);
    }
}

/* --- distributions --- */

static const struct {
    const char *name, *json;
    size_t off;
} times[] = {
    { "TTFT", "ttft_s", offsetof(struct sim_run, ttft_s) },
    { "ITL", "itl_s", offsetof(struct sim_run, itl_s) },
    { "mean ITL", "tpot_s", offsetof(struct sim_run, tpot_s) },
    { "whole", "e2e_s", offsetof(struct sim_run, e2e_s) },
    { "queue", "queue_s", offsetof(struct sim_run, queue_s) },
};

static const struct samples *times_of(const struct sim_run *run, size_t k)
{
    return (const struct samples *)(const void *)((const char *)run + times[k].off);
}

static void time_rows(struct writer *w, const struct servesim *s)
{
    static const char *const names[] = { "ms", "n", "mean", "p50", "p90", "p95", "p99", "max" };

    head(w, names, COUNT(names));
    for (int i = 0; i < s->n_run; i++)
        for (size_t k = 0; shown(&s->run[i]) && k < COUNT(times); k++) {
            struct bench_stat st = bench_stat_of(times_of(&s->run[i], k));
            double p50 = bench_percentile(times_of(&s->run[i], k), 0.5);
            const double v[] = { st.mean, p50, st.p90, st.p95, st.p99, st.max };
            put(w, "%s, %s", times[k].name, s->run[i].name);
            put(w, "%d", st.n);
            for (size_t j = 0; j < COUNT(v); j++)
                put(w, "%.2f", 1e3 * v[j]);
            end_row(w, false);
        }
}

/* --- steps by kind --- */

static const char *const kind_names[METRIC_KINDS] = {
    [METRIC_PREFILL] = "prompts", [METRIC_DECODE] = "decode", [METRIC_MIXED] = "both"
};

/* Steps of one kind. */
struct kind_sum {
    double n, time, model, prompt_rows, decode_rows, bound;
};

static struct kind_sum sum_kind(const struct sim_run *run, const struct bench *b,
                                enum metric_kind kind)
{
    struct kind_sum k = { 0 };

    for (size_t i = 0; i < run->n_step; i++) {
        const struct metric_step *x = &run->step[i];
        if (metric_kind_of(x) != kind) continue;
        k.n++;
        k.time += metric_step_seconds(x);
        k.model += x->phase_s[PHASE_MODEL];
        k.prompt_rows += x->n_prompt;
        k.decode_rows += x->n_decode + x->n_draft;
        k.bound += machine_step_seconds(&b->limits, &x->work);
    }
    return k;
}

static void step_rows(struct writer *w, const struct servesim *s)
{
    static const char *const names[] = { "steps",       "n",           "mean ms", "time",
                                         "prompt rows", "decode rows", "roofline" };

    head(w, names, COUNT(names));
    for (int i = 0; i < s->n_run; i++)
        for (int kind = 0; shown(&s->run[i]) && kind < METRIC_KINDS; kind++) {
            struct kind_sum k = sum_kind(&s->run[i], &s->b, (enum metric_kind)kind);
            if (k.n == 0) continue;
            put(w, "%s, %s", kind_names[kind], s->run[i].name);
            put(w, "%.0f", k.n);
            put(w, "%.2f", 1e3 * k.time / k.n);
            put(w, "%.0f %%", 100 * k.time / s->run[i].sum.step_s);
            put(w, "%.1f", k.prompt_rows / k.n);
            put(w, "%.1f", k.decode_rows / k.n);
            put(w, "%.0f %%", 100 * k.bound / k.time);
            end_row(w, false);
        }
}

/* --- text and Markdown --- */

static void print_run_notes(const struct sim_run *run, const char *end)
{
    const struct sim_sum *m = &run->sum;

    printf("%s: up to %d sequences of %d tokens in %.0f MiB of cache, %.0f if each reserved all of "
           "them; ",
           run->name, run->eo.n_parallel, run->eo.ctx, m->kv_budget / (1 << 20), m->reserved_seqs);
    printf("of what was in use %.1f %% held no token (%.1f %% of what each sequence had), sharing "
           "saved %.1f %%%s\n",
           100 * m->kv_tail_share, 100 * m->kv_tail_seq_share, 100 * m->kv_saved_share, end);
    if (m->drafted > 0)
        printf("%s: of %.0f guesses (%s) %.1f %% were right%s\n", run->name, m->drafted,
               draft_name(run->eo.speculate), 100 * m->accepted / m->drafted, end);
    if (m->could_tokens > 0)
        printf("%s: of %.0f tokens that earlier requests had computed %.1f %% were found%s\n",
               run->name, m->could_tokens, 100 * m->hit_share, end);
    printf("%s: a step's time is", run->name);
#define PHASE(id, name, label, help) \
    printf("%s %.2f %% " label, id == 0 ? "" : ",", 100 * m->name##_share);
#include "engine/phases.def"
#undef PHASE
    printf("%s\n", end);
}

static void print_notes(const struct servesim *s, const char *end)
{
    const struct bench *b = &s->b;
    const struct sim_run *run = &s->run[0];
    char name[128];

    for (int i = 0; i < s->n_run; i++)
        if (shown(&s->run[i])) print_run_notes(&s->run[i], end);
    printf("load %s, %d requests, seed %llu, %s, prefix cache %s%s\n", run->load_name, run->load->n,
           (unsigned long long)run->load->seed, sched_policy_name(run->eo.policy),
           run->eo.no_prefix ? "off" : "on", end);
    printf("%s on %s, %d threads (%d to decode), chunk %d, kernels %s, profile %s%s%s\n",
           bench_model_name(b, name, sizeof(name)), cpu_name(), b->eo.n_threads,
           b->eo.n_threads_decode, b->eo.chunk, b->m->model->kernels.isa, b->profile,
           b->interrupted ? " (interrupted)" : "", end);
}

static int print_people(const struct servesim *s, bool md)
{
    print_table(s, md, sum_rows);
    print_table(s, md, time_rows);
    print_table(s, md, step_rows);
    print_notes(s, md ? "  " : "");
    return EXIT_OK;
}

static int print_text(const struct servesim *s)
{
    return print_people(s, false);
}

static int print_md(const struct servesim *s)
{
    return print_people(s, true);
}

/* --- CSV --- */

static const struct {
    const char *name;
    size_t off;
} sums[] = {
#define SUM(field, help) { #field, offsetof(struct sim_sum, field) },
#include "cmd/simsum.def"
#undef SUM
};

static double sum_of(const struct sim_run *run, size_t k)
{
    return *(const double *)(const void *)((const char *)&run->sum + sums[k].off);
}

static int print_csv(const struct servesim *s)
{
    printf("run,requests,concurrency,rate,parallel,ctx,chunk,samples,beams,prefix_cache,policy");
    for (size_t k = 0; k < COUNT(sums); k++)
        printf(",%s", sums[k].name);
    for (size_t k = 0; k < COUNT(times); k++)
        printf(",%s_mean,%s_p50,%s_p90,%s_p95,%s_p99,%s_max", times[k].json, times[k].json,
               times[k].json, times[k].json, times[k].json, times[k].json);
    putchar('\n');
    for (int i = 0; i < s->n_run; i++) {
        const struct sim_run *run = &s->run[i];
        if (!shown(run)) continue;
        printf("%s,%d,%d,%g,%d,%d,%d,%d,%d,%d,%s", run->name, run->load->n, run->concurrency,
               run->rate, run->eo.n_parallel, run->eo.ctx, run->eo.chunk, run->n_samples,
               run->n_beams, !run->eo.no_prefix, sched_policy_name(run->eo.policy));
        for (size_t k = 0; k < COUNT(sums); k++)
            printf(",%.9g", sum_of(run, k));
        for (size_t k = 0; k < COUNT(times); k++) {
            struct bench_stat st = bench_stat_of(times_of(run, k));
            printf(",%.9g,%.9g,%.9g,%.9g,%.9g,%.9g", st.mean,
                   bench_percentile(times_of(run, k), 0.5), st.p90, st.p95, st.p99, st.max);
        }
        putchar('\n');
    }
    return EXIT_OK;
}

/* --- JSON: docs/bench.md lists the fields --- */

static json_t *json_requests(const struct sim_run *run)
{
    json_t *a = json_array();

    for (int i = 0; i < run->load->n; i++) {
        const struct simload_request *q = &run->load->r[i];
        const struct sim_request *r = &run->r[i];
        if (r->n_tok == 0) continue;
        json_array_append_new(
            a, json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:i, s:i, s:i, s:i, s:b}", "due", r->due,
                         "sent", r->sent, "queue_s", r->queue_s, "first", r->first, "end", r->end,
                         "gap_max_s", r->gap_max, "n_prompt", q->n_prompt, "n_cached", r->n_cached,
                         "n_made", r->n_tok, "n_preempted", r->n_preempted, "good", r->met));
    }
    return a;
}

static json_t *json_steps(const struct sim_run *run, const struct bench *b)
{
    json_t *a = json_array();

    for (size_t i = 0; i < run->n_step; i++) {
        const struct metric_step *x = &run->step[i];
        json_array_append_new(
            a, json_pack("{s:f, s:f, s:f, s:i, s:i}", "at", x->t0, "time_s", metric_step_seconds(x),
                         "bound_s", machine_step_seconds(&b->limits, &x->work), "prompt_rows",
                         x->n_prompt, "decode_rows", x->n_decode + x->n_draft));
    }
    return a;
}

static json_t *json_kinds(const struct sim_run *run, const struct bench *b)
{
    json_t *o = json_object();

    for (int kind = 0; kind < METRIC_KINDS; kind++) {
        struct kind_sum k = sum_kind(run, b, (enum metric_kind)kind);
        if (k.n == 0) continue;
        json_object_set_new(o, kind_names[kind],
                            json_pack("{s:f, s:f, s:f, s:f, s:f, s:f}", "steps", k.n, "time_s",
                                      k.time, "model_s", k.model, "prompt_rows", k.prompt_rows,
                                      "decode_rows", k.decode_rows, "bound_s", k.bound));
    }
    return o;
}

static json_t *json_slo(const struct sim_slo *slo)
{
    json_t *o = json_object();

    for (int k = 0; k < SIM_SLOS; k++)
        if (slo->most[k] > 0) json_object_set_new(o, sim_slo_names[k], json_real(slo->most[k]));
    return o;
}

static json_t *json_run(const struct sim_run *run, const struct bench *b)
{
    json_t *o = json_pack(
        "{s:s, s:s, s:i, s:i, s:i, s:i, s:i, s:b, s:s, s:s, s:i, s:i, s:b, s:o}", "run", run->name,
        "load", run->load_name, "requests", run->load->n, "concurrency", run->concurrency,
        "parallel", run->eo.n_parallel, "ctx", run->eo.ctx, "chunk", run->eo.chunk, "prefix_cache",
        !run->eo.no_prefix, "policy", sched_policy_name(run->eo.policy), "speculate",
        draft_name(run->eo.speculate), "samples", run->n_samples, "beams", run->n_beams,
        "interrupted", run->interrupted, "slo", json_slo(&run->slo));

    if (!o) return NULL;
    for (size_t k = 0; k < COUNT(sums); k++)
        json_object_set_new(o, sums[k].name, json_real(sum_of(run, k)));
    for (size_t k = 0; k < COUNT(times); k++)
        json_object_set_new(o, times[k].json, bench_json_stat(times_of(run, k)));
    json_object_set_new(o, "kinds", json_kinds(run, b));
    json_object_set_new(o, "raw",
                        json_pack("{s:o, s:o, s:o}", "itl_s", bench_json_raw(&run->itl_s),
                                  "requests", json_requests(run), "steps", json_steps(run, b)));
    return o;
}

static int print_json(const struct servesim *s)
{
    json_t *runs = json_array(), *all = bench_json_head(&s->b);

    for (int i = 0; i < s->n_run; i++)
        if (shown(&s->run[i])) json_array_append_new(runs, json_run(&s->run[i], &s->b));
    json_object_set_new(all, "runs", runs);
    if (s->b.interrupted) json_object_set_new(all, "interrupted", json_true());
    return cmd_print_answer(all);
}

servesim_report_fn *servesim_report_find(const char *format)
{
    static const struct {
        const char *name;
        servesim_report_fn *fn;
    } formats[] = {
        { "text", print_text }, { "md", print_md },   { "markdown", print_md },
        { "json", print_json }, { "csv", print_csv },
    };

    for (size_t i = 0; i < COUNT(formats); i++)
        if (strcmp(format, formats[i].name) == 0) return formats[i].fn;
    return NULL;
}
