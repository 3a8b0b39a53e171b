/* SPDX-License-Identifier: MIT */
/* answers.h - what routes answer with; the table is answers.def. */
#ifndef SERVER_ANSWERS_H
#define SERVER_ANSWERS_H

struct answer_form {
    const char *path, *type;
    const char *schema; /* JSON; NULL: none */
};

/* Of the route with this path; NULL: it is not described. */
const struct answer_form *answer_form(const char *path);

#endif
