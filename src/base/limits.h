/* SPDX-License-Identifier: MIT */
/*
 * limits.h - every bound in one place, with its reason. Hitting one is an
 * error message that names it, never a crash.
 */
#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H

enum {
    /* --- model files --- */
    LIMIT_GGUF_KV = 1 << 20,      /* metadata entries: real files have about 30       */
    LIMIT_GGUF_TENSORS = 1 << 20, /* tensors: the largest models have about 100,000   */
    LIMIT_GGUF_STRING = 64 << 20, /* bytes of one metadata string                     */
    LIMIT_GGUF_NAME = 256,        /* bytes of a tensor name (ggml itself allows 64)   */
    LIMIT_GGUF_KEY = 65535,       /* bytes of a key: the specification's own bound    */
    LIMIT_GGUF_NEST = 4,          /* arrays of arrays: real files have none           */
    LIMIT_VOCAB = 4 << 20,        /* token ids: the largest vocabularies have 262,144 */
    LIMIT_TOKEN_BYTES = 64 << 10, /* bytes of one token                               */
    LIMIT_LAYERS = 4096,
    LIMIT_WIDTH = 1 << 20, /* model width, feed-forward width, heads x width   */
    LIMIT_HEADS = 4096,
    LIMIT_HEAD_DIM = 512, /* attention keeps a head's row in registers and L1 */
    LIMIT_CTX = 1 << 24,  /* tokens a sequence may hold                       */

    /* --- text --- */
    LIMIT_WORD_BYTES = 4 << 20,     /* one word for the tokenizer; longer ones are cut        */
    LIMIT_TEMPLATE_BYTES = 1 << 20, /* source of a chat template; real ones: < 64 KiB   */
    LIMIT_TEMPLATE_DEPTH = 64,      /* nesting of expressions, blocks and calls         */
    LIMIT_TEMPLATE_STEPS = 3000000, /* fuel of a rendering, in steps of 10 to 16 ns; real ones
                                       take some thousand                               */
    LIMIT_TEMPLATE_OUTPUT = 16 << 20,
    LIMIT_TEMPLATE_MEMORY = 128 << 20, /* all values of one rendering; freed at its end */
    LIMIT_JSON_DEPTH = 64,
    LIMIT_LINE_BYTES = 64 << 20, /* one input line of --jsonl                        */

    /* --- requests --- */
    LIMIT_STOPS = 16,
    LIMIT_STOP_BYTES = 256,
    LIMIT_STOP_IDS = 64,
    LIMIT_NGRAM = 64, /* no_repeat_ngram_size: every place of the history is compared */
    LIMIT_LOGIT_BIAS = 1024,
    LIMIT_LOGPROBS = 1024,
    LIMIT_ANSWER_LOGPROBS = 2 << 20, /* in all answers to a line: about 180 bytes each as JSON */
    LIMIT_PARALLEL = 256,            /* sequences at once                                */
    LIMIT_CHOICES = 128,             /* answers to one prompt                            */
    LIMIT_BEAMS = 32,                /* width of a beam search */
    LIMIT_PRIORITY = 1000,
    LIMIT_WAITING = 1 << 16,     /* requests that wait for those that run            */
    LIMIT_QUEUE_BYTES = 1 << 30, /* of all requests that run or wait                 */
    LIMIT_ITL_S = 3600,          /* seconds between two tokens of an answer          */
    LIMIT_DRAFT = 64,            /* guesses of a sequence in a step: more rows only cost     */
    LIMIT_DRAFT_INDEX = 1 << 18, /* tokens of a sequence that guesses are looked up in */
    LIMIT_CHUNK = 4096,          /* rows of a step                                   */
    LIMIT_THREADS = 256,
    LIMIT_SIM_REQUESTS = 1 << 20, /* of a load that is replayed: a day at 12 a second */
    LIMIT_AHEAD = 1 << 20,        /* bytes that are fetched ahead: the second cache, about */
    LIMIT_KVDISK = 1 << 22,       /* blocks on disk: their names take 56 bytes each in memory   */

    /* --- the server --- */
    LIMIT_HTTP_HEADERS = 100,
    LIMIT_HTTP_HEADER_BYTES = 16 << 10, /* of all headers and the first line                   */
    LIMIT_HTTP_BODY = 8 << 20,
    LIMIT_TOKENIZE = 1 << 20, /* tokens that are listed for a client: about 60 bytes each      */
    LIMIT_DETOKENIZE_BYTES = 16 << 20,
    LIMIT_HTTP_PIPELINED = 64 << 10, /* bytes read of a next request before this one's answer  */
    LIMIT_HTTP_UNSENT = 1 << 20,     /* bytes that wait for the reader of a stream             */
    LIMIT_HTTP_CONNS = 10000,
    LIMIT_HTTP_ADDR_CONNS = 1000, /* connections of one address                                */
    LIMIT_HTTP_REQUEST_S = 30,    /* seconds that a request may take to arrive                 */
    LIMIT_HTTP_IDLE_S = 75,       /* seconds without a request                                 */
    LIMIT_API_KEYS = 1024,
    LIMIT_API_KEY_LEAST = 16, /* characters: what is shorter can be guessed */
    LIMIT_API_KEY_BYTES = 512,
    LIMIT_DRAIN_S = 30,       /* seconds that requests have to end when the server is stopped */
    LIMIT_SERVER_QUEUE = 512, /* requests that wait                                        */
    LIMIT_PING_S = 15,        /* seconds that a stream may be silent                       */
    LIMIT_HTTP_STALL_S = 30,  /* seconds in which a reader takes nothing                   */
};

#endif
