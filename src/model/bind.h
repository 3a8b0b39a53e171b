/* SPDX-License-Identifier: MIT */
/*
 * bind.h - from the tensors of a file to the weights of a model, by the
 * architecture's table. Private to model/.
 */
#ifndef MODEL_BIND_H
#define MODEL_BIND_H

#include "format/gguf.h"
#include "model/arch.h"

/* One matrix to re-pack: rows of the file into groups. */
struct pack_job {
    const struct gguf_tensor *src;
    uint8_t *dst;
    size_t group_bytes;
    int n, k, n_group;
};

/*
 * A walk over all rules. Without `model` it only checks and adds up the plan;
 * with it, it also fills the model's weights and the list of jobs.
 */
struct binder {
    const struct gguf *g;
    const struct arch *arch;
    enum brrr_precision precision;
    struct model_plan plan;
    struct model *model;
    struct pack_job *job; /* room for every matrix */
    int n_job;
    struct matrix *last; /* bound; matrix.next links them */
};

/* Finds the architecture, reads the hyperparameters, walks all rules without a model. */
enum brrr_status bind_plan(struct binder *b, const struct gguf *g, enum brrr_precision precision,
                           struct brrr_error *err);
/* The second walk: b->model (its arena sized, its layers allocated) and b->job are set. */
enum brrr_status bind_model(struct binder *b, struct brrr_error *err);

#endif
