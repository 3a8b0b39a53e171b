/* SPDX-License-Identifier: MIT */
/* prom.c - see prom.h. */
#include "server/prom.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "engine/machine.h"
#include "server/runner.h"
#include "server/served.h"
#include "server/server.h"
#include "server/text_out.h"

enum type { COUNTER, GAUGE, HISTOGRAM };
enum kind { ROW_FAMILY, ROW_VALUE, ROW_EACH, ROW_HISTOGRAM };

/* A row of prom.def with its numbers. */
struct row {
    enum kind kind;
    enum type type;
    const char *names, *help;
    const char *labels; /* of ROW_EACH: the label */
    double value;
    const char *const *texts;
    int from, n;
    const uint64_t *each;
    const struct metric_times *times;
    double least; /* bound of the first bucket */
};

/* What the table needs beyond the counters. */
struct facts {
    char info[512];  /* labels of brrr_info               */
    char model[320]; /* labels that vLLM's boards ask for */
    double started, cpu_s, resident;
    double overloaded; /* calls that were rejected because there is too much to do */
    double token_bytes;
    int n_position; /* guesses of a sequence at most */
    const struct machine_limits *limits;
    double roofline[METRIC_KINDS];
};

/* --- facts --- */

/* A label's value: quotes, backslashes and ends of lines escaped. */
static void escape(char *out, size_t cap, const char *text)
{
    size_t n = 0;

    for (; *text && n + 3 < cap; text++) {
        if (*text == '"' || *text == '\\' || *text == '\n') out[n++] = '\\';
        out[n++] = *text == '\n' ? 'n' : *text;
    }
    out[n] = 0;
}

static double resident_bytes(void)
{
    FILE *f = fopen("/proc/self/statm", "re");
    unsigned long all = 0, resident = 0;

    if (!f) return NAN;
    if (fscanf(f, "%lu %lu", &all, &resident) != 2) resident = 0;
    fclose(f);
    return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

static double cpu_seconds(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           1e-6 * (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

/* What the roofline allows by what the newest steps took; NAN of no steps, or limits not known. */
static void add_roofline(struct facts *f, struct runner *r)
{
    static struct metric_step step[METRIC_STEPS]; /* the server's thread's */
    double bound[METRIC_KINDS] = { 0 }, spent[METRIC_KINDS] = { 0 };
    int n = runner_steps(r, step, METRIC_STEPS);

    for (int i = 0; i < n; i++) {
        enum metric_kind k = metric_kind_of(&step[i]);
        bound[k] += f->limits->read > 0 ? machine_step_seconds(f->limits, &step[i].work) : NAN;
        spent[k] += metric_step_seconds(&step[i]);
    }
    for (int k = 0; k < METRIC_KINDS; k++)
        f->roofline[k] = spent[k] > 0 ? bound[k] / spent[k] : NAN;
}

static void add_model(struct facts *f, struct server *s, const struct engine_opts *o)
{
    const struct model *m = server_model(s)->model;
    size_t bytes[KV_KINDS];
    char name[256], profile[64];

    escape(name, sizeof(name), server_options(s)->name);
    model_profile_kv(m, o->kv_type, profile, sizeof(profile));
    snprintf(f->model, sizeof(f->model), "model_name=\"%s\",engine=\"0\"", name);
    snprintf(f->info, sizeof(f->info), "version=\"%s\",model=\"%s\",numerics=\"%s\",isa=\"%s\"",
             BRRR_VERSION, name, profile, m->kernels.isa);
    kvpool_kind_bytes(&m->hp, o->kv_type, bytes);
    for (int k = 0; k < KV_KINDS; k++)
        f->token_bytes += (double)bytes[k] / KV_BLOCK;
}

static void facts_init(struct facts *f, struct server *s, const struct served *v)
{
    struct runner *r = server_runner(s);
    const struct engine_opts *o = runner_options(r);

    *f = (struct facts){ .started = (double)server_started(s),
                         .cpu_s = cpu_seconds(),
                         .resident = resident_bytes(),
                         .limits = &o->limits };
    f->overloaded = (double)(v->n_problem[PROBLEM_OVERLOADED] + v->n_problem[PROBLEM_LOADING] +
                             v->n_problem[PROBLEM_MEMORY]);
    f->n_position = o->speculate == DRAFT_NONE ? 0 : MIN(o->draft_max, LIMIT_DRAFT);
    add_model(f, s, o);
    add_roofline(f, r);
}

/* --- writing --- */

/* name{its own labels, those that go with its name} value */
struct writer {
    struct text_out *t;
    const char *always; /* labels; "": none */
    int n_name;
    const char *name;
};

static void put_sample(const struct writer *w, const char *suffix, const char *labels, double value)
{
    const char *own = labels ? labels : "";
    bool both = *own && *w->always, any = *own || *w->always;

    text_print(w->t, "%.*s%s%s%s%s%s%s ", w->n_name, w->name, suffix, any ? "{" : "", own,
               both ? "," : "", w->always, any ? "}" : "");
    if (value == floor(value) && fabs(value) < 0x1p53) text_print(w->t, "%.0f\n", value);
    else text_print(w->t, "%.9g\n", value);
}

static void put_histogram(const struct writer *w, const struct row *r)
{
    const struct metric_times *m = r->times;
    const char *own = r->labels ? r->labels : "", *comma = *own ? "," : "";
    uint64_t below = 0;
    char labels[96];

    for (int i = 0; i < METRIC_BUCKETS - 1; i++) {
        below += m->bucket[i];
        snprintf(labels, sizeof(labels), "%s%sle=\"%.9g\"", own, comma,
                 r->least * (double)(1 << i));
        put_sample(w, "_bucket", labels, (double)below);
    }
    snprintf(labels, sizeof(labels), "%s%sle=\"+Inf\"", own, comma);
    put_sample(w, "_bucket", labels, (double)m->n);
    put_sample(w, "_sum", r->labels, m->sum);
    put_sample(w, "_count", r->labels, (double)m->n);
}

static void put_each(const struct writer *w, const struct row *r)
{
    char labels[96];

    for (int i = r->from; i < r->n; i++) {
        if (r->texts) snprintf(labels, sizeof(labels), "%s=\"%s\"", r->labels, r->texts[i]);
        else snprintf(labels, sizeof(labels), "%s=\"%d\"", r->labels, i);
        put_sample(w, "", labels, (double)r->each[i]);
    }
}

static void put_row(const struct writer *w, const struct row *r)
{
    if (r->kind == ROW_HISTOGRAM) put_histogram(w, r);
    else if (r->kind == ROW_EACH) put_each(w, r);
    else if (!isnan(r->value)) put_sample(w, "", r->labels, r->value);
}

/* A family and its samples under each of its names; returns the row behind them. */
static const struct row *put_family(struct text_out *t, const struct facts *f, const struct row *r,
                                    const struct row *end)
{
    static const char *const types[] = { "counter", "gauge", "histogram" };
    const struct row *next = r;

    for (const char *name = r->names; *name;) {
        struct writer w = { t, "", (int)strcspn(name, " "), name };
        if (strncmp(name, "vllm:", 5) == 0) w.always = f->model;
        text_print(t, "# HELP %.*s %s\n# TYPE %.*s %s\n", w.n_name, name, r->help, w.n_name, name,
                   types[r->type]);
        for (next = r + 1; next < end && next->kind != ROW_FAMILY; next++)
            put_row(&w, next);
        name += w.n_name;
        name += *name == ' ';
    }
    return next;
}

static const char *const kinds[] = { "prefill", "decode", "mixed" };
static const char *const ends[] = { "cancelled", "ok", "error", "rejected" };
static const char *const classes[] = { "", "1xx", "2xx", "3xx", "4xx", "5xx" };
static const char *const problems[] = {
#define PROBLEM(kind, status, type, tgi_status, tgi_type) &#kind[sizeof("PROBLEM_") - 1],
#include "server/problem.def"
#undef PROBLEM
};
static const char *const finishes[METRIC_FINISH] = {
    [BRRR_FINISH_STOP] = "stop",
    [BRRR_FINISH_LENGTH] = "length",
    [BRRR_FINISH_CANCELLED] = "cancelled",
};
static const char *const vllm_finishes[METRIC_FINISH] = {
    [BRRR_FINISH_STOP] = "stop",
    [BRRR_FINISH_LENGTH] = "length",
    [BRRR_FINISH_CANCELLED] = "abort",
};

#define FAMILY(what, list, about) \
    { .kind = ROW_FAMILY, .type = what, .names = list, .help = about },
#define VALUE(text, number) { .kind = ROW_VALUE, .labels = text, .value = (double)(number) },
#define EACH(text, list, i, to, of) \
    { .kind = ROW_EACH, .labels = text, .texts = list, .from = i, .n = to, .each = of },
#define TIMES(text, of) \
    { .kind = ROW_HISTOGRAM, .labels = text, .times = of, .least = METRIC_LEAST },
#define SIZES(text, of) { .kind = ROW_HISTOGRAM, .labels = text, .times = of, .least = 1 },

static void put_all(struct text_out *t, const struct facts *f, const struct served *v,
                    const struct metrics *m, const struct http_stats *h)
{
    const struct row rows[] = {
#include "server/prom.def"
    };

    for (const struct row *r = rows, *end = rows + COUNT(rows); r < end;)
        r = put_family(t, f, r, end);
}

void prom_handle(struct server *s, struct exchange *x, const char *rest)
{
    static struct metrics m; /* the server's thread's */
    const struct served *v = server_served(s);
    struct text_out t = { 0 };
    struct http_stats h;
    struct facts f;

    (void)rest;
    runner_metrics(server_runner(s), &m);
    http_stats(server_http(s), &h);
    facts_init(&f, s, v);
    put_all(&t, &f, v, &m, &h);
    struct slice body = text_take(&t);
    http_set(x, "Cache-Control", "no-store");
    http_reply(x, body.p ? 200 : 503, PROM_TYPE, body);
    free((char *)body.p);
}
