/* SPDX-License-Identifier: MIT */
/* plot.c - see plot.h. */
#include "cmd/plot.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/cpu.h"

enum { CDF_POINTS = 200 };

void plot_init(struct plot *p, const struct bench *b, const char *what)
{
    char name[128];

    memset(p, 0, sizeof(*p));
    snprintf(p->title, sizeof(p->title), "%s: %s", what, bench_model_name(b, name, sizeof(name)));
    snprintf(p->note, sizeof(p->note), "%s, %d threads, kernels %s, profile %s", cpu_name(),
             b->eo.n_threads, b->m->model->kernels.isa, b->profile);
    p->chart = (struct svg_chart){
        .title = p->title, .note = p->note, .series = p->series, .guide = p->guide
    };
}

void plot_fini(struct plot *p)
{
    for (int i = 0; i < p->chart.n_series; i++)
        free((void *)(uintptr_t)p->series[i].point);
}

struct svg_series *plot_series(struct plot *p, size_t cap, const char *name)
{
    int i = p->chart.n_series;
    struct svg_point *point = i < PLOT_SERIES ? calloc(cap, sizeof(*point)) : NULL;

    if (!point) {
        p->n_left_out++;
        return NULL;
    }
    p->chart.n_series++;
    snprintf(p->name[i], PLOT_NAME, "%s", name);
    p->series[i] = (struct svg_series){ .name = p->name[i], .point = point };
    return &p->series[i];
}

struct svg_point *plot_point(struct svg_series *s, double x, double y)
{
    struct svg_point *p = (struct svg_point *)(uintptr_t)&s->point[s->n++];

    p->x = x;
    p->y = y;
    return p;
}

void plot_guide(struct plot *p, bool vertical, double at, const char *label)
{
    int i = p->chart.n_guide;

    if (i == PLOT_SERIES) return;
    snprintf(p->mark[i], PLOT_NAME, "%s", label);
    p->guide[p->chart.n_guide++] = (struct svg_guide){ vertical, at, p->mark[i] };
}

void plot_cdf(struct plot *p, const char *name, const struct samples *v, double unit)
{
    struct svg_series *s = plot_series(p, CDF_POINTS + 1, name);

    if (!s) return;
    s->line = true;
    for (int i = 0; i <= CDF_POINTS; i++)
        plot_point(s, unit * bench_percentile(v, (double)i / CDF_POINTS), 100.0 * i / CDF_POINTS);
}

int plot_write(struct plot *p, const char *dir, const char *name)
{
    char path[4096];
    int most = 0;
    size_t n = strlen(p->note);

    if (p->n_left_out > 0)
        snprintf(p->note + n, sizeof(p->note) - n, "; without the last %d", p->n_left_out);

    for (int i = 0; i < p->chart.n_series; i++)
        most = MAX(most, p->series[i].n);
    if (most < 2) return EXIT_OK;
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *f = fopen(path, "we");
    bool ok = f && svg_write(f, &p->chart);
    if (f && fclose(f) != 0) ok = false;
    if (ok) return EXIT_OK;
    fprintf(stderr, "brrr: %s: %s\n", path, strerror(errno));
    return EXIT_DISK;
}

int plot_folder(const char *dir)
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
