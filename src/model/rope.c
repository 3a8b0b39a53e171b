/* SPDX-License-Identifier: MIT */
/*
 * rope.c - see rope.h.
 *
 * Frequencies are computed in double and rounded once. The angle is a product in
 * f32, as in the reference implementations (a float32 outer product); its sine
 * and cosine are taken in double, so that the last bit does not depend on the
 * C library.
 */
#include "model/rope.h"

#include <math.h>

/* YaRN, equation 17 solved for the pair index: where a pair turns `turns` times in the trained
 * context. */
static double yarn_pair(double turns, int n_rot, const struct rope *r)
{
    return n_rot * log(r->orig_ctx / (turns * 2 * M_PI)) / (2 * log(r->base));
}

/* The share of interpolation for pair i: 0 keeps the frequency, 1 divides it by the factor. */
static double yarn_ramp(int i, int n_rot, const struct rope *r)
{
    double lo = MAX(floor(yarn_pair(r->beta_fast, n_rot, r)), 0);
    double hi = MIN(ceil(yarn_pair(r->beta_slow, n_rot, r)), n_rot - 1);

    if (lo == hi) hi += 0.001;
    double t = (i - lo) / (hi - lo);
    return t < 0 ? 0 : t > 1 ? 1 : t;
}

void rope_inv_freq(float *inv_freq, const struct hparams *hp, int which, int ctx,
                   const struct globals *g)
{
    const struct rope *r = &hp->rope[which];
    const float *divisor = g->rope_freqs;

    if (g->rope_long && g->rope_short) divisor = ctx > r->orig_ctx ? g->rope_long : g->rope_short;
    for (int i = 0; i < hp->n_rot / 2; i++) {
        double f = pow(r->base, -2.0 * i / hp->n_rot), share = 0;
        if (r->scaling == ROPE_LINEAR) share = 1;
        if (r->scaling == ROPE_YARN) share = yarn_ramp(i, hp->n_rot, r);
        f = f / r->factor * share + f * (1 - share);
        inv_freq[i] = (float)(divisor ? f / divisor[i] : f);
    }
}

void rope_table(float *cs, const float *inv_freq, int n_pairs, int pos, double attn_factor)
{
    for (int i = 0; i < n_pairs; i++) {
        double angle = (float)pos * inv_freq[i];
        cs[2 * i] = (float)(cos(angle) * attn_factor);
        cs[2 * i + 1] = (float)(sin(angle) * attn_factor);
    }
}
