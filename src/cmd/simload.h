/* SPDX-License-Identifier: MIT */
/*
 * simload.h - what `brrr bench --serve-sim` replays: requests, when they arrive and how long they
 * are.
 *
 * A load is made from a specification and a seed (simload.c), or read from a trace (simtrace.c).
 * Nothing here runs a model or looks at a clock: the same specification gives the same load, and
 * every draw is named by (seed, what for, which request), so that another number of requests or
 * another rate leaves the rest as it was.
 *
 * Lengths are in tokens, times in seconds.
 */
#ifndef CMD_SIMLOAD_H
#define CMD_SIMLOAD_H

#include "base/limits.h"
#include "base/status.h"

struct simload_request {
    double at;            /* it arrives, from the start                                   */
    int after;            /* the turn of its chat before it, to be answered first; -1: none */
    int prefix, n_prefix; /* it begins with so much of the text of that number            */
    int n_new;            /* its own tokens: behind the prefix, or behind the last answer */
    int n_prompt;         /* all tokens of its prompt                                     */
    int n_out;            /* tokens of its answer                                         */
    int line;             /* of the trace; 0: there is none                               */
    uint64_t user;
};

struct simload {
    struct simload_request *r; /* [n]; `after` is a smaller index */
    int n;
    uint64_t seed;
};

enum simload_kind { SIMLOAD_FIXED, SIMLOAD_UNIFORM, SIMLOAD_LOGNORMAL };

/* A length: a; from a to b, all alike; or log-normal with mean a and b as sigma of the logarithm.
 */
struct simload_len {
    enum simload_kind kind;
    double a, b;
};

struct simload_part {
    int n;                     /* requests, or chats                                      */
    struct simload_len prompt; /* prefix included; of a chat's later turns: what is new    */
    struct simload_len output;
    int n_prefix; /* tokens of a prefix ...                                  */
    double share; /* ... that so many of them begin with, 0 to 1             */
    int turns;    /* of a chat; 1: no chat                                   */
    double start;
    double rate; /* a second from `start` on, with exponential gaps; 0: all at once */
};

enum { SIMLOAD_PARTS = 2 };

/* The last part is the one that options change. */
struct simload_spec {
    struct simload_part part[SIMLOAD_PARTS];
    int n_part;
    int n_max; /* tokens a request may hold: lengths that were drawn are cut to it */
    uint64_t seed;
};

struct simload_preset {
    const char *name;
    struct simload_spec spec;
    const char *concurrency; /* NULL: requests come when they come */
    const char *what;
};
extern const struct simload_preset simload_presets[];
const struct simload_preset *simload_preset_find(const char *name); /* NULL: none of them */

/* "329", "uniform:100-400", "lognormal:161,0.8"; false for anything else or outside 1 .. LIMIT_CTX.
 */
bool simload_parse_len(struct simload_len *out, const char *s);

enum brrr_status simload_make(struct simload *l, const struct simload_spec *s,
                              struct brrr_error *err);
/*
 * A trace, one request in a line: CSV (arrival, prompt, output[, prefix, prefix tokens[, user]];
 * the first line may name the columns) or JSON lines (arrival, prompt_tokens, output_tokens,
 * prefix, prefix_tokens, user). Empty lines and lines that begin with # are passed over. `name` is
 * for messages.
 */
enum brrr_status simload_read(struct simload *l, const char *name, struct slice text,
                              struct brrr_error *err);
void simload_free(struct simload *l); /* zeroed is allowed */

/* Every request fits into a context of so many tokens. */
enum brrr_status simload_check(const struct simload *l, const char *name, int ctx,
                               struct brrr_error *err);

/* Where prompts come from: pieces of a text, or ids drawn from the vocabulary. */
struct simload_text {
    const int32_t *id; /* [n]; n 0: drawn */
    int n, n_vocab;
};

/* The prefix and the new tokens of request i: n_prefix + n_new of them. */
void simload_tokens(const struct simload *l, int i, const struct simload_text *t, int32_t *out);

#endif
