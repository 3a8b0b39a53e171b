/* SPDX-License-Identifier: MIT */
/*
 * metrics.h - what the engine did, counted: for servers, benchmarks and who looks for time.
 *
 * Counters since the start, distributions in buckets, and the last steps one by one.
 * What a request took is in its last event (struct engine_timings). Nothing here costs
 * more than a few additions for a token; the work of a step is counted as model/cost.h does,
 * so that a machine's limits (machine.h) give its share of the roofline.
 *
 * Owned by: the engine's thread, like the engine.
 */
#ifndef ENGINE_METRICS_H
#define ENGINE_METRICS_H

#include "engine/kvdisk.h"
#include "engine/kvpool.h"
#include "engine/machine.h"
#include "engine/spec.h"

struct brrr_engine;

enum {
    METRIC_BUCKETS = 24, /* bucket i counts what is at most METRIC_LEAST * 2^i; the last all   */
    METRIC_STEPS = 512,  /* that are remembered                                                */
    METRIC_FINISH = 4,   /* enum brrr_finish                                                   */
};
#define METRIC_LEAST 50e-6 /* seconds */

enum metric_phase {
#define PHASE(id, name, label, help) id,
#include "engine/phases.def"
#undef PHASE
    PHASES,
};

struct metric_times {
    uint64_t bucket[METRIC_BUCKETS], n;
    double sum; /* seconds */
};

/* What a step did. */
struct metric_step {
    uint64_t index;
    double t0;                       /* clock_now() when it began                           */
    double phase_s[PHASES];          /* together all of its time                            */
    int n_prompt, n_decode, n_draft; /* rows                                                */
    int n_out;                       /* rows with logits                                    */
    int n_running, n_waiting;        /* sequences, after it was planned                     */
    size_t kv_used, kv_cached;       /* bytes, at its end                                   */
    size_t kv_alone;                 /* kv_used if nothing was shared                       */
    size_t kv_tail;                  /* of kv_used: places behind the last tokens of sequences */
    size_t kv_tail_alone;            /* of kv_alone                                         */
    struct step_work work;
};

/* Kinds of steps, by what is in them. */
enum metric_kind { METRIC_PREFILL, METRIC_DECODE, METRIC_MIXED, METRIC_KINDS };

struct metrics {
    uint64_t n_submitted, n_refused, n_finished[METRIC_FINISH]; /* requests                */
    uint64_t n_prompt, n_cached, n_made;                        /* tokens: of prompts that began,
                                                                   each once; of them from the
                                                                   cache; made                */
    uint64_t n_drafted, n_accepted; /* guesses; by their place: spec                       */
    struct spec_stats spec;
    double plain_s, spent_s; /* decoding without guesses, and as it was: speed-up estimated */
    uint64_t n_preempted;
    uint64_t n_step[METRIC_KINDS];
    struct metric_times step[METRIC_KINDS], pass[METRIC_KINDS]; /* whole; in PHASE_MODEL      */
    struct metric_times rows;                                   /* of a step: metric_count()  */
    double phase_s[PHASES];
    struct metric_times queue, ttft, itl, total; /* of each answer; itl of each gap       */
    struct step_work work;                       /* of all steps                          */
    int n_running, n_waiting;                    /* sequences                             */
    struct kvpool_stats kv;
    struct kvdisk_stats disk; /* nothing where there is no disk tier */
};

void engine_metrics(const struct brrr_engine *e, struct metrics *out);
/* The newest steps, at most cap, the oldest of them first; returns how many. */
int engine_steps(const struct brrr_engine *e, struct metric_step *out, int cap);

/* Which blocks of the cache are free, used, shared, cached. Walks all of them. */
void engine_kv_map(const struct brrr_engine *e, enum kv_kind kind, struct kv_map *out);

/* --- for the engine --- */

void metric_time(struct metric_times *m, double seconds);
/* Of numbers, not seconds: bucket i counts what is at most 2^i. */
void metric_count(struct metric_times *m, double n);
/* The value below which `part` of all lie, by the upper bound of its bucket; 0 of none. */
double metric_quantile(const struct metric_times *m, double part);
enum metric_kind metric_kind_of(const struct metric_step *s);
double metric_step_seconds(const struct metric_step *s);
void metrics_add_step(struct metrics *m, const struct metric_step *s);

#endif
