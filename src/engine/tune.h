/* SPDX-License-Identifier: MIT */
/*
 * tune.h - find out what this machine can do at most, what this model reaches on it, and with how
 * many threads and rows it reaches that. Nothing here decides for later runs: the result holds a
 * plan, and who calls may store it (plan.h).
 *
 * The machine: reads by size of the working set and number of threads, peaks of each instruction
 * set, barriers (machine.h). The model: prompts with each number of threads and each chunk, single
 * tokens with each number of threads and each distance of prefetching, and batches. Every figure of
 * the model is a median, in rounds that take each candidate once, so that a machine that changes
 * its pace changes it for all.
 *
 * Threads: the caller's is worker 0. Memory: one engine at a time beside the model.
 */
#ifndef ENGINE_TUNE_H
#define ENGINE_TUNE_H

#include "engine/engine.h"
#include "engine/machine.h"
#include "engine/plan.h"

enum {
    TUNE_THREADS = 8,
    TUNE_SIZES = 8,
    TUNE_CHUNKS = 4,
    TUNE_BATCHES = 12,
    TUNE_ISAS = 8,
    TUNE_AHEADS = 5
};

/* One number of threads. */
struct tune_threads {
    int n;
    double read[TUNE_SIZES]; /* 1e9 bytes a second, for each size of the working set */
    double barrier_ns;       /* 0 for one thread                                     */
    double prefill, decode;  /* tok/s of the model                                   */
};

/* 1e9 multiply-adds a second with kernels of one instruction set. */
struct tune_isa {
    const char *name;
    double dot8_one, dot8_all, bf16_one, bf16_all, fma_one, fma_all; /* by one thread, by all */
};

struct tune_chunk {
    int rows;
    double tok_s; /* a prompt of n_prompt tokens with the plan's threads */
};

/* How far ahead of few rows the weights are fetched. */
struct tune_ahead {
    int bytes;
    double tok_s; /* decoding one sequence with the plan's threads */
};

struct tune_batch {
    int n;
    double step_s;  /* a step with one token of each sequence */
    double bound_s; /* the roofline's bound for it            */
};

/* A phase on the roofline: what it asks and what it takes. */
struct tune_phase {
    char name[24];
    struct step_work work; /* of all its steps */
    double seconds;
};

struct tune_result {
    int n_threads, n_size, n_isa, n_chunk, n_ahead, n_batch, n_phase, n_prompt;
    double size[TUNE_SIZES]; /* bytes of working sets */
    struct tune_threads threads[TUNE_THREADS];
    struct tune_isa isa[TUNE_ISAS];
    struct machine_limits limits; /* of the most threads that the plan uses */
    struct tune_chunk chunk[TUNE_CHUNKS];
    struct tune_ahead ahead[TUNE_AHEADS];
    struct tune_batch batch[TUNE_BATCHES];
    struct tune_phase phase[TUNE_BATCHES + 1];
    struct plan plan;
};

struct tune_opts {
    int kv_type;
    int n_threads;                            /* the most; 0: one per core                 */
    size_t most_read;                         /* the largest working set to read; 0: 1 GiB */
    bool (*progress)(void *arg, double done); /* false: stop, with an error; may be NULL */
    void *progress_arg;
};

enum brrr_status tune_run(struct tune_result *out, const struct brrr_model *m,
                          const struct tune_opts *o, struct brrr_error *err);

/*
 * Batches of tune_result from which the decoding of `rate[i]` tokens a second (summed) for batch
 * `n[i]`, ascending from 1, shows its knee: the best sum over that of one sequence. One sequence is
 * bound by reading the weights, the best sum by arithmetic; where reading takes as long as
 * arithmetic, the batch is their ratio.
 */
double tune_knee(const struct tune_batch *b, int n);

/*
 * The decoding of one sequence is timed three times in a run, for threads, prefetch and batches:
 * the slowest and the fastest of them. Far apart, something else had the machine meanwhile, and
 * the plan may be wrong.
 */
void tune_decode_range(const struct tune_result *r, double *least, double *most);

/* Numbers of threads to try, ascending, the last one n; returns how many. */
int tune_thread_list(int list[TUNE_THREADS], int n);

/* The index of the first of n rates that is within `slack` of the largest: with equal speed the
 * earlier, smaller candidate is the better one. */
int tune_choose(const double *rate, int n, double slack);

#endif
