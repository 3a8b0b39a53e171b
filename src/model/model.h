/* SPDX-License-Identifier: MIT */
/*
 * model.h - a loaded model: shapes, weights, the architecture's layer function.
 *
 * model_check() runs every check that loading runs and says what loading would
 * cost; model_load() does it: binds the tensors by the architecture's table,
 * re-packs the matrices and gives the mapped pages back. The file must stay
 * open as long as the model: embedding rows and unpacked types are read from it.
 *
 * Immutable once loaded; any number of steps may run over it, one at a time
 * for each model_step.
 */
#ifndef MODEL_MODEL_H
#define MODEL_MODEL_H

#include "base/mem.h"
#include "base/pool.h"
#include "kernels/kernels.h"
#include "model/batch.h"
#include "model/hparams.h"
#include "model/kv_view.h"

struct gguf;

/* y = W x: n output rows of k weights. */
struct matrix {
    const void *w; /* packed groups (matmul.h), or the file's rows; NULL: not in this model */
    int n, k;
    enum qtype type;
    size_t group_bytes; /* of 16 packed rows; 0: not packed                   */
    bool packed, wide;  /* wide: packed_wide(type), reads f32 activations     */
    bool bf16;          /* packed as bf16, reads bf16 activations             */
    /* That a step multiplies with after this one; after the last, the first. */
    const struct matrix *next;
};

/* Everything a layer of any architecture may have; what it has not is NULL. */
struct layer {
    struct matrix wq, wk, wv, wo, w_gate, w_up, w_down;
    const float *bq, *bk, *bv, *bo, *b_gate, *b_up, *b_down;
    const float *attn_norm, *q_norm, *k_norm, *attn_post_norm;
    const float *ffn_norm, *ffn_post_norm;
    int index, window; /* window 0: sees everything before it */
    int rope;          /* index into hparams.rope             */
};

/* Weights outside the layers. */
struct globals {
    struct matrix embd, lm_head;
    const float *out_norm;
    const float *rope_freqs, *rope_long, *rope_short; /* [n_rot / 2] divisors of the frequencies */
};

struct arch;

struct model {
    const struct arch *arch;
    const struct gguf *file;
    struct hparams hp;
    struct globals g;
    struct layer *layer; /* [n_layer] */
    struct kernels kernels;
    enum brrr_precision precision;
    bool reads_packed; /* some matrix of it reads packed activations, int8 or bf16 */
    int k_max;         /* largest inner length of a matrix */
    struct arena weights;
};

/* What a model costs, before it is loaded. */
struct model_plan {
    const char *arch;
    struct hparams hp;
    size_t n_params;
    size_t packed_bytes; /* anonymous memory for weights          */
    size_t mapped_bytes; /* tensors that stay in the file's pages */
};

struct model_opts {
    enum brrr_precision precision;
    void (*progress)(void *arg, double done); /* called by worker 0; may be NULL */
    void *progress_arg;
};

/* Every check of model_load() that needs no memory. plan may be NULL. */
enum brrr_status model_check(const struct gguf *g, enum brrr_precision precision,
                             struct model_plan *plan, struct brrr_error *err);
enum brrr_status model_load(struct model **out, const struct gguf *g, const struct model_opts *opts,
                            struct pool *pool, struct brrr_error *err);
void model_free(struct model *m); /* NULL is allowed */

/* The numerics profile: names everything that changes bits ("q8g32x", "f32", "bf16"). */
const char *model_profile(const struct model *m);
/* The same with the type of the cache, as "q8g32x/int8": what a stored cache depends on. */
void model_profile_kv(const struct model *m, int kv_type, char *out, size_t n);

/* Bytes of one physical block of a layer for this cache type. */
size_t model_kv_block_bytes(const struct hparams *hp, int kv_type);
enum kv_kind model_kv_kind(const struct hparams *hp, int layer);

/* Buffers of one step, sized for the largest batch. */
struct step_opts {
    int max_row, max_out; /* rows, rows of logits                         */
    int ctx;              /* positions of a sequence (longrope looks at it) */
    int n_workers;        /* of the pool that will run it                 */
    int ahead;            /* of few rows (struct matmul_args)             */
};
struct step;
enum brrr_status step_new(struct step **out, const struct model *m, const struct step_opts *o,
                          struct brrr_error *err);
void step_free(struct step *s); /* NULL is allowed */
size_t step_bytes(const struct step *s);

/*
 * Run a batch: writes keys and values of its rows into the cache and returns
 * the logits of its out rows, [n_out][n_vocab], valid until the next run.
 * The blocks of all its positions must be in the tables of `kv`.
 */
const float *step_run(struct step *s, struct pool *pool, const struct batch *b,
                      const struct kv_view *kv);
/* What the last run's hidden rows came to after the last norm, [n_hidden][d_model]; valid until the
 * next run. */
const float *step_hidden(const struct step *s);

#endif
