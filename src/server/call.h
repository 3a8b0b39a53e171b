/* SPDX-License-Identifier: MIT */
/*
 * call.h - a request for text, from its body to the last byte of its answer.
 *
 *     body -> (a preparing thread) JSON, fields, template, tokens -> jobs -> (the engine) ->
 *     news -> pieces of a stream, or one answer
 *
 * A dialect says how bodies are read and answers are written; it knows neither threads nor sockets.
 * What a call holds is freed when both its client and its jobs are through with it.
 *
 * Owned by: the server's thread; while it is being prepared, by the thread that does that.
 */
#ifndef SERVER_CALL_H
#define SERVER_CALL_H

#include <sys/queue.h>

#include "server/ask.h"
#include "server/fields.h"
#include "server/http.h"
#include "server/problem.h"
#include "server/runner.h"
#include "server/served.h"
#include "server/text_out.h"
#include "text/tokenizer.h"

enum { CALL_PROMPTS = 64 }; /* of one request: lm-eval sends that many */

struct call;
struct server;
LIST_HEAD(call_list, call);

/* A token of an answer, kept where the dialect or the client wants them one by one. */
struct token {
    int32_t id;
    float logprob;
    size_t text0, n_text; /* of answer.text: what became certain with it */
    size_t top0;          /* of answer.top                               */
    int n_top;
};

struct answer {
    char *text;
    size_t n_text, text_cap;
    struct token *token;
    size_t n_token, token_cap;
    struct sample_logprob *top;
    size_t n_top, top_cap;
    enum brrr_finish finish;
    int n_gen; /* tokens, also where they are not kept */
};

/* What has several dialects: the body is of the first whose key it has. */
struct dialect_key {
    const char *key; /* NULL ends the list */
    const struct dialect *d;
};

struct dialect {
    const char *name;
    const char *stream_type; /* of the stream's content */
    const char *ping;        /* what keeps a silent stream open; NULL: nothing does */
    size_t ask_size;         /* of the struct that `read` fills; it begins with a struct ask */
    /* Defaults, then the body; the prompts' ids, or the whole answer where none are computed
     * (call_made()). On a preparing thread. */
    bool (*read)(struct call *c, const json_t *body, struct problem *p);
    /* A stream's first pieces; what an event adds to answer `i`; its end. They send by call_send().
     */
    void (*begin)(struct call *c);
    void (*piece)(struct call *c, int i, const struct engine_event *ev);
    void (*end)(struct call *c);
    /* A whole answer (a new reference). */
    json_t *(*whole)(struct call *c);
    /* A problem: as an answer's body; in a stream that has begun. */
    json_t *(*error)(const struct problem *p, bool in_stream);
    int (*status)(const struct problem *p);
    const struct dialect_key *choose; /* NULL: it is one; else only error and status are its own */
    const struct fields *fields;      /* of the body, for the OpenAPI description               */
};

struct call {
    struct server *s;
    struct exchange *x; /* NULL: the client is gone, or has its answer */
    const struct dialect *d;
    int who;   /* whose key (keys.h) */
    char *raw; /* the body's bytes, then the parsed body */
    size_t n_raw;
    json_t *body;
    struct ask *ask;
    struct problem problem;
    /* one per prompt */
    int n_prompt;
    struct ids prompt[CALL_PROMPTS];
    struct job *job; /* [n_prompt] */
    int n_job_left;
    size_t n_chars; /* of texts in the prompts, as far as the dialect counts them */
    /* [n_prompt * ask->gen.n_choices], of a prompt side by side */
    struct answer *answer;
    int n_answer;
    struct engine_timings timings; /* of the jobs so far: numbers of tokens are summed up */
    char id[32];                   /* of the answer */
    struct slice made;             /* the answer, where it needed no engine; .p NULL: it does */
    int64_t created;               /* seconds since 1970 */
    double t_received, t_ready;    /* clock_now() */
    double t_first;                /* the first token came; 0: none did */
    double t_sent;                 /* the last piece of a stream */
    bool began, failed;
    bool computed; /* the engine was asked */
    enum served_end end;
    bool counted;         /* against the key's limits, and to the server's requests */
    struct call *next;    /* in queues */
    LIST_ENTRY(call) all; /* of the server */
};

/* Takes the exchange and answers it, now or later. */
void call_begin(struct server *s, struct exchange *x, int who, const struct dialect *d);
/* Now and then: a stream that has been silent for a while says that it is there. */
void call_ping(struct call *c, double now);
/* The server is being stopped: it ends now, and its client is told. */
void call_abort(struct call *c);
/* Nobody prepares it and no engine runs any more: forget it. */
void call_drop(struct call *c);
/* Its preparation is over: submit it, or say what is wrong. */
void call_prepared(struct call *c);
/* For runner_news(); arg is not used. */
void call_news(void *arg, const struct news *n);

/* --- for dialects --- */

/* A piece of a stream: `before`, v as JSON, `after` (v's reference is taken). */
void call_send(struct call *c, const char *before, json_t *v, const char *after);
/* The answer that `read` has made, as JSON (its reference is taken; or *text, taken). */
bool call_made(struct call *c, json_t *v, struct problem *p);
bool call_made_text(struct call *c, struct text_out *text, struct problem *p);
/* An event of server-sent events. */
void call_event(struct call *c, json_t *v);
void call_send_text(struct call *c, const char *text);
/* x-compute-time and so on, as TGI has them: of a whole answer, before it. */
void call_timing_headers(struct call *c);

/* --- for the preparing threads --- */

void call_prepare(struct call *c);

#endif
