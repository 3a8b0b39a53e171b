/* SPDX-License-Identifier: MIT */
/*
 * svg.c - see svg.h.
 *
 * Order of drawing: card, grid, guides, lines, markers, labels, legend; what a reader must be able
 * to read comes last. The width of a text is not known here, only guessed from its characters
 * (CHAR_W); labels of points and guides try places from near to far and take the best. A label
 * that is far from its point has a thin line to it; one that would cover another is left out,
 * because then neither could be read.
 */
#include "cmd/svg.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/status.h"
#include "base/utf8.h"

enum {
    WIDTH = 800,
    LEFT = 76,
    RIGHT = WIDTH - 24,
    TOP = 64,
    BOTTOM = 404,
    LEGEND_TOP = 462,
    LEGEND_LINE = 20,
    MAX_TICKS = 40,
    MAX_BOXES = 1024,
    MAX_PLACES = 64,
    MAX_TEXT = 160, /* characters of one text that are shown */
};
#define CHAR_W 7.2 /* of a label, at 12 pixels */
#define CHAR_H 13.0

/* Six hues that stay apart for most kinds of colour blindness; a shape of its own for each. */
static const char style[] =
    "<style>"
    "text{font:12px 'DejaVu Sans',Verdana,Arial,sans-serif;fill:#1f2328}"
    ".t{font-size:16px;font-weight:bold}.d{fill:#59636e}"
    ".card{fill:#ffffff}.grid{stroke:#e4e8ec}.axis{stroke:#818b98;fill:none}"
    ".guide{stroke:#59636e;stroke-dasharray:2 4;stroke-width:1.5}"
    ".l{fill:none;stroke-width:2;stroke-linejoin:round}.dash{stroke-dasharray:7 4}"
    ".dots{stroke-dasharray:2 3}.w{fill:none;stroke-width:1.2}.lead{stroke:#818b98}"
    ".halo{stroke:#ffffff;stroke-width:3;paint-order:stroke}"
    ".s0{stroke:#0969b9}.f0{fill:#0969b9}.s1{stroke:#c4570a}.f1{fill:#c4570a}"
    ".s2{stroke:#087f5b}.f2{fill:#087f5b}.s3{stroke:#a03a8f}.f3{fill:#a03a8f}"
    ".s4{stroke:#8a6d00}.f4{fill:#8a6d00}.s5{stroke:#56606b}.f5{fill:#56606b}"
    "@media (prefers-color-scheme:dark){"
    "text{fill:#e6edf3}.d{fill:#9aa5b1}.card{fill:#15191f}.grid{stroke:#2a313a}"
    ".axis,.guide,.lead{stroke:#8b96a3}.halo{stroke:#15191f}"
    ".s0{stroke:#58a6ff}.f0{fill:#58a6ff}.s1{stroke:#f0883e}.f1{fill:#f0883e}"
    ".s2{stroke:#3fb98a}.f2{fill:#3fb98a}.s3{stroke:#db7fd0}.f3{fill:#db7fd0}"
    ".s4{stroke:#d4b63c}.f4{fill:#d4b63c}.s5{stroke:#aeb9c4}.f5{fill:#aeb9c4}"
    "}</style>\n";
static const char *const shapes[] = {
    "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z",
    "M-3.7-3.7h7.4v7.4h-7.4z",
    "M0-5.4L5.4 0 0 5.4-5.4 0z",
    "M0-5.2L4.8 3.6h-9.6z",
    "M0 5.2L4.8-3.6h-9.6z",
    "M-5-1.6h10v3.2h-10z",
};
#define N_STYLE COUNT(shapes)

/* What it costs to cover something. Off the plot, or on another text: not at all. */
enum { ON_LINE = 1, ON_MARKER = 2, ON_TEXT = 1 << 16, OFF_PLOT = 1 << 17 };

struct box {
    double x, y, w, h; /* x, y: the corner at the top left */
    int cost;          /* ON_* */
};

struct range {
    enum svg_scale scale;
    double lo, hi;
};

struct plot {
    FILE *f;
    const struct svg_chart *c;
    struct range x, y;
    struct box box[MAX_BOXES]; /* what labels must not cover */
    int n_box;
};

/* --- text --- */

/* XML 1.0 has no place for most control characters and two others. */
static bool in_xml(uint32_t c)
{
    return c == '\t' || (c >= 0x20 && !(c >= 0x7f && c <= 0x9f) && c != 0xfffe && c != 0xffff);
}

static void put_text(FILE *f, const char *s)
{
    size_t n = strlen(s);

    for (int shown = 0; n > 0 && shown < MAX_TEXT; shown++) {
        uint32_t c = 0;
        int len = utf8_next(s, n, &c);
        size_t step = len > 0 ? (size_t)len : len < 0 ? (size_t)-len : n;
        if (len <= 0 || !in_xml(c)) fputs("\xef\xbf\xbd", f);
        else if (c == '<') fputs("&lt;", f);
        else if (c == '>') fputs("&gt;", f);
        else if (c == '&') fputs("&amp;", f);
        else fwrite(s, 1, step, f);
        s += step;
        n -= step;
    }
}

static double text_width(const char *s)
{
    int n = 0;

    for (; *s; s++)
        n += (*s & 0xc0) != 0x80;
    return CHAR_W * MIN(n, MAX_TEXT);
}

/* `attr`: further attributes, or "". */
static void text_at(FILE *f, double x, double y, const char *attr, const char *s)
{
    fprintf(f, "<text x=\"%.1f\" y=\"%.1f\"%s>", x, y, attr);
    put_text(f, s);
    fputs("</text>\n", f);
}

/* --- axes --- */

static double scaled(enum svg_scale s, double v)
{
    return s == SVG_LINEAR ? v : log(v);
}

static bool placeable(const struct range *r, double v)
{
    return isfinite(v) && (r->scale == SVG_LINEAR || v > 0);
}

/* Where v lies between the ends of the axis: 0 to 1 inside. */
static double part(const struct range *r, double v)
{
    double lo = scaled(r->scale, r->lo);

    return (scaled(r->scale, v) - lo) / (scaled(r->scale, r->hi) - lo);
}

static bool inside(const struct range *r, double v)
{
    return placeable(r, v) && part(r, v) > -1e-9 && part(r, v) < 1 + 1e-9;
}

static double px(const struct plot *p, double x)
{
    return LEFT + (RIGHT - LEFT) * part(&p->x, x);
}

static double py(const struct plot *p, double y)
{
    return BOTTOM - (BOTTOM - TOP) * part(&p->y, y);
}

/* The largest of 1, 2, 5 x 10^k that is at most v. */
static double round_125(double v)
{
    double ten = pow(10, floor(log10(v) + 1e-9)), m = v / ten + 1e-9;

    return ten * (m >= 5 ? 5 : m >= 2 ? 2 : 1);
}

static double linear_step(const struct range *r)
{
    double step = round_125((r->hi - r->lo) / 4);

    return (r->hi - r->lo) / step > 9 ? 2 * step : step;
}

static void widen(struct range *r, double v)
{
    if (!placeable(r, v)) return;
    if (r->lo > r->hi) r->lo = r->hi = v;
    r->lo = MIN(r->lo, v);
    r->hi = MAX(r->hi, v);
}

/* Outwards to round numbers; never empty. */
static void round_range(struct range *r)
{
    bool nothing = r->lo > r->hi;

    if (r->scale == SVG_LINEAR) {
        r->lo = nothing ? 0 : MIN(r->lo, 0);
        r->hi = nothing ? 1 : MAX(r->hi, 0);
        if (r->lo == r->hi) r->hi = 1;
        double step = linear_step(r) / 2;
        r->lo = step * floor(r->lo / step + 1e-9);
        r->hi = step * ceil(r->hi / step - 1e-9);
        return;
    }
    if (nothing) r->lo = r->hi = 1;
    if (r->scale == SVG_LOG2) {
        r->lo = exp2(floor(log2(r->lo) + 1e-9));
        r->hi = exp2(ceil(log2(r->hi) - 1e-9));
    } else {
        double top = round_125(r->hi);
        r->lo = round_125(r->lo);
        while (top < r->hi * (1 - 1e-9))
            top = round_125(top * 2.6);
        r->hi = top;
    }
    if (r->lo == r->hi) r->hi *= 2;
}

static void find_range(struct plot *p, bool of_x)
{
    const struct svg_axis *a = of_x ? &p->c->x : &p->c->y;
    struct range *r = of_x ? &p->x : &p->y;

    *r = (struct range){ a->scale, a->lo, a->hi };
    if (a->lo < a->hi && placeable(r, a->lo) && placeable(r, a->hi)) return;
    r->lo = 1;
    r->hi = 0;
    for (int i = 0; i < p->c->n_series; i++)
        for (int j = 0; j < p->c->series[i].n; j++) {
            const struct svg_point *q = &p->c->series[i].point[j];
            widen(r, of_x ? q->x : q->y);
            if (of_x || q->lo >= q->hi) continue;
            widen(r, q->lo);
            widen(r, q->hi);
        }
    for (int i = 0; i < p->c->n_guide; i++)
        if (p->c->guide[i].vertical == of_x) widen(r, p->c->guide[i].at);
    round_range(r);
}

static int log10_ticks(const struct range *r, double *out)
{
    static const double digits[] = { 1, 2, 5 };
    double decades = log10(r->hi / r->lo);
    size_t n_digit = decades > 4 ? 1 : COUNT(digits);
    double stride = MAX(1, ceil(decades / 12));
    int n = 0;

    for (double k = floor(log10(r->lo) + 1e-9); k < log10(r->hi) + 1e-9 && n < MAX_TICKS;
         k += stride)
        for (size_t i = 0; i < n_digit && n < MAX_TICKS; i++)
            if (inside(r, digits[i] * pow(10, k))) out[n++] = digits[i] * pow(10, k);
    return n;
}

static int ticks(const struct range *r, double *out)
{
    int n = 0;

    if (r->scale == SVG_LOG10) return log10_ticks(r, out);
    if (r->scale == SVG_LOG2) {
        double stride = MAX(1, ceil(log2(r->hi / r->lo) / 12));
        for (double k = ceil(log2(r->lo) - 1e-9); n < MAX_TICKS && inside(r, exp2(k)); k += stride)
            out[n++] = exp2(k);
        return n;
    }
    double step = linear_step(r);
    for (double k = ceil(r->lo / step - 1e-9); n < MAX_TICKS && inside(r, k * step); k++)
        out[n++] = k == 0 ? 0 : k * step; /* no -0 */
    return n;
}

static void tick_text(char *buf, size_t cap, double v)
{
    static const struct {
        double from;
        const char *unit;
    } units[] = { { 1e12, "T" }, { 1e9, "G" }, { 1e6, "M" } };
    size_t i = 0;

    while (i < COUNT(units) && fabs(v) < units[i].from)
        i++;
    if (i < COUNT(units)) snprintf(buf, cap, "%.4g%s", v / units[i].from, units[i].unit);
    else snprintf(buf, cap, "%.6g", v);
}

static void draw_axis(struct plot *p, bool of_x)
{
    double t[MAX_TICKS];
    int n = ticks(of_x ? &p->x : &p->y, t);
    char s[32];

    for (int i = 0; i < n; i++) {
        double x = of_x ? px(p, t[i]) : LEFT, y = of_x ? BOTTOM : py(p, t[i]);
        fprintf(p->f, "<path class=\"grid\" d=\"M%.1f %.1f%c%d\"/>\n", x, y, of_x ? 'V' : 'H',
                of_x ? TOP : RIGHT);
        tick_text(s, sizeof(s), t[i]);
        text_at(p->f, of_x ? x : LEFT - 7, of_x ? BOTTOM + 18 : y + 4,
                of_x ? " class=\"d\" text-anchor=\"middle\"" : " class=\"d\" text-anchor=\"end\"",
                s);
    }
    if (of_x) {
        text_at(p->f, (LEFT + RIGHT) / 2, BOTTOM + 38, " text-anchor=\"middle\"", p->c->x.label);
    } else {
        snprintf(s, sizeof(s), "%d", (TOP + BOTTOM) / 2);
        fprintf(p->f, "<text text-anchor=\"middle\" transform=\"translate(18 %s) rotate(-90)\">",
                s);
        put_text(p->f, p->c->y.label);
        fputs("</text>\n", p->f);
    }
}

/* --- labels --- */

static bool overlap(const struct box *a, const struct box *b)
{
    return a->x < b->x + b->w && b->x < a->x + a->w && a->y < b->y + b->h && b->y < a->y + a->h;
}

static void keep_free(struct plot *p, struct box b)
{
    if (p->n_box < MAX_BOXES) p->box[p->n_box++] = b;
}

/* What a label here would cover. */
static int trouble(const struct plot *p, const struct box *b)
{
    bool out = b->x < LEFT + 1 || b->x + b->w > RIGHT || b->y < TOP || b->y + b->h > BOTTOM;
    int n = out ? OFF_PLOT : 0;

    for (int i = 0; i < p->n_box; i++)
        n += overlap(b, &p->box[i]) ? p->box[i].cost : 0;
    return n;
}

/* A label in the first of n places with the least trouble; that place, or NULL if there is none. */
static const struct box *draw_label(struct plot *p, const struct box *place, int n, const char *s)
{
    const struct box *best = NULL;
    int least = ON_TEXT;

    for (int i = 0; i < n; i++) {
        int t = trouble(p, &place[i]);
        if (t >= least) continue;
        best = &place[i];
        least = t;
    }
    if (!best) return NULL;
    keep_free(p, *best);
    text_at(p->f, best->x, best->y + 10.5, " class=\"halo\"", s);
    return best;
}

/* Beside the point first; then on wider and wider rings around it. */
static int places_around(struct box place[MAX_PLACES], double x, double y, double w)
{
    static const struct {
        double x, y; /* of the label's middle, in halves of its size from the ring */
    } way[] = {
        { 1, 0 }, { -1, 0 }, { 0, -1 }, { 0, 1 }, { 1, -1 }, { 1, 1 }, { -1, -1 }, { -1, 1 }
    };
    int n = 0;

    for (double ring = 8; n + (int)COUNT(way) <= MAX_PLACES && ring < 120; ring += 16)
        for (size_t i = 0; i < COUNT(way); i++) {
            double diagonal = way[i].x != 0 && way[i].y != 0 ? 0.75 : 1;
            double cx = x + way[i].x * (ring * diagonal + w / 2);
            double cy = y + way[i].y * (ring * diagonal + CHAR_H / 2);
            place[n++] = (struct box){ cx - w / 2, cy - CHAR_H / 2, w, CHAR_H, ON_TEXT };
        }
    return n;
}

static void label_point(struct plot *p, const struct svg_point *q)
{
    struct box place[MAX_PLACES];
    double x = px(p, q->x), y = py(p, q->y);
    int n = places_around(place, x, y, text_width(q->label));
    const struct box *b = draw_label(p, place, n, q->label);

    if (!b) return;
    double to_x = MAX(b->x, MIN(x, b->x + b->w)), to_y = MAX(b->y, MIN(y, b->y + b->h));
    double dx = to_x - x, dy = to_y - y, far = sqrt(dx * dx + dy * dy);
    if (far < 16) return;
    fprintf(p->f, "<path class=\"lead\" d=\"M%.1f %.1fL%.1f %.1f\"/>\n", x + 5 * dx / far,
            y + 5 * dy / far, to_x - 2 * dx / far, to_y - 2 * dy / far);
}

/* --- the plot --- */

static void draw_guide(struct plot *p, const struct svg_guide *g)
{
    bool up = g->vertical;

    if (!inside(up ? &p->x : &p->y, g->at)) return;
    double x = up ? px(p, g->at) : LEFT, y = up ? BOTTOM : py(p, g->at);
    fprintf(p->f, "<path class=\"guide\" d=\"M%.1f %.1f%c%d\"/>\n", x, y, up ? 'V' : 'H',
            up ? TOP : RIGHT);
    if (up) keep_free(p, (struct box){ x - 1, TOP, 2, BOTTOM - TOP, ON_MARKER });
    else keep_free(p, (struct box){ LEFT, y - 1, RIGHT - LEFT, 2, ON_MARKER });
}

/* Along the guide, on both sides of it: a vertical one from the top, a flat one from both ends. */
static int places_along(struct box place[MAX_PLACES], const struct plot *p,
                        const struct svg_guide *g, double w)
{
    double h = CHAR_H, x = px(p, g->at), y = py(p, g->at);
    int n = 0;

    for (int i = 0; i < 8; i++) {
        double down = TOP + 3 + 18 * i, in = 40 * i;
        const struct box up[] = { { x + 5, down, w, h, ON_TEXT },
                                  { x - 5 - w, down, w, h, ON_TEXT },
                                  { x + 5, BOTTOM - 5 - 18 * i - h, w, h, ON_TEXT },
                                  { x - 5 - w, BOTTOM - 5 - 18 * i - h, w, h, ON_TEXT } };
        const struct box flat[] = { { RIGHT - 4 - in - w, y - 3 - h, w, h, ON_TEXT },
                                    { LEFT + 6 + in, y - 3 - h, w, h, ON_TEXT },
                                    { RIGHT - 4 - in - w, y + 3, w, h, ON_TEXT },
                                    { LEFT + 6 + in, y + 3, w, h, ON_TEXT } };
        memcpy(place + n, g->vertical ? up : flat, sizeof(up));
        n += (int)COUNT(up);
    }
    return n;
}

static void label_guide(struct plot *p, const struct svg_guide *g)
{
    struct box place[MAX_PLACES];

    if (!g->label || !inside(g->vertical ? &p->x : &p->y, g->at)) return;
    draw_label(p, place, places_along(place, p, g, text_width(g->label)), g->label);
}

/* Where the hues begin again, dashes and then dots tell the lines apart. */
static const char *dashes(const struct svg_chart *c, int i)
{
    static const char *const turn[] = { "", " dash", " dots" };
    size_t n = (size_t)i / N_STYLE % COUNT(turn);

    return turn[n == 0 && c->series[i].dashed ? 1 : n];
}

/* A label on a line is hard to read: small boxes along it. */
static void keep_line_free(struct plot *p, double x0, double y0, double x1, double y1)
{
    int n = (int)MIN(100, MAX(fabs(x1 - x0), fabs(y1 - y0)) / 10) + 1;

    for (int i = 1; i < n; i++)
        keep_free(p, (struct box){ x0 + (x1 - x0) * i / n - 1, y0 + (y1 - y0) * i / n - 1, 2, 2,
                                   ON_LINE });
}

/* Lines may leave the plot where a range was given: the clip path cuts them. */
static void draw_line(struct plot *p, const struct svg_series *s, const char *dashed, size_t hue)
{
    double x0 = 0, y0 = 0;
    char join = 'M';

    fprintf(p->f, "<path class=\"l s%zu%s\" clip-path=\"url(#plot)\" d=\"", hue, dashed);
    for (int i = 0; i < s->n; i++) {
        const struct svg_point *q = &s->point[i];
        if (!placeable(&p->x, q->x) || !placeable(&p->y, q->y)) continue;
        double x = px(p, q->x), y = py(p, q->y);
        fprintf(p->f, "%c%.1f %.1f", join, x, y);
        if (join == 'L') keep_line_free(p, x0, y0, x, y);
        join = 'L';
        x0 = x;
        y0 = y;
    }
    fputs("\"/>\n", p->f);
}

static void draw_marker(FILE *f, double x, double y, size_t hue)
{
    fprintf(f, "<path class=\"f%zu\" transform=\"translate(%.1f %.1f)\" d=\"%s\"/>\n", hue, x, y,
            shapes[hue]);
}

static bool visible(const struct plot *p, const struct svg_point *q)
{
    return inside(&p->x, q->x) && inside(&p->y, q->y);
}

static void draw_points(struct plot *p, const struct svg_series *s, size_t hue)
{
    for (int i = 0; i < s->n; i++) {
        const struct svg_point *q = &s->point[i];
        if (!visible(p, q)) continue;
        double x = px(p, q->x), y = py(p, q->y);
        if (q->lo < q->hi && inside(&p->y, q->lo) && inside(&p->y, q->hi))
            fprintf(p->f, "<path class=\"w s%zu\" d=\"M%.1f %.1fV%.1fm-4 0h8M%.1f %.1fh8\"/>\n",
                    hue, x, py(p, q->lo), py(p, q->hi), x - 4, py(p, q->lo));
        if (!s->marker) continue;
        draw_marker(p->f, x, y, hue);
        keep_free(p, (struct box){ x - 4, y - 4, 8, 8, ON_MARKER });
    }
}

static int legend_lines(const struct svg_chart *c)
{
    double x = LEFT;
    int n = 0;

    for (int i = 0; i < c->n_series; i++) {
        if (!c->series[i].name) continue;
        double w = 48 + text_width(c->series[i].name);
        if (n == 0 || x + w > RIGHT) {
            n++;
            x = LEFT;
        }
        x += w;
    }
    return n;
}

static void draw_legend(struct plot *p)
{
    double x = LEFT, y = LEGEND_TOP;

    for (int i = 0; i < p->c->n_series; i++) {
        const struct svg_series *s = &p->c->series[i];
        size_t hue = (size_t)i % N_STYLE;
        if (!s->name) continue;
        double w = 48 + text_width(s->name);
        if (x > LEFT && x + w > RIGHT) {
            x = LEFT;
            y += LEGEND_LINE;
        }
        if (s->line)
            fprintf(p->f, "<path class=\"l s%zu%s\" d=\"M%.1f %.1fh24\"/>\n", hue, dashes(p->c, i),
                    x, y);
        if (s->marker) draw_marker(p->f, x + 12, y, hue);
        text_at(p->f, x + 30, y + 4, "", s->name);
        x += w;
    }
}

static void draw_plot(struct plot *p)
{
    const struct svg_chart *c = p->c;

    draw_axis(p, true);
    draw_axis(p, false);
    fprintf(p->f, "<path class=\"axis\" d=\"M%d %dV%dH%d\"/>\n", LEFT, TOP, BOTTOM, RIGHT);
    for (int i = 0; i < c->n_guide; i++)
        draw_guide(p, &c->guide[i]);
    for (int i = 0; i < c->n_series; i++)
        if (c->series[i].line) draw_line(p, &c->series[i], dashes(c, i), (size_t)i % N_STYLE);
    for (int i = 0; i < c->n_series; i++)
        draw_points(p, &c->series[i], (size_t)i % N_STYLE);
    for (int i = 0; i < c->n_guide; i++)
        label_guide(p, &c->guide[i]);
    for (int i = 0; i < c->n_series; i++)
        for (int j = 0; j < c->series[i].n; j++)
            if (c->series[i].point[j].label && visible(p, &c->series[i].point[j]))
                label_point(p, &c->series[i].point[j]);
    draw_legend(p);
}

bool svg_write(FILE *f, const struct svg_chart *c)
{
    struct plot p = { .f = f, .c = c };
    int n_legend = legend_lines(c), height = LEGEND_TOP + MAX(0, n_legend) * LEGEND_LINE;

    find_range(&p, true);
    find_range(&p, false);
    fprintf(f,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
            "viewBox=\"0 0 %d %d\" role=\"img\">\n<title>",
            WIDTH, height, WIDTH, height);
    put_text(f, c->title);
    fputs("</title>\n", f);
    fputs(style, f);
    fprintf(
        f,
        "<clipPath id=\"plot\"><rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"/></clipPath>\n"
        "<rect class=\"card\" width=\"%d\" height=\"%d\"/>\n",
        LEFT, TOP - 2, RIGHT - LEFT, BOTTOM - TOP + 4, WIDTH, height);
    text_at(f, LEFT, 26, " class=\"t\"", c->title);
    if (c->note) text_at(f, LEFT, 46, " class=\"d\"", c->note);
    draw_plot(&p);
    fputs("</svg>\n", f);
    return !ferror(f);
}
