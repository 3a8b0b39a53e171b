/* SPDX-License-Identifier: MIT */
/*
 * params.h - generation parameters from JSON and from options.
 *
 * Names: those of engine/gen.def with its aliases, and `seed`, `logit_bias`,
 * `pipeline`, `stop`, `stop_token_ids`, `logprobs`, `embed`. A null counts as absent (so
 * clients send it); a name that nobody knows is an error that says which.
 * Numbers out of range are found by gen_params_check(), which is not called here.
 */
#ifndef CMD_PARAMS_H
#define CMD_PARAMS_H

#include "cmd/cmd.h"
#include "engine/gen.h"

/* Only parameters of sampling; *p holds the defaults before. */
enum brrr_status params_sample(const json_t *obj, struct sample_params *p, struct brrr_error *err);
/* All of them. Keys in `skip` (ends in NULL) are the caller's own and passed over. */
enum brrr_status params_gen(const json_t *obj, const char *const *skip, struct gen_params *g,
                            struct brrr_error *err);
/* What the options of `run` and `chat` ask for; calls gen_params_init(). */
enum brrr_status params_from_options(const struct options *o, struct gen_params *g,
                                     struct brrr_error *err);
/* A JSON array of whole numbers: writes at most cap, returns how many, or -1 with err filled. */
int64_t params_ids(const json_t *list, const char *name, int32_t *ids, size_t cap,
                   struct brrr_error *err);

#endif
