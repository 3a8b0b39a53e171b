/* SPDX-License-Identifier: MIT */
/*
 * session.h - what every verb that runs a model does first: open the file, with a
 * progress bar; turn options into engine options; and last: the closing line.
 */
#ifndef CMD_SESSION_H
#define CMD_SESSION_H

#include "cmd/cmd.h"
#include "engine/engine.h"

/* EXIT_OK and *m open, or another exit code after a message. */
int session_open(struct brrr_model **m, const struct options *o);
/* The draft model, where *eo wants one; as session_open(). Close it after the engine. */
int session_open_draft(struct engine_opts *eo, const struct options *o);
void session_close_draft(struct engine_opts *eo);
/* Options to engine options; EXIT_USAGE after a message where a word is unknown. */
int session_engine_opts(struct engine_opts *eo, const struct options *o);

/*
 * Fill what the options left open in *eo (threads, chunk, prefetch distance) from the plan that
 * `brrr tune` stored for this model and machine; with -v say what comes of it. True if a field of a
 * plan was used. Where options say threads and chunk none is: the distance was measured with the
 * plan's threads. One that can not be used is one line on stderr, and the defaults hold.
 */
bool session_plan(struct engine_opts *eo, const struct options *o, const struct brrr_model *m);

/* params_from_options(), with a seed from the clock where none was given; says it with -v. */
enum brrr_status session_gen_params(const struct options *o, struct gen_params *g,
                                    struct brrr_error *err);

/*
 * Ctrl-C: the first one sets a flag, the second one while the flag is still
 * set ends the program at once (exit code 130).
 */
void session_catch_interrupt(void);
bool session_interrupted(void);
void session_clear_interrupt(void); /* SIGTERM stays */
/*
 * Readable from the first signal on, to be polled beside another descriptor: who asks for the flag
 * and then waits would sleep through a signal in between. -1, which poll() passes over, before
 * session_catch_interrupt().
 */
int session_signal_fd(void);
/* SIGTERM arrived: finish and leave with EXIT_TERM. */
bool session_terminated(void);

/* "prompt 12 tokens, 850.1 tok/s | TTFT 0.050 s | answer 63 tokens" and so on. */
void session_closing_line(const struct engine_timings *t);

#endif
