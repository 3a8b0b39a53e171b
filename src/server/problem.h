/* SPDX-License-Identifier: MIT */
/*
 * problem.h - what is wrong with a request: a kind, a message, the field.
 *
 * The kind decides status and type in each dialect (problem.def).
 */
#ifndef SERVER_PROBLEM_H
#define SERVER_PROBLEM_H

#include "base/status.h"

enum problem_kind {
#define PROBLEM(kind, status, type, tgi_status, tgi_type) kind,
#include "server/problem.def"
#undef PROBLEM
    PROBLEM_KINDS,
};

struct problem {
    enum problem_kind kind; /* PROBLEM_NONE: all is well                        */
    char text[504];         /* one line, UTF-8                                  */
    char field[64];         /* path of the field that it is about; "": none     */
    int retry_s;            /* when to come again; 0: that is not the question  */
};

struct problem_form {
    int status, tgi_status;
    const char *type, *tgi_type;
};
extern const struct problem_form problem_forms[PROBLEM_KINDS];

/* Fill *p and return false, so that `return problem(p, ...)` reads well. field: NULL for none. */
bool problem(struct problem *p, enum problem_kind kind, const char *field, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* What a lower layer said. */
bool problem_of(struct problem *p, const char *field, enum brrr_status st, const char *text);

#endif
