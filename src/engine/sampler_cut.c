/* SPDX-License-Identifier: MIT */
/*
 * sampler_cut.c - stages on candidates: the temperature, and the cuts.
 *
 * Definitions: top-k keeps the k likeliest and all that equal the last of them;
 * top-p (Holtzman et al. 2019) the shortest run of the likeliest whose sum reaches p;
 * min-p (Nguyen et al. 2024) what reaches min_p times the likeliest; locally
 * typical sampling (Meister et al. 2022) those whose surprise is nearest to the
 * entropy, until their sum reaches p; epsilon and eta: Hewitt et al. (2022).
 * Nothing ever removes the last candidate.
 *
 * No logarithm is needed: with Z = sum exp(d), the surprise of a token is
 * log Z - d, the entropy log Z - mean(d); their distance is |d - mean(d)|, and
 * exp(-entropy) = exp(mean(d)) / Z.
 */
#include <assert.h>
#include <float.h>
#include <math.h>

#include "base/f16.h"
#include "engine/sampler_run.h"

/* Far below every exp() that is not 0, and finite, so that 0 * d is 0. */
#define D_MIN (-1e30f)
/* Above so many candidates a histogram finds those that are worth sorting. */
#define SORT_ALL 512
/* The histogram's classes: exponent and three bits of the mantissa of a float >= 0. */
#define CLASS_SHIFT 20
#define CLASS_COUNT 2048

double sampler_sum(const float *x, int n)
{
    double lane[8] = { 0 };
    int i = 0;

    for (; i + 8 <= n; i += 8)
        for (int j = 0; j < 8; j++)
            lane[j] += (double)x[i + j];
    for (int j = 0; i < n; i++, j++)
        lane[j] += (double)x[i];
    return ((lane[0] + lane[4]) + (lane[2] + lane[6])) +
           ((lane[1] + lane[5]) + (lane[3] + lane[7]));
}

/*
 * d of a logit; the difference first, so that a common offset costs no digits.
 * The largest is a case of its own, since it may be infinite, and `by` too.
 */
static float distance(float x, float max, float by)
{
    float d = (x - max) * by;

    return x == max ? 0 : d > D_MIN ? d : D_MIN;
}

void sampler_only(struct sampler *s, int id)
{
    s->id[0] = MAX(id, 0);
    s->d[0] = 0;
    s->n = 1;
    s->sorted = true;
    s->weighed = false;
}

/*
 * Fill id and d from the whole row; true if all of it is above `floor`. In blocks
 * of a fixed size, which the compiler turns into vectors.
 */
static bool list_all(struct sampler *s, float max, float by, float floor)
{
    enum { BLOCK = 16 };
    const float *x = s->x;
    int i = 0, n_above = 0;

    for (; i + BLOCK <= s->n_vocab; i += BLOCK)
        for (int j = 0; j < BLOCK; j++) {
            s->id[i + j] = i + j;
            s->d[i + j] = distance(x[i + j], max, by);
            n_above += x[i + j] > floor;
        }
    for (; i < s->n_vocab; i++) {
        s->id[i] = i;
        s->d[i] = distance(x[i], max, by);
        n_above += x[i] > floor;
    }
    return n_above == s->n_vocab;
}

/* Close up over what is not above `floor`; returns how many remain. */
static int drop_low(struct sampler *s, float floor)
{
    int n = 0;

    for (int i = 0; i < s->n_vocab; i++) {
        s->id[n] = i;
        s->d[n] = s->d[i];
        n += s->x[i] > floor;
    }
    return n;
}

void sampler_gather(struct sampler *s)
{
    int at, n = 0;

    if (s->n >= 0) return;
    at = select_max(s->x, s->n_vocab);
    if (at < 0) {
        sampler_only(s, select_max(s->raw, s->n_vocab));
        return;
    }
    float max = s->x[at], by = (float)(1 / s->temperature);
    float floor = isinf(max) ? FLT_MAX : -INFINITY;
    n = list_all(s, max, by, floor) ? s->n_vocab : drop_low(s, floor);
    s->n = n;
    s->sorted = s->weighed = false;
}

void sampler_exp(struct sampler *s)
{
    sampler_gather(s);
    if (!s->weighed) s->k->exp_row(s->e, s->d, s->n, 0);
}

void sampler_weigh(struct sampler *s)
{
    sampler_exp(s);
    if (s->weighed) return;
    s->total = sampler_sum(s->e, s->n);
    s->weighed = true;
}

/* The candidates become the first n of s->sort, which holds |d| and an index into the old list. */
static void take_sorted(struct sampler *s, int n)
{
    for (int i = 0; i < n; i++) {
        uint32_t at = (uint32_t)s->sort[i];
        s->sort[i] = (s->sort[i] >> 32 << 32) | (uint32_t)s->id[at];
    }
    for (int i = 0; i < n; i++) {
        s->id[i] = (int32_t)(uint32_t)s->sort[i];
        s->d[i] = -f32_from_bits((uint32_t)(s->sort[i] >> 32));
    }
    s->n = n;
    s->sorted = true;
    s->weighed = false;
}

static uint64_t near_key(const struct sampler *s, int i, float centre)
{
    return (uint64_t)f32_bits(fabsf(s->d[i] - centre)) << 32 | (uint32_t)i;
}

void sampler_sort(struct sampler *s)
{
    sampler_gather(s);
    if (s->sorted) return;
    for (int i = 0; i < s->n; i++)
        s->sort[i] = near_key(s, i, 0);
    select_sort(s->sort, s->swap, s->n);
    take_sorted(s, s->n);
}

/* The first class (CLASS_SHIFT) at which the mass of the nearest reaches target. */
static uint32_t class_of_mass(const struct sampler *s, float centre, double target)
{
    double mass[CLASS_COUNT] = { 0 }, sum = 0;
    uint32_t c;

    for (int i = 0; i < s->n; i++)
        mass[f32_bits(fabsf(s->d[i] - centre)) >> CLASS_SHIFT] += (double)s->e[i];
    for (c = 0; c + 1 < CLASS_COUNT; c++) {
        sum += mass[c];
        if (sum >= target) break;
    }
    return c;
}

/*
 * The candidates whose d is nearest to `centre`, nearest first, until their mass
 * reaches target: their indices are in the low half of s->sort[0..). With `ties`
 * also those that are as near as the last. Returns how many, at least 1.
 */
static int nearest(struct sampler *s, float centre, double target, bool ties)
{
    uint32_t last = s->n > SORT_ALL ? class_of_mass(s, centre, target) : CLASS_COUNT;
    int m = 0, n = 0;
    double sum = 0;

    for (int i = 0; i < s->n; i++) {
        s->sort[m] = near_key(s, i, centre);
        m += s->sort[m] >> (32 + CLASS_SHIFT) <= last;
    }
    select_sort(s->sort, s->swap, m);
    while (n < m && (n == 0 || sum < target))
        sum += (double)s->e[(uint32_t)s->sort[n++]];
    while (ties && n < m && s->sort[n] >> 32 == s->sort[n - 1] >> 32)
        n++;
    return n;
}

static double heaviest(const struct sampler *s)
{
    return (double)s->e[select_max(s->e, s->n)];
}

/* Keep what has at least this weight; the heaviest always stays. The order remains. */
static void keep_above(struct sampler *s, double weight)
{
    int n = 0;

    weight = MIN(weight, heaviest(s));
    for (int i = 0; i < s->n; i++) {
        s->id[n] = s->id[i];
        s->d[n] = s->d[i];
        s->e[n] = s->e[i];
        n += (double)s->e[i] >= weight;
    }
    if (n == s->n) return;
    s->n = n;
    s->total = sampler_sum(s->e, n);
}

void cut_temperature(struct sampler *s, const struct sample_params *p)
{
    if (p->temperature == 1) return;
    if (s->n < 0) {
        s->temperature *= p->temperature;
        return;
    }
    float max = s->d[select_max(s->d, s->n)];
    for (int i = 0; i < s->n; i++)
        s->d[i] = distance(s->d[i], max, (float)(1 / p->temperature));
    s->weighed = false;
}

/* The first cut of every pipeline that has it: it lists what it keeps, not the vocabulary. */
void cut_top_k(struct sampler *s, const struct sample_params *p)
{
    assert(s->n < 0);
    if (p->top_k < 1 || p->top_k >= s->n_vocab) return;
    int n = select_top(s, s->x, p->top_k);
    if (n == 0) {
        sampler_only(s, select_max(s->raw, s->n_vocab));
        return;
    }
    float max = s->x[(uint32_t)s->sort[0]], by = (float)(1 / s->temperature);
    s->n = 0;
    for (int i = 0; i < n; i++) {
        float x = s->x[(uint32_t)s->sort[i]];
        if (isinf(max) && x != max) break;
        s->id[s->n] = (int32_t)(uint32_t)s->sort[i];
        s->d[s->n++] = distance(x, max, by);
    }
    s->sorted = true;
    s->weighed = false;
}

void cut_top_p(struct sampler *s, const struct sample_params *p)
{
    if (p->top_p >= 1) return;
    sampler_weigh(s);
    take_sorted(s, nearest(s, 0, p->top_p * s->total, false));
}

void cut_min_p(struct sampler *s, const struct sample_params *p)
{
    if (p->min_p <= 0) return;
    sampler_weigh(s);
    keep_above(s, p->min_p * heaviest(s));
}

/* Mean of d, weighted by e. */
static double mean_d(const struct sampler *s)
{
    double sum = 0;

    for (int i = 0; i < s->n; i++)
        sum += (double)s->e[i] * (double)s->d[i];
    return sum / s->total;
}

static void typical(struct sampler *s, const struct sample_params *p, bool ties)
{
    if (p->typical_p >= 1) return;
    sampler_weigh(s);
    int n = nearest(s, (float)mean_d(s), p->typical_p * s->total, ties);
    /* Back in the order of the list, so that it stays sorted if it was. */
    for (int i = 0; i < n; i++)
        s->sort[i] &= UINT32_MAX;
    select_sort(s->sort, s->swap, n);
    for (int i = 0; i < n; i++) {
        s->id[i] = s->id[s->sort[i]];
        s->d[i] = s->d[s->sort[i]];
        s->e[i] = s->e[s->sort[i]];
    }
    s->n = n;
    s->total = sampler_sum(s->e, n);
}

void cut_typical(struct sampler *s, const struct sample_params *p)
{
    typical(s, p, false);
}

/* transformers cuts at the distance of the last token, and so keeps those at the same distance. */
void cut_typical_ties(struct sampler *s, const struct sample_params *p)
{
    typical(s, p, true);
}

void cut_epsilon(struct sampler *s, const struct sample_params *p)
{
    if (p->epsilon_cutoff <= 0) return;
    sampler_weigh(s);
    keep_above(s, p->epsilon_cutoff * s->total);
}

/* The bar: min(eta, sqrt(eta) * exp(-entropy)). */
void cut_eta(struct sampler *s, const struct sample_params *p)
{
    float mean, e;

    if (p->eta_cutoff <= 0) return;
    sampler_weigh(s);
    mean = (float)mean_d(s);
    s->k->exp_row(&e, &mean, 1, 0);
    double bar = sqrt(p->eta_cutoff) * (double)e / s->total;
    keep_above(s, MIN(p->eta_cutoff, bar) * s->total);
}
