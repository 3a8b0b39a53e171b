/* SPDX-License-Identifier: MIT */
/*
 * ppl_kl.h - `brrr ppl --kl-base FILE` and `--kl FILE`: the distributions of one mode kept, and
 * those of another compared with them, position by position. ppl.c feeds it.
 */
#ifndef CMD_PPL_KL_H
#define CMD_PPL_KL_H

#include "cmd/cmd.h"
#include "format/klbase.h"

struct kl {
    struct klbase *file; /* NULL: neither option was given */
    bool compare;
    char profile[KLBASE_PROFILE + 1]; /* of the mode at hand */
    double *each;                     /* [n] divergences, to compare */
    int n, n_same;
    double base_nll; /* summed */
    enum brrr_status st;
    struct brrr_error err;
};

/* A scored position: logits, their largest and the log of the sum of exp(x - largest). */
struct kl_at {
    const float *logits;
    float max;
    double log_sum;
    int32_t next; /* the token that followed */
};

/* `h` says what the text and the windows are: what a base is made of, or must have been made of.
 * An exit code, after a message where it is not EXIT_OK. */
int kl_start(struct kl *k, const struct options *o, const struct klbase_head *h);
/* False after a failure, which is kept for kl_end(). */
bool kl_take(struct kl *k, const struct kl_at *at);
/* Every position has been taken: an exit code, after a message. */
int kl_end(struct kl *k);
void kl_fini(struct kl *k);

/* After kl_end(), of a comparison with `n` positions and this mean nll: to print. */
void kl_print(struct kl *k, const struct options *o, double nll);
json_t *kl_json(struct kl *k, double nll);

#endif
