/* SPDX-License-Identifier: MIT */
/*
 * tokenize.h - texts to tokens and back, as three families of clients ask for it.
 *
 * POST /tokenize is chosen by key: `inputs` is TGI's, `prompt` and `messages` are vLLM's, `content`
 * is llama.cpp's. Special tokens in a client's text are text, as in every other route. No engine is
 * needed: a preparing thread makes the whole answer.
 */
#ifndef SERVER_TOKENIZE_H
#define SERVER_TOKENIZE_H

#include "server/call.h"

extern const struct dialect tokenize_any, tokenize_chat, tokenize_back;

#endif
