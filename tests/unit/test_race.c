/* SPDX-License-Identifier: MIT */
/*
 * test_race.c - drawing as a race (engine/sampler_race.c): the winner is the one that the plain
 * definition has, over every way that candidates may stand; the shares are the probabilities;
 * places know nothing of each other; and two rows that are near draw the same as often as the
 * theory of the race has it, which is what a draft model lives on.
 */
#include "base/cpu.h"
#include "base/rng.h"
#include "engine/gen.h"
#include "engine/sampler.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { N_MAX = 5000, DRAWS = 100000 };

static struct kernels kernels;

static struct sampler *new_sampler(int n_vocab)
{
    struct sampler *s;

    assert_int_equal(sampler_new(&s, n_vocab, &kernels, NULL), BRRR_OK);
    return s;
}

static struct sample_params params(uint64_t seed)
{
    struct sample_params p;

    sample_params_init(&p);
    p.seed = seed;
    return p;
}

/* Chi-square as standard deviations from what is expected. */
static double deviation(double chi, int freedom)
{
    return (chi - freedom) / sqrt(2.0 * freedom);
}

/* --- rows: logits of n ids that make a point --- */

static double steep(int i)
{
    return -0.9 * i;
}

static double flat(int i)
{
    (void)i;
    return 3;
}

static double tied(int i)
{
    return i % 7 < 3 ? 1 : i % 2;
}

static double bell(int i)
{
    double sum = -6;

    for (uint32_t j = 0; j < 12; j++)
        sum += rng_uniform(5, j, (uint64_t)i);
    return 2 * sum;
}

/* Probabilities from a half to 1e-30, and beyond what floats can hold. */
static double extreme(int i)
{
    static const double p[] = { 0.5, 1e-30, 0.3, 1e-15, 0.001, 1e-7, 0.199, 1e-40, 1e-60 };

    return log(p[i % 9]) - i / 9 * 200;
}

/* Only some ids are possible at all. */
static double holes(int i)
{
    return i % 5 == 1 || i / 64 == 2 ? -INFINITY : bell(i);
}

static double one(int i)
{
    return i == 70 ? 0 : -INFINITY;
}

static double odd(int i)
{
    return i % 11 == 3 ? NAN : i % 11 == 4 ? -INFINITY : i % 11 == 5 ? -3e38 : bell(i);
}

static double unbounded(int i)
{
    return i % 50 == 9 ? INFINITY : i % 50 == 10 ? NAN : bell(i);
}

static const struct row {
    const char *name;
    double (*logit)(int i);
    int n;
} rows[] = {
    { "few", steep, 6 },       { "two", flat, 2 },
    { "equal", flat, 64 },     { "many equal", flat, 1000 },
    { "ties", tied, 300 },     { "many", bell, N_MAX },
    { "extreme", extreme, 9 }, { "extreme far", extreme, 200 },
    { "holes", holes, 1000 },  { "one", one, 100 },
    { "NaN", odd, 500 },       { "infinite", unbounded, 500 },
};

static void fill(float *x, const struct row *r)
{
    for (int i = 0; i < r->n; i++)
        x[i] = (float)r->logit(i);
}

/* --- the winner --- */

/* The definition, without order or haste: candidates and weights by the sampler's own stages. */
static int32_t plain_winner(const struct sample_dist *d, const float *x, double by,
                            const struct rng_place *place)
{
    int32_t winner = -1;
    long double first = INFINITY;
    float max = x[d->id[0]];

    for (int i = 0; i < d->n; i++) {
        uint8_t byte[RNG_GROUP];
        int32_t id = d->id[i];
        float e, at = x[id] == max ? 0 : fmaxf((x[id] - max) * (float)by, -1e30f);
        kernels.exp_row(&e, &at, 1, 0);
        if (e == 0) continue;
        rng_bytes(byte, place, (uint32_t)id / RNG_GROUP);
        long double v = byte[id % RNG_GROUP] / 256.0L;
        v += ((long double)rng_bits(place, (uint32_t)id) + 0.5L) * 0x1p-61L;
        long double t = -log1pl(-v) / (long double)e;
        if (t > first || (t == first && id > winner)) continue;
        first = t;
        winner = id;
    }
    return winner;
}

static void check_winners(const struct row *row, const float *x, double temperature, int top_k)
{
    struct sampler *s = new_sampler(row->n);
    struct sample_params p = params(19);
    struct sample_in in = { .logits = x, .choice = 2 };
    struct sample_dist d;

    p.pipeline = PIPELINE_HF; /* the temperature first: weights as plain_winner() has them */
    p.temperature = temperature;
    p.top_k = top_k;
    for (in.position = 0; in.position < (row->n > 1000 ? 100 : 400); in.position++) {
        int32_t got = sampler_next(s, &p, &in);
        struct rng_place place = rng_place(p.seed, in.choice, in.position);
        sampler_apply(s, &p, &in, &d);
        int32_t want = plain_winner(&d, x, 1 / temperature, &place);
        if (got != want) fail_msg("%s: id %d, not %d", row->name, (int)got, (int)want);
    }
    sampler_free(s);
}

/* In the order of ids, dense and with holes, and sorted by a cut. */
static void test_winner_is_the_definition_s(void **state)
{
    float x[N_MAX];

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        fill(x, &rows[i]);
        check_winners(&rows[i], x, 1, 0);
        check_winners(&rows[i], x, 0.6, 0);
        check_winners(&rows[i], x, 1, 40);
    }
}

/* Seeds are kept by users: these are part of the contract. */
static void test_known_answers(void **state)
{
    static const int32_t want[2][8] = { { 615, 239, 737, 319, 298, 409, 849, 28 },
                                        { 738, 507, 809, 737, 708, 559, 949, 49 } };
    float x[1000];
    struct sampler *s = new_sampler(COUNT(x));

    (void)state;
    for (int i = 0; i < (int)COUNT(x); i++)
        x[i] = (float)(i % 10);
    for (int k = 0; k < 2; k++) {
        struct sample_params p = params(k == 0 ? 42 : 1ull << 60);
        struct sample_in in = { .logits = x, .choice = (uint32_t)k };
        for (in.position = 0; in.position < 8; in.position++)
            assert_int_equal(sampler_next(s, &p, &in), want[k][in.position]);
    }
    sampler_free(s);
}

/* --- the distribution --- */

/* The softmax of a row, NaN as nothing and +inf as everything. */
static void softmax(double *p, const float *x, int n)
{
    double max = -INFINITY, sum = 0;

    for (int i = 0; i < n; i++)
        if ((double)x[i] > max) max = (double)x[i];
    for (int i = 0; i < n; i++) {
        double d = (double)x[i] - max;
        p[i] = (double)x[i] == max ? 1 : d > -INFINITY ? exp(d) : 0;
        sum += p[i];
    }
    for (int i = 0; i < n; i++)
        p[i] /= sum;
}

static void check_shares(const struct row *row, const float *x)
{
    struct sampler *s = new_sampler(row->n);
    struct sample_params p = params(23);
    struct sample_in in = { .logits = x };
    int *count = calloc((size_t)row->n, sizeof(*count)), freedom = -1;
    double *want = malloc((size_t)row->n * sizeof(*want)), chi = 0, rest = 0, n_rest = 0;

    assert_true(count && want);
    softmax(want, x, row->n);
    for (in.position = 0; in.position < DRAWS; in.position++)
        count[sampler_next(s, &p, &in)]++;
    for (int i = 0; i < row->n; i++) {
        double n = want[i] * DRAWS;
        if (want[i] < 1e-12) assert_int_equal(count[i], 0);
        if (n < 10) { /* together one class */
            rest += n;
            n_rest += count[i];
            continue;
        }
        chi += (count[i] - n) * (count[i] - n) / n;
        freedom++;
    }
    if (rest >= 10) {
        chi += (n_rest - rest) * (n_rest - rest) / rest;
        freedom++;
    } else assert_true(n_rest <= 50);
    if (freedom > 0 && fabs(deviation(chi, freedom)) > 4)
        fail_msg("%s: chi-squared %g with %d degrees of freedom", row->name, chi, freedom);
    if (freedom == 0) assert_true(chi == 0);
    free(count);
    free(want);
    sampler_free(s);
}

static void test_shares_are_the_probabilities(void **state)
{
    float x[N_MAX];

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        fill(x, &rows[i]);
        check_shares(&rows[i], x);
    }
}

/* What is drawn at one place, in one choice or with one seed says nothing about the next. */
static void test_pairs_are_independent(void **state)
{
    enum { N = 12 };
    static const struct {
        uint64_t seed, position;
        uint32_t choice;
    } next[] = {
        { 1, 0, 0 }, { 0, 1, 0 }, { 0, 0, 1 }, { 0, 1ull << 32, 0 }, { 1ull << 32, 0, 0 }
    };
    float x[N];
    double p[N];
    struct sampler *s = new_sampler(N);

    (void)state;
    for (int i = 0; i < N; i++)
        x[i] = (float)(i % 4) * 0.4f;
    softmax(p, x, N);
    for (size_t k = 0; k < COUNT(next); k++) {
        int count[N][N] = { 0 };
        double chi = 0;
        for (uint64_t i = 0; i < DRAWS; i++) {
            struct sample_params a = params(31), b = params(31 + next[k].seed);
            struct sample_in at = { .logits = x, .position = 2 * i }, to = at;
            to.position += next[k].position;
            to.choice += next[k].choice;
            count[sampler_next(s, &a, &at)][sampler_next(s, &b, &to)]++;
        }
        for (int i = 0; i < N * N; i++) {
            double want = p[i / N] * p[i % N] * DRAWS;
            chi += (count[i / N][i % N] - want) * (count[i / N][i % N] - want) / want;
        }
        assert_true(fabs(deviation(chi, N * N - 1)) < 4);
    }
    sampler_free(s);
}

/* --- two models --- */

/*
 * How often two races over p and q with the same noise have the same winner: sum over i of
 * 1 / sum over j of max(p_j / p_i, q_j / q_i).
 */
static double agreement(const double *p, const double *q, int n)
{
    double sum = 0;

    for (int i = 0; i < n; i++) {
        double wait = 0;
        if (p[i] == 0 || q[i] == 0) continue;
        for (int j = 0; j < n; j++)
            wait += fmax(p[j] / p[i], q[j] / q[i]);
        sum += 1 / wait;
    }
    return sum;
}

static void check_agreement(const float *x, const float *y, int n, int top_k)
{
    struct sampler *s = new_sampler(n);
    struct sample_params p = params(3);
    struct sample_in a = { .logits = x }, b = { .logits = y };
    double *px = malloc((size_t)n * sizeof(*px)), *py = malloc((size_t)n * sizeof(*py));
    int same = 0, n_draw = 20000;

    assert_true(px && py);
    softmax(px, x, n);
    softmax(py, y, n);
    for (int i = 0; i < n_draw; i++) {
        struct sample_params cut = p;
        cut.top_k = top_k; /* sorts the second row's candidates, and leaves all that count */
        a.position = b.position = (uint64_t)i;
        same += sampler_next(s, &p, &a) == sampler_next(s, &cut, &b);
    }
    double want = agreement(px, py, n), sigma = sqrt(want * (1 - want) / n_draw);
    assert_true(fabs((double)same / n_draw - want) < 4 * sigma + 1e-9);
    free(px);
    free(py);
    sampler_free(s);
}

static void test_near_rows_draw_the_same(void **state)
{
    enum { N = 700 };
    float x[N], y[N];

    (void)state;
    for (int i = 0; i < N; i++) {
        x[i] = (float)bell(i);
        y[i] = x[i] + 0.1f * (float)bell(i + N);
    }
    check_agreement(x, y, N, 0);
    check_agreement(x, y, N, N - 1);
    /* A tenth moves from the first id to the last: whatever lies between does not care. */
    for (int i = 0; i < N; i++)
        x[i] = y[i] = 0;
    x[0] = y[N - 1] = logf((N - 1) / 9.0f);
    check_agreement(x, y, N, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_winner_is_the_definition_s),
        cmocka_unit_test(test_known_answers),
        cmocka_unit_test(test_shares_are_the_probabilities),
        cmocka_unit_test(test_pairs_are_independent),
        cmocka_unit_test(test_near_rows_draw_the_same),
    };
    kernels_select(&kernels, cpu_features());
    return cmocka_run_group_tests(tests, NULL, NULL);
}
