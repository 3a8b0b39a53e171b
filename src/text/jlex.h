/* SPDX-License-Identifier: MIT */
/*
 * jlex.h - template source to tokens: text, the delimiters {{ }} {% %}, and
 * what stands between them. Comments, raw blocks and whitespace control
 * (trim_blocks and lstrip_blocks on, as transformers sets them) end here.
 */
#ifndef TEXT_JLEX_H
#define TEXT_JLEX_H

#include "text/jval.h"

enum jtok_type {
    /* an operator of one character is that character */
    JTOK_EOF = 256,
    JTOK_DATA,
    JTOK_VAR_BEGIN,
    JTOK_VAR_END,
    JTOK_BLOCK_BEGIN,
    JTOK_BLOCK_END,
    JTOK_NAME,
    JTOK_STR,
    JTOK_NUMBER, /* val is a J_INT or J_FLOAT */
    JTOK_POW,
    JTOK_FLOORDIV,
    JTOK_EQ,
    JTOK_NE,
    JTOK_LE,
    JTOK_GE,
    JTOK_ERROR, /* noted in the jrun */
};

struct jtok {
    int type;
    int line;
    struct slice text; /* as in the source */
    struct jval val;   /* of strings, numbers and text */
};

struct jlex {
    struct jrun *r; /* arena and error of the compilation */
    const char *src;
    size_t n, at;
    size_t counted; /* lines are counted up to here */
    int line;
    enum { JLEX_TEXT, JLEX_VAR, JLEX_BLOCK } state;
    int pending;                         /* a JTOK_*_BEGIN that follows the text just given, or 0 */
    char open[LIMIT_TEMPLATE_DEPTH + 2]; /* brackets to be closed */
    int n_open;
};

/* Normalises line ends, drops one at the end; false: too long or not UTF-8. */
bool jlex_init(struct jlex *lx, struct jrun *r, const char *src, size_t n);
struct jtok jlex_next(struct jlex *lx);

#endif
