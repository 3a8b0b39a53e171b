/* SPDX-License-Identifier: MIT */
/*
 * ask.h - what a client wants, in no dialect: what every route's body is read into.
 */
#ifndef SERVER_ASK_H
#define SERVER_ASK_H

#include <jansson.h>

#include "engine/gen.h"
#include "server/problem.h"

struct ask {
    struct gen_params gen;
    struct slice model;              /* as the client named it; "" where it did not      */
    const json_t *messages, *prompt; /* into the body                                    */
    const json_t *stream_options;
    bool seeded;                           /* gen.sample.seed is the client's                  */
    bool stream, usage, usage_each;        /* tokens counted at the stream's end; in each piece */
    bool echo;                             /* the prompt before the answer                     */
    bool logprobs;                         /* shown at all; how many: gen.n_logprobs           */
    bool keep;                             /* the answers' tokens one by one                   */
    int n_top;                             /* alternatives asked for                           */
    int max_tokens, max_completion_tokens; /* -1: not given                                  */
    struct slice user, salt;
};

/* Of fields with a shape of their own, for tables of fields (fields.h); `into` is the struct ask.
 */
#define ASK_STOP_SCHEMA                                                                \
    "{\"type\": [\"string\", \"array\", \"null\"], \"items\": {\"type\": \"string\", " \
    "\"minLength\": 1, "                                                               \
    "\"maxLength\": 256}, \"maxItems\": 16, \"maxLength\": 256}"
#define ASK_SEED_SCHEMA                                                                    \
    "{\"type\": [\"integer\", \"null\"], \"minimum\": -9223372036854775808, \"maximum\": " \
    "9223372036854775807}"
#define ASK_BIAS_SCHEMA                                                                       \
    "{\"type\": [\"object\", \"null\"], \"propertyNames\": {\"pattern\": \"^[0-9]{1,9}$\"}, " \
    "\"additionalProperties\": {\"type\": \"number\", \"minimum\": -100, \"maximum\": 100}, " \
    "\"maxProperties\": 1024}"
bool ask_read_stop(void *into, const json_t *v, const char *name, struct problem *p);
bool ask_read_seed(void *into, const json_t *v, const char *name, struct problem *p); /* -1: any */
bool ask_read_bias(void *into, const json_t *v, const char *name, struct problem *p);

#endif
