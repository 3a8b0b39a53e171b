/* SPDX-License-Identifier: MIT */
/*
 * machine.h - the limits of this machine, measured, and what a step of a model could take at best.
 *
 * Measured with the workers, kernels and memory that the engine uses: the peak of multiply-adds
 * (kernels/probe.h), the rate of plain reads, the price of a barrier. Each is the best of many
 * tries, because a limit is what nothing disturbs. machine_measure() takes below two seconds.
 *
 * The roofline (Williams, Waterman, Patterson, CACM 2009): work of M multiply-adds that must read B
 * bytes takes at least max(B / read rate, M / peak) seconds.
 *
 * Threads: the caller's pool, so one measurement at a time.
 */
#ifndef ENGINE_MACHINE_H
#define ENGINE_MACHINE_H

#include "model/cost.h"
#include "model/model.h"

/* Of all workers of a pool together. */
struct machine_limits {
    int n_threads;
    const char *isa;
    double dot8, bf16, fma; /* 1e9 multiply-adds a second: products of int8, of bf16, f32 */
    double read;            /* 1e9 bytes a second, over a working set of read_bytes   */
    double read_bytes;
    double barrier_ns; /* from the last worker's arrival to the first's way on, and back */
};

/* `mem` is what to read. */
void machine_measure(struct machine_limits *out, struct pool *pool, const struct kernels *k,
                     const void *mem, size_t n_bytes);
/* For steps of a model: reads of its packed weights; where matrices run unpacked, of fresh memory
 * as large as what a step reads. */
void machine_measure_model(struct machine_limits *out, struct pool *pool, const struct model *m);

/* One by one, in the units above; `budget_s`: about so long. */
double machine_dot8(struct pool *pool, const struct kernels *k, double budget_s);
double machine_bf16(struct pool *pool, const struct kernels *k, double budget_s);
double machine_fma(struct pool *pool, const struct kernels *k, double budget_s);
double machine_read(struct pool *pool, const struct kernels *k, const void *mem, size_t n_bytes,
                    double budget_s);
/* Of fresh memory that the workers touched first; 0 where there is no room for it. */
double machine_read_fresh(struct pool *pool, const struct kernels *k, size_t n_bytes,
                          double budget_s);
double machine_barrier_ns(struct pool *pool, double budget_s);

/* What a step asks of the machine (model/cost.h counts). */
struct step_work {
    double macs8,       /* multiply-adds on int8: matrices, and attention on a cache in int8 */
        macs16,         /* on bf16: matrices                                                 */
        macs32;         /* in f32: attention on other caches, and all other matrices         */
    double linear_macs; /* of matrices alone, the part of all that "share of peak" is about  */
    double linear8, linear16; /* of these, on int8, on bf16                                  */
    double weight_bytes, kv_bytes;
};

/* n_seq sequences, each with n_past tokens in its cache and n_row new ones, of which n_out need
 * logits: a chunk of a prompt is (1, past, chunk, 0 or 1), decoding is (batch, past, 1, 1). */
struct step_shape {
    int n_seq, n_past, n_row, n_out;
    int kv_type;
};
struct step_work machine_step_work(const struct model *m, const struct step_shape *s);
/* The same of a batch; c: model_cost() of the model and this type of cache. */
struct step_work machine_batch_work(const struct model *m, const struct model_cost *c,
                                    const struct batch *b, int kv_type);
/* Add the work of one more step. */
void machine_add_work(struct step_work *sum, const struct step_work *w);

/* The peak that the matrices of such a step are held against; its name ("int8") unless NULL. */
double machine_peak(const struct machine_limits *l, const struct step_work *w, const char **name);

/* The roofline's bound: seconds that a step takes at least. */
double machine_step_seconds(const struct machine_limits *l, const struct step_work *w);

/*
 * The batch at which reading the weights takes as long as computing with them:
 *     B* = (weight bytes / read rate) / (multiply-adds of one token / peak)
 * Smaller batches wait for memory, so that one more sequence is nearly free; larger ones wait for
 * arithmetic. Of decoding with an empty cache; 0 if a limit is unknown.
 */
double machine_critical_batch(const struct machine_limits *l, const struct model *m);

#endif
