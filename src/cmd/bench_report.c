/* SPDX-License-Identifier: MIT */
/*
 * bench_report.c - what was measured, as a table for people (text, md) or for
 * programs (json, csv); see bench.h. One row for each case.
 *
 * TTFT is from the submission of a prompt to its first token; ITL is the time of a step, which is
 * what a reader waits for the next token.
 */
#include "cmd/bench.h"

#include "base/cpu.h"
#include "cmd/term.h"
#include "engine/bundle.h"

const char *const bench_kind_names[] = {
    [BENCH_PREFILL] = "prefill",
    [BENCH_DECODE] = "decode",
    [BENCH_MIXED] = "mixed",
};

void bench_case_name(char *buf, size_t cap, const struct bench_case *c)
{
    const char *name = bench_kind_names[c->kind];

    if (c->kind == BENCH_PREFILL) snprintf(buf, cap, "%s %d", name, c->n_prompt);
    else if (c->kind == BENCH_MIXED) snprintf(buf, cap, "%s x%d + %d", name, c->batch, c->n_prompt);
    else if (c->depth) snprintf(buf, cap, "%s x%d @%d", name, c->batch, c->depth);
    else snprintf(buf, cap, "%s x%d", name, c->batch);
}

const char *bench_model_name(const struct bench *b, char *buf, size_t cap)
{
    const char *path = cmd_model_path(b->o), *slash = path ? strrchr(path, '/') : NULL;

    if (!path) path = "";
    if (slash) path = slash + 1;
    return slice_print(buf, cap, (struct slice){ path, strlen(path) });
}

/* --- tables: text and Markdown have the same cells --- */

enum { CELL = 40 };

static void ms_cell(char *buf, double s)
{
    if (s > 0) snprintf(buf, CELL, s < 0.1 ? "%.2f" : "%.1f", 1e3 * s);
    else snprintf(buf, CELL, "-");
}

static void cell_case(char *buf, const struct bench *b, const struct bench_case *c)
{
    (void)b;
    bench_case_name(buf, CELL, c);
}

static void cell_tok_s(char *buf, const struct bench *b, const struct bench_case *c)
{
    (void)b;
    snprintf(buf, CELL, "%.1f", bench_stat_of(&c->tok_s).median);
}

static void cell_least(char *buf, const struct bench *b, const struct bench_case *c)
{
    (void)b;
    snprintf(buf, CELL, "%.1f", bench_stat_of(&c->tok_s).min);
}

static void cell_most(char *buf, const struct bench *b, const struct bench_case *c)
{
    (void)b;
    snprintf(buf, CELL, "%.1f", bench_stat_of(&c->tok_s).max);
}

static void cell_ttft(char *buf, const struct bench *b, const struct bench_case *c)
{
    (void)b;
    ms_cell(buf, bench_stat_of(&c->ttft_s).median);
}

static void cell_itl(char *buf, const struct bench *b, const struct bench_case *c)
{
    (void)b;
    ms_cell(buf, bench_stat_of(&c->itl_s).median);
}

static void cell_p90(char *buf, const struct bench *b, const struct bench_case *c)
{
    (void)b;
    ms_cell(buf, bench_stat_of(&c->itl_s).p90);
}

static void cell_p99(char *buf, const struct bench *b, const struct bench_case *c)
{
    (void)b;
    ms_cell(buf, bench_stat_of(&c->itl_s).p99);
}

static void cell_worst(char *buf, const struct bench *b, const struct bench_case *c)
{
    (void)b;
    ms_cell(buf, bench_stat_of(&c->itl_s).max);
}

/* A prompt is held against the peak of int8 or bf16, one sequence against reading, the rest (and
 * matrices in f32) against the roofline. */
static void cell_limit(char *buf, const struct bench *b, const struct bench_case *c)
{
    struct bench_share s = bench_share_of(b, c);

    if (c->kind == BENCH_PREFILL && s.int8 > 0)
        snprintf(buf, CELL, "%.0f %% of int8 peak", 100 * s.int8);
    else if (c->kind == BENCH_PREFILL && s.bf16 > 0)
        snprintf(buf, CELL, "%.0f %% of bf16 peak", 100 * s.bf16);
    else if (c->kind == BENCH_DECODE && c->batch == 1)
        snprintf(buf, CELL, "%.0f %% of reading", 100 * s.read);
    else snprintf(buf, CELL, "%.0f %% of %.0f tok/s", 100 * s.bound, s.bound_tok_s);
}

static const struct column {
    const char *head;
    void (*put)(char *buf, const struct bench *b, const struct bench_case *c);
} columns[] = {
    { "case", cell_case },   { "tok/s", cell_tok_s },  { "least", cell_least },
    { "most", cell_most },   { "TTFT ms", cell_ttft }, { "ITL ms", cell_itl },
    { "p90", cell_p90 },     { "p99", cell_p99 },      { "max", cell_worst },
    { "limit", cell_limit },
};

/* What the table was measured on, and what its last column means. */
static void print_notes(const struct bench *b, const char *end)
{
    const struct machine_limits *l = &b->limits;
    double knee = machine_critical_batch(&b->limits, b->m->model);
    char name[128];

    printf(
        "%s, %d threads (%d to decode), chunk %d, kernels %s, profile %s; medians of %d runs%s%s\n",
        cpu_name(), b->eo.n_threads, b->eo.n_threads_decode, b->eo.chunk, b->m->model->kernels.isa,
        b->profile, b->o->repeats, b->interrupted ? " (interrupted)" : "", end);
    printf("%s plan of brrr tune%s\n", b->planned ? "with the" : "no", end);
    printf("%s: a step reads %.4g MB of weights and multiplies %.4g M times a token, "
           "%.4g M times for its logits%s\n",
           bench_model_name(b, name, sizeof(name)), cost_weight_bytes(&b->cost) / 1e6,
           b->cost.linear_macs / 1e6, b->cost.head_macs / 1e6, end);
    printf("limits: a plain read of the weights runs at %.1f GB/s", l->read);
    if (l->dot8 > 0)
        printf(
            "; peak in int8 %.0f, in bf16 %.0f, in f32 %.0f G multiply-adds/s; critical batch %.1f",
            l->dot8, l->bf16, l->fma, knee);
    printf("%s\n", end);
    for (int i = 0; i < b->n_done; i++) {
        const struct bench_case *c = &b->c[i];
        double measured = bench_knee_measured(b, c->depth);
        if (c->kind == BENCH_DECODE && c->batch == 1 && measured > 1)
            printf("batches at depth %d reach %.1f x the speed of one sequence%s\n", c->depth,
                   measured, end);
    }
}

static int print_text(const struct bench *b)
{
    int width[COUNT(columns)];
    char cell[CELL];

    for (size_t k = 0; k < COUNT(columns); k++) {
        width[k] = (int)strlen(columns[k].head);
        for (int i = 0; i < b->n_done; i++) {
            columns[k].put(cell, b, &b->c[i]);
            width[k] = MAX(width[k], (int)strlen(cell));
        }
    }
    for (int i = -1; i < b->n_done; i++)
        for (size_t k = 0; k < COUNT(columns); k++) {
            bool left = k == 0 || k == COUNT(columns) - 1, last = k == COUNT(columns) - 1;
            snprintf(cell, sizeof(cell), "%s", columns[k].head);
            if (i >= 0) columns[k].put(cell, b, &b->c[i]);
            if (last) printf("%s\n", cell);
            else printf(left ? "%-*s  " : "%*s  ", width[k], cell);
        }
    print_notes(b, "");
    return EXIT_OK;
}

static int print_md(const struct bench *b)
{
    char cell[CELL];

    for (size_t k = 0; k < COUNT(columns); k++)
        printf("| %s ", columns[k].head);
    printf("|\n");
    for (size_t k = 0; k < COUNT(columns); k++)
        printf(k == 0 || k == COUNT(columns) - 1 ? "|---" : "|--:");
    printf("|\n");
    for (int i = 0; i < b->n_done; i++) {
        for (size_t k = 0; k < COUNT(columns); k++) {
            columns[k].put(cell, b, &b->c[i]);
            printf("| %s ", cell);
        }
        printf("|\n");
    }
    printf("\n");
    print_notes(b, "  ");
    return EXIT_OK;
}

/* --- CSV: plain numbers in plain units, empty where there is none --- */

static void csv_text(const char *s)
{
    putchar('"');
    for (; *s; s++) {
        if (*s == '"') putchar('"');
        putchar(*s);
    }
    putchar('"');
}

static void csv_stat(const struct samples *s)
{
    struct bench_stat st = bench_stat_of(s);
    const double v[] = { st.median, st.min, st.max, st.p90, st.p99 };

    for (size_t i = 0; i < COUNT(v); i++)
        if (st.n) printf(",%.9g", v[i]);
        else printf(",");
}

static void csv_number(double v)
{
    if (v > 0) printf(",%.6g", v);
    else printf(",");
}

static int print_csv(const struct bench *b)
{
    static const char *const stats[] = { "tok_s", "ttft_s", "itl_s" };
    char name[128];

    printf("case,n_prompt,n_gen,depth,batch,runs");
    for (size_t i = 0; i < COUNT(stats); i++)
        printf(",%s,%s_min,%s_max,%s_p90,%s_p99", stats[i], stats[i], stats[i], stats[i], stats[i]);
    printf(",read_share,int8_share,bf16_share,bound_tok_s,bound_share,read_gb_s,int8_gmac_s,"
           "bf16_gmac_s,threads,kernels,profile,model,cpu\n");
    for (int i = 0; i < b->n_done; i++) {
        const struct bench_case *c = &b->c[i];
        struct bench_share s = bench_share_of(b, c);
        printf("%s,%d,%d,%d,%d,%zu", bench_kind_names[c->kind], c->n_prompt, c->n_gen, c->depth,
               c->batch, c->tok_s.n);
        csv_stat(&c->tok_s);
        csv_stat(&c->ttft_s);
        csv_stat(&c->itl_s);
        csv_number(s.read);
        csv_number(s.int8);
        csv_number(s.bf16);
        csv_number(s.bound_tok_s);
        csv_number(s.bound);
        csv_number(c->read);
        csv_number(b->limits.dot8);
        csv_number(b->limits.bf16);
        printf(",%d,%s,%s,", c->kind == BENCH_DECODE ? b->eo.n_threads_decode : b->eo.n_threads,
               b->m->model->kernels.isa, b->profile);
        csv_text(bench_model_name(b, name, sizeof(name)));
        putchar(',');
        csv_text(cpu_name());
        putchar('\n');
    }
    return EXIT_OK;
}

/* --- JSON: docs/bench.md lists the fields --- */

json_t *bench_json_stat(const struct samples *s)
{
    struct bench_stat st = bench_stat_of(s);

    return json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:i}", "median", st.median, "min", st.min,
                     "max", st.max, "mean", st.mean, "p90", st.p90, "p95", st.p95, "p99", st.p99,
                     "n", st.n);
}

json_t *bench_json_raw(const struct samples *s)
{
    json_t *a = json_array();

    for (size_t i = 0; i < s->n; i++)
        json_array_append_new(a, json_real(s->v[i]));
    return a;
}

static void json_put(json_t *to, const char *name, double v)
{
    if (v > 0) json_object_set_new(to, name, json_real(v));
}

static json_t *json_case(const struct bench *b, const struct bench_case *c)
{
    struct bench_share s = bench_share_of(b, c);
    json_t *raw = json_pack("{s:o}", "tok_s", bench_json_raw(&c->tok_s));
    json_t *j = json_pack("{s:s, s:i, s:i, s:i, s:i, s:o, s:o}", "case", bench_kind_names[c->kind],
                          "n_prompt", c->n_prompt, "n_gen", c->n_gen, "batch", c->batch, "depth",
                          c->depth, "tok_s", bench_json_stat(&c->tok_s), "raw", raw);

    if (c->ttft_s.n) {
        json_object_set_new(j, "ttft_s", bench_json_stat(&c->ttft_s));
        json_object_set_new(raw, "ttft_s", bench_json_raw(&c->ttft_s));
    }
    if (c->itl_s.n) {
        json_object_set_new(j, "itl_s", bench_json_stat(&c->itl_s));
        json_object_set_new(raw, "itl_s", bench_json_raw(&c->itl_s));
    }
    if (c->kind == BENCH_MIXED) {
        json_put(j, "prefill_tok_s", s.prompt_s);
        json_put(j, "decode_tok_s", s.gen_s);
    }
    json_put(j, "read_gb_s", c->read);
    json_put(j, "read_share", s.read);
    json_put(j, "int8_share", s.int8);
    json_put(j, "bf16_share", s.bf16);
    json_put(j, "bound_tok_s", s.bound_tok_s);
    json_put(j, "bound_share", s.bound);
    json_put(j, "gmac_s", s.mac_s / 1e9);
    json_put(j, "macs_per_byte", s.intensity);
    return j;
}

static json_t *json_limits(const struct bench *b)
{
    json_t *l = json_pack("{s:f, s:f, s:f, s:f}", "read_gb_s", b->limits.read, "weights_gb",
                          cost_weight_bytes(&b->cost) / 1e9, "linear_macs", b->cost.linear_macs,
                          "head_macs", b->cost.head_macs);

    json_put(l, "int8_gmac_s", b->limits.dot8);
    json_put(l, "bf16_gmac_s", b->limits.bf16);
    json_put(l, "f32_gmac_s", b->limits.fma);
    json_put(l, "barrier_ns", b->limits.barrier_ns);
    json_put(l, "critical_batch", machine_critical_batch(&b->limits, b->m->model));
    return l;
}

/* A file's name may be any bytes, JSON may not. */
static json_t *json_model(const struct bench *b)
{
    char name[128], clean[TERM_ROOM(sizeof(name))];

    bench_model_name(b, name, sizeof(name));
    return json_stringn(clean, term_clean(clean, name, strlen(name)));
}

json_t *bench_json_head(const struct bench *b)
{
    size_t anon, file;

    mem_resident(&anon, &file);
    return json_pack("{s:s, s:o, s:i, s:i, s:i, s:b, s:s, s:s, s:o, s:{s:I, s:I}}", "cpu",
                     cpu_name(), "model", json_model(b), "threads", b->eo.n_threads,
                     "threads_decode", b->eo.n_threads_decode, "chunk", b->eo.chunk, "planned",
                     b->planned, "kernels", b->m->model->kernels.isa, "profile", b->profile,
                     "limits", json_limits(b), "memory", "anonymous_bytes", (json_int_t)anon,
                     "file_bytes", (json_int_t)file);
}

static int print_json(const struct bench *b)
{
    json_t *cases = json_array(), *all = bench_json_head(b);

    for (int i = 0; i < b->n_done; i++)
        json_array_append_new(cases, json_case(b, &b->c[i]));
    json_object_set_new(all, "cases", cases);
    if (b->interrupted) json_object_set_new(all, "interrupted", json_true());
    return cmd_print_answer(all);
}

bench_report_fn *bench_report_find(const char *format)
{
    static const struct {
        const char *name;
        bench_report_fn *fn;
    } formats[] = {
        { "text", print_text }, { "md", print_md },   { "markdown", print_md },
        { "json", print_json }, { "csv", print_csv },
    };

    for (size_t i = 0; i < COUNT(formats); i++)
        if (strcmp(format, formats[i].name) == 0) return formats[i].fn;
    return NULL;
}
