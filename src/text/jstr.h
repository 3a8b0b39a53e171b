/* SPDX-License-Identifier: MIT */
/*
 * jstr.h - strings of the template language: UTF-8 with an origin for each byte.
 *
 * Positions at this level are bytes; jstr_byte() turns Python's code point
 * indices into them. Bytes that are no UTF-8 count as one character each.
 *
 * A struct jbuf collects bytes and their origins; it never fails loudly: after
 * a failure it ignores what is appended and jbuf_done() returns J_ERROR.
 */
#ifndef TEXT_JSTR_H
#define TEXT_JSTR_H

#include "text/jval.h"

struct jbuf {
    struct jrun *r;
    char *p;
    uint8_t *origin; /* NULL while all bytes have the same: `from` */
    size_t n, cap;
    uint8_t from;
    uint8_t seen; /* bit 1 << from for every origin that was put in */
    bool bad;
};

void jbuf_init(struct jbuf *b, struct jrun *r);
void jbuf_put(struct jbuf *b, const char *p, size_t n, enum jfrom from);
void jbuf_puts(struct jbuf *b, const char *lit, enum jfrom from);
void jbuf_char(struct jbuf *b, uint32_t cp, enum jfrom from); /* a code point as UTF-8 */
void jbuf_str(struct jbuf *b, const struct jstr *s);
void jbuf_times(struct jbuf *b, const struct jstr *s, int64_t times); /* <= 0: nothing */
void jbuf_part(struct jbuf *b, const struct jstr *s, size_t at, size_t n);
/* The string; the buffer's memory goes with it. */
struct jval jbuf_done(struct jbuf *b);

const struct jstr *jstr_new(struct jrun *r, const char *p, size_t n,
                            enum jfrom from); /* borrows p */
struct jval jstr_lit(struct jrun *r, const char *lit);
/* Bytes [at, at + n) of s, shared. */
const struct jstr *jstr_part(struct jrun *r, const struct jstr *s, size_t at, size_t n);
const struct jstr *jstr_markup(struct jrun *r, const struct jstr *s, bool markup);
/* HTML escaping; gives Markup. s itself if it is Markup. */
struct jval jstr_escape(struct jrun *r, const struct jstr *s);
struct jval jstr_concat(struct jrun *r, const struct jstr *a, const struct jstr *b);
struct jval jstr_repeat(struct jrun *r, const struct jstr *s, int64_t times);

static inline enum jfrom jstr_from(const struct jstr *s, size_t i)
{
    return s->origin ? s->origin[i] : s->from;
}
/* One origin for something made from bytes [at, at + n) together: untrusted if one of them is. */
enum jfrom jstr_from_all(const struct jstr *s, size_t at, size_t n);

size_t jstr_len(const struct jstr *s);                 /* in code points */
bool jstr_count(struct jrun *r, const struct jstr *s); /* pays for the first jstr_len() */
size_t jstr_byte(const struct jstr *s, size_t i_char); /* byte offset of a code point, or s->n */
size_t jstr_chars(const char *p, size_t n);            /* code points in n bytes */
/* Decode at p (n > 0 bytes left): *cp and the bytes used. What is no character is taken byte by
 * byte, as U+DC80 to U+DCFF (Python's "surrogateescape"). The other one: before p + n. */
size_t jstr_decode(const char *p, size_t n, uint32_t *cp);
size_t jstr_decode_last(const char *p, size_t n, uint32_t *cp);
size_t jstr_encode(uint32_t cp, char out[4]);

bool jstr_equal(const struct jstr *a, const struct jstr *b);
int jstr_compare(const struct jstr *a, const struct jstr *b);
bool jstr_is(const struct jstr *s, const char *lit);
/* First (last) byte offset of needle in s[from, to); SIZE_MAX: not there. Takes fuel for what it
 * looks at; when that is used up, nothing is found. */
size_t jstr_find(struct jrun *r, const struct jstr *s, const struct jstr *needle, size_t from,
                 size_t to);
size_t jstr_rfind(struct jrun *r, const struct jstr *s, const struct jstr *needle, size_t from,
                  size_t to);

/* Python's str.isspace() for one character, and str.strip() and its halves (bit 1: left, 2: right;
 * chars NULL: whitespace). */
bool jstr_space(uint32_t cp);
const struct jstr *jstr_strip(struct jrun *r, const struct jstr *s, const struct jstr *chars,
                              int sides);
enum jcase { JCASE_UPPER, JCASE_LOWER, JCASE_TITLE, JCASE_CAPITALIZE, JCASE_SWAP, JCASE_FOLD };
struct jval jstr_case(struct jrun *r, const struct jstr *s, enum jcase how);
/* str.splitlines(). */
struct jlist *jstr_lines(struct jrun *r, const struct jstr *s, bool keep);

#endif
