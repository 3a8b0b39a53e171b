/* SPDX-License-Identifier: MIT */
/*
 * rope.h - rotary position embedding: frequencies with all scalings, tables.
 * Su et al., arXiv:2104.09864; YaRN, arXiv:2309.00071; longrope, arXiv:2402.13753.
 */
#ifndef MODEL_ROPE_H
#define MODEL_ROPE_H

#include "model/model.h"

/*
 * Radians per position of each pair, [n_rot / 2], for rope `which` of the model
 * (0: global layers, 1: window layers). `ctx` is the context the engine was
 * opened with: longrope has one set of factors within the trained length and one
 * beyond it.
 */
void rope_inv_freq(float *inv_freq, const struct hparams *hp, int which, int ctx,
                   const struct globals *g);

/* cos and sin of one position, times the attention factor: cs [n_pairs][2]. */
void rope_table(float *cs, const float *inv_freq, int n_pairs, int pos, double attn_factor);

#endif
