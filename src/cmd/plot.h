/* SPDX-License-Identifier: MIT */
/*
 * plot.h - what the plots of `brrr bench` share: a chart that is put together series by series,
 * then written to a file (svg.h draws it).
 *
 * A plot that would have a single point is not written.
 *
 * Owned by: the main thread.
 */
#ifndef CMD_PLOT_H
#define CMD_PLOT_H

#include "cmd/bench.h"
#include "cmd/svg.h"

enum {
    PLOT_SERIES = 18, /* that svg.c can tell apart: six hues, three kinds of line */
    PLOT_NAME = 64,
};

/* Its series own their points. */
struct plot {
    struct svg_chart chart;
    struct svg_series series[PLOT_SERIES];
    struct svg_guide guide[PLOT_SERIES];
    char name[PLOT_SERIES][PLOT_NAME], mark[PLOT_SERIES][PLOT_NAME];
    char title[160], note[256];
    int n_left_out; /* series for which there was no more room */
};

/* With the model in the title, and in the note what it runs on. */
void plot_init(struct plot *p, const struct bench *b, const char *what);
void plot_fini(struct plot *p);
/* Room for one more series of up to `cap` points; NULL: no more. */
struct svg_series *plot_series(struct plot *p, size_t cap, const char *name);
/* The series must have room for it. */
struct svg_point *plot_point(struct svg_series *s, double x, double y);
/* A line across the plot; one too many is left out. */
void plot_guide(struct plot *p, bool vertical, double at, const char *label);
/* A line: how many percent of all values, times `unit`, are at most x. */
void plot_cdf(struct plot *p, const char *name, const struct samples *v, double unit);
/* Write DIR/name, unless it has no line of two points; EXIT_OK, or EXIT_DISK after a message. */
int plot_write(struct plot *p, const char *dir, const char *name);

/* Make the folder if it is not there; EXIT_OK, or EXIT_DISK after a message. */
int plot_folder(const char *dir);

#endif
