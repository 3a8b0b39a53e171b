/* SPDX-License-Identifier: MIT */
/*
 * step.h - one forward pass as a program that all workers run together.
 *
 * Every worker calls the same layer function with its own `struct worker`; each
 * op_* below takes its share of the output by the worker's index, or pieces of it as
 * they come (worker_take), and ends in a barrier where the next operation reads what
 * others wrote (said for each).
 * No operator graph, no allocation. A value never depends on who computes it.
 *
 * Shapes: T rows of this batch, D model width, H query heads, G kv heads,
 * d_k, d_v head widths, F feed-forward width. Row-major, last index fastest.
 */
#ifndef MODEL_STEP_H
#define MODEL_STEP_H

#include <stdatomic.h>

#include "model/model.h"

/* Rows of activations in the form that matrices take them. */
struct act {
    const float *f32;   /* [T][k]                                       */
    const void *packed; /* the same, packed as int8 or bf16; NULL if no matrix reads it */
};

struct step {
    const struct model *m;
    struct pool *pool;
    const struct batch *b;
    const struct kv_view *kv;
    struct step_opts o;

    float *x;           /* [T][D] residual stream          */
    float *h;           /* [T][max(D, H d_v, F)] normalised or gathered rows, shared */
    void *h_packed;     /* h packed, shared                */
    float *q, *k, *v;   /* [T][H d_k], [T][G d_k], [T][G d_v] */
    float *att;         /* [T][H d_v]                      */
    float *gate, *up;   /* [T][F]                          */
    void *ff_packed;    /* gate packed                     */
    float *tmp;         /* [T][D] before a post-norm; at the end the hidden rows that are wanted */
    float *rot[2];      /* [T][n_rot / 2][cos, sin]        */
    float *inv_freq[2]; /* [n_rot / 2]                     */
    float *logits;      /* [n_out][n_vocab]                */
    const struct batch_seq **row_seq; /* [T] the sequence of a row */

    atomic_llong next_piece; /* worker_take() */
    int n_task;
    struct tile *tile; /* [n_task]                                     */
    float *part;       /* attention: parts of tiles that are cut       */
    int n_group_max;
    atomic_int *left; /* [n_group_max] splits not done, for each of them */

    struct worker *worker; /* [n_workers] */
    struct arena mem;
};

struct worker {
    struct step *s;
    int index, n;
    float *own_h;     /* [OWN_ROWS][k_max] private normalised rows   */
    void *own_packed; /* the same, packed                            */
    void *scratch;    /* for kernels                                 */
    long long taken;  /* pieces of the phases behind it (worker_take) */
};

enum {
    /* Up to this many rows every worker normalises and packs all of them for
     * itself: cheaper than a barrier, and the same values. */
    OWN_ROWS = 2,
    /* Query tokens of an attention tile. */
    TILE_TOKENS = 16,
    /* Query tokens of a step whose tiles may be cut into splits: bounds the parts' memory. */
    SPLIT_TOKENS = 8,
};

/* Rows of the batch. */
static inline int step_rows(const struct worker *w)
{
    return w->s->b->n_row;
}

/* Bytes of packed activations of this model. */
static inline size_t act_bytes(const struct model *m, int rows, int k)
{
    return m->precision == BRRR_PRECISION_BF16 ? bf16_bytes(rows, k) : q8_bytes(rows, k);
}

/* This worker's share [*lo, *hi) of n things, in steps of `unit`. */
static inline void worker_share(const struct worker *w, int n, int unit, int *lo, int *hi)
{
    int64_t units = (n + unit - 1) / unit;
    *lo = (int)MIN(n, units * w->index / w->n * unit);
    *hi = (int)MIN(n, units * (w->index + 1) / w->n * unit);
}

/*
 * The next of the n pieces of this phase, or -1. Every worker calls it, with the same n, until it
 * gives -1, and passes a barrier before the next phase that takes pieces.
 */
int worker_take(struct worker *w, int n);

void op_barrier(struct worker *w);

/* x = embedding of the batch's tokens, and the rotation tables. Ends in a barrier. */
void op_begin(struct worker *w);
/* act = rmsnorm(x) * weight [T][D]. Reads x of all rows; what follows may read act at once. */
struct act op_norm(struct worker *w, const float *x, const float *weight);
/* act = the rows of src [T][k] as they are. */
struct act op_rows(struct worker *w, const float *src, int k);
/* x [T][D] += act W^T + bias. Ends in a barrier. */
void op_project_add(struct worker *w, struct act a, const struct matrix *m, const float *bias);
/* x [T][D] += rmsnorm(act W^T) * weight. Ends in a barrier. */
void op_project_norm_add(struct worker *w, struct act a, const struct matrix *m,
                         const float *weight);
/* [T][F] f(act Wg^T) * (act Wu^T), f = silu or gelu, as activations. Ends in a barrier. */
struct act op_gated(struct worker *w, struct act a, const struct layer *l, bool gelu);
/* q, k, v of this layer from act, with biases. Ends in a barrier. */
void op_qkv(struct worker *w, struct act a, const struct layer *l);
/* Norm of q and k per head (where the layer has it), rotation, keys and values into the cache. Ends
 * in a barrier. */
void op_rotate_store(struct worker *w, const struct layer *l);
/* att [T][H d_v] from q and the cache. Ends in a barrier. */
void op_attend(struct worker *w, const struct layer *l);
/* The hidden rows after the last norm, into tmp. */
void op_hidden(struct worker *w);
/* logits of the out rows. */
void op_logits(struct worker *w);

/* Tiles of attention: rows of one sequence, for one kv head; all splits of it or (part) one. */
struct tile {
    const struct batch_seq *seq;
    int row, n_row, kv_head;
    int n_split, split, cost;
    float *part; /* of split 0; NULL: the tile is not cut */
    atomic_int *left;
};

/* tiles.c: made once for each step, with row_seq; how many there may be, and floats of parts. */
void tiles_make(struct step *s);
size_t tiles_cap(const struct model *m, const struct step_opts *o);
size_t tiles_part_floats(const struct model *m, const struct step_opts *o);

#endif
