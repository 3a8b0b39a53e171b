/* SPDX-License-Identifier: MIT */
/*
 * plan.h - what `brrr tune` found out, kept for later runs: one small JSON file for each model and
 * machine, in $XDG_CACHE_HOME/brrr/plans (else ~/.cache/brrr/plans).
 *
 * A plan changes speed and nothing else: no field of it can change a bit of an answer. It belongs
 * to a key, which is in the file and compared in full: the model file's size and the hash of its
 * header, the processor's name, how many of them we may use, the instruction set of the kernels,
 * the program's version and the numerics profile. The file is read as input from outside: every
 * field is checked, and one that does not fit makes the whole plan an error, never a guess.
 */
#ifndef ENGINE_PLAN_H
#define ENGINE_PLAN_H

#include "engine/bundle.h"
#include "engine/machine.h"
#include "engine/pace.h"

struct plan {
    int n_threads, n_threads_decode, chunk, ahead; /* as in struct engine_opts, none of them 0 */
    /* The critical batch size, predicted from the roofline and measured; for reports. */
    double batch_predicted, batch_measured;
    struct machine_limits limits; /* only rates: dot8, bf16, fma, read; of the plan's threads */
    struct pace_prior pace;       /* what steps took, with the plan's threads */
};

enum { PLAN_PATH = 4096 };

/* Where the plan of this model and machine is kept; false if there is no home for it. */
bool plan_path(char path[PLAN_PATH], const struct brrr_model *m);

/*
 * Read it. BRRR_OK with *found false if there is none; an error with one line if there is one that
 * is damaged or belongs to another key: then nothing of it is used.
 */
enum brrr_status plan_read(struct plan *p, bool *found, const struct brrr_model *m,
                           struct brrr_error *err);

/* Write it in one step (rename), creating the folder. */
enum brrr_status plan_write(const struct plan *p, const struct brrr_model *m,
                            struct brrr_error *err);

#endif
