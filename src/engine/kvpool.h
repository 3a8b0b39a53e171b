/* SPDX-License-Identifier: MIT */
/*
 * kvpool.h - who owns the blocks of the KV cache.
 *
 * Memory is cut into physical blocks of KV_BLOCK positions; a block holds all
 * layers of one cache kind, so that a short sequence touches little memory.
 * Every slot (sequence) has a table per kind from logical to physical block.
 * Layers with a sliding window keep only the blocks that the window can still
 * reach; their table has -1 before it.
 * Source: Kwon et al., arXiv:2309.06180, section 4.
 *
 * Owned by: the engine's thread.
 */
#ifndef ENGINE_KVPOOL_H
#define ENGINE_KVPOOL_H

#include "model/model.h"

struct kvpool;

struct kvpool_opts {
    int kv_type; /* enum kv_type                     */
    int ctx;     /* positions a slot may hold        */
    int n_slot;
    int chunk; /* positions a step may add to a slot */
};

/* Bytes that a pool with these options may come to occupy; SIZE_MAX where that overflows. */
size_t kvpool_bytes(const struct hparams *hp, const struct kvpool_opts *o);
enum brrr_status kvpool_new(struct kvpool **out, const struct hparams *hp,
                            const struct kvpool_opts *o, struct brrr_error *err);
void kvpool_free(struct kvpool *p); /* NULL is allowed */

const struct kv_view *kvpool_view(const struct kvpool *p);
/*
 * Make the blocks for positions [from, to) of a slot present, and let go of
 * window blocks that position `from` can not see any more. With at most
 * opts.chunk positions at a time and to <= opts.ctx it can not fail.
 */
void kvpool_extend(struct kvpool *p, int slot, int from, int to);
/* Give all blocks of a slot back. */
void kvpool_release(struct kvpool *p, int slot);
/* Blocks in use over all kinds, for the balance that tests check. */
int kvpool_n_used(const struct kvpool *p);

#endif
