/* SPDX-License-Identifier: MIT */
/*
 * brrr.h - the whole public interface of libbrrr.
 *
 * Three nouns: a model (weights, tokenizer and chat template; never changes
 * once open), an engine (one scheduler over one model, with its KV cache and
 * its threads) and a request (one generation, named by a number).
 *
 * Threads: everything belongs to the thread that opened the object. The
 * engine's own worker threads are started by brrr_engine_open(), work only
 * inside brrr_engine_poll() and sleep otherwise.
 *
 * Determinism: the same request gives the same tokens, to the last bit of
 * every logit, whatever else runs beside it, however its prompt is cut into
 * chunks, and with any number of threads.
 */
#ifndef BRRR_H
#define BRRR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BRRR_API __attribute__((visibility("default")))

enum brrr_status {
    BRRR_OK = 0,
    BRRR_E_IO,          /* the system said no; the text carries strerror()   */
    BRRR_E_FORMAT,      /* the file or the request is malformed              */
    BRRR_E_UNSUPPORTED, /* well formed, but an architecture or type we lack  */
    BRRR_E_NOMEM,       /* not enough memory; the text says how much         */
    BRRR_E_LIMIT,       /* a documented bound was hit: context, queue, batch */
};

/* Filled by the function that failed, never by its callers. */
struct brrr_error {
    enum brrr_status status;
    char text[504]; /* one line, no newline, ends in NUL */
};

struct brrr_model;
struct brrr_engine;

/* The numerics: what activations are rounded to before they meet the weights. Each has bits of its
 * own, the same on every machine. */
enum brrr_precision {
    BRRR_PRECISION_Q8 = 0, /* int8 in groups of 32; f32 for weights that are plain floats       */
    BRRR_PRECISION_F32,    /* not at all, on dequantised weights: what references are held by   */
    BRRR_PRECISION_BF16,   /* bf16, and so are the weights: only for files of plain floats      */
};

/* How a model is opened. Zero everywhere means the defaults. */
struct brrr_model_opts {
    enum brrr_precision precision;
    int n_threads; /* threads that pack the weights; 0: one per core                       */
    /* Called now and then while the weights are packed, done in 0..1; may be NULL. */
    void (*progress)(void *arg, double done);
    void *progress_arg;
};

/*
 * Open the GGUF file at `path`: map it, check all of it, pack its weights.
 *
 * On success *out owns everything; give it to brrr_model_close(). On failure
 * *out is NULL and err, if not NULL, says what was wrong and where. The file
 * is untrusted: any input must end in one of the statuses above.
 */
BRRR_API enum brrr_status brrr_model_open(struct brrr_model **out, const char *path,
                                          const struct brrr_model_opts *opts,
                                          struct brrr_error *err);
BRRR_API void brrr_model_close(struct brrr_model *m); /* NULL is allowed */

/* Tokens a sequence may hold, by the model file. */
BRRR_API int brrr_model_ctx_max(const struct brrr_model *m);
/* Number of token ids: ids are 0 .. n_vocab - 1. */
BRRR_API int brrr_model_n_vocab(const struct brrr_model *m);

/*
 * Text to ids. `add_special` puts BOS/EOS where the model asks for them;
 * `parse_special` turns "<|im_end|>" and the like into their ids: never set
 * it for text that comes from a stranger. Writes at most `cap` ids and
 * returns how many there are (call again with more room when it is larger), or
 * -1 when the model has no tokenizer, memory is short or the text is larger than
 * 2 GiB.
 */
/* size: a text, a buffer and two switches */
BRRR_API int64_t brrr_tokenize(const struct brrr_model *m, const char *text, size_t n_bytes,
                               bool add_special, bool parse_special, int32_t *ids, size_t cap);

/* One message of a chat; both strings are UTF-8 and end in NUL. */
struct brrr_message {
    const char *role, *content;
};

/*
 * Render the model's own chat template over `msg` and tokenize it. The text of
 * the messages can not become a special token. Returns the number of ids in
 * *ids, which the caller frees with free(), or -1 with err filled.
 */
BRRR_API int64_t brrr_chat_tokenize(const struct brrr_model *m, const struct brrr_message *msg,
                                    size_t n_msg, int32_t **ids, struct brrr_error *err);

struct brrr_engine_opts {
    int n_threads;  /* 0: one per core this process may use                */
    int ctx_size;   /* tokens a sequence may hold; 0: the model's, as far as
                       half of the free memory goes                        */
    int n_chunk;    /* prompt tokens a step may hold; 0: 256               */
    int n_parallel; /* sequences at once; 0: 1                            */
};

BRRR_API enum brrr_status brrr_engine_open(struct brrr_engine **out, const struct brrr_model *m,
                                           const struct brrr_engine_opts *opts,
                                           struct brrr_error *err);
BRRR_API void brrr_engine_close(struct brrr_engine *e); /* NULL is allowed; cancels what runs */

/* How one answer is made. Start from brrr_gen_default(): greedy, 128 tokens. */
struct brrr_gen {
    int n_predict;                  /* tokens at most; <= 0: until the context is full     */
    bool ignore_eos;                /* do not stop at the model's stop tokens              */
    uint64_t seed;                  /* same seed, same prompt, same parameters: same text  */
    double temperature;             /* 0: greedy                                           */
    int top_k;                      /* 0: off                                              */
    double top_p, min_p, typical_p; /* 1, 0, 1: off                         */
    double repetition_penalty;      /* 1: off                               */
    double frequency_penalty, presence_penalty; /* 0: off                        */
    const char *const *stop; /* strings that end the answer, not part of it     */
    size_t n_stop;
};
BRRR_API void brrr_gen_default(struct brrr_gen *g);

/*
 * Copies what it needs. *id names the request in the events of brrr_engine_poll().
 * All memory of the request is taken here: what was accepted does not run out of it.
 */
BRRR_API enum brrr_status brrr_engine_submit(struct brrr_engine *e, const int32_t *prompt,
                                             size_t n_prompt, const struct brrr_gen *gen,
                                             uint64_t *id, struct brrr_error *err);
/* Ends a request now; its last event has finish BRRR_FINISH_CANCELLED. */
BRRR_API void brrr_engine_cancel(struct brrr_engine *e, uint64_t id);

enum brrr_finish {
    BRRR_FINISH_NONE = 0,  /* still running                              */
    BRRR_FINISH_STOP,      /* a stop token or a stop string              */
    BRRR_FINISH_LENGTH,    /* n_predict or the context is used up        */
    BRRR_FINISH_CANCELLED, /* brrr_engine_cancel()                       */
};

/* One piece of news about a request. `text` lives until the next poll. */
struct brrr_event {
    uint64_t id;
    const char *text; /* new text, whole UTF-8 characters only; not NUL-ended */
    size_t n_text;
    int32_t token; /* the token behind it, -1 if none                      */
    enum brrr_finish finish;
};

/*
 * Hand over up to `cap` (at least 1) events; when none is left of the last step,
 * run the model for one more. Returns how many; 0 while a long prompt is read;
 * -1 when no request is left.
 */
BRRR_API int brrr_engine_poll(struct brrr_engine *e, struct brrr_event *ev, int cap);

#ifdef __cplusplus
}
#endif
#endif
