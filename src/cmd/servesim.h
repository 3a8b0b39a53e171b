/* SPDX-License-Identifier: MIT */
/*
 * servesim.h - `brrr bench --serve-sim`: what people who send requests would see of this engine.
 *
 * A load (simload.h) is replayed against the real engine in this process: requests are submitted
 * when they are due, whatever the engine is doing, and each token is timed when it comes out. A
 * request that comes due during a step waits for the step's end, and its time counts from when
 * it was due.
 *
 *     servesim.c         options to runs, in order; interruption; the exit code
 *     simrun.c           one run: submits, polls, times
 *     simsum.c           what a run amounts to
 *     servesim_report.c  tables, CSV, JSON
 *     servesim_plot.c    SVG
 *
 * Owned by: the main thread.
 */
#ifndef CMD_SERVESIM_H
#define CMD_SERVESIM_H

#include "cmd/bench.h"
#include "cmd/simload.h"
#include "engine/metrics.h"

enum { SIM_RUNS = 64 };

/* What a request took; times in seconds from the start of the run. */
struct sim_request {
    double due, sent, first, end; /* should and did arrive; its first token; its last         */
    double gap_max;               /* the longest time between two tokens of an answer         */
    int n_tok;                    /* made, of all answers                                     */
    int n_left;                   /* answers that have not ended                              */
    int n_cached, n_preempted;    /* of its first answer                                      */
    int n_drafted, n_accepted;    /* guesses of all answers; of them, right                   */
    int n_could;                  /* tokens in full blocks that earlier requests had computed */
    double queue_s;               /* sent to first scheduled                                  */
    bool refused, ended, met;     /* met: the objectives                                      */
};

/* Objectives, in seconds; 0: none. */
enum sim_slo_kind { SIM_TTFT, SIM_ITL, SIM_TPOT, SIM_E2E, SIM_SLOS };
extern const char *const sim_slo_names[SIM_SLOS];
struct sim_slo {
    double most[SIM_SLOS];
};

/* What a run amounts to: one number for each name, tok/s and shares (0 to 1) among them. */
struct sim_sum {
#define SUM(field, help) double field;
#include "cmd/simsum.def"
#undef SUM
};

struct sim_run {
    const struct simload *load;
    char load_name[96];    /* for people and JSON                                           */
    struct engine_opts eo; /* settled                                                        */
    int concurrency;       /* so many at once; 0: as they arrive                               */
    double rate;           /* that the load was made with; 0: its own                         */
    char name[64];         /* "concurrency 32"                                               */
    int n_samples;
    int n_beams; /* width of the beam search that finds an answer; 0: none */
    struct sim_slo slo;

    struct sim_request *r; /* [load->n]                                                      */
    struct samples itl_s;  /* every gap between two tokens                                   */
    struct samples ttft_s, tpot_s, e2e_s, queue_s; /* of requests that ended                  */
    struct metric_step *step; /* [n_step] t0 from the start of the run                        */
    size_t n_step, cap_step;
    double wall;            /* to the last event                                              */
    struct kvpool_stats kv; /* at its end */
    bool interrupted;
    struct sim_sum sum;
};

/* `brrr bench` with --serve-sim or --trace; returns the exit code. */
int servesim(const struct options *o);

/* --- simrun.c --- */

/* Replays run->load on an engine of its own and fills the results but for the sum. */
enum brrr_status sim_replay(struct sim_run *run, const struct bench *b,
                            const struct simload_text *text, struct brrr_error *err);
void sim_run_fini(struct sim_run *run); /* zeroed is allowed */

/* --- simsum.c --- */

/* Requests' times to distributions and the sum. False: no memory. */
bool sim_summarize(struct sim_run *run, const struct bench *b);
/* "ttft=0.5,itl=0.05"; false for anything else. */
bool sim_slo_parse(struct sim_slo *out, const char *s);

/* --- servesim_report.c --- */

struct servesim {
    struct bench b; /* model, threads, profile, limits */
    struct sim_run run[SIM_RUNS];
    int n_run; /* that have begun */
};
typedef int servesim_report_fn(const struct servesim *s);
servesim_report_fn *servesim_report_find(const char *format); /* NULL: no such format */

/* --- servesim_plot.c --- */

int servesim_plot(const struct servesim *s, const char *dir);

#endif
