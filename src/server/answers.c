/* SPDX-License-Identifier: MIT */
/* answers.c - see answers.h. A file of its own: the table's words are short and common. */
#include "server/answers.h"

#include <string.h>

#include "base/status.h"

static const struct answer_form forms[] = {
#define ANSWER(path, type, schema) { path, type, schema },
#include "server/answers.def"
#undef ANSWER
};

const struct answer_form *answer_form(const char *path)
{
    for (size_t i = 0; i < COUNT(forms); i++)
        if (strcmp(forms[i].path, path) == 0) return &forms[i];
    return NULL;
}
