/* SPDX-License-Identifier: MIT */
/*
 * kvblocks.h - the physical blocks of the KV cache: one budget of bytes, counts of users.
 *
 * A block holds KV_BLOCK positions of all layers of one kind (kv_view.h). It is
 *   free    nobody's
 *   used    by as many tables as `refs` says
 *   cached  by nobody, but what it holds has a name (prefix.h: `node`): it is given
 *           up when room is needed
 * Kinds have blocks of their own sizes out of the same budget: each has numbers for
 * as many blocks as the whole budget holds, and pages that were never touched cost
 * nothing.
 *
 * Every block that is used or cached has an owner: the user that took it, and once another user
 * has it too, all of them together (KV_SHARED). Room is made by the owner that holds most, used
 * ones included, with the cached block that it let go of first; what is shared counts as much as
 * all users have of it on average. So whoever floods the cache pushes out its own blocks, and one
 * user alone has one LRU. Users beyond KV_OWNERS count as shared.
 * Source: Kwon et al., arXiv:2309.06180, section 4; the owners are our own (max-min fairness).
 *
 * Owned by: the engine's thread.
 */
#ifndef ENGINE_KVBLOCKS_H
#define ENGINE_KVBLOCKS_H

#include "base/mem.h"
#include "base/prefault.h"
#include "model/kv_view.h"

enum { KV_OWNERS = 128, KV_SHARED = 0 };

struct kvblock {
    int32_t refs, node;     /* node -1: what it holds has no name             */
    int32_t owner;          /* index into kvblocks.owner; used or cached      */
    int32_t older, younger; /* of its owner's cached ones of its kind; -1     */
    uint64_t let_go;        /* when it became cached                          */
};

struct kvowner {
    uint64_t user;                                /* of [KV_SHARED]: nothing        */
    size_t held;                                  /* bytes, used and cached; 0: the place is free */
    int32_t oldest[KV_KINDS], youngest[KV_KINDS]; /* of its cached blocks; -1        */
};

struct kvblocks_kind {
    size_t bytes; /* of a block; 0: the model has no layer of this kind */
    int n, n_free, n_used, n_cached;
    size_t n_user; /* of the used ones: as many as they would be if none was shared */
    uint8_t *base;
    int32_t *free_list; /* [n_free] of [n] */
    struct kvblock *block;
};

struct kvblocks {
    size_t budget, used, cached; /* bytes */
    uint64_t now;                /* counts what was let go of */
    struct kvblocks_kind kind[KV_KINDS];
    struct kvowner owner[KV_OWNERS];
    struct arena mem;
    struct prefault ahead; /* ranges by kind */
};

/* bytes: of a block of each kind; budget: at least one block of each. */
enum brrr_status kvblocks_init(struct kvblocks *b, const size_t bytes[KV_KINDS], size_t budget,
                               struct brrr_error *err);
/* Blocks that were never used have their pages before they are, so many bytes ahead; *b stays where
 * it is from now on. */
void kvblocks_ahead(struct kvblocks *b, size_t bytes);
void kvblocks_fini(struct kvblocks *b); /* zeroed is allowed */

/* A picture of one kind's blocks, in the order of their numbers: each cell stands for `per` of them
 * (the last for those that are left) and says how many are used by one, shared, cached. */
enum { KV_CELLS = 2048 };
struct kv_map {
    int n_block, per, n_cell;       /* n_block 0: the model has no layer of this kind */
    int n_used, n_shared, n_cached; /* over all; n_used without the shared ones       */
    struct kv_cell {
        int32_t used, shared, cached;
    } cell[KV_CELLS];
};
void kvblocks_map(const struct kvblocks *b, enum kv_kind kind, struct kv_map *out);

/* Bytes that can still come into use, cached ones given up. */
static inline size_t kvblocks_room(const struct kvblocks *b)
{
    return b->budget - b->used;
}

/* True if a block of this kind can be taken only after one that is cached was given up: *kind and
 * *block are the one. */
bool kvblocks_must_evict(const struct kvblocks *b, enum kv_kind want, enum kv_kind *kind,
                         int32_t *block);
/* Give up a cached block; it is free then. The caller has taken its name away. */
void kvblocks_evict(struct kvblocks *b, enum kv_kind kind, int32_t block);
/* A free block for a table of this user's. There must be one, and room for it. */
int32_t kvblocks_take(struct kvblocks *b, enum kv_kind kind, uint64_t user);
/* One more table has it, of this user's; one less. */
void kvblocks_ref(struct kvblocks *b, enum kv_kind kind, int32_t block, uint64_t user);
void kvblocks_unref(struct kvblocks *b, enum kv_kind kind, int32_t block);

static inline uint8_t *kvblocks_memory(const struct kvblocks *b, enum kv_kind kind, int32_t block)
{
    return b->kind[kind].base + (size_t)block * b->kind[kind].bytes;
}

#endif
