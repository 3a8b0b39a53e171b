/* SPDX-License-Identifier: MIT */
/*
 * engine.h - requests in, tokens out: continuous batching over one model.
 *
 * What a step computes is sched.h's choice: there is no difference between prefill and
 * decode but the number of rows. Where the KV cache has no room for all, the newest
 * request of the lowest priority gives its blocks back and is computed again later,
 * from what of them is still there; an accepted request always finishes, and nothing of
 * this shows in its results.
 *
 * A request may want to know something of its prompt too (reading.h). The log-probabilities of its
 * tokens come as events of their own before those of the answers, one for each token from the
 * second on; an embedding comes with its last and only event.
 *
 * Owned by: the thread that polls; it is worker 0 of the pool.
 */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include "engine/bundle.h"
#include "engine/draft.h"
#include "engine/gen.h"
#include "engine/machine.h"
#include "engine/pace.h"
#include "engine/sched.h"

enum { ENGINE_LEAST_CHUNK = 16 }; /* rows that prompts get in a step, however many decode */

struct engine_opts {
    int n_threads;        /* 0: one per core                                        */
    int n_threads_decode; /* of steps without a chunk of a prompt; 0: n_threads     */
    int ctx;              /* 0: the model's, as far as half of the free memory goes */
    int chunk;            /* 0: 256                                                 */
    int n_parallel;       /* 0: 1                                                   */
    int kv_type;          /* enum kv_type                                           */
    int ahead;            /* bytes to fetch ahead of few rows; 0: MATMUL_AHEAD      */
    size_t kv_bytes;      /* for all blocks of the KV cache; 0: what n_parallel full sequences
                             take, and up to eight times that of the free memory    */
    enum sched_policy policy;
    double itl_s;           /* how long a step in which something decodes should take at most; 0: as
                               long as a whole chunk takes                                   */
    struct pace_prior pace; /* what steps take, as far as a plan knows                        */
    struct machine_limits limits; /* rates, as far as a plan knows them; of reports only */
    int max_waiting;              /* requests that may wait beside n_parallel; 0: 1024, -1: none */
    /* A directory where the cache's blocks are kept too, and bytes for all in it; NULL: none. What
     * is wrong with it, now or later, is no error: `note` (unless NULL) is told, in one line, from
     * the thread that opens, polls and closes, and the engine goes on without. */
    const char *kv_disk;
    size_t kv_disk_bytes;
    void (*note)(void *arg, const char *text);
    void *note_arg;
    bool no_prefix;            /* compute every prompt from its start                    */
    enum draft_kind speculate; /* who guesses tokens, to be verified many in a step  */
    int draft_max;             /* guesses of a sequence in a step; 0: 16             */
    const struct brrr_model *draft_model; /* for DRAFT_MODEL; stays the caller's             */
    bool draft_all; /* verify all guesses, whether they pay or not: for tests */
};

/* Where a request's time went. */
struct engine_timings {
    int n_prompt, n_gen;
    int n_cached;              /* tokens of the prompt that were not computed again */
    int n_preempted;           /* times that others needed the room of its cache    */
    int n_drafted, n_accepted; /* guesses that were verified; of them, right   */
    double speedup;            /* by guesses, as the prices of steps have it; 1: none */
    double queue_s;            /* submitted to first scheduled */
    double prefill_s;          /* first scheduled to first token: TTFT without the queue */
    double decode_s;           /* first token to last; ITL = decode_s / (n_gen - 1) */
    double itl_max_s;          /* the longest gap between two tokens          */
    int n_block; /* of KV_BLOCK positions: what it held at its end, shared ones included */
};

/* What a client asks for. */
struct engine_request {
    const int32_t *prompt; /* [n_prompt]                                              */
    size_t n_prompt;
    const struct gen_params *gen;
    uint64_t user; /* who asks: the policy is fair between users; 0 is one of them     */
    uint64_t salt; /* only requests of the same salt share what the cache holds        */
    void *tag;     /* comes back in each of its events                                 */
};

struct engine_event {
    uint64_t id;
    void *tag;
    int choice;                       /* which of the request's answers, 0 .. n - 1     */
    bool prompt;                      /* of a token of the prompt: token, chosen and top only */
    int32_t token;                    /* -1: none                                       */
    struct slice text;                /* whole UTF-8 characters; until the next poll   */
    enum brrr_finish finish;          /* of this answer                           */
    bool last;                        /* the request's last event                 */
    struct sample_logprob chosen;     /* with n_logprobs >= 0, or n_prompt_logprobs    */
    const struct sample_logprob *top; /* [n_top]              */
    int n_top;
    const float *embedding;        /* [n_embedding] with BRRR_FINISH_LENGTH, if asked for */
    int n_embedding;               /* the model's width                            */
    struct engine_timings timings; /* with finish */
};

struct brrr_engine;

/* Fill what is 0 and check the rest; what engine_open() will use. */
enum brrr_status engine_opts_settle(struct engine_opts *o, const struct brrr_model *m,
                                    struct brrr_error *err);
enum brrr_status engine_open(struct brrr_engine **out, const struct brrr_model *m,
                             const struct engine_opts *opts, struct brrr_error *err);
/* brrr_engine_close() closes it. */

/* Copies what it needs and takes all memory that the request will need. */
enum brrr_status engine_submit(struct brrr_engine *e, const struct engine_request *q, uint64_t *id,
                               struct brrr_error *err);
/* False: engine_submit() would refuse it for what others take, not for what it is. */
bool engine_has_place(const struct brrr_engine *e, const struct engine_request *q);
void engine_cancel(struct brrr_engine *e, uint64_t id);
/* As brrr_engine_poll(). */
int engine_poll(struct brrr_engine *e, struct engine_event *ev, int cap);
/* How far the reading of a request's prompt is: tokens done of total. False: unknown id. */
bool engine_progress(const struct brrr_engine *e, uint64_t id, int *done, int *total);
const struct engine_opts *engine_options(const struct brrr_engine *e);
/* Bytes of step buffers and of the KV cache that was asked for. */
void engine_memory(const struct brrr_engine *e, size_t *buffers, size_t *kv);

#endif
