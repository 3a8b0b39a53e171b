/* SPDX-License-Identifier: MIT */
/*
 * test_svg.c - charts: points are where their axes say, text cannot become markup.
 *
 * The file under test is included: tests link with the library, not with cmd/.
 */
#include "cmd/svg.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define N 3
static struct svg_point points[N] = { { .x = 1, .y = 10, .label = "first" },
                                      { .x = 8, .y = 20, .lo = 15, .hi = 25 },
                                      { .x = 64, .y = 40 } };
static struct svg_series series = {
    .name = "speed", .point = points, .n = N, .line = true, .marker = true
};
static struct svg_guide guide = { .vertical = true, .at = 8, .label = "knee" };

static struct svg_chart chart(void)
{
    return (struct svg_chart){ .title = "T",
                               .x = { .label = "batch", .scale = SVG_LOG2 },
                               .y = { .label = "tok/s" },
                               .series = &series,
                               .n_series = 1,
                               .guide = &guide,
                               .n_guide = 1 };
}

/* The chart as text; the caller frees it. */
static char *drawn(const struct svg_chart *c)
{
    char *s = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&s, &n);

    assert_non_null(f);
    assert_true(svg_write(f, c));
    fclose(f);
    return s;
}

static int count(const char *s, const char *what)
{
    int n = 0;

    while ((s = strstr(s, what))) {
        n++;
        s += strlen(what);
    }
    return n;
}

static void has(const struct svg_chart *c, const char *what, int times)
{
    char *s = drawn(c);

    if (count(s, what) != times) print_error("%s\n-- %d times: %s\n", s, times, what);
    assert_int_equal(count(s, what), times);
    free(s);
}

static void test_places(void **state)
{
    struct svg_chart c = chart();

    (void)state;
    /* 1, 8 and 64 of 1 to 64 in powers of two: the ends and the middle; 10, 20, 40 of 0 to 40. */
    has(&c, "d=\"M76.0 319.0L426.0 234.0L776.0 64.0\"", 1);
    has(&c, "translate(426.0 234.0)", 1);
    has(&c, "d=\"M426.0 404.0V64\"", 2); /* the grid's line and the guide's */
    has(&c, "d=\"M426.0 276.5V191.5m-4 0h8M422.0 276.5h8\"", 1);
    has(&c, ">knee<", 1);
    has(&c, ">first<", 1);
    has(&c, ">speed<", 1);
    has(&c, "<script", 0);
    has(&c, "nan", 0);
    has(&c, ">0<", 1);
}

static void test_text_is_escaped(void **state)
{
    struct svg_chart c = chart();

    (void)state;
    c.title = "a<b>&\"c\" \x01 \xff \xef\xbf\xbe \xe2\x82";
    has(&c, "a&lt;b&gt;&amp;\"c\" \xef\xbf\xbd \xef\xbf\xbd \xef\xbf\xbd \xef\xbf\xbd<", 2);
    c.title = "</text><script>alert(1)</script>";
    c.note = c.x.label = c.y.label = series.name = points[0].label = guide.label = c.title;
    has(&c, "<script", 0);
    has(&c, "&lt;script", 8);
    series.name = "speed";
    points[0].label = "first";
    guide.label = "knee";
}

static void test_what_has_no_place(void **state)
{
    struct svg_point odd[] = { { .x = 0, .y = 1 },
                               { .x = -1, .y = 1 },
                               { .x = NAN, .y = 1 },
                               { .x = 1, .y = INFINITY },
                               { .x = 2, .y = 3 } };
    struct svg_series s = { .point = odd, .n = COUNT(odd), .line = true, .marker = true };
    struct svg_chart c = chart();

    (void)state;
    c.series = &s;
    c.n_guide = 0;
    has(&c, "class=\"f0\"", 1);
    has(&c, "nan", 0);
    has(&c, "inf", 0);
    s.n = 4; /* nothing at all */
    has(&c, "class=\"f0\"", 0);
    has(&c, "nan", 0);
    c.n_series = 0;
    has(&c, "</svg>", 1);
    c.x = (struct svg_axis){ .label = "x", .lo = 0.5, .hi = 1 }; /* 0 and 2 are outside */
    c.n_series = 1;
    s.n = 5;
    has(&c, "class=\"f0\"", 0);
}

static void check_range(struct range r, double lo, double hi, int n_tick)
{
    double t[MAX_TICKS];

    round_range(&r);
    assert_float_equal(r.lo, lo, fabs(lo) * 1e-9);
    assert_float_equal(r.hi, hi, fabs(hi) * 1e-9);
    assert_int_equal(ticks(&r, t), n_tick);
}

static void test_ranges(void **state)
{
    (void)state;
    check_range((struct range){ SVG_LINEAR, 300, 1462 }, 0, 1500, 8);
    check_range((struct range){ SVG_LINEAR, -3, 4 }, -3, 4, 8);
    check_range((struct range){ SVG_LINEAR, 0, 0 }, 0, 1, 6);
    check_range((struct range){ SVG_LOG2, 3, 100 }, 2, 128, 7);
    check_range((struct range){ SVG_LOG2, 1, 1e9 }, 1, 1073741824, 11);
    check_range((struct range){ SVG_LOG10, 0.3, 700 }, 0.2, 1000, 12);
    check_range((struct range){ SVG_LOG10, 5, 5 }, 5, 10, 2);
    check_range((struct range){ SVG_LOG10, 1e-9, 1e9 }, 1e-9, 1e9, 10);
}

/* Many points in one place: their labels are not, and those far away have a line to the point. */
static void test_labels_avoid_each_other(void **state)
{
    enum { LABELS = 20 };
    struct plot p = { .x = { SVG_LINEAR, 0, 1 }, .y = { SVG_LINEAR, 0, 1 } };
    struct svg_point q = { .x = 0.5, .y = 0.5, .label = "a label" };
    char *s = NULL;
    size_t n = 0;

    (void)state;
    p.f = open_memstream(&s, &n);
    assert_non_null(p.f);
    for (int i = 0; i < LABELS; i++)
        label_point(&p, &q);
    fclose(p.f);
    assert_int_equal(p.n_box, LABELS);
    for (int i = 0; i < LABELS; i++)
        for (int j = 0; j < i; j++)
            assert_false(overlap(&p.box[i], &p.box[j]));
    assert_in_range(count(s, "class=\"lead\""), 8, LABELS - 4);
    free(s);
}

/* Where all places are taken there is no label, rather than two that nobody can read. */
static void test_no_room_no_label(void **state)
{
    struct svg_point q[60];
    struct svg_series s = { .point = q, .n = COUNT(q), .marker = true };
    struct svg_chart c = chart();

    (void)state;
    for (size_t i = 0; i < COUNT(q); i++)
        q[i] = (struct svg_point){ .x = 1 + 1e-3 * (double)i, .y = 1, .label = "a long label" };
    c.series = &s;
    c.n_guide = 0;
    char *text = drawn(&c);
    assert_in_range(count(text, ">a long label<"), 3, 40);
    free(text);
}

/* Guides beside each other: both labels are there, and apart. */
static void test_labels_of_guides(void **state)
{
    struct plot p = { .x = { SVG_LOG2, 1, 64 }, .y = { SVG_LINEAR, 0, 1 } };
    struct svg_guide g[] = { { true, 5.6, "measured knee 5.6" },
                             { true, 10.2, "roofline's critical batch 10.2" },
                             { false, 0.5, "one" },
                             { false, 0.51, "the other" } };

    (void)state;
    p.f = fopen("/dev/null", "w");
    assert_non_null(p.f);
    for (size_t i = 0; i < COUNT(g); i++)
        draw_guide(&p, &g[i]);
    for (size_t i = 0; i < COUNT(g); i++)
        label_guide(&p, &g[i]);
    fclose(p.f);
    assert_int_equal(p.n_box, 2 * COUNT(g));
    for (size_t i = COUNT(g); i < 2 * COUNT(g); i++)
        for (size_t j = COUNT(g); j < i; j++)
            assert_false(overlap(&p.box[i], &p.box[j]));
}

/* Eighteen lines, eighteen looks. */
static void test_lines_can_be_told_apart(void **state)
{
    struct svg_series s[18];
    struct svg_chart c = chart();

    (void)state;
    for (size_t i = 0; i < COUNT(s); i++)
        s[i] = (struct svg_series){ .name = "x", .point = points, .n = N, .line = true };
    c.series = s;
    c.n_series = COUNT(s);
    has(&c, "class=\"l s5\"", 2); /* in the plot and in the legend */
    has(&c, "class=\"l s5 dash\"", 2);
    has(&c, "class=\"l s5 dots\"", 2);
}

static void test_full_disk(void **state)
{
    struct svg_chart c = chart();
    FILE *f = fopen("/dev/full", "w");

    (void)state;
    if (!f) skip();
    setvbuf(f, NULL, _IONBF, 0);
    assert_false(svg_write(f, &c));
    fclose(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_text_is_escaped),
        cmocka_unit_test(test_what_has_no_place),
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_labels_avoid_each_other),
        cmocka_unit_test(test_no_room_no_label),
        cmocka_unit_test(test_labels_of_guides),
        cmocka_unit_test(test_lines_can_be_told_apart),
        cmocka_unit_test(test_full_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
