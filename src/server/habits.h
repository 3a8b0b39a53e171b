/* SPDX-License-Identifier: MIT */
/*
 * habits.h - what probes, scripts and tools ask a server of other projects.
 *
 * Answered at once, from what is known; no prompt, text or path of anyone is in it. Handlers of
 * routes.def.
 */
#ifndef SERVER_HABITS_H
#define SERVER_HABITS_H

#include "server/routes.h"

/* {"status": "ok"}: the process answers. */
void habits_ok(struct server *s, struct exchange *x, const char *rest);
/* 200 while requests are taken and the engine moves; else 503. */
void habits_ready(struct server *s, struct exchange *x, const char *rest);
void habits_info(struct server *s, struct exchange *x, const char *rest);    /* TGI        */
void habits_version(struct server *s, struct exchange *x, const char *rest); /* vLLM       */
void habits_words(struct server *s, struct exchange *x,
                  const char *rest); /* vLLM: /tokenizer_info */
void habits_props(struct server *s, struct exchange *x, const char *rest); /* llama.cpp  */
void habits_slots(struct server *s, struct exchange *x, const char *rest); /* llama.cpp  */
/* POST /invocations, SageMaker's: one of TGI's and OpenAI's dialects, by key. */
extern const struct dialect habits_invocations;

#endif
