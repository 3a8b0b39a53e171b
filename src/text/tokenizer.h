/* SPDX-License-Identifier: MIT */
/*
 * tokenizer.h - text to token ids and back.
 *
 * Three families, chosen by the file's `tokenizer.ggml.model`: byte-level BPE
 * ("gpt2", pre-tokenizer by name from `tokenizer.ggml.pre`), SentencePiece-style
 * ("llama": Llama, Gemma) and WordPiece ("bert").
 *
 * Text is data: encode takes segments, and only a segment with parse_special
 * set may contribute special tokens. Segments otherwise join as if they were
 * one string, so that cutting a text in segments changes nothing else.
 *
 * Threads: immutable once open; encoding from several threads at once is fine.
 */
#ifndef TEXT_TOKENIZER_H
#define TEXT_TOKENIZER_H

#include "base/status.h"

struct gguf;
struct tokenizer;

/* False if the file has no tokenizer, or says that it has none ("no_vocab", "none"). */
bool tokenizer_present(const struct gguf *g);
enum brrr_status tokenizer_open(struct tokenizer **out, const struct gguf *g,
                                struct brrr_error *err);
void tokenizer_close(struct tokenizer *t); /* NULL is allowed */

/* A growing list of ids; start from zero, free with ids_free(). */
struct ids {
    int32_t *id;
    size_t n, cap;
};
enum brrr_status ids_push(struct ids *v, int32_t id);
void ids_free(struct ids *v);

struct text_seg {
    const char *p;
    size_t n;
    bool parse_special; /* special tokens in here are tokens, not text */
};

/*
 * Append the ids of the joined segments to `out`. add_special: BOS/EOS (or
 * CLS/SEP) where the file asks for them. Bytes that are not UTF-8 are encoded
 * too (byte tokens, or U+FFFD where the family has none): never refused.
 */
enum brrr_status tokenizer_encode(const struct tokenizer *t, const struct text_seg *seg,
                                  size_t n_seg, bool add_special, struct ids *out,
                                  struct brrr_error *err);

/*
 * Streaming decoding. Feed ids one by one; each call returns the text that is
 * now certain: whole UTF-8 characters only; invalid bytes come out as U+FFFD.
 * The slice lives until the next call. `special`: whether special tokens show
 * as their text (else they give nothing). detok_flush() hands over what is left.
 * Only detok_init() takes memory, so that no text can be lost later.
 */
struct detok {
    const struct tokenizer *t;
    bool special;
    bool started;          /* SentencePiece: the first space is not text */
    unsigned char tail[8]; /* an unfinished character */
    int n_tail;
    char *buf; /* room for every token of the vocabulary */
};
bool detok_init(struct detok *d, const struct tokenizer *t, bool special); /* false: no memory */
void detok_reset(struct detok *d);                                         /* another stream */
void detok_copy(struct detok *d, const struct detok *from); /* as far as that one is; same t */
struct slice detok_push(struct detok *d, int32_t id);       /* out of range: nothing */
struct slice detok_flush(struct detok *d);
size_t detok_room(const struct tokenizer *t); /* the most bytes that one call returns */
void detok_fini(struct detok *d);             /* zeroed ones are allowed */

/* The whole text of a list of ids; the caller frees out->p with free(). */
enum brrr_status tokenizer_decode(const struct tokenizer *t, const int32_t *id, size_t n,
                                  bool special, struct slice *out, struct brrr_error *err);

int32_t tokenizer_n_vocab(const struct tokenizer *t);
int32_t tokenizer_bos(const struct tokenizer *t); /* -1: none */
int32_t tokenizer_eos(const struct tokenizer *t);
bool tokenizer_adds_bos(const struct tokenizer *t);
/* True for EOS, EOT, end-of-message and the like: the ids that end an answer. */
bool tokenizer_is_stop(const struct tokenizer *t, int32_t id);
/* True for tokens that are no text: BOS, EOS, marks of turns. */
bool tokenizer_is_special(const struct tokenizer *t, int32_t id);
/* All of them, ascending: *n ids. */
const int32_t *tokenizer_stops(const struct tokenizer *t, int *n);
/* The bytes that this one token stands for (special tokens: their name). */
struct slice tokenizer_piece(const struct tokenizer *t, int32_t id);
const char *tokenizer_model_name(const struct tokenizer *t); /* "gpt2", "llama", "bert" */

#endif
