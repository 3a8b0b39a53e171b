/* SPDX-License-Identifier: MIT */
/*
 * gen.h - how one answer is made: sampling, length, stops, log-probabilities.
 *
 * A plain value without pointers: it can be copied, kept with a request and
 * needs no freeing. Who fills it from JSON or from options is cmd/params.c.
 */
#ifndef ENGINE_GEN_H
#define ENGINE_GEN_H

#include "engine/sampler.h"
#include "engine/stopper.h"

/* What a request wants instead of an answer: the hidden states of its prompt after the last norm,
 * as one vector. */
enum gen_embed {
    EMBED_NONE,
    EMBED_MEAN, /* their mean                  */
    EMBED_LAST, /* the last token's            */
    EMBED_KINDS,
};

struct gen_params {
    struct sample_params sample; /* first: cmd/params.c fills either struct by offset */
#define GEN_TYPE_INT  int
#define GEN_TYPE_REAL double
#define GEN_TYPE_FLAG bool
#define SAMPLE(field, kind, off, least, largest, alias)
#define GEN(field, kind, off, least, largest, alias) GEN_TYPE_##kind field;
#include "engine/gen.def"
#undef SAMPLE
#undef GEN
    enum gen_embed embed; /* then no token is made, whatever n_predict is */
    int n_stop, n_stop_id;
    struct stop_text stop[LIMIT_STOPS];
    int32_t stop_id[LIMIT_STOP_IDS]; /* besides the model's own stop tokens */
};

/* Greedy, 128 tokens, no stops. */
void gen_params_init(struct gen_params *g);
/* Everything in range; n_vocab as in sample_params_check(). */
enum brrr_status gen_params_check(const struct gen_params *g, int n_vocab, struct brrr_error *err);
/* "none", "mean", "last", and back; EMBED_KINDS for a name that is none. */
const char *gen_embed_name(enum gen_embed e);
enum gen_embed gen_embed_find(const char *name);
/* One more stop string; BRRR_E_LIMIT when it is empty, too long or one too many. */
enum brrr_status gen_params_add_stop(struct gen_params *g, const char *text, size_t n,
                                     struct brrr_error *err);

#endif
