/* SPDX-License-Identifier: MIT */
/*
 * kvpool.h - which blocks of the KV cache each sequence reads and writes.
 *
 * A sequence that runs has a slot: a table from logical to physical block for each cache
 * kind. Blocks come from one budget (kvblocks.h). Layers with a sliding window keep
 * only the blocks that the window can still reach; their table has -1 before it.
 *
 * Nothing is stored twice. A block that is full is published under the name of what it
 * holds (prefix.h); a new sequence starts from the longest prefix that is there, to the
 * token: the block in which it ends is copied. Sequences made by kvpool_fork() share
 * all blocks until one of them writes. Blocks that nobody uses stay until their room is
 * needed, and whose goes first is fair between users (kvblocks.h). By the determinism contract none
 * of this can be seen in a result. Sources: Kwon et al., arXiv:2309.06180, section 4; Zheng et al.,
 * arXiv:2312.07104.
 *
 * Owned by: the engine's thread. No allocation after kvpool_new().
 */
#ifndef ENGINE_KVPOOL_H
#define ENGINE_KVPOOL_H

#include "engine/kvblocks.h"
#include "model/model.h"

struct kvdisk;
struct kvpool;

struct kvpool_opts {
    int kv_type; /* enum kv_type                     */
    int ctx;     /* positions a slot may hold        */
    int n_slot;
    int chunk;           /* positions a step may add to a slot                                   */
    size_t budget;       /* bytes for all blocks; 0: for n_slot full sequences (kvpool_bytes)    */
    uint64_t secret;     /* of the names of blocks                                               */
    struct kvdisk *disk; /* where blocks are kept too, and looked for; NULL: nowhere. Borrowed:
                            closed before the pool is freed */
    bool no_prefix;      /* publish nothing: every sequence is computed from its start           */
};

struct kvpool_stats {
    size_t budget, used, cached; /* bytes                                           */
    size_t alone;                /* as used, each block counted for every sequence that has it */
    size_t tail, tail_alone;     /* of used and of alone: places behind the ends of sequences  */
    int n_used, n_cached;        /* blocks, over all kinds                          */
    uint64_t evicted;            /* cached blocks given up, since the start         */
    uint64_t copied;             /* blocks copied because others read them, or more */
    uint64_t merged;             /* blocks that were there already when published   */
};

/* Bytes that n_slot sequences of ctx positions occupy; SIZE_MAX where that overflows. */
size_t kvpool_bytes(const struct hparams *hp, const struct kvpool_opts *o);
/* Bytes of a block of each kind, all its layers together. */
void kvpool_kind_bytes(const struct hparams *hp, int kv_type, size_t bytes[KV_KINDS]);
/* Bytes that one sequence of n positions occupies at most. */
size_t kvpool_seq_bytes(const struct kvpool *p, int n);
enum brrr_status kvpool_new(struct kvpool **out, const struct hparams *hp,
                            const struct kvpool_opts *o, struct brrr_error *err);
void kvpool_free(struct kvpool *p); /* NULL is allowed */

const struct kv_view *kvpool_view(const struct kvpool *p);

/* How many of the n tokens kvpool_start() would find; *n_used of them, unless NULL, are in blocks
 * that a slot uses already, so that they need no more room. Changes nothing. */
int kvpool_match(const struct kvpool *p, const int32_t *token, int n, uint64_t salt, int *n_used);
/*
 * A free slot begins a sequence of these n tokens: it gets the blocks of the longest
 * prefix of the first n - 1 that are there (one token at least must be computed, for its
 * logits). Returns that prefix's length. Salt: only sequences of the same one share. User: who
 * answers for the blocks that it takes.
 */
int kvpool_start(struct kvpool *p, int slot, const int32_t *token, int n, uint64_t salt,
                 uint64_t user);
/*
 * Make the blocks for positions [from, to) of a slot present and its own, and let go of
 * window blocks that position `from` can not see any more. False, and nothing changed
 * but that, if the budget has no room. At most opts.chunk positions at a time, to <= opts.ctx.
 */
bool kvpool_extend(struct kvpool *p, int slot, int from, int to);
/* Bytes that kvpool_extend() would bring into use. */
size_t kvpool_extend_bytes(const struct kvpool *p, int slot, int from, int to);
/* Positions [0, n) of a slot hold these tokens for good: publish the blocks that are full. */
void kvpool_publish(struct kvpool *p, int slot, const int32_t *token, int n);
/* Free slot `to` becomes a copy of slot `from`, of its first n positions. */
void kvpool_fork(struct kvpool *p, int from, int to, int n);
/* Positions from n on are not needed any more; n is no less than what was published. */
void kvpool_truncate(struct kvpool *p, int slot, int n);
/* Give all blocks of a slot back. */
void kvpool_release(struct kvpool *p, int slot);

/* These tokens will be a sequence soon: what of them is on disk, and worth it, is fetched ahead.
 * False: nothing is. */
bool kvpool_expect(struct kvpool *p, const int32_t *token, int n, uint64_t salt);
/* What computing one block takes, as far as it is known: blocks are not read from disk where that
 * takes longer. */
void kvpool_pace(struct kvpool *p, double block_s);

/* Bytes that can come into use, and bytes of a block, all kinds together. */
void kvpool_room(const struct kvpool *p, size_t *room, size_t *block_bytes);
void kvpool_stats(const struct kvpool *p, struct kvpool_stats *out);
void kvpool_map(const struct kvpool *p, enum kv_kind kind, struct kv_map *out);
/* Blocks in use over all kinds, for the balance that tests check. */
int kvpool_n_used(const struct kvpool *p);

#endif
