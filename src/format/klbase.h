/* SPDX-License-Identifier: MIT */
/*
 * klbase.h - a file of reference distributions: what one mode of the model said at every scored
 * position of a text, for `brrr ppl --kl-base` and `--kl`.
 *
 * Layout, all numbers little-endian:
 *
 *     0  8  magic "brrr-kl\n"
 *     8  4  version, 1
 *    12  4  flags: 1 every window starts with BOS, 2 only its second half is scored
 *    16  4  n_vocab
 *    20  4  ctx: tokens of a window, BOS included
 *    24  4  n_id: tokens of the text
 *    28  4  n_row: scored positions; 0 until the writer has finished
 *    32  8  FNV-1a (64 bits) over the ids of the text, four bytes each
 *    40 16  name of the numerics profile that made it and, behind a '/',
 *           of its cache's type; padded with NUL
 *    56  8  zero
 *    64     n_row rows: nll f64 (of the token that followed), u16 [n_vocab]
 *
 * A u16 is how far the token's logit lies under the largest one, in 1/2048 nat, saturated: 65535
 * stands for 32 and more (a probability under 1e-14). The largest itself, the lowest id among
 * equals, and only it, has 0, so the choice of a greedy reader is kept exactly. A reader
 * normalises the row again, which leaves an error of the second order in the Kullback-Leibler
 * divergence: about 1e-8 where it is 0, and a few 1e-6 of either sign in one position where it
 * is 0.004. Half the size of f32, with no scale that a stranger could set.
 *
 * The file is untrusted: it must have exactly the size its head asks for, every field is checked
 * when it is read, and a row must agree with its own nll. Threads: the caller's.
 */
#ifndef FORMAT_KLBASE_H
#define FORMAT_KLBASE_H

#include <stdio.h>

#include "base/status.h"

enum { KLBASE_HEAD = 64, KLBASE_PROFILE = 16, KLBASE_UNIT = 2048, KLBASE_FAR = UINT16_MAX };

struct klbase_head {
    int n_vocab, ctx, n_id, n_row;
    bool bos, half;
    uint64_t id_sum;
    char profile[KLBASE_PROFILE + 1];
};

/* One position, as read: probability of id i is p[down[i]] / sum. Valid until the next row. */
struct klbase_row {
    const uint16_t *down; /* [n_vocab] */
    const double *p;      /* [65536]: exp(-i / 2048) */
    double sum;
    int32_t top;
    double nll;
};

struct klbase;

uint64_t klbase_id_sum(const int32_t *id, size_t n);

/* Writing: make, put each row in order, finish; h->n_row is not used, the rows are counted. */
enum brrr_status klbase_make(struct klbase **out, const char *path, const struct klbase_head *h,
                             struct brrr_error *err);
/* The logits of a position, the largest of them, and the nll of the token that followed. */
enum brrr_status klbase_put(struct klbase *k, const float *logits, float max, double nll,
                            struct brrr_error *err);
/* Without it the file stays one that a reader refuses. k is still to be closed. */
enum brrr_status klbase_finish(struct klbase *k, struct brrr_error *err);

/* Reading. From a path, or from a file that can be seeked and that becomes the reader's. */
enum brrr_status klbase_open(struct klbase **out, const char *path, struct brrr_error *err);
enum brrr_status klbase_open_file(struct klbase **out, FILE *f, const char *name,
                                  struct brrr_error *err);
const struct klbase_head *klbase_head(const struct klbase *k);
/* The next row; `next` is the id that followed there. Not after the last one. */
enum brrr_status klbase_get(struct klbase *k, int32_t next, struct klbase_row *row,
                            struct brrr_error *err);
void klbase_close(struct klbase *k); /* NULL is allowed */

#endif
