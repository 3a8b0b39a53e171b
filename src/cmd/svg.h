/* SPDX-License-Identifier: MIT */
/*
 * svg.h - one chart as an SVG file: points and lines over two axes.
 *
 * Not a plotting library: no bars, no panels, no layout to choose. The picture has a background of
 * its own and follows the viewer's dark mode where the viewer tells; it holds no scripts and no
 * links. Any text may come from a model file: it is escaped, and what XML cannot carry is replaced.
 *
 * Points that have no place (not finite; not above zero on a logarithmic axis; outside an axis
 * whose range was given) are left out. Numbers are printed in the C locale, as the program runs in
 * it. Threads: pure functions over the caller's data.
 */
#ifndef CMD_SVG_H
#define CMD_SVG_H

#include <stdbool.h>
#include <stdio.h>

enum svg_scale { SVG_LINEAR, SVG_LOG2, SVG_LOG10 };

/* lo == hi: the range is taken from the data and rounded outwards; a linear axis then holds 0. */
struct svg_axis {
    const char *label;
    enum svg_scale scale;
    double lo, hi;
};

/* lo < hi: a whisker between them, for a median with its least and most. */
struct svg_point {
    double x, y;
    const char *label; /* beside the point, where there is room; NULL: none */
    double lo, hi;
};

struct svg_series {
    const char *name; /* in the legend; NULL: not there */
    const struct svg_point *point;
    int n;
    bool line, dashed, marker; /* line joins the points in their order */
};

/* A line across the whole plot, with its name at its end. */
struct svg_guide {
    bool vertical;
    double at; /* on the x axis if vertical, else on the y axis */
    const char *label;
};

struct svg_chart {
    const char *title, *note; /* note: one line under the title; may be NULL */
    struct svg_axis x, y;
    const struct svg_series *series;
    int n_series;
    const struct svg_guide *guide;
    int n_guide;
};

/* Write the whole file. False if that failed (ferror). */
bool svg_write(FILE *f, const struct svg_chart *c);

#endif
