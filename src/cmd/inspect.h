/* SPDX-License-Identifier: MIT */
/*
 * inspect.h - the two ways `brrr inspect` shows a file; private to inspect*.c.
 *
 * Both stream: files have up to a million tensors, so no tree of all of them
 * is built. Text from the file is shown with control characters replaced.
 */
#ifndef CMD_INSPECT_H
#define CMD_INSPECT_H

#include <jansson.h>

#include "format/gguf.h"
#include "model/model.h"

/* One JSON object on stdout, one line. False: stdout failed. */
bool inspect_json(const struct gguf *g, const struct model_plan *plan);
bool inspect_json_tensor(const struct gguf_tensor *t);

/* A table for people. `all`: every tensor, else equal ones of many layers in one row. */
void inspect_table(const struct gguf *g, const struct model_plan *plan, bool all);
void inspect_table_tensor(const struct gguf_tensor *t);

/*
 * A metadata value as JSON, a new reference: arrays up to 64 elements and
 * strings up to 64 KiB in full, larger ones as {"type": ..., "n": ...}; numbers
 * that JSON does not have are null. NULL only without memory.
 */
json_t *inspect_value(const struct gguf *g, const struct gguf_kv *kv);

/* The architecture's name, empty if there is none. */
struct slice inspect_arch(const struct gguf *g);
/* Bytes of the KV cache of n tokens in this type; layers with a window keep no more than that. */
size_t inspect_kv_bytes(const struct model_plan *plan, int kv_type, size_t n);
/* The number of weights of all tensors. */
uint64_t inspect_weights(const struct gguf *g);
/* "llama.block_count" with architecture "llama": "block_count"; else a slice without bytes. */
struct slice inspect_hyperparameter(struct slice key, struct slice arch);

#endif
