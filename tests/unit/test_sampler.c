/* SPDX-License-Identifier: MIT */
/*
 * test_sampler.c - the sampler where the recorded distributions of tests/golden
 * do not reach: large vocabularies against plain definitions, drawing, ties,
 * hostile rows, log-probabilities, range checks.
 */
#include "base/cpu.h"
#include "base/rng.h"
#include "engine/gen.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define BIG 50000

static struct kernels kernels;

static struct sampler *new_sampler(int n_vocab)
{
    struct sampler *s;

    assert_int_equal(sampler_new(&s, n_vocab, &kernels, NULL), BRRR_OK);
    return s;
}

/* Normal numbers of the given width, by the sum of twelve. */
static void fill_normal(float *x, int n, double width, uint64_t seed)
{
    for (int i = 0; i < n; i++) {
        double sum = -6;
        for (uint32_t j = 0; j < 12; j++)
            sum += rng_uniform(seed, j, (uint64_t)i);
        x[i] = (float)(sum * width);
    }
}

static struct sample_params params(enum sample_pipeline pipeline)
{
    struct sample_params p;

    sample_params_init(&p);
    p.pipeline = pipeline;
    return p;
}

/* --- against plain definitions on a large vocabulary --- */

static const float *order_row;

static int by_logit(const void *a, const void *b)
{
    int i = *(const int *)a, j = *(const int *)b;

    if (order_row[i] != order_row[j]) return order_row[i] > order_row[j] ? -1 : 1;
    return i < j ? -1 : 1;
}

static int *sorted_ids(const float *x, int n)
{
    int *ids = malloc((size_t)n * sizeof(*ids));

    assert_non_null(ids);
    for (int i = 0; i < n; i++)
        ids[i] = i;
    order_row = x;
    qsort(ids, (size_t)n, sizeof(*ids), by_logit);
    return ids;
}

/* dist must be the first n of ids with their softmax at this temperature. */
static void check_prefix(const struct sample_dist *d, const float *x, const int *ids, int n,
                         double temperature)
{
    double sum = 0;

    assert_int_equal(d->n, n);
    for (int i = 0; i < n; i++)
        sum += exp(((double)x[ids[i]] - (double)x[ids[0]]) / temperature);
    for (int i = 0; i < n; i++) {
        double p = exp(((double)x[ids[i]] - (double)x[ids[0]]) / temperature) / sum;
        /* Logits closer than a rounding of their distance to the largest may change places. */
        assert_true(fabsf(x[d->id[i]] - x[ids[i]]) < 2e-6f);
        assert_true(fabs((double)d->prob[i] - p) < 1e-6);
    }
}

/* How many of ids it takes to reach mass p. */
static int count_mass(const float *x, const int *ids, int n, double p)
{
    double total = 0, sum = 0;
    int i = 0;

    for (int j = 0; j < n; j++)
        total += exp((double)x[j] - (double)x[ids[0]]);
    while (i < n && sum < p * total)
        sum += exp((double)x[ids[i++]] - (double)x[ids[0]]);
    return i;
}

static void test_large_vocabulary(void **state)
{
    struct sampler *s = new_sampler(BIG);
    float *x = malloc(BIG * sizeof(*x));
    struct sample_in in = { .logits = x };
    struct sample_dist d;

    (void)state;
    for (uint64_t seed = 0; seed < 3; seed++) {
        fill_normal(x, BIG, 2, seed);
        int *ids = sorted_ids(x, BIG);
        struct sample_params p = params(PIPELINE_HF);
        sampler_apply(s, &p, &in, &d);
        check_prefix(&d, x, ids, BIG, 1);
        p.top_k = 40;
        p.temperature = 0.7;
        sampler_apply(s, &p, &in, &d);
        check_prefix(&d, x, ids, 40, 0.7);
        p.top_k = 20000;
        sampler_apply(s, &p, &in, &d);
        check_prefix(&d, x, ids, 20000, 0.7);
        p = params(PIPELINE_HF);
        p.top_p = 0.5;
        sampler_apply(s, &p, &in, &d);
        assert_true(abs(d.n - count_mass(x, ids, BIG, 0.5)) <= 1);
        check_prefix(&d, x, ids, d.n, 1);
        free(ids);
    }
    free(x);
    sampler_free(s);
}

/* The k-th largest rises with every element, or never. */
static void test_worst_orders(void **state)
{
    struct sampler *s = new_sampler(BIG);
    float *x = malloc(BIG * sizeof(*x));
    struct sample_in in = { .logits = x };
    struct sample_params p = params(PIPELINE_HF);
    struct sample_dist d;

    (void)state;
    p.top_k = 40;
    for (int i = 0; i < BIG; i++)
        x[i] = (float)i * 0.01f;
    sampler_apply(s, &p, &in, &d);
    assert_int_equal(d.n, 40);
    assert_int_equal(d.id[0], BIG - 1);
    assert_int_equal(d.id[39], BIG - 40);
    for (int i = 0; i < BIG; i++)
        x[i] = i % 2 ? -0.0f : 0.0f;
    sampler_apply(s, &p, &in, &d);
    assert_int_equal(d.n, BIG); /* all equal the 40th */
    assert_int_equal(d.id[BIG - 1], BIG - 1);
    free(x);
    sampler_free(s);
}

/* --- drawing --- */

/* Draw at many positions; chi-square against the distribution, in standard deviations. */
static double draw_many(struct sampler *s, const struct sample_params *p, struct sample_in *in,
                        int n_vocab, int n_draws)
{
    int classes = 0;
    int *count = calloc((size_t)n_vocab, sizeof(*count));
    double chi = 0, rest = n_draws;
    struct sample_dist d;

    assert_non_null(count);
    for (int i = 0; i < n_draws; i++) {
        in->position = (uint64_t)i;
        count[sampler_next(s, p, in)]++;
    }
    sampler_apply(s, p, in, &d);
    int left = n_draws;
    for (int i = 0; i < d.n; i++) {
        double want = (double)d.prob[i] * n_draws;
        if (want < 10) break; /* the rest is one class */
        chi += (count[d.id[i]] - want) * (count[d.id[i]] - want) / want;
        left -= count[d.id[i]];
        rest -= want;
        classes++;
    }
    if (rest > 10) chi += (left - rest) * (left - rest) / rest;
    else assert_true(left <= 50);
    free(count);
    return (chi - classes) / sqrt(2.0 * classes);
}

static void test_draws_follow_the_distribution(void **state)
{
    float x[5000];
    int32_t history[] = { 5, 6, 7, 5, 5 };
    struct sample_in in = { .logits = x, .history = history, .n_history = COUNT(history) };

    (void)state;
    fill_normal(x, COUNT(x), 2, 1);
    struct sampler *few = new_sampler(50), *many = new_sampler(COUNT(x));
    for (int i = 0; i < PIPELINE_GREEDY; i++) {
        struct sample_params p = params((enum sample_pipeline)i);
        int n = i == PIPELINE_TEMP_LAST ? 200000 : 30000;
        p.seed = 11;
        p.temperature = 0.9;
        p.frequency_penalty = 0.5;
        assert_true(fabs(draw_many(few, &p, &in, 50, n)) < 4);
        p.top_k = 20;
        p.top_p = 0.95;
        assert_true(fabs(draw_many(few, &p, &in, 50, n)) < 4);
    }
    struct sample_params p = params(PIPELINE_HF);
    p.seed = 3;
    /* No cut: the draw walks tiles of the row. */
    assert_true(fabs(draw_many(many, &p, &in, COUNT(x), 40000)) < 4);
    sampler_free(few);
    sampler_free(many);
}

/* A draw depends on its inputs alone: not on what the sampler did before, nor on its CPU. */
static void test_draws_repeat(void **state)
{
    float x[3000];
    struct sampler *a = new_sampler(COUNT(x));
    struct sample_in in = { .logits = x };
    struct sample_params p = params(PIPELINE_TEMP_LAST), other = params(PIPELINE_HF);

    (void)state;
    fill_normal(x, COUNT(x), 3, 9);
    p.top_p = 0.9;
    p.seed = 77;
    other.repetition_penalty = 3;
    for (int isa = 0; isa < kernels_n_isas; isa++) {
        if (kernels_isas[isa].needs & ~cpu_features()) continue;
        struct kernels k;
        struct sampler *b;
        kernels_select(&k, kernels_isas[isa].needs);
        assert_int_equal(sampler_new(&b, COUNT(x), &k, NULL), BRRR_OK);
        for (uint64_t pos = 0; pos < 200; pos++) {
            int32_t history[] = { 1, 2 };
            struct sample_in noise = { .logits = x, .history = history, .n_history = 2 };
            in.position = pos;
            int32_t first = sampler_next(a, &p, &in);
            sampler_next(b, &other, &noise);
            assert_int_equal(sampler_next(b, &p, &in), first);
        }
        sampler_free(b);
    }
    sampler_free(a);
}

static void test_choice_and_seed_matter(void **state)
{
    float x[100] = { 0 };
    struct sampler *s = new_sampler(100);
    struct sample_params p = params(PIPELINE_HF);
    int same_choice = 0, same_seed = 0;

    (void)state;
    for (uint64_t pos = 0; pos < 500; pos++) {
        struct sample_in in = { .logits = x, .position = pos }, next = in;
        next.choice = 1;
        int32_t id = sampler_next(s, &p, &in);
        same_choice += sampler_next(s, &p, &next) == id;
        p.seed = 1;
        same_seed += sampler_next(s, &p, &in) == id;
        p.seed = 0;
    }
    assert_true(same_choice < 25 && same_seed < 25); /* 5 expected of 500 */
    sampler_free(s);
}

/* --- the arg-max and hostile rows --- */

static void test_greedy(void **state)
{
    float x[] = { 1, 5, 5, NAN, 2 };
    int32_t history[] = { 1 };
    struct sample_in in = { .logits = x, .history = history, .n_history = 1 };
    struct sampler *s = new_sampler(COUNT(x));
    struct sample_params p = params(PIPELINE_TEMP_LAST);

    (void)state;
    p.temperature = 0;
    assert_int_equal(sampler_next(s, &p, &in), 1); /* the lower id of equals */
    p.repetition_penalty = 1.5;
    assert_int_equal(sampler_next(s, &p, &in), 2);
    p.n_bias = 1;
    p.bias[0] = (struct sample_bias){ 2, -INFINITY };
    assert_int_equal(sampler_next(s, &p, &in), 1);
    p.pipeline = PIPELINE_GREEDY; /* no stages at all */
    assert_int_equal(sampler_next(s, &p, &in), 1);
    p.pipeline = PIPELINE_OPENAI; /* no repetition penalty, but the bias */
    p.bias[0] = (struct sample_bias){ 4, 100 };
    assert_int_equal(sampler_next(s, &p, &in), 4);
    sampler_free(s);
}

static struct sample_params random_params(uint64_t seed)
{
    uint64_t i = 0;
    struct sample_params p =
        params((enum sample_pipeline)(rng_uniform(seed, 9, i++) * PIPELINE_COUNT));
    double u[12];

    for (size_t j = 0; j < COUNT(u); j++) {
        double on = rng_uniform(seed, 9, i++), v = rng_uniform(seed, 9, i++);
        u[j] = on < 0.6 ? -1 : on < 0.7 ? 0 : on < 0.8 ? 1 : v;
    }
    if (u[0] >= 0) p.temperature = u[0] < 0.2 ? 1e-30 : u[0] * 3;
    if (u[1] >= 0) p.top_k = (int)(u[1] * 8);
    if (u[2] >= 0) p.top_p = u[2];
    if (u[3] >= 0) p.min_p = u[3];
    if (u[4] >= 0) p.typical_p = u[4];
    if (u[5] >= 0) p.repetition_penalty = 0.01 + 99 * u[5];
    if (u[6] >= 0) p.frequency_penalty = 200 * u[6] - 100;
    if (u[7] >= 0) p.presence_penalty = 200 * u[7] - 100;
    if (u[8] >= 0) p.penalty_last_n = (int)(5 * u[8]);
    if (u[9] >= 0) p.no_repeat_ngram_size = (int)(3 * u[9]);
    if (u[10] >= 0) p.epsilon_cutoff = u[10];
    if (u[11] >= 0) p.eta_cutoff = u[11];
    return p;
}

/* Any row, any parameters: a token that exists, probabilities that sum to 1, the row untouched. */
static void test_hostile_rows(void **state)
{
    static const float odd[] = { NAN,   -INFINITY, INFINITY, 0,      -0.0f,
                                 1e30f, -1e30f,    3.4e38f,  1e-40f, -3.4e38f };
    int32_t history[] = { 1, 2, 3, 1, 2, -5, 1 << 30, 0, 1, 2 };

    (void)state;
    for (uint64_t seed = 0; seed < 5000; seed++) {
        float x[40], copy[40];
        int n = seed % 4 ? 1 + (int)(rng_uniform(seed, 1, 0) * 40) : 1 + (int)(seed / 4 % 5);
        double share = rng_uniform(seed, 1, 1);
        struct sampler *s = new_sampler(n);
        struct sample_params p = random_params(seed);
        struct sample_in in = {
            .logits = x, .history = history, .n_history = COUNT(history), .position = seed
        };
        struct sample_dist d;

        for (int i = 0; i < n; i++) {
            bool strange = rng_uniform(seed, 2, (uint64_t)i) < share;
            double v = rng_uniform(seed, 3, (uint64_t)i);
            x[i] = strange ? odd[(size_t)(v * COUNT(odd))] : (float)(20 * v - 10);
        }
        memcpy(copy, x, sizeof(x));
        int32_t id = sampler_next(s, &p, &in);
        assert_in_range(id, 0, n - 1);
        sampler_apply(s, &p, &in, &d);
        assert_in_range(d.n, 1, n);
        double sum = 0;
        bool has = false;
        for (int i = 0; i < d.n; i++) {
            assert_true(d.prob[i] >= 0 && (i == 0 || d.prob[i] <= d.prob[i - 1]));
            assert_true(d.n == 1 || !isnan(x[d.id[i]]));
            sum += (double)d.prob[i];
            has |= d.id[i] == id;
        }
        assert_true(has && fabs(sum - 1) < 1e-5);
        assert_memory_equal(x, copy, sizeof(float) * (size_t)n);
        sampler_free(s);
    }
}

static void test_rows_without_anything(void **state)
{
    float none[] = { -INFINITY, NAN, -INFINITY }, banned[] = { 1, 3, 2 };
    float infs[] = { 1, INFINITY, 2, INFINITY };
    int32_t all[] = { 0, 1, 2 };
    struct sampler *s = new_sampler(3), *four = new_sampler(4);
    struct sample_params p = params(PIPELINE_HF);
    struct sample_in in = { .logits = none };
    struct sample_dist d;

    (void)state;
    for (int k = 0; k < 3; k += 2) {
        p.top_k = k;
        in.logits = none;
        assert_int_equal(sampler_next(s, &p, &in), 0);
        in = (struct sample_in){ .logits = banned, .history = all, .n_history = 3 };
        p.no_repeat_ngram_size = 1;
        assert_int_equal(sampler_next(s, &p, &in), 1); /* all forbidden: the row as it came */
        p.no_repeat_ngram_size = 0;
        in = (struct sample_in){ .logits = infs };
        sampler_apply(four, &p, &in, &d);
        assert_int_equal(d.n, 2);
        assert_true(d.id[0] == 1 && d.id[1] == 3 && d.prob[0] == 0.5f && d.prob[1] == 0.5f);
    }
    sampler_free(s);
    sampler_free(four);
}

/* What is banned is not drawn, whatever else is asked for; if all is, the row as it came. */
static void test_banned_ids(void **state)
{
    float x[] = { 1, 5, 4, 3 };
    int32_t one[] = { 1, -1, 4 }, two[] = { 3, 2 }, history[] = { 0, 1, 2 };
    struct sampler *s = new_sampler(4);
    struct sample_in in = { .logits = x, .history = history, .n_history = 3 };
    struct sample_dist d;

    (void)state;
    for (int k = 0; k < PIPELINE_COUNT; k++) {
        struct sample_params p = params((enum sample_pipeline)k);
        p.repetition_penalty = 1.5;
        p.frequency_penalty = 0.5;
        p.n_bias = 1;
        p.bias[0] = (struct sample_bias){ 1, 1e6f };
        in.ban[0] = (struct sample_ids){ one, COUNT(one) };
        in.ban[1] = (struct sample_ids){ 0 };
        sampler_apply(s, &p, &in, &d);
        assert_true(d.n > 0);
        for (int i = 0; i < d.n; i++)
            assert_int_not_equal(d.id[i], 1);
        in.ban[1] = (struct sample_ids){ two, COUNT(two) };
        assert_int_equal(sampler_next(s, &p, &in), 0);
        in.ban[0] = (struct sample_ids){ history, 3 };
        assert_int_equal(sampler_next(s, &p, &in), 1);
    }
    sampler_free(s);
}

/* --- log-probabilities --- */

static void test_logprobs(void **state)
{
    float *x = malloc(BIG * sizeof(*x));
    struct sampler *s = new_sampler(BIG);
    struct sample_logprob top[20], chosen = { 123, 0 };
    double sum = 0;

    (void)state;
    fill_normal(x, BIG, 3, 4);
    x[17] = x[18] = 40; /* equals: the lower id first */
    int *ids = sorted_ids(x, BIG);
    for (int i = 0; i < BIG; i++)
        sum += exp((double)x[i] - 40);
    assert_int_equal(sampler_logprobs(s, x, top, 20, &chosen), 20);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(top[i].id, ids[i]);
        assert_true(fabs((double)top[i].logprob - ((double)x[ids[i]] - 40 - log(sum))) < 1e-5);
    }
    assert_true(fabs((double)chosen.logprob - ((double)x[123] - 40 - log(sum))) < 1e-5);
    chosen.id = ids[7];
    sampler_logprobs(s, x, NULL, 0, &chosen);
    assert_true(chosen.logprob == top[7].logprob); /* to the bit */
    sampler_logprobs(s, x, top, 5, NULL);
    /* NaN is as -inf, and spoils nothing. */
    x[0] = NAN;
    chosen.id = 0;
    assert_int_equal(sampler_logprobs(s, x, top, 20, &chosen), 20);
    assert_int_equal(top[0].id, 17);
    assert_true(chosen.logprob == SAMPLE_LOGPROB_NONE);
    assert_true(fabs((double)top[0].logprob + log(sum)) < 1e-5);
    free(ids);
    free(x);
    sampler_free(s);
}

static void test_logprobs_hostile(void **state)
{
    float infs[] = { 1, INFINITY, 2, INFINITY }, none[] = { NAN, -INFINITY, NAN, NAN };
    struct sampler *s = new_sampler(4);
    struct sample_logprob top[4], chosen = { 0, 0 };

    (void)state;
    assert_int_equal(sampler_logprobs(s, infs, top, 4, &chosen), 2);
    assert_true(top[0].id == 1 && top[1].id == 3);
    assert_true(fabs((double)top[1].logprob + log(2)) < 1e-6);
    assert_true(chosen.logprob == SAMPLE_LOGPROB_NONE);
    assert_int_equal(sampler_logprobs(s, none, top, 4, &chosen), 1);
    assert_true(top[0].id == 0 && top[0].logprob == 0);
    sampler_free(s);
}

/* --- parameters --- */

static void test_checks(void **state)
{
    struct gen_params g;
    struct brrr_error err;

    (void)state;
    gen_params_init(&g);
    assert_true(g.sample.temperature == 0 && g.n_predict == 128 && g.n_logprobs == -1);
    assert_int_equal(gen_params_check(&g, 100, &err), BRRR_OK);
#define OUT_OF_RANGE(field, bad)                                         \
    do {                                                                 \
        gen_params_init(&g);                                             \
        g.field = bad;                                                   \
        assert_int_not_equal(gen_params_check(&g, 100, &err), BRRR_OK);  \
        assert_non_null(strstr(err.text, strrchr("." #field, '.') + 1)); \
    } while (0)
    OUT_OF_RANGE(sample.temperature, -0.5);
    OUT_OF_RANGE(sample.temperature, NAN);
    OUT_OF_RANGE(sample.temperature, INFINITY);
    OUT_OF_RANGE(sample.top_k, -2);
    OUT_OF_RANGE(sample.top_p, 1.01);
    OUT_OF_RANGE(sample.min_p, -0.01);
    OUT_OF_RANGE(sample.typical_p, 2);
    OUT_OF_RANGE(sample.repetition_penalty, 0);
    OUT_OF_RANGE(sample.no_repeat_ngram_size, LIMIT_NGRAM + 1);
    OUT_OF_RANGE(n_predict, -2);
    OUT_OF_RANGE(n_logprobs, LIMIT_LOGPROBS + 1);
#undef OUT_OF_RANGE
    gen_params_init(&g);
    g.sample.n_bias = 1;
    g.sample.bias[0] = (struct sample_bias){ 100, 1 };
    assert_int_not_equal(gen_params_check(&g, 100, &err), BRRR_OK);
    assert_int_equal(gen_params_check(&g, 101, &err), BRRR_OK);
    g.sample.bias[0].add = NAN;
    assert_int_not_equal(gen_params_check(&g, 101, &err), BRRR_OK);
}

static void test_stops_are_bounded(void **state)
{
    char text[LIMIT_STOP_BYTES + 1] = { 'x' };
    struct gen_params g;

    (void)state;
    gen_params_init(&g);
    assert_int_not_equal(gen_params_add_stop(&g, "", 0, NULL), BRRR_OK);
    assert_int_not_equal(gen_params_add_stop(&g, text, sizeof(text), NULL), BRRR_OK);
    for (int i = 0; i < LIMIT_STOPS; i++)
        assert_int_equal(gen_params_add_stop(&g, text, LIMIT_STOP_BYTES, NULL), BRRR_OK);
    assert_int_not_equal(gen_params_add_stop(&g, "x", 1, NULL), BRRR_OK);
    assert_int_equal(g.n_stop, LIMIT_STOPS);
}

static void test_names(void **state)
{
    struct sampler *s;

    (void)state;
    for (int i = 0; i < PIPELINE_COUNT; i++)
        assert_int_equal(sample_pipeline_find(sample_pipeline_name((enum sample_pipeline)i)), i);
    assert_int_equal(sample_pipeline_find("none"), PIPELINE_COUNT);
    assert_int_not_equal(sampler_new(&s, 0, &kernels, NULL), BRRR_OK);
    assert_null(s);
    assert_int_not_equal(sampler_new(&s, LIMIT_VOCAB + 1, &kernels, NULL), BRRR_OK);
    sampler_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_large_vocabulary),
        cmocka_unit_test(test_worst_orders),
        cmocka_unit_test(test_draws_follow_the_distribution),
        cmocka_unit_test(test_draws_repeat),
        cmocka_unit_test(test_choice_and_seed_matter),
        cmocka_unit_test(test_greedy),
        cmocka_unit_test(test_hostile_rows),
        cmocka_unit_test(test_rows_without_anything),
        cmocka_unit_test(test_banned_ids),
        cmocka_unit_test(test_logprobs),
        cmocka_unit_test(test_logprobs_hostile),
        cmocka_unit_test(test_checks),
        cmocka_unit_test(test_stops_are_bounded),
        cmocka_unit_test(test_names),
    };
    kernels_select(&kernels, cpu_features());
    return cmocka_run_group_tests(tests, NULL, NULL);
}
