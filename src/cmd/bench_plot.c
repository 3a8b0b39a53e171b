/* SPDX-License-Identifier: MIT */
/*
 * bench_plot.c - what was measured, as pictures; see bench.h and svg.h.
 *
 * Shapes: a plot has up to PLOT_SERIES lines, one for each depth or case.
 */
#include <stdlib.h>

#include "cmd/plot.h"

/* --- the plots --- */

/* The median with a whisker from least to most. */
static void add_stat(struct svg_series *s, double x, const struct samples *v, double unit)
{
    struct bench_stat st = bench_stat_of(v);
    struct svg_point *p = plot_point(s, x, unit * st.median);

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

static void add_lines(struct plot *d, const struct bench *b, const struct by *by)
{
    for (int i = 0; i < b->n_done; i++) {
        char name[PLOT_NAME];
        if (!first_of(b, i, by)) continue;
        snprintf(name, sizeof(name), "%s %d", by->name, by->fixed(&b->c[i]));
        struct svg_series *s = plot_series(d, (size_t)b->n_done, name);
        for (int j = i; s && j < b->n_done; j++) {
            const struct bench_case *c = &b->c[j];
            if (c->kind != BENCH_DECODE || by->fixed(c) != by->fixed(&b->c[i])) continue;
            add_stat(s, by->x(c), &c->tok_s, 1);
            s->line = s->marker = true;
        }
    }
}

/* The roofline's bound for the cases of the depth that comes first. */
static void add_bound(struct plot *d, const struct bench *b)
{
    int depth = -1;
    struct svg_series *s = NULL;
    char name[PLOT_NAME];

    for (int i = 0; i < b->n_done; i++) {
        const struct bench_case *c = &b->c[i];
        if (c->kind != BENCH_DECODE || (depth >= 0 && c->depth != depth)) continue;
        depth = c->depth;
        snprintf(name, sizeof(name), "roofline bound, depth %d", depth);
        if (!s) s = plot_series(d, (size_t)b->n_done, name);
        if (!s) return;
        s->line = s->dashed = true;
        plot_point(s, c->batch, bench_share_of(b, c).bound_tok_s);
    }
}

static void add_knees(struct plot *d, const struct bench *b)
{
    double predicted = machine_critical_batch(&b->limits, b->m->model), measured = 0;
    char label[PLOT_NAME];

    for (int i = 0; i < b->n_done && measured == 0; i++)
        if (b->c[i].kind == BENCH_DECODE) measured = bench_knee_measured(b, b->c[i].depth);
    if (measured > 1) {
        snprintf(label, sizeof(label), "measured knee %.1f", measured);
        plot_guide(d, true, measured, label);
    }
    if (predicted > 0) {
        snprintf(label, sizeof(label), "roofline's critical batch %.1f", predicted);
        plot_guide(d, true, predicted, label);
    }
}

static int plot_batch(const struct bench *b, const char *dir)
{
    static const struct by by = { batch_of, depth_of, "depth" };
    struct plot d;

    plot_init(&d, b, "Decode by batch size");
    d.chart.x = (struct svg_axis){ .label = "sequences at once", .scale = SVG_LOG2 };
    d.chart.y = (struct svg_axis){ .label = "tok/s, summed" };
    add_lines(&d, b, &by);
    add_bound(&d, b);
    add_knees(&d, b);
    int code = plot_write(&d, dir, "batch.svg");
    plot_fini(&d);
    return code;
}

static int plot_depth(const struct bench *b, const char *dir)
{
    static const struct by by = { depth_of, batch_of, "batch" };
    struct plot d;

    plot_init(&d, b, "Decode by depth of context");
    d.chart.x = (struct svg_axis){ .label = "tokens of context" };
    d.chart.y = (struct svg_axis){ .label = "tok/s, summed", .scale = SVG_LOG10 };
    add_lines(&d, b, &by);
    int code = plot_write(&d, dir, "depth.svg");
    plot_fini(&d);
    return code;
}

static int plot_ttft(const struct bench *b, const char *dir)
{
    struct svg_series *s;
    struct plot d;

    plot_init(&d, b, "Time to first token");
    d.chart.x = (struct svg_axis){ .label = "tokens of the prompt", .scale = SVG_LOG2 };
    d.chart.y = (struct svg_axis){ .label = "TTFT, ms", .scale = SVG_LOG10 };
    s = plot_series(&d, (size_t)b->n_done + 1, "median, least and most");
    for (int i = 0; s && i < b->n_done; i++)
        if (b->c[i].kind == BENCH_PREFILL) add_stat(s, b->c[i].n_prompt, &b->c[i].ttft_s, 1e3);
    if (s) s->line = s->marker = true;
    int code = plot_write(&d, dir, "ttft.svg");
    plot_fini(&d);
    return code;
}

static void add_cdf(struct plot *d, const struct bench_case *c)
{
    char name[PLOT_NAME];

    bench_case_name(name, sizeof(name), c);
    plot_cdf(d, name, &c->itl_s, 1e3);
}

static int plot_itl(const struct bench *b, const char *dir)
{
    struct plot d;

    plot_init(&d, b, "Time between tokens");
    d.chart.x = (struct svg_axis){ .label = "ITL, ms", .scale = SVG_LOG10 };
    d.chart.y = (struct svg_axis){ .label = "percent of tokens that took at most this" };
    /* What is measured last, the mixed load, comes first: it must not fall off the end. */
    for (int i = b->n_done - 1; i >= 0; i--)
        if (b->c[i].kind == BENCH_MIXED) add_cdf(&d, &b->c[i]);
    for (int i = 0; i < b->n_done; i++)
        if (b->c[i].kind == BENCH_DECODE) add_cdf(&d, &b->c[i]);
    int code = plot_write(&d, dir, "itl.svg");
    plot_fini(&d);
    return code;
}

/* The roof over the intensities from `lo` to `hi`; all cases run on the same kind of numbers. */
static void add_roof(struct plot *d, const struct bench *b, double lo, double hi)
{
    static const struct step_work none;
    const char *kind;
    double read = b->limits.read,
           peak = machine_peak(&b->limits, b->n_done ? &b->c[0].work.sum : &none, &kind);
    double ridge = peak / read;
    char label[PLOT_NAME];
    struct svg_series *s;

    snprintf(label, sizeof(label), "roof: reading at %.1f GB/s", read);
    s = plot_series(d, 3, label);
    if (!s) return;
    s->line = true;
    lo = MIN(lo, ridge) / 2;
    plot_point(s, lo, lo * read);
    plot_point(s, ridge, peak);
    plot_point(s, 2 * MAX(hi, ridge), peak);
    snprintf(label, sizeof(label), "%s peak %.0f G/s", kind, peak);
    plot_guide(d, false, peak, label);
}

static int plot_roofline(const struct bench *b, const char *dir)
{
    char(*names)[PLOT_NAME] = calloc((size_t)b->n_done + 1, sizeof(*names));
    double lo = 1e30, hi = 0;
    struct svg_series *s;
    struct plot d;

    plot_init(&d, b, "Roofline");
    d.chart.x =
        (struct svg_axis){ .label = "multiply-adds for each byte read", .scale = SVG_LOG10 };
    d.chart.y = (struct svg_axis){ .label = "G multiply-adds a second", .scale = SVG_LOG10 };
    for (int i = 0; i < b->n_done; i++) {
        double x = bench_share_of(b, &b->c[i]).intensity;
        lo = MIN(lo, x);
        hi = MAX(hi, x);
    }
    add_roof(&d, b, lo, hi);
    s = plot_series(&d, (size_t)b->n_done + 1, "measured");
    for (int i = 0; s && names && i < b->n_done; i++) {
        struct bench_share share = bench_share_of(b, &b->c[i]);
        bench_case_name(names[i], PLOT_NAME, &b->c[i]);
        plot_point(s, share.intensity, share.mac_s / 1e9)->label = names[i];
        s->marker = true;
    }
    int code = plot_write(&d, dir, "roofline.svg");
    plot_fini(&d);
    free(names);
    return code;
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
