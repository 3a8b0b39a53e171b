/* SPDX-License-Identifier: MIT */
/* openai_write.h - answers and pieces of streams as OpenAI writes them; the functions of dialects.
 */
#ifndef SERVER_OPENAI_WRITE_H
#define SERVER_OPENAI_WRITE_H

#include "server/call.h"

void openai_chat_begin(struct call *c);
void openai_chat_piece(struct call *c, int i, const struct engine_event *ev);
void openai_chat_end(struct call *c);
json_t *openai_chat_whole(struct call *c);

void openai_completion_piece(struct call *c, int i, const struct engine_event *ev);
void openai_completion_end(struct call *c);
json_t *openai_completion_whole(struct call *c);

#endif
