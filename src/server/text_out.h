/* SPDX-License-Identifier: MIT */
/*
 * text_out.h - a text that grows while it is written.
 *
 * Without memory it stays what it was and remembers that it failed: writers look once, at the end.
 * Start from zero; the text is the caller's to free().
 */
#ifndef SERVER_TEXT_OUT_H
#define SERVER_TEXT_OUT_H

#include <stdbool.h>

#include "base/status.h"

struct text_out {
    char *p;
    size_t n, cap;
    bool failed;
};

void text_put(struct text_out *t, const char *p, size_t n);
void text_print(struct text_out *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The text, or, having failed, nothing: freed, {NULL, 0}. */
struct slice text_take(struct text_out *t);

#endif
