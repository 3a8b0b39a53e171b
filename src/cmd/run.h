/* SPDX-License-Identifier: MIT */
/* run.h - what `run`, its JSON lines and `chat` share. */
#ifndef CMD_RUN_H
#define CMD_RUN_H

#include "cmd/cmd.h"
#include "engine/engine.h"

/* Where the pieces of an answer go; put returns false when nobody reads any more. */
struct run_sink {
    bool (*put)(void *arg, struct slice text);
    void *arg;
    bool quiet;
    struct engine_timings timings; /* filled at the end, as is finish */
    enum brrr_finish finish;
};

/* Poll until the engine is idle; the exit code (EXIT_OK, EXIT_INT, EXIT_TERM). */
int run_stream(struct brrr_engine *e, uint64_t id, struct run_sink *sink);

/* The newline after an answer; and, unless quiet, the closing line and whether the answer was cut
 * where nobody asked for it. */
void run_end(const struct options *o, const struct brrr_engine *e, const struct run_sink *sink);

/* Ids of a text that is continued as it is: BOS where the model asks for one, special tokens
 * parsed. */
enum brrr_status run_raw_ids(const struct brrr_model *m, struct slice text, struct ids *ids,
                             struct brrr_error *err);

/* `brrr run --jsonl`. */
int run_jsonl(const struct options *o, const struct engine_opts *eo);

#endif
