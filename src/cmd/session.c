/* SPDX-License-Identifier: MIT */
/* session.c - see session.h. */
#include "cmd/session.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "cmd/params.h"
#include "cmd/term.h"
#include "engine/plan.h"

/* What --precision may be; the first is the default. -1: none of them. */
static int precision_find(const struct options *o)
{
    static const char *const names[] = {
        [BRRR_PRECISION_Q8] = "q8", [BRRR_PRECISION_F32] = "f32", [BRRR_PRECISION_BF16] = "bf16"
    };

    for (size_t i = 0; o->precision && i < COUNT(names); i++)
        if (strcmp(o->precision, names[i]) == 0) return (int)i;
    return o->precision ? -1 : BRRR_PRECISION_Q8;
}

int session_open(struct brrr_model **m, const struct options *o)
{
    struct progress bar;
    struct brrr_model_opts mo = { .precision = precision_find(o),
                                  .n_threads = o->n_threads,
                                  .progress = progress_callback,
                                  .progress_arg = &bar };
    struct brrr_error err;
    const char *path = cmd_model_path(o);

    *m = NULL;
    if (!path) return EXIT_USAGE;
    progress_start(&bar, "loading", o->quiet);
    enum brrr_status st = brrr_model_open(m, path, &mo, &err);
    progress_end(&bar);
    return st ? cmd_fail(&err) : EXIT_OK;
}

static int set_policy(struct engine_opts *eo, const struct options *o)
{
    eo->policy = o->policy ? sched_policy_find(o->policy) : SCHED_FAIR;
    if (eo->policy == SCHED_POLICIES)
        return cmd_usage(o->verb, "--policy is 'fair', 'fcfs' or 'priority', not '%s'", o->policy);
    return EXIT_OK;
}

int session_open_draft(struct engine_opts *eo, const struct options *o)
{
    struct options draft = *o;
    struct brrr_model *m;

    if (eo->speculate != DRAFT_MODEL) return EXIT_OK;
    draft.model = o->draft_model;
    draft.precision = NULL; /* the fastest: what it guesses is verified */
    int code = session_open(&m, &draft);
    eo->draft_model = m;
    return code;
}

void session_close_draft(struct engine_opts *eo)
{
    brrr_model_close((struct brrr_model *)eo->draft_model);
    eo->draft_model = NULL;
}

/* A line about the engine; it may quote the name of a file. */
static void note(void *arg, const char *text)
{
    char clean[TERM_ROOM(512)];
    size_t n = term_clean(clean, text, strnlen(text, 512));

    (void)arg;
    fprintf(stderr, "brrr: %.*s\n", (int)n, clean);
}

/* --kv-disk DIR,SIZE: the last comma separates. */
static int set_kv_disk(struct engine_opts *eo, const struct options *o)
{
    static char dir[PATH_MAX];
    const char *comma = o->kv_disk ? strrchr(o->kv_disk, ',') : NULL;
    uint64_t bytes;

    eo->note = note;
    if (!o->kv_disk) return EXIT_OK;
    if (!comma || comma == o->kv_disk || !options_size(comma + 1, strlen(comma + 1), &bytes) ||
        bytes == 0 || bytes > SIZE_MAX / 4)
        return cmd_usage(o->verb, "--kv-disk is DIR,SIZE, as /var/cache/brrr,8G, not '%s'",
                         o->kv_disk);
    size_t n = (size_t)(comma - o->kv_disk);
    if (n >= sizeof(dir))
        return cmd_usage(o->verb, "--kv-disk: a path of %zu bytes, %zu are possible", n,
                         sizeof(dir) - 1);
    memcpy(dir, o->kv_disk, n);
    dir[n] = 0;
    eo->kv_disk = dir;
    eo->kv_disk_bytes = bytes;
    return EXIT_OK;
}

int session_engine_opts(struct engine_opts *eo, const struct options *o)
{
    int precision = precision_find(o);
    const char *kv = o->kv_type ? o->kv_type : precision == BRRR_PRECISION_F32 ? "f32" : "f16";

    *eo = (struct engine_opts){ .n_threads = o->n_threads,
                                .n_threads_decode = o->n_threads_decode,
                                .ctx = o->ctx,
                                .chunk = o->chunk,
                                .n_parallel = o->parallel,
                                .kv_bytes = o->kv_memory,
                                .itl_s = o->itl_ms * 1e-3,
                                .no_prefix = o->no_prefix };
    eo->speculate = o->speculate     ? draft_find(o->speculate)
                    : o->draft_model ? DRAFT_MODEL
                                     : DRAFT_NONE;
    if (eo->speculate == DRAFT_KINDS)
        return cmd_usage(o->verb, "--speculate is 'none', 'ngram', 'suffix' or 'draft', not '%s'",
                         o->speculate);
    if ((eo->speculate == DRAFT_MODEL) != (o->draft_model != NULL))
        return cmd_usage(o->verb, "--speculate draft and --draft-model FILE go together");
    if (OPTION_GIVEN(o, draft_max) && (o->draft_max < 1 || o->draft_max > LIMIT_DRAFT))
        return cmd_usage(o->verb, "--draft-max is from 1 to %d", LIMIT_DRAFT);
    eo->draft_max = o->draft_max;
    if (precision < 0)
        return cmd_usage(o->verb, "--precision is 'q8', 'f32' or 'bf16', not '%s'", o->precision);
    eo->kv_type = kv_type_find(kv);
    if (eo->kv_type == KV_TYPES)
        return cmd_usage(o->verb, "--kv-type is 'f16', 'bf16', 'f32' or 'int8', not '%s'", kv);
    if (o->ctx < 0) return cmd_usage(o->verb, "--ctx-size counts from 0");
    /* Zero is the engine's word for "choose": only the absent option may say it. */
    if (OPTION_GIVEN(o, n_threads) && (o->n_threads < 1 || o->n_threads > LIMIT_THREADS))
        return cmd_usage(o->verb, "--threads is from 1 to %d", LIMIT_THREADS);
    if (OPTION_GIVEN(o, n_threads_decode) &&
        (o->n_threads_decode < 1 || o->n_threads_decode > LIMIT_THREADS))
        return cmd_usage(o->verb, "--threads-decode is from 1 to %d", LIMIT_THREADS);
    if (OPTION_GIVEN(o, chunk) && (o->chunk < 1 || o->chunk > LIMIT_CHUNK))
        return cmd_usage(o->verb, "--chunk is from 1 to %d", LIMIT_CHUNK);
    if (o->parallel < 1 || o->parallel > LIMIT_PARALLEL)
        return cmd_usage(o->verb, "--parallel is from 1 to %d", LIMIT_PARALLEL);
    if (OPTION_GIVEN(o, kv_memory) && (o->kv_memory == 0 || o->kv_memory > SIZE_MAX / 4))
        return cmd_usage(o->verb, "--kv-memory is from 1 to %zu bytes", SIZE_MAX / 4);
    if (o->queue < 0 || o->queue > LIMIT_WAITING)
        return cmd_usage(o->verb, "--queue is from 0 to %d", LIMIT_WAITING);
    if (o->itl_ms < 0 || o->itl_ms > 1e3 * LIMIT_ITL_S)
        return cmd_usage(o->verb, "--itl is from 0 to %d milliseconds", 1000 * LIMIT_ITL_S);
    int code = set_kv_disk(eo, o);
    return code ? code : set_policy(eo, o);
}

bool session_plan(struct engine_opts *eo, const struct options *o, const struct brrr_model *m)
{
    char path[PLAN_PATH], clean[TERM_ROOM(sizeof(((struct brrr_error *)0)->text))];
    struct brrr_error err;
    struct plan p;
    bool found;

    if (plan_read(&p, &found, m, &err)) {
        size_t n = term_clean(clean, err.text, strlen(err.text)); /* it may quote the file */
        fprintf(stderr, "brrr: plan not used: %.*s; `brrr tune` makes a new one\n", (int)n, clean);
        return false;
    }
    if (!found) {
        if (o->verbose) fputs("plan: none, `brrr tune` makes one\n", stderr);
        return false;
    }
    eo->limits = p.limits;
    eo->pace = p.pace; /* where it was measured otherwise, the first steps put it right */
    if (eo->n_threads > 0 && eo->chunk > 0) {
        if (o->verbose) fputs("plan: not used, options say threads and chunk\n", stderr);
        return false;
    }
    /* One number for both was asked for: no plan in between. */
    if (eo->n_threads == 0 && eo->n_threads_decode == 0) eo->n_threads_decode = p.n_threads_decode;
    if (eo->n_threads == 0) eo->n_threads = p.n_threads;
    if (eo->chunk == 0) eo->chunk = p.chunk;
    if (eo->ahead == 0) eo->ahead = p.ahead;
    if (o->verbose && plan_path(path, m))
        fprintf(stderr, "plan: %d threads to read, %d to decode, chunk %d, prefetch %d (%s)\n",
                eo->n_threads, eo->n_threads_decode ? eo->n_threads_decode : eo->n_threads,
                eo->chunk, eo->ahead, path);
    return true;
}

enum brrr_status session_gen_params(const struct options *o, struct gen_params *g,
                                    struct brrr_error *err)
{
    enum brrr_status st = params_from_options(o, g, err);

    if (st) return st;
    if (!OPTION_GIVEN(o, seed)) g->sample.seed = (uint64_t)time(NULL);
    if (o->verbose) fprintf(stderr, "seed %llu\n", (unsigned long long)g->sample.seed);
    return BRRR_OK;
}

static volatile sig_atomic_t interrupted, terminated;
static int signal_fd = -1;

static void on_signal(int sig)
{
    const uint64_t one = 1;
    int saved = errno;

    if (sig == SIGTERM) terminated = 1;
    if (sig == SIGINT && interrupted) _exit(EXIT_INT);
    interrupted = 1;
    ssize_t written = write(signal_fd, &one, sizeof(one));
    (void)written; /* it can only fail where there is no eventfd */
    errno = saved;
}

void session_catch_interrupt(void)
{
    struct sigaction sa = { .sa_handler = on_signal };

    if (signal_fd < 0) signal_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    sigemptyset(&sa.sa_mask);
    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGTERM, &sa, NULL);
}

bool session_interrupted(void)
{
    return interrupted;
}
void session_clear_interrupt(void)
{
    uint64_t n;

    interrupted = terminated;
    if (interrupted) return;
    ssize_t got = read(signal_fd, &n, sizeof(n));
    (void)got; /* nothing to take is fine */
}
int session_signal_fd(void)
{
    return signal_fd;
}
bool session_terminated(void)
{
    return terminated;
}

void session_closing_line(const struct engine_timings *t)
{
    fprintf(stderr, "prompt %d tokens", t->n_prompt);
    if (t->prefill_s > 0)
        fprintf(stderr, ", %.1f tok/s | TTFT %.3f s", t->n_prompt / t->prefill_s,
                t->queue_s + t->prefill_s);
    fprintf(stderr, " | answer %d tokens", t->n_gen);
    if (t->n_gen > 1 && t->decode_s > 0)
        fprintf(stderr, ", %.1f tok/s | ITL %.2f ms", (t->n_gen - 1) / t->decode_s,
                1e3 * t->decode_s / (t->n_gen - 1));
    if (t->n_drafted > 0)
        fprintf(stderr, " | guessed %d, right %d, about x %.2f", t->n_drafted, t->n_accepted,
                t->speedup);
    fputc('\n', stderr);
}
