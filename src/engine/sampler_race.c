/* SPDX-License-Identifier: MIT */
/*
 * sampler_race.c - drawing a token: an exponential race.
 *
 * At each place (seed, choice, position) every token id has a number V of its own, uniform in
 * (0, 1), and arrives at the time -log(1 - V) / e, where e is its weight. The first to arrive is
 * id i with probability e_i / sum of e: the Gumbel-max trick, its logarithm taken (Gumbel 1954;
 * Maddison et al., arXiv:1411.0030). The noise does not depend on the weights, so a model that
 * guesses what another will draw draws the same wherever their weights are near enough, whatever
 * the order or number of their candidates. Ties go to the lower id; a weight of 0 never arrives.
 *
 * Why this is fast: V = (byte + fraction) / 256. Sixteen ids get their bytes from one block of
 * the generator, and an id can only win if byte / 256 <= e * (the best time so far), because
 * -log(1 - V) >= V. Of a whole vocabulary about one id in 256 passes that, by a byte of 0;
 * only these need a block of their own, and few of them the logarithm. What is passed over is
 * known to lose, with room for rounding, so the winner does not depend on the order of the
 * candidates.
 */
#include "engine/sampler_run.h"

#include <math.h>

/* More than all roundings of a comparison together. */
static const double ROOM = 1 + 0x1p-20;
/* A time that floats still hold 256 times over. */
static const double FAR = 1e30;

/* 2 atanh(t), |t| < 0.172: the next term is below 2^-60. */
static double twice_atanh(double t)
{
    double t2 = t * t, sum = 0;

    for (int k = 21; k >= 1; k -= 2)
        sum = sum * t2 + 1.0 / k;
    return 2 * t * sum;
}

/* log m = 2 atanh((m - 1) / (m + 1)) */
double sampler_log(double z)
{
    int exponent;
    double m = frexp(z, &exponent); /* [0.5, 1) */

    if (m < M_SQRT1_2) {
        m *= 2;
        exponent--;
    }
    return exponent * M_LN2 + twice_atanh((m - 1) / (m + 1));
}

/*
 * -log(1 - V), V = (byte + (bits + 1/2) / 2^53) / 256. Near 0 it is V that has all its digits,
 * and near 1 it is 1 - V.
 */
static double exponential(int byte, uint64_t bits)
{
    if (byte < 64) {
        double v = byte * 0x1p-8 + ((double)bits + 0.5) * 0x1p-61;
        return twice_atanh(v / (2 - v));
    }
    bits = (1ull << 53) - 1 - bits;
    return -sampler_log((255 - byte) * 0x1p-8 + ((double)bits + 0.5) * 0x1p-61);
}

struct race {
    const struct rng_place *place;
    double best; /* the first arrival so far */
    int32_t id;
    int group; /* whose bytes these are */
    uint8_t byte[RNG_GROUP];
};

static void take_group(struct race *r, int group)
{
    if (group == r->group) return;
    rng_bytes(r->byte, r->place, (uint32_t)group);
    r->group = group;
}

/* An id of the group, with this weight. */
static void enter(struct race *r, int32_t id, float e)
{
    double weight = (double)e, reach = weight * r->best * ROOM;
    int byte = r->byte[id % RNG_GROUP];

    if (!(e > 0) || byte * 0x1p-8 > reach) return;
    uint64_t bits = rng_bits(r->place, (uint32_t)id);
    if (byte * 0x1p-8 + (double)bits * 0x1p-61 > reach) return;
    double time = exponential(byte, bits) / weight;
    if (time > r->best || (time == r->best && id > r->id)) return;
    r->best = time;
    r->id = id;
}

/* What is looked at together. */
enum { RUN = 16 };

/* How many of a run may win, in a form that compilers turn into vectors. */
static int count_open(const float e[RUN], const uint8_t byte[RUN], float reach)
{
    int n = 0;

    for (int i = 0; i < RUN; i++)
        n += (float)byte[i] <= e[i] * reach;
    return n;
}

/* A group whose ids are all candidates. */
static void enter_group(struct race *r, int32_t id0, const float *e)
{
    for (int i = 0; i < RNG_GROUP; i += RUN) {
        float reach = r->best < FAR ? (float)(256 * r->best * ROOM) : INFINITY;
        if (count_open(e + i, r->byte + i, reach) == 0) continue;
        for (int j = i; j < i + RUN; j++)
            enter(r, id0 + j, e[j]);
    }
}

/* Candidates i and following are a whole group. They stand in the order of ids, or are sorted. */
static bool whole_group(const struct sampler *s, int i)
{
    int last = i + RNG_GROUP - 1;

    return !s->sorted && last < s->n && s->id[i] % RNG_GROUP == 0 &&
           s->id[last] == s->id[i] + RNG_GROUP - 1;
}

int32_t sampler_race(struct sampler *s, const struct rng_place *p)
{
    sampler_exp(s);
    struct race r = { .place = p, .best = INFINITY, .id = s->id[0], .group = -1 };

    for (int i = 0; i < s->n;) {
        take_group(&r, s->id[i] / RNG_GROUP);
        if (whole_group(s, i)) {
            enter_group(&r, s->id[i], s->e + i);
            i += RNG_GROUP;
        } else {
            enter(&r, s->id[i], s->e[i]);
            i++;
        }
    }
    return r.id;
}
