/* SPDX-License-Identifier: MIT */
/*
 * cost.h - what a step reads and computes, by the model's own shapes.
 *
 * Counted: the multiply-adds of matrices, and the bytes of matrices and of the cache. Not counted:
 * norms, rotations, the softmax, sampling and what is written; they are small, and a share of the
 * machine's limit that is measured without them errs on the low side.
 *
 * doubles, because they are multiplied with times and rates; every count here is exact in one.
 * Threads: a plain value, computed from an immutable model.
 */
#ifndef MODEL_COST_H
#define MODEL_COST_H

#include "model/model.h"

struct model_cost {
    double linear_macs; /* the layers' matrices, for each row of a step                */
    double head_macs;   /* the output matrix, for each row of logits                   */
    double layer_bytes; /* the layers' matrices as they lie in memory: once a step     */
    double head_bytes;  /* the output matrix: once a step that has logits              */
    double embd_bytes;  /* one row of the embedding: for each row of a step            */

    /* For each position that a query sees, by kind of layer; window layers see the last `window`.
     */
    double kv_bytes[KV_KINDS];
    double attend_macs[KV_KINDS];
    int window;
};

/* kv_type: enum kv_type of kernels/attend.h. */
void model_cost(struct model_cost *c, const struct model *m, int kv_type);

/* What a query reads of the cache, and multiplies with it, when it sees n_pos positions, its own
 * included. */
double cost_kv_bytes(const struct model_cost *c, int n_pos);
double cost_attend_macs(const struct model_cost *c, int n_pos);

/* Bytes of weights that a step with logits reads, whatever its rows. */
static inline double cost_weight_bytes(const struct model_cost *c)
{
    return c->layer_bytes + c->head_bytes;
}

#endif
