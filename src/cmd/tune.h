/* SPDX-License-Identifier: MIT */
/* tune.h - what `brrr tune` shows beside its table; private to tune*.c. */
#ifndef CMD_TUNE_H
#define CMD_TUNE_H

#include <jansson.h>
#include <stdio.h>

#include "engine/tune.h"

/* Everything that was measured as one object, a new reference; NULL without memory. `plan` and
 * `svg` say where the files are, NULL where there is none. */
json_t *tune_json(const struct tune_result *r, const struct brrr_model *m, const char *plan,
                  const char *svg);

/* The roofline with the model's phases on it. False if writing failed. */
bool tune_svg(FILE *f, const struct tune_result *r, const struct brrr_model *m);

/* The file's name without its folders. */
const char *tune_model_name(const struct brrr_model *m);

/* Bytes of weights that a step reads, and multiply-adds of a token: what B* is made of. */
struct step_work tune_one_token(const struct tune_result *r);

#endif
