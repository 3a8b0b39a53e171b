/* SPDX-License-Identifier: MIT */
/*
 * request.h - one generation from submission to its last event. Private to engine/.
 */
#ifndef ENGINE_REQUEST_H
#define ENGINE_REQUEST_H

#include "engine/engine.h"

struct request {
    uint64_t id;
    struct request *next; /* in the queue of waiting requests */
    struct ids ids;       /* prompt, then what was generated  */
    int n_prompt, n_done; /* n_done: positions in the cache   */
    int n_cached;         /* of the prompt: found in the cache          */
    int n_match;          /* waiting: of ids, in the cache when it was last looked for */
    int slot;             /* -1: waiting                                */
    int n_preempted;      /* times that it had to give its blocks back  */
    int limit;            /* ids at most: prompt + n_predict, or the context */
    struct gen_params gen;
    struct detok detok;
    struct stopper stopper;
    char *text;                 /* of the last event; its room is taken once */
    struct sample_logprob *top; /* [gen.n_logprobs] */
    bool cancelled;
    double t_submit, t_start, t_first, t_last;
};

enum brrr_status request_new(struct request **out, const struct brrr_model *m,
                             const int32_t *prompt, size_t n_prompt, const struct gen_params *gen,
                             struct brrr_error *err);
/* Let it grow to `limit` ids, the prompt included, and take the room for them. */
enum brrr_status request_limit(struct request *r, int limit, struct brrr_error *err);
void request_free(struct request *r); /* NULL is allowed */

/* Take the next token from its logits: sample, decode, look for stops. Fills *ev. A request that
 * may have no token ends. */
void request_step(struct request *r, const struct brrr_model *m, struct sampler *s,
                  const float *logits, struct engine_event *ev);
/* The last event of a request that ends without a token. */
void request_end(struct request *r, enum brrr_finish finish, struct engine_event *ev);

#endif
