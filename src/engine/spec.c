/* SPDX-License-Identifier: MIT */
/* spec.c - see spec.h. */
#include "engine/spec.h"

#include <stddef.h>

#include "base/status.h"

enum {
    PATIENCE_LEAST = 4, /* chances to let pass before a try that may be in vain */
    PATIENCE_MOST = 512,
};

static const double MARGIN = 1.02; /* better by less is not better: costs are estimates      */
static const float FADE = 0.97f;   /* weight of what was seen, with each news of the class   */
static const float FADE_OTHERS = 0.998f;
static const double TRUST = 4; /* experience of others weighs as much as so many news        */

/* Without any experience, by class: found with SmolLM2 on mixed texts, rounded. */
static const float at_first[SPEC_CLASSES] = {
    .3f, .3f, .45f, .55f, .65f, .75f, .8f, .85f, .9f, .95f
};
/* The longest match of each class. */
static const int longest[SPEC_CLASSES - 1] = { 0, 1, 2, 3, 4, 6, 9, 15, 31 };

static int class_of(int match)
{
    int c = 0;

    while (c < SPEC_CLASSES - 1 && match > longest[c])
        c++;
    return c;
}

void spec_init(struct spec *s, const struct spec_rate *others)
{
    *s = (struct spec){ .others = others, .patience = PATIENCE_LEAST };
}

/* What others saw, and behind that what is assumed. */
static double expected(const struct spec_rate *others, int c)
{
    double p = (double)at_first[c];

    if (!others) return p;
    return ((double)others->right[c] + TRUST * p) / ((double)others->tried[c] + TRUST);
}

double spec_chance(const struct spec *s, int match, int i)
{
    int c = class_of(match + i);
    double before = expected(s->others, c);

    return ((double)s->own.right[c] + TRUST * before) / ((double)s->own.tried[c] + TRUST);
}

double spec_tokens(const struct spec *s, int match, int k)
{
    double sum = 1, all = 1;

    for (int i = 0; i < k; i++) {
        all *= spec_chance(s, match, i);
        sum += all;
    }
    return sum;
}

int spec_length(struct spec *s, int match, int n, const struct spec_cost *c)
{
    double best, all = 1, tokens = c->tokens + 1;
    int best_k = 0;

    s->tries = false;
    n = MIN(n, LIMIT_DRAFT);
    if (n <= 0) return 0;
    best = MARGIN * tokens / c->seconds(c->arg, c->rows + 1);
    for (int k = 1; k <= n; k++) {
        all *= spec_chance(s, match, k - 1);
        tokens += all;
        double rate = tokens / (c->seconds(c->arg, c->rows + 1 + k) + k * c->guess_s);
        if (rate > best) {
            best = rate;
            best_k = k;
        }
    }
    if (best_k > 0) return best_k;
    if (++s->skipped < s->patience || c->try_s > c->try_left) return 0;
    s->skipped = 0;
    s->tries = true;
    return 1;
}

static void note(struct spec_rate *r, int c, bool right, float fade)
{
    r->tried[c] = r->tried[c] * fade + 1;
    r->right[c] = r->right[c] * fade + (right ? 1 : 0);
}

void spec_learn(struct spec *s, int match, int n, int n_right, struct spec_rate *others,
                struct spec_stats *stats)
{
    for (int i = 0; i < MIN(n, n_right + 1); i++) {
        int c = class_of(match + i);
        note(&s->own, c, i < n_right, FADE);
        if (others) note(others, c, i < n_right, FADE_OTHERS);
    }
    s->skipped = 0;
    s->patience =
        n_right > 0 ? MAX(s->patience / 2, PATIENCE_LEAST) : MIN(2 * s->patience, PATIENCE_MOST);
    s->n_drafted += n;
    s->n_accepted += n_right;
    if (!stats) return;
    stats->n_step++;
    for (int i = 0; i < n; i++) {
        stats->drafted[i]++;
        stats->accepted[i] += i < n_right;
    }
}
