/* SPDX-License-Identifier: MIT */
/* pace.c - see pace.h. */
#include "engine/pace.h"

#include <math.h>

#include "base/status.h"
#include "engine/machine.h"

/* A point that no step came near for so many steps begins to lose what it knows. */
enum { FORGET = 4096 };

/* Close together where the price of a row changes, and reaching past the largest step. */
static const int points[PACE_POINTS] = { 1,   2,    3,    4,    6,    8,    12,  16,  24,
                                         32,  48,   64,   96,   128,  192,  256, 384, 512,
                                         768, 1024, 1536, 2048, 3072, 4096, 6144 };

/* --- what is expected --- */

void pace_prior_of_model(struct pace_prior *out, const struct model *m, int kv_type, int n_threads)
{
    static const int rows[] = { 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048 };
    /* Of one thread: multiply-adds and bytes a second, in 1e9, of a server's core of 2020. */
    struct machine_limits l = { .dot8 = 100.0 * n_threads,
                                .bf16 = 50.0 * n_threads,
                                .fma = 25.0 * n_threads,
                                .read = 10.0 * n_threads };

    *out = (struct pace_prior){ .n_decode = COUNT(rows), .n_prompt = COUNT(rows) };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct step_work d =
            machine_step_work(m, &(struct step_shape){ rows[i], 64, 1, 1, kv_type });
        struct step_work p =
            machine_step_work(m, &(struct step_shape){ 1, 0, rows[i], 1, kv_type });
        out->decode[i] = (struct pace_known){ rows[i], machine_step_seconds(&l, &d) };
        out->prompt[i] = (struct pace_known){ rows[i], machine_step_seconds(&l, &p) };
    }
}

/* Between what is known linear, on either side of it by the row, but `least` at least. */
static double expected_at(const struct pace_known *k, int n, int rows, double least)
{
    if (n == 0) return 1e-3 * (1 + rows / 8.0);
    if (rows <= k[0].rows) return MAX(k[0].seconds * rows / k[0].rows, least);
    for (int i = 1; i < n; i++)
        if (rows <= k[i].rows)
            return k[i - 1].seconds + (k[i].seconds - k[i - 1].seconds) * (rows - k[i - 1].rows) /
                                          (k[i].rows - k[i - 1].rows);
    return k[n - 1].seconds * rows / k[n - 1].rows;
}

/* --- a curve --- */

/* What a point says that no step came near: its shape, at the scale of those around it. */
static double guess(const struct pace_curve *c, int i)
{
    int lo = i, hi = i;

    while (lo >= 0 && c->n[lo] == 0)
        lo--;
    while (hi < PACE_POINTS && c->n[hi] == 0)
        hi++;
    double a = lo >= 0 ? c->median[lo] / c->expected[lo] : 0;
    double b = hi < PACE_POINTS ? c->median[hi] / c->expected[hi] : 0;
    if (lo < 0 && hi == PACE_POINTS) return c->expected[i];
    if (lo < 0) return c->expected[i] * b;
    if (hi == PACE_POINTS) return c->expected[i] * a;
    return c->expected[i] * (a + (b - a) * (i - lo) / (hi - lo));
}

/* The values, never falling: a run of neighbours that fall is replaced by its weighted mean. */
static void settle(struct pace_curve *c)
{
    double mean[PACE_POINTS], weight[PACE_POINTS];
    int length[PACE_POINTS], n = 0, at = 0;

    for (int i = 0; i < PACE_POINTS; i++) {
        mean[n] = c->n[i] ? c->median[i] : guess(c, i);
        weight[n] = c->n[i] ? c->n[i] : 0.1; /* a guess gives way to what was seen */
        length[n++] = 1;
        for (; n > 1 && mean[n - 2] > mean[n - 1]; n--) {
            double w = weight[n - 2] + weight[n - 1];
            mean[n - 2] = (mean[n - 2] * weight[n - 2] + mean[n - 1] * weight[n - 1]) / w;
            weight[n - 2] = w;
            length[n - 2] += length[n - 1];
        }
    }
    for (int i = 0; i < n; i++)
        for (int j = 0; j < length[i]; j++)
            c->value[at++] = mean[i];
}

static void expect(struct pace_curve *c, const struct pace_known *k, int n, double least)
{
    for (int i = 0; i < PACE_POINTS; i++)
        c->expected[i] = MAX(expected_at(k, n, points[i], least), 1e-9);
    settle(c);
}

static double curve_at(const struct pace_curve *c, int rows)
{
    int i = 1;

    if (rows <= points[0]) return c->value[0];
    while (i < PACE_POINTS - 1 && points[i] < rows)
        i++;
    double slope = (c->value[i] - c->value[i - 1]) / (points[i] - points[i - 1]);
    return c->value[i - 1] + slope * (rows - points[i - 1]);
}

/* The point whose ratio to `rows` is nearest 1. */
static int nearest(int rows)
{
    int i = 0;

    while (i < PACE_POINTS - 1 && (int64_t)rows * rows > (int64_t)points[i] * points[i + 1])
        i++;
    return i;
}

static void take_median(struct pace_curve *c, int i)
{
    float v[PACE_KEEP];
    int n = c->n[i];

    for (int k = 0; k < n; k++) {
        float x = c->step[i][(c->at[i] + PACE_KEEP - n + k) % PACE_KEEP];
        int j = k;
        for (; j > 0 && v[j - 1] > x; j--)
            v[j] = v[j - 1];
        v[j] = x;
    }
    c->median[i] = n == 0  ? 0
                   : n % 2 ? (double)v[n / 2]
                           : 0.5 * ((double)v[n / 2 - 1] + (double)v[n / 2]);
}

/* One point in turn: what it knew may be wrong by now. */
static void forget(struct pace_curve *c, uint32_t now)
{
    int i = (int)(now % PACE_POINTS);

    if (c->n[i] == 0 || now - c->seen[i] <= FORGET) return;
    c->n[i]--;
    take_median(c, i);
}

static void observe(struct pace_curve *c, int rows, double seconds, uint32_t now)
{
    int i = nearest(rows);
    /* As it would have been with as many rows as the point has. */
    double there = seconds * c->value[i] / curve_at(c, rows);

    c->step[i][c->at[i]] = (float)there;
    c->at[i] = (uint8_t)((c->at[i] + 1) % PACE_KEEP);
    c->n[i] = (uint8_t)MIN(c->n[i] + 1, PACE_KEEP);
    c->seen[i] = now;
    take_median(c, i);
    forget(c, now);
    settle(c);
}

/* --- all of them --- */

/* Rows beside others are expected to add what they would take alone, but for what both share. */
static void expect_beside(struct pace *p)
{
    double shared = MIN(p->decode.value[0], p->prompt.value[0]);

    for (int i = 0; i < PACE_POINTS; i++)
        p->beside.expected[i] = MAX(p->prompt.value[i] - 0.5 * shared, 0.01 * p->prompt.value[i]);
    settle(&p->beside);
}

void pace_init(struct pace *p, const struct pace_prior *prior)
{
    *p = (struct pace){ 0 };
    expect(&p->decode, prior->decode, prior->n_decode, 0);
    /* One row reads all weights, of a prompt as of an answer. */
    expect(&p->prompt, prior->prompt, prior->n_prompt, p->decode.value[0]);
    expect_beside(p);
}

void pace_observe(struct pace *p, int n_prompt, int n_decode, double seconds)
{
    if (n_prompt + n_decode < 1 || !(seconds > 0 && seconds < 1e6)) return;
    p->n_step++;
    if (n_prompt == 0) {
        observe(&p->decode, n_decode, seconds, p->n_step);
    } else if (n_decode == 0) {
        observe(&p->prompt, n_prompt, seconds, p->n_step);
        expect_beside(p);
    } else {
        double more = seconds - pace_seconds(p, n_decode);
        /* Whatever was disturbed, rows are not free. */
        observe(&p->beside, n_prompt, MAX(more, 0.01 * seconds), p->n_step);
    }
}

double pace_seconds(const struct pace *p, int rows)
{
    return rows > 0 ? curve_at(&p->decode, rows) : 0;
}

double pace_step_seconds(const struct pace *p, int n_prompt, int n_decode)
{
    if (n_prompt == 0) return pace_seconds(p, n_decode);
    if (n_decode == 0) return curve_at(&p->prompt, n_prompt);
    return pace_seconds(p, n_decode) + curve_at(&p->beside, n_prompt);
}

int pace_rows(const struct pace *p, double target_s, int n_decode, int most)
{
    int lo = 0, hi = MAX(most, 0); /* lo fits, or is 0; what is above hi does not */

    while (lo < hi) {
        int mid = hi - (hi - lo) / 2;
        if (pace_step_seconds(p, mid, n_decode) <= target_s) lo = mid;
        else hi = mid - 1;
    }
    return lo;
}
