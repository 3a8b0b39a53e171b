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

/* What a line over time shows of a step; phase: of it, if that is what it shows. */
typedef double step_fn(const struct sim_run *run, const struct metric_step *x, int phase);

static double running(const struct sim_run *run, const struct metric_step *x, int phase)
{
    (void)run, (void)phase;
    return x->n_running;
}

static double waiting(const struct sim_run *run, const struct metric_step *x, int phase)
{
    (void)run, (void)phase;
    return x->n_waiting;
}

static double used(const struct sim_run *run, const struct metric_step *x, int phase)
{
    (void)phase;
    return 100 * (double)x->kv_used / (double)run->kv.budget;
}

static double used_and_cached(const struct sim_run *run, const struct metric_step *x, int phase)
{
    (void)phase;
    return 100 * (double)(x->kv_used + x->kv_cached) / (double)run->kv.budget;
}

static double prompt_rows(const struct sim_run *run, const struct metric_step *x, int phase)
{
    (void)run, (void)phase;
    return x->n_prompt;
}

static double decode_rows(const struct sim_run *run, const struct metric_step *x, int phase)
{
    (void)run, (void)phase;
    return x->n_decode + x->n_draft;
}

static double phase_time(const struct sim_run *run, const struct metric_step *x, int phase)
{
    (void)run;
    return 100 * x->phase_s[phase] / metric_step_seconds(x);
}

struct line {
    const char *name;
    step_fn *f;
    int phase;
};

static void add_line(struct plot *p, const struct sim_run *run, const struct line *l)
{
    double bin = run->wall / TIME_POINTS, sum = 0;
    char name[PLOT_NAME];
    struct svg_series *s;
    int at = 0, n = 0;

    if (run->n_step == 0 || bin <= 0) return;
    snprintf(name, sizeof(name), "%s, %.40s", l->name, run->name);
    s = plot_series(p, TIME_POINTS + 2, name);
    for (size_t i = 0; s && i < run->n_step; i++) {
        int k = (int)MIN(MAX(run->step[i].t0 / bin, 0), TIME_POINTS);
        if (k != at && n > 0) {
            plot_point(s, (at + 0.5) * bin, sum / n);
            sum = n = 0;
        }
        at = k;
        sum += l->f(run, &run->step[i], l->phase);
        n++;
    }
    if (s && n > 0) plot_point(s, (at + 0.5) * bin, sum / n);
    if (s) s->line = true;
}

struct timeline {
    const char *file, *title, *y;
    struct line line[PHASES]; /* those that have a name */
};

static const struct timeline timelines[] = {
    { "serve-queue.svg",
      "Sequences over time",
      "sequences",
      { { "running", running, 0 }, { "waiting", waiting, 0 } } },
    { "serve-kv.svg",
      "KV cache over time",
      "percent of the cache",
      { { "in use", used, 0 }, { "and kept", used_and_cached, 0 } } },
    { "serve-steps.svg",
      "What steps are made of",
      "rows of a step",
      { { "prompts", prompt_rows, 0 }, { "decode", decode_rows, 0 } } },
    { "serve-phases.svg",
      "Where the time of steps goes",
      "percent of a step",
      {
#define PHASE(id, name, label, help) [id] = { label, phase_time, id },
#include "engine/phases.def"
#undef PHASE
      } },
};

/* The model's phase is nearly all of a step: beside it the others would be one line. */
static bool is_drawn(const struct line *l)
{
    return l->name && !(l->f == phase_time && l->phase == PHASE_MODEL);
}

static int plot_timeline(const struct servesim *s, const struct timeline *t, const char *dir)
{
    struct plot p;

    plot_init(&p, &s->b, t->title);
    p.chart.x = (struct svg_axis){ .label = "seconds" };
    p.chart.y = (struct svg_axis){ .label = t->y };
    for (int i = 0; i < s->n_run; i++)
        for (size_t k = 0; k < COUNT(t->line); k++)
            if (is_drawn(&t->line[k])) add_line(&p, &s->run[i], &t->line[k]);
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
