/* SPDX-License-Identifier: MIT */
/*
 * bench_plot.c - what was measured, as pictures; see bench.h and svg.h.
 *
 * A plot that would have a single point is not drawn. Shapes: a plot has up to
 * MAX_SERIES lines, one for each depth or case.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/cpu.h"
#include "cmd/bench.h"
#include "cmd/svg.h"

enum {
    MAX_SERIES = 18, /* that svg.c can tell apart: six hues, three kinds of line */
    MAX_NAME = 64,
    CDF_POINTS = 200,
};

/* A chart that is being put together: its series own their points. */
struct draft {
    struct svg_chart chart;
    struct svg_series series[MAX_SERIES];
    struct svg_guide guide[MAX_SERIES];
    char name[MAX_SERIES][MAX_NAME], mark[MAX_SERIES][MAX_NAME];
    char title[160], note[256];
    int n_left_out; /* series for which there was no more room */
};

static void draft_init(struct draft *d, const struct bench *b, const char *what)
{
    char name[128];

    memset(d, 0, sizeof(*d));
    snprintf(d->title, sizeof(d->title), "%s: %s", what, bench_model_name(b, name, sizeof(name)));
    snprintf(d->note, sizeof(d->note), "%s, %d threads, kernels %s, profile %s", cpu_name(),
             b->eo.n_threads, b->m->model->kernels.isa, b->profile);
    d->chart = (struct svg_chart){
        .title = d->title, .note = d->note, .series = d->series, .guide = d->guide
    };
}

static void draft_fini(struct draft *d)
{
    for (int i = 0; i < d->chart.n_series; i++)
        free((void *)(uintptr_t)d->series[i].point);
}

/* Room for one more series of up to `cap` points; NULL: no more. */
static struct svg_series *add_series(struct draft *d, size_t cap, const char *name)
{
    int i = d->chart.n_series;
    struct svg_point *p = i < MAX_SERIES ? calloc(cap, sizeof(*p)) : NULL;

    if (!p) {
        d->n_left_out++;
        return NULL;
    }
    d->chart.n_series++;
    snprintf(d->name[i], MAX_NAME, "%s", name);
    d->series[i] = (struct svg_series){ .name = d->name[i], .point = p };
    return &d->series[i];
}

static struct svg_point *add_point(struct svg_series *s, double x, double y)
{
    struct svg_point *p = (struct svg_point *)(uintptr_t)&s->point[s->n++];

    p->x = x;
    p->y = y;
    return p;
}

static void add_guide(struct draft *d, bool vertical, double at, const char *label)
{
    int i = d->chart.n_guide;

    if (i == MAX_SERIES) return;
    snprintf(d->mark[i], MAX_NAME, "%s", label);
    d->guide[d->chart.n_guide++] = (struct svg_guide){ vertical, at, d->mark[i] };
}

/* Write DIR/name, unless it has no line of two points. */
static int write_draft(struct draft *d, const char *dir, const char *name)
{
    char path[4096];
    int most = 0;
    size_t n = strlen(d->note);

    if (d->n_left_out > 0)
        snprintf(d->note + n, sizeof(d->note) - n, "; without the last %d", d->n_left_out);

    for (int i = 0; i < d->chart.n_series; i++)
        most = MAX(most, d->series[i].n);
    if (most < 2) return EXIT_OK;
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *f = fopen(path, "we");
    bool ok = f && svg_write(f, &d->chart);
    if (f && fclose(f) != 0) ok = false;
    if (ok) return EXIT_OK;
    fprintf(stderr, "brrr: %s: %s\n", path, strerror(errno));
    return EXIT_DISK;
}

/* --- the plots --- */

/* The median with a whisker from least to most. */
static void add_stat(struct svg_series *s, double x, const struct samples *v, double unit)
{
    struct bench_stat st = bench_stat_of(v);
    struct svg_point *p = add_point(s, x, unit * st.median);

    p->lo = unit * st.min;
    p->hi = unit * st.max;
}

/* tok/s of the decode cases: one line for each value of `fixed`, over the other number. */
struct by {
    int (*x)(const struct bench_case *);
    int (*fixed)(const struct bench_case *);
    const char *name; /* of a line, with %d for its fixed number */
};

static int batch_of(const struct bench_case *c)
{
    return c->batch;
}

static int depth_of(const struct bench_case *c)
{
    return c->depth;
}

static bool first_of(const struct bench *b, int at, const struct by *by)
{
    for (int i = 0; i < at; i++)
        if (b->c[i].kind == BENCH_DECODE && by->fixed(&b->c[i]) == by->fixed(&b->c[at]))
            return false;
    return b->c[at].kind == BENCH_DECODE;
}

static void add_lines(struct draft *d, const struct bench *b, const struct by *by)
{
    for (int i = 0; i < b->n_done; i++) {
        char name[MAX_NAME];
        if (!first_of(b, i, by)) continue;
        snprintf(name, sizeof(name), "%s %d", by->name, by->fixed(&b->c[i]));
        struct svg_series *s = add_series(d, (size_t)b->n_done, name);
        for (int j = i; s && j < b->n_done; j++) {
            const struct bench_case *c = &b->c[j];
            if (c->kind != BENCH_DECODE || by->fixed(c) != by->fixed(&b->c[i])) continue;
            add_stat(s, by->x(c), &c->tok_s, 1);
            s->line = s->marker = true;
        }
    }
}

/* The roofline's bound for the cases of the depth that comes first. */
static void add_bound(struct draft *d, const struct bench *b)
{
    int depth = -1;
    struct svg_series *s = NULL;
    char name[MAX_NAME];

    for (int i = 0; i < b->n_done; i++) {
        const struct bench_case *c = &b->c[i];
        if (c->kind != BENCH_DECODE || (depth >= 0 && c->depth != depth)) continue;
        depth = c->depth;
        snprintf(name, sizeof(name), "roofline bound, depth %d", depth);
        if (!s) s = add_series(d, (size_t)b->n_done, name);
        if (!s) return;
        s->line = s->dashed = true;
        add_point(s, c->batch, bench_share_of(b, c).bound_tok_s);
    }
}

static void add_knees(struct draft *d, const struct bench *b)
{
    double predicted = machine_critical_batch(&b->limits, b->m->model), measured = 0;
    char label[MAX_NAME];

    for (int i = 0; i < b->n_done && measured == 0; i++)
        if (b->c[i].kind == BENCH_DECODE) measured = bench_knee_measured(b, b->c[i].depth);
    if (measured > 1) {
        snprintf(label, sizeof(label), "measured knee %.1f", measured);
        add_guide(d, true, measured, label);
    }
    if (predicted > 0) {
        snprintf(label, sizeof(label), "roofline's critical batch %.1f", predicted);
        add_guide(d, true, predicted, label);
    }
}

static int plot_batch(const struct bench *b, const char *dir)
{
    static const struct by by = { batch_of, depth_of, "depth" };
    struct draft d;

    draft_init(&d, b, "Decode by batch size");
    d.chart.x = (struct svg_axis){ .label = "sequences at once", .scale = SVG_LOG2 };
    d.chart.y = (struct svg_axis){ .label = "tok/s, summed" };
    add_lines(&d, b, &by);
    add_bound(&d, b);
    add_knees(&d, b);
    int code = write_draft(&d, dir, "batch.svg");
    draft_fini(&d);
    return code;
}

static int plot_depth(const struct bench *b, const char *dir)
{
    static const struct by by = { depth_of, batch_of, "batch" };
    struct draft d;

    draft_init(&d, b, "Decode by depth of context");
    d.chart.x = (struct svg_axis){ .label = "tokens of context" };
    d.chart.y = (struct svg_axis){ .label = "tok/s, summed", .scale = SVG_LOG10 };
    add_lines(&d, b, &by);
    int code = write_draft(&d, dir, "depth.svg");
    draft_fini(&d);
    return code;
}

static int plot_ttft(const struct bench *b, const char *dir)
{
    struct svg_series *s;
    struct draft d;

    draft_init(&d, b, "Time to first token");
    d.chart.x = (struct svg_axis){ .label = "tokens of the prompt", .scale = SVG_LOG2 };
    d.chart.y = (struct svg_axis){ .label = "TTFT, ms", .scale = SVG_LOG10 };
    s = add_series(&d, (size_t)b->n_done + 1, "median, least and most");
    for (int i = 0; s && i < b->n_done; i++)
        if (b->c[i].kind == BENCH_PREFILL) add_stat(s, b->c[i].n_prompt, &b->c[i].ttft_s, 1e3);
    if (s) s->line = s->marker = true;
    int code = write_draft(&d, dir, "ttft.svg");
    draft_fini(&d);
    return code;
}

/* How many of all times are at most x. */
static void add_cdf(struct draft *d, const struct bench_case *c)
{
    char name[MAX_NAME];
    struct svg_series *s;

    bench_case_name(name, sizeof(name), c);
    s = add_series(d, CDF_POINTS + 1, name);
    if (!s) return;
    s->line = true;
    for (int i = 0; i <= CDF_POINTS; i++)
        add_point(s, 1e3 * bench_percentile(&c->itl_s, (double)i / CDF_POINTS),
                  100.0 * i / CDF_POINTS);
}

static int plot_itl(const struct bench *b, const char *dir)
{
    struct draft d;

    draft_init(&d, b, "Time between tokens");
    d.chart.x = (struct svg_axis){ .label = "ITL, ms", .scale = SVG_LOG10 };
    d.chart.y = (struct svg_axis){ .label = "percent of tokens that took at most this" };
    /* What is measured last, the mixed load, comes first: it must not fall off the end. */
    for (int i = b->n_done - 1; i >= 0; i--)
        if (b->c[i].kind == BENCH_MIXED) add_cdf(&d, &b->c[i]);
    for (int i = 0; i < b->n_done; i++)
        if (b->c[i].kind == BENCH_DECODE) add_cdf(&d, &b->c[i]);
    int code = write_draft(&d, dir, "itl.svg");
    draft_fini(&d);
    return code;
}

/* The roof over the intensities from `lo` to `hi`; all cases run on the same kind of numbers. */
static void add_roof(struct draft *d, const struct bench *b, double lo, double hi)
{
    static const struct step_work none;
    const char *kind;
    double read = b->limits.read,
           peak = machine_peak(&b->limits, b->n_done ? &b->c[0].work.sum : &none, &kind);
    double ridge = peak / read;
    char label[MAX_NAME];
    struct svg_series *s;

    snprintf(label, sizeof(label), "roof: reading at %.1f GB/s", read);
    s = add_series(d, 3, label);
    if (!s) return;
    s->line = true;
    lo = MIN(lo, ridge) / 2;
    add_point(s, lo, lo * read);
    add_point(s, ridge, peak);
    add_point(s, 2 * MAX(hi, ridge), peak);
    snprintf(label, sizeof(label), "%s peak %.0f G/s", kind, peak);
    add_guide(d, false, peak, label);
}

static int plot_roofline(const struct bench *b, const char *dir)
{
    char(*names)[MAX_NAME] = calloc((size_t)b->n_done + 1, sizeof(*names));
    double lo = 1e30, hi = 0;
    struct svg_series *s;
    struct draft d;

    draft_init(&d, b, "Roofline");
    d.chart.x =
        (struct svg_axis){ .label = "multiply-adds for each byte read", .scale = SVG_LOG10 };
    d.chart.y = (struct svg_axis){ .label = "G multiply-adds a second", .scale = SVG_LOG10 };
    for (int i = 0; i < b->n_done; i++) {
        double x = bench_share_of(b, &b->c[i]).intensity;
        lo = MIN(lo, x);
        hi = MAX(hi, x);
    }
    add_roof(&d, b, lo, hi);
    s = add_series(&d, (size_t)b->n_done + 1, "measured");
    for (int i = 0; s && names && i < b->n_done; i++) {
        struct bench_share share = bench_share_of(b, &b->c[i]);
        bench_case_name(names[i], MAX_NAME, &b->c[i]);
        add_point(s, share.intensity, share.mac_s / 1e9)->label = names[i];
        s->marker = true;
    }
    int code = write_draft(&d, dir, "roofline.svg");
    draft_fini(&d);
    free(names);
    return code;
}

int bench_plot_folder(const char *dir)
{
    struct stat st;

    if (mkdir(dir, 0777) == 0) return EXIT_OK;
    if (errno == EEXIST && stat(dir, &st) == 0) {
        if (S_ISDIR(st.st_mode)) return EXIT_OK;
        errno = ENOTDIR;
    }
    fprintf(stderr, "brrr: %s: %s\n", dir, strerror(errno));
    return EXIT_DISK;
}

int bench_plot(const struct bench *b, const char *dir)
{
    static int (*const plots[])(const struct bench *, const char *) = {
        plot_batch, plot_depth, plot_ttft, plot_itl, plot_roofline,
    };
    int code = EXIT_OK;

    for (size_t i = 0; code == EXIT_OK && i < COUNT(plots); i++)
        code = plots[i](b, dir);
    return code;
}
