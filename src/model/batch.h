/* SPDX-License-Identifier: MIT */
/*
 * batch.h - one step of work, as a flat value: the seam from engine to model.
 *
 * A batch is rows of tokens. The rows of one sequence are neighbours and have
 * ascending positions; a sequence may bring a chunk of its prompt or one
 * token. The model knows no requests and no policy, only this.
 */
#ifndef MODEL_BATCH_H
#define MODEL_BATCH_H

#include <stdint.h>

struct batch_seq {
    int slot;        /* whose block tables: index into kv_view.table[kind] */
    int row0, n_row; /* its rows                                          */
    int pos0;        /* position of row0; row0 + i is at pos0 + i          */
};

struct batch {
    int n_row, n_seq, n_out;
    const int32_t *token;        /* [n_row], each in 0 .. n_vocab - 1      */
    const struct batch_seq *seq; /* [n_seq], rows ascending, none left out */
    const int32_t *out_row;      /* [n_out] rows that need logits, ascending */
    int n_hidden;
    const int32_t *hidden_row; /* [n_hidden] rows whose hidden states are wanted, ascending */
    int n_workers;             /* of the pool that run it; 0: all. Not a bit depends on it */
};

#endif
