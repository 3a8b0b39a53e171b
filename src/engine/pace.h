/* SPDX-License-Identifier: MIT */
/*
 * pace.h - what a step costs on this machine, learned from the steps themselves.
 *
 * Three curves over a number of rows:
 *
 *     decode    a step of n rows that all need logits: decoding sequences, and their drafts
 *     prompt    a step of n rows of prompts in which nothing decodes
 *     beside    what n rows of prompts add to a step in which others decode: less than
 *               `prompt`, because the weights are read in any case
 *
 * so that a step of d rows that decode and n of prompts takes decode(d) + beside(n) seconds.
 * A curve has points at fixed numbers of rows. A point's value is the median of its
 * newest few steps, so that a disturbed one does not count; a point that no step came near
 * keeps the shape of what was expected (a plan of `brrr tune`, else the roofline of some
 * machine) at the scale of its neighbours. Between points it is linear, and it never falls:
 * neighbours that contradict each other are averaged (pool adjacent violators; Barlow et
 * al. 1972). Contexts grow and machines change their pace: old steps are forgotten, and a point
 * that is not visited any more loses its steps one by one, so that nothing wrong stays.
 *
 * A plain value without pointers; no allocation. Nothing here can change a bit of an answer.
 */
#ifndef ENGINE_PACE_H
#define ENGINE_PACE_H

#include <stdint.h>

#include "model/model.h"

enum { PACE_POINTS = 25, PACE_KEEP = 7, PACE_PRIOR = 16 };

/* What is known before the first step: seconds of steps with so many rows, ascending. */
struct pace_prior {
    int n_decode, n_prompt; /* 0: nothing */
    struct pace_known {
        int rows;
        double seconds;
    } decode[PACE_PRIOR], prompt[PACE_PRIOR];
};

/* The roofline of a machine of n_threads ordinary threads: the right shape, at a scale that the
 * first steps correct. */
void pace_prior_of_model(struct pace_prior *out, const struct model *m, int kv_type, int n_threads);

struct pace_curve {
    double expected[PACE_POINTS]; /* before any step                             */
    double median[PACE_POINTS];   /* of the steps near a point, where n > 0      */
    double value[PACE_POINTS];    /* what the curve says                         */
    float step[PACE_POINTS][PACE_KEEP];
    uint8_t n[PACE_POINTS], at[PACE_POINTS]; /* of them; the next one's place    */
    uint32_t seen[PACE_POINTS];              /* when a step came near it last    */
};

struct pace {
    struct pace_curve decode, prompt, beside;
    uint32_t n_step;
};

void pace_init(struct pace *p, const struct pace_prior *prior);
/* A step of n_prompt rows of prompts and n_decode rows that decode took so long. */
void pace_observe(struct pace *p, int n_prompt, int n_decode, double seconds);

/* A step of so many rows that decode, drafts included; never falls with them. 0 rows: 0. */
double pace_seconds(const struct pace *p, int rows);
/* A step with n_prompt rows of prompts in which n_decode rows decode. */
double pace_step_seconds(const struct pace *p, int n_prompt, int n_decode);
/* The most rows of prompts, up to `most`, with which a step in which n_decode rows decode stays
 * within target_s seconds; 0 if it is longer without any. */
int pace_rows(const struct pace *p, double target_s, int n_decode, int most);

#endif
