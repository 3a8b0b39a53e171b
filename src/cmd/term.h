/* SPDX-License-Identifier: MIT */
/*
 * term.h - writing to a person's terminal: model output without its control
 * characters, and progress on stderr.
 *
 * Text of a model is data from a stranger: escape sequences in it could rename
 * windows, move the cursor over what was said, or fake a prompt; overrides of
 * the writing direction hide what a line says. None of them reaches a terminal.
 * Where stdout is a file or a pipe, bytes pass unchanged.
 */
#ifndef CMD_TERM_H
#define CMD_TERM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* True if the file is a terminal that understands more than plain lines (TERM is not dumb). */
bool term_tty(FILE *f);
/* term_tty() and NO_COLOR (no-color.org) is not set. */
bool term_color(FILE *f);

/* Room that term_clean() needs for n bytes. */
#define TERM_ROOM(n) (3 * (n))

/*
 * Copy n bytes, whole UTF-8 characters, to out; returns how many are there. C0
 * but newline and tab, and DEL, become ^X; C1, overrides of direction and bytes
 * that are no UTF-8 become U+FFFD.
 */
size_t term_clean(char *out, const char *text, size_t n);
/* Write model output to f: cleaned if it is a terminal, else as it is. False if the write failed.
 */
bool term_write(FILE *f, const char *text, size_t n);

/*
 * Progress on stderr: on a terminal a bar that is redrawn in place and goes away
 * at the end, elsewhere a line every five seconds; nothing in the first half
 * second, so that quick work stays silent, and never anything when quiet.
 */
struct progress {
    const char *label;
    bool quiet, tty, shown;
    int64_t start_ms, last_ms;
};

void progress_start(struct progress *p, const char *label, bool quiet);
void progress_show(struct progress *p, double done, double total);
void progress_end(struct progress *p);
/* For brrr_model_opts.progress: arg is the struct progress, done from 0 to 1. */
void progress_callback(void *arg, double done);

#endif
