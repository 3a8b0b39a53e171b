/* SPDX-License-Identifier: MIT */
/* problem.c - see problem.h. */
#include "server/problem.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/utf8.h"

const struct problem_form problem_forms[PROBLEM_KINDS] = {
#define PROBLEM(kind, status, type, tgi_status, tgi_type) \
    [kind] = { status, tgi_status, type, tgi_type },
#include "server/problem.def"
#undef PROBLEM
};

/* What is no UTF-8 becomes '?': JSON could not carry it. */
static void clean(char *text)
{
    size_t n = strlen(text);

    for (size_t i = 0; (i += utf8_valid_run(text + i, n - i)) < n;)
        text[i] = '?';
}

bool problem(struct problem *p, enum problem_kind kind, const char *field, const char *fmt, ...)
{
    va_list ap;
    char text[sizeof(p->text)];

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    clean(text);
    p->kind = kind;
    p->retry_s = 0;
    slice_print(p->text, sizeof(p->text), (struct slice){ text, strlen(text) });
    slice_print(p->field, sizeof(p->field),
                (struct slice){ field ? field : "", field ? strlen(field) : 0 });
    return false;
}

bool problem_of(struct problem *p, const char *field, enum brrr_status st, const char *text)
{
    static const enum problem_kind kinds[] = {
        [BRRR_E_IO] = PROBLEM_FAILED,           [BRRR_E_FORMAT] = PROBLEM_INVALID,
        [BRRR_E_UNSUPPORTED] = PROBLEM_INVALID, [BRRR_E_NOMEM] = PROBLEM_MEMORY,
        [BRRR_E_LIMIT] = PROBLEM_INVALID,
    };

    return problem(p, kinds[st], field, "%s", text);
}
