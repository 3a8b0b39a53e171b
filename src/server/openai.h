/* SPDX-License-Identifier: MIT */
/*
 * openai.h - OpenAI's dialect: chat completions and completions.
 *
 * Fields, ranges and forms as the clients listed in docs/serving.md read them.
 */
#ifndef SERVER_OPENAI_H
#define SERVER_OPENAI_H

#include "server/call.h"
#include "server/fields.h"

extern const struct dialect openai_chat, openai_completion;
extern const struct field openai_chat_fields[], openai_completion_fields[];
extern const size_t openai_n_chat_fields, openai_n_completion_fields;

json_t *openai_error(const struct problem *p, bool in_stream);
int openai_status(const struct problem *p);

#endif
