/* SPDX-License-Identifier: MIT */
/*
 * bench.h - what the files of `brrr bench` share: cases, what was measured of
 * them, and the machine's limits that they are compared with.
 *
 *     bench.c         options to cases, in order; interruption; the exit code
 *     bench_case.c    runs one case on an engine
 *     bench_stats.c   medians, percentiles, shares of the limits
 *     bench_limits.c  what the machine can do
 *     bench_report.c  table, Markdown, CSV, JSON
 *     bench_plot.c    SVG
 *     servesim.h      --serve-sim, which replays arrivals and has a report of its own
 *
 * Owned by: the main thread.
 */
#ifndef CMD_BENCH_H
#define CMD_BENCH_H

#include "cmd/session.h"
#include "engine/machine.h"
#include "model/cost.h"

enum { BENCH_MAX_LIST = 32, BENCH_MAX_REPEATS = 1000, BENCH_MIXED_PROMPTS = 4 };

enum bench_kind {
    BENCH_PREFILL, /* one prompt, from submission to its first token                  */
    BENCH_DECODE,  /* `batch` sequences decode n_gen tokens each, together            */
    BENCH_MIXED,   /* `batch` sequences decode while BENCH_MIXED_PROMPTS prompts are
                      read, one after the other                                       */
};
extern const char *const bench_kind_names[];

struct samples {
    double *v;
    size_t n, cap;
};

/* What the timed part of a run had to do. Its steps are alike, so that the limits of their sum are
 * the sum of their limits. */
struct bench_work {
    double prompt_tokens, gen_tokens; /* read, made                                              */
    double layer_macs, macs;          /* multiply-adds of the layers' matrices; of all matrices */
    struct step_work sum;             /* of all steps (engine/machine.h)                         */
};

struct bench_case {
    enum bench_kind kind;
    int n_prompt, n_gen, depth, batch;

    double read;                  /* 1e9 bytes a second: a plain read of this much */
    struct bench_work work;       /* of one run; every run does the same */
    struct samples tok_s;         /* one for each run                    */
    struct samples ttft_s, itl_s; /* one for each prompt, for each step  */
};

struct bench {
    const struct options *o;
    struct brrr_model *m;
    struct engine_opts eo; /* threads and chunk settled */
    struct model_cost cost;
    struct machine_limits limits; /* read: of the weights */
    struct bench_case *c;
    int n_case;       /* to be run */
    int n_done;       /* from the first; all of them have at least one run */
    bool planned;     /* threads or chunk come from a plan of `brrr tune` */
    char profile[64]; /* numerics, type of the cache included */
    bool interrupted;
};

/* --- bench_case.c --- */

/* Positions that a sequence of this case comes to hold. */
int bench_case_ctx(const struct bench *b, const struct bench_case *c);
/* Fills c; ends early, with what there is, when interrupted. */
enum brrr_status bench_case_run(const struct bench *b, struct bench_case *c,
                                struct brrr_error *err);

/* --- bench_stats.c --- */

struct bench_stat {
    double min, median, mean, p90, p95, p99, max;
    int n;
};

bool samples_push(struct samples *s, double v);
/* Percentiles are of the nearest rank: a value that was measured. All 0 of none. */
struct bench_stat bench_stat_of(const struct samples *s);
double bench_percentile(const struct samples *s, double part);

/* What is used of each limit, 0 to 1, and what they allow together. */
struct bench_share {
    double read, int8, bf16;   /* bytes, and the layers' multiply-adds, over the time   */
    double bound, bound_tok_s; /* the roofline: machine_step_seconds() over the time    */
    double intensity, mac_s;   /* multiply-adds of matrices for a byte read; a second   */
    double prompt_s, gen_s;    /* tokens read and tokens made in a second               */
};
struct bench_share bench_share_of(const struct bench *b, const struct bench_case *c);

/*
 * The critical batch by measurement, to be set beside machine_critical_batch(): where the two
 * asymptotes of the curve meet, most tok/s of any batch / tok/s of batch 1, over the decode cases
 * of one depth. 0: batch 1 was not measured.
 */
double bench_knee_measured(const struct bench *b, int depth);

/* --- bench_limits.c --- */

/* Into b->limits: the best of this and of what was measured before. A limit is what nothing
 * disturbs, so it is looked at before the cases and after them. */
enum brrr_status bench_limits_measure(struct bench *b, struct brrr_error *err);
/* How fast memory of this size is read, in 1e9 bytes a second; 0: as fast as the weights, because
 * it is hardly more than they are (or more than there is room for). */
double bench_limits_read(struct bench *b, double n_bytes);

/* --- bench_report.c --- */

/* "decode x8 @4096" */
void bench_case_name(char *buf, size_t cap, const struct bench_case *c);
/* The file's name, without folder and control characters. */
const char *bench_model_name(const struct bench *b, char *buf, size_t cap);
typedef int bench_report_fn(const struct bench *b);
/* NULL: no such format. */
bench_report_fn *bench_report_find(const char *format);
#define BENCH_FORMATS "text, md, json or csv"

/* What any report of a bench begins with: machine, model, limits. */
json_t *bench_json_head(const struct bench *b);
/* {median, min, max, mean, p90, p95, p99, n}, and every value. */
json_t *bench_json_stat(const struct samples *s);
json_t *bench_json_raw(const struct samples *s);

/* --- bench_plot.c --- */

/* A file for each plot that has at least two points. */
int bench_plot(const struct bench *b, const char *dir);

#endif
