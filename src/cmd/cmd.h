/* SPDX-License-Identifier: MIT */
/*
 * cmd.h - what the verbs share: the options, the exit codes, reading input.
 *
 * A verb is one file with one function `int verb_x(const struct options *o)`
 * that returns an exit code, and one row in verbs.def. Only this folder may
 * print to the terminal or end the process.
 */
#ifndef CMD_CMD_H
#define CMD_CMD_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/limits.h"
#include "base/status.h"

enum exit_code {
    EXIT_OK = 0,
    EXIT_RUN = 1,
    EXIT_USAGE = 2,
    EXIT_MODEL = 3,
    EXIT_NOMEM = 4,
    EXIT_NETWORK = 5,
    EXIT_BIND = 6,
    EXIT_RANK = 7,
    EXIT_DISK = 8,
    EXIT_INT = 130,
    EXIT_TERM = 143,
};

/* Which verbs take an option: one bit per verb, in the order of verbs.def. */
enum {
#define VERB(name, operands, help) VERB_BIT_##name,
#include "cmd/verbs.def"
#undef VERB
    VERB_COUNT
};

struct str_list {
    const char *v[LIMIT_STOPS];
    int n;
};

/* One number for each row of options.def. */
enum {
#define OPT(field, kind, s, name, alias, meta, verbs, help) OPTION_INDEX_##field,
#include "cmd/options.def"
#undef OPT
    OPTION_COUNT
};

struct options {
    const char *verb;
    /* one field per row of options.def */
    const char *model, *precision, *kv_type, *kv_disk, *speculate, *draft_model, *prompt, *file,
        *system, *task, *to;
    const char *template_file, *tensor, *score, *batch, *lengths, *depth, *mixed, *format, *plots;
    const char *svg_file, *kl, *kl_base, *n_decode, *policy;
    const char *serve_sim, *trace, *concurrency, *rate, *shared_prefix, *slo;
    const char *host, *alias, *api_key_file, *api_key, *allowed_host, *cors_origin, *tls_cert,
        *tls_key;
    bool no_auth, isolate, metrics_public;
    uint64_t max_body;
    double drain_s;
    int port, queue;
    double itl_ms;
    uint64_t kv_memory;
    int n_threads, n_threads_decode, ctx, chunk, parallel, draft_max, n_predict, top_k, max_tokens,
        repeats, no_repeat_ngram;
    int requests, samples, beams;
    double temperature, top_p, min_p, typical_p, repeat, presence, frequency, epsilon, eta;
    uint64_t seed;
    struct str_list stop;
    bool raw, ignore_eos, no_prefix, jsonl, json, decode, dequant, verbose, quiet, help;
    const char *arg[16]; /* operands: what stands without a dash */
    int n_arg;
    bool given[OPTION_COUNT]; /* that row was on the command line or in the environment */
};

/* True if the user set the option that lands in this field (by its field name). */
#define OPTION_GIVEN(o, field) ((o)->given[OPTION_INDEX_##field])

#define VERB(name, operands, help) int verb_##name(const struct options *o);
#include "cmd/verbs.def"
#undef VERB

/* Parse argv for the verb; false after a message on stderr (exit code 2). */
bool options_parse(struct options *o, const char *verb, int argc, char **argv);
/* "64", "512M", "8GiB": bytes, in powers of 1024. False for what is none, or does not fit. */
bool options_size(const char *s, size_t n, uint64_t *bytes);
void options_help(const char *verb, FILE *to);

/* "brrr: <message>" on stderr; returns the exit code that belongs to the status. */
int cmd_fail(const struct brrr_error *err);
/* The same of opening an engine: what a limit refuses there is the value of an option. */
int cmd_fail_engine(const struct brrr_error *err);
int cmd_usage(const char *verb, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The model file the user named with -m, as the first operand or in BRRR_MODEL; "default" is the
 * one that run.sh fetched. NULL after a message. */
const char *cmd_model_path(const struct options *o);
/* The whole of a file ("-": stdin), at most `limit` bytes; the caller frees out->p. */
enum brrr_status cmd_read_file(const char *path, size_t limit, struct slice *out,
                               struct brrr_error *err);

/*
 * --jsonl: for each input line call fn, print what it returns (a new reference) as one line and
 * flush. A line that is no JSON object, or for which fn returns NULL with err filled, gives
 * {"error": "..."} and the stream goes on. Returns the exit code.
 */
int cmd_jsonl(json_t *(*fn)(void *arg, const json_t *line, struct brrr_error *err), void *arg);
/* {"error": text} for any bytes of a struct brrr_error: what is no UTF-8 is replaced, since JSON
 * can not carry it. */
json_t *cmd_json_error(const char *text);
/* One line on stdout, floats as %.9g; flushed. Frees v. EXIT_RUN where it could not be written. */
int cmd_print_json(json_t *v);
/* The same for a verb with one answer: whether that got out is for main.c to find out and tell. */
int cmd_print_answer(json_t *v);

#endif
