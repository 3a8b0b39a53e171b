/* SPDX-License-Identifier: MIT */
/*
 * servesim_plot.c - runs of --serve-sim, as pictures; see servesim.h and plot.h.
 *
 * A run has thousands of steps: lines over time have TIME_POINTS points, each the mean of the steps
 * between it and the one before.
 */
#include <stdlib.h>

#include "cmd/plot.h"
#include "cmd/servesim.h"

enum { TIME_POINTS = 240 };

/* What a line over time shows of a step. */
typedef double step_fn(const struct sim_run *run, const struct metric_step *x);

static double running(const struct sim_run *run, const struct metric_step *x)
{
    (void)run;
    return x->n_running;
}

static double waiting(const struct sim_run *run, const struct metric_step *x)
{
    (void)run;
    return x->n_waiting;
}

static double used(const struct sim_run *run, const struct metric_step *x)
{
    return 100 * (double)x->kv_used / (double)run->kv.budget;
}

static double used_and_cached(const struct sim_run *run, const struct metric_step *x)
{
    return 100 * (double)(x->kv_used + x->kv_cached) / (double)run->kv.budget;
}

static double prompt_rows(const struct sim_run *run, const struct metric_step *x)
{
    (void)run;
    return x->n_prompt;
}

static double decode_rows(const struct sim_run *run, const struct metric_step *x)
{
    (void)run;
    return x->n_decode + x->n_draft;
}

static void add_line(struct plot *p, const struct sim_run *run, const char *what, step_fn *f)
{
    double bin = run->wall / TIME_POINTS, sum = 0;
    char name[PLOT_NAME];
    struct svg_series *s;
    int at = 0, n = 0;

    if (run->n_step == 0 || bin <= 0) return;
    snprintf(name, sizeof(name), "%s, %.40s", what, run->name);
    s = plot_series(p, TIME_POINTS + 2, name);
    for (size_t i = 0; s && i < run->n_step; i++) {
        int k = (int)MIN(MAX(run->step[i].t0 / bin, 0), TIME_POINTS);
        if (k != at && n > 0) {
            plot_point(s, (at + 0.5) * bin, sum / n);
            sum = n = 0;
        }
        at = k;
        sum += f(run, &run->step[i]);
        n++;
    }
    if (s && n > 0) plot_point(s, (at + 0.5) * bin, sum / n);
    if (s) s->line = true;
}

struct timeline {
    const char *file, *title, *y;
    struct {
        const char *name;
        step_fn *f;
    } line[2];
};

static const struct timeline timelines[] = {
    { "serve-queue.svg",
      "Sequences over time",
      "sequences",
      { { "running", running }, { "waiting", waiting } } },
    { "serve-kv.svg",
      "KV cache over time",
      "percent of the cache",
      { { "in use", used }, { "and kept", used_and_cached } } },
    { "serve-steps.svg",
      "What steps are made of",
      "rows of a step",
      { { "prompts", prompt_rows }, { "decode", decode_rows } } },
};

static int plot_timeline(const struct servesim *s, const struct timeline *t, const char *dir)
{
    struct plot p;

    plot_init(&p, &s->b, t->title);
    p.chart.x = (struct svg_axis){ .label = "seconds" };
    p.chart.y = (struct svg_axis){ .label = t->y };
    for (int i = 0; i < s->n_run; i++)
        for (size_t k = 0; k < COUNT(t->line); k++)
            add_line(&p, &s->run[i], t->line[k].name, t->line[k].f);
    int code = plot_write(&p, dir, t->file);
    plot_fini(&p);
    return code;
}

static int plot_times(const struct servesim *s, const char *file, const char *title, bool itl,
                      const char *dir)
{
    struct plot p;

    plot_init(&p, &s->b, title);
    p.chart.x = (struct svg_axis){ .label = itl ? "ITL, ms" : "TTFT, ms", .scale = SVG_LOG10 };
    p.chart.y = (struct svg_axis){ .label = "percent that took at most this" };
    for (int i = 0; i < s->n_run; i++) {
        const struct samples *v = itl ? &s->run[i].itl_s : &s->run[i].ttft_s;
        if (v->n > 0) plot_cdf(&p, s->run[i].name, v, 1e3);
    }
    int code = plot_write(&p, dir, file);
    plot_fini(&p);
    return code;
}

int servesim_plot(const struct servesim *s, const char *dir)
{
    int code = EXIT_OK;

    for (size_t i = 0; code == EXIT_OK && i < COUNT(timelines); i++)
        code = plot_timeline(s, &timelines[i], dir);
    if (code == EXIT_OK) code = plot_times(s, "serve-ttft.svg", "Time to first token", false, dir);
    if (code == EXIT_OK) code = plot_times(s, "serve-itl.svg", "Time between tokens", true, dir);
    return code;
}
