/* SPDX-License-Identifier: MIT */
/*
 * gguf_file.h - the inside of struct gguf, for gguf.c, gguf_parse.c and
 * gguf_get.c only. Everyone else goes through gguf.h.
 */
#ifndef FORMAT_GGUF_FILE_H
#define FORMAT_GGUF_FILE_H

#include "format/gguf.h"

struct gguf {
    char *path;          /* as it was given */
    char shown[160];     /* for messages: one line, the end of a long path */
    const uint8_t *base; /* the whole file */
    size_t n_bytes;
    bool mapped; /* base is ours to unmap */
    uint32_t version;
    size_t align;    /* of tensor data; a power of two */
    size_t data_off; /* where tensor offsets count from */
    size_t n_kv, n_tensors;
    /* One allocation, at `kv`: both tables, and their order by name for the searches. */
    struct gguf_kv *kv;
    struct gguf_tensor *tensor;
    uint32_t *kv_order, *tensor_order;
};

/* Bytes of one value; 0 for strings and arrays, whose size is in the file. */
extern const uint8_t gguf_type_bytes[GGUF_TYPE_COUNT];

/* Bytes of a name that a message shows, so that a message fits into struct brrr_error. */
enum { GGUF_NAME_SHOWN = 96 };

/* What a message is about: a name and a byte of the file. */
struct gguf_place {
    const char *field;
    uint64_t at;
};

/* "<path>: <field>: <what is wrong>, at byte <at>". */
enum brrr_status gguf_fail(const struct gguf *g, struct brrr_error *err, enum brrr_status st,
                           struct gguf_place place, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

/* Check all of g->base and fill the tables. On failure g is half-built: gguf_close() it. */
enum brrr_status gguf_parse(struct gguf *g, struct brrr_error *err);

/* Order of names: by bytes, then by length. */
int gguf_name_cmp(struct slice a, struct slice b);

#endif
