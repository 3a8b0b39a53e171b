/* SPDX-License-Identifier: MIT */
/*
 * prompts.h - from what clients send to the token ids of a call's prompts.
 *
 * On a preparing thread. Each fills c->prompt[] and c->n_prompt, or *p.
 */
#ifndef SERVER_PROMPTS_H
#define SERVER_PROMPTS_H

#include "server/call.h"

/* A conversation through the model's template. Contents may be lists of parts of type text. */
bool prompts_chat(struct call *c, const json_t *messages, struct problem *p);
/* One more: a text, with BOS where the model asks for it; `v` is a JSON string. */
bool prompts_text(struct call *c, const json_t *v, const char *field, struct problem *p);
/* A text, token ids, or an array of those. */
bool prompts_any(struct call *c, const json_t *prompt, const char *field, struct problem *p);
/* Each prompt, and with n_predict tokens behind it, fits into the context. */
bool prompts_fit(const struct call *c, struct problem *p);

#endif
