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
extern const struct fields openai_chat_table, openai_completion_table;

json_t *openai_error(const struct problem *p, bool in_stream);
int openai_status(const struct problem *p);

#endif
