/* SPDX-License-Identifier: MIT */
/*
 * prompts.h - from what clients send to the token ids of a call's prompts.
 *
 * On a preparing thread. Each fills c->prompt[] and c->n_prompt, or *p.
 */
#ifndef SERVER_PROMPTS_H
#define SERVER_PROMPTS_H

#include "server/call.h"

/* What a row of fields.h says of messages. */
#define PROMPTS_MESSAGES_SCHEMA                                                                 \
    "{\"type\": \"array\", \"minItems\": 1, \"items\": {\"type\": \"object\", \"required\": "   \
    "[\"role\"], \"properties\": {\"role\": {\"enum\": [\"system\", \"developer\", \"user\", "  \
    "\"assistant\", \"tool\", \"function\"]}, \"content\": {\"type\": [\"string\", \"array\", " \
    "\"null\"], \"items\": {\"type\": \"object\", \"required\": [\"type\", \"text\"], "         \
    "\"properties\": "                                                                          \
    "{\"type\": {\"const\": \"text\"}, \"text\": {\"type\": \"string\"}}}}}}}"

/* And of a prompt. */
#define PROMPTS_ANY_SCHEMA                                                                     \
    "{\"anyOf\": [{\"type\": \"string\"}, {\"type\": \"array\", \"minItems\": 1, \"items\": "  \
    "{\"type\": "                                                                              \
    "\"integer\", \"minimum\": 0}}, {\"type\": \"array\", \"minItems\": 1, \"maxItems\": 64, " \
    "\"items\": "                                                                              \
    "{\"anyOf\": [{\"type\": \"string\"}, {\"type\": \"array\", \"items\": {\"type\": "        \
    "\"integer\", "                                                                            \
    "\"minimum\": 0}}]}}]}"

/* A conversation through the model's template. Contents may be lists of parts of type text. */
bool prompts_chat(struct call *c, const json_t *messages, struct problem *p);
/* Its messages as templates want them (a new reference); NULL: *p says what is wrong. */
json_t *prompts_messages(const json_t *messages, struct problem *p);
/* One more: token ids. */
bool prompts_ids(struct call *c, const json_t *list, const char *field, struct problem *p);
/* One more: a text, with BOS where the model asks for it; `v` is a JSON string. */
bool prompts_text(struct call *c, const json_t *v, const char *field, struct problem *p);
/* A text, token ids, or an array of those. */
bool prompts_any(struct call *c, const json_t *prompt, const char *field, struct problem *p);
/* Only the last `keep` tokens of a prompt; 0: all of it. */
void prompts_cut(struct ids *ids, int keep);
/* Each prompt, and with n_predict tokens behind it, fits into the context. */
bool prompts_fit(const struct call *c, struct problem *p);

#endif
