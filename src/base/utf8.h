/* SPDX-License-Identifier: MIT */
/*
 * utf8.h - UTF-8, read and written: the only place that knows how.
 *
 * Strict: no over-long forms, no surrogates, nothing above U+10FFFF. What to do with bytes that are
 * no character is the caller's: refuse them (format/), show U+FFFD (cmd/term.c), take them for
 * single bytes (text/bpe.c, text/jstr.c) or wait for the rest (text/detok.c).
 * Threads: pure functions.
 */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/*
 * The character at p, of which n > 0 bytes are there. Returns its length
 * (1..4) and sets *cp; or 0: the bytes are the beginning of a character and
 * end too early; or -k: the first k bytes are no character (the longest wrong
 * part that one U+FFFD stands for).
 */
int utf8_next(const char *p, size_t n, uint32_t *cp);
/* The last character of p, n > 0 bytes: its length, and *cp; or -1: the last byte is of none. */
int utf8_last(const char *p, size_t n, uint32_t *cp);
/* How many bytes at p are whole, well-formed characters. */
size_t utf8_valid_run(const char *p, size_t n);
/* n, or less: without the beginning of a character that p, n bytes, was cut in. */
size_t utf8_whole(const char *p, size_t n);
/* Writes cp (at most U+10FFFF) as UTF-8; returns the length. */
int utf8_put(char out[4], uint32_t cp);

#endif
