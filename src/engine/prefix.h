/* SPDX-License-Identifier: MIT */
/*
 * prefix.h - names for what blocks of the KV cache hold, so that nothing is computed twice.
 *
 * What a block holds follows from every token up to its end. Its name is a chain:
 * key(block) = hash(secret, key of the block before, its KV_BLOCK tokens); the first
 * block's predecessor is a root that depends on a salt, so that users can be kept
 * apart. The secret is drawn at start: a stranger cannot make two prompts meet.
 * Tokens are compared all the same, and so is the predecessor's key.
 *
 * A node is a name with the blocks that hold it, one of each cache kind. There is no
 * allocation after prefix_new().
 *
 * Owned by: the engine's thread.
 */
#ifndef ENGINE_PREFIX_H
#define ENGINE_PREFIX_H

#include "base/status.h"
#include "kernels/attend.h"
#include "model/kv_view.h"

struct prefix;

struct prefix_key {
    uint64_t low, high;
};

struct prefix_node {
    struct prefix_key key, before;
    int32_t token[KV_BLOCK];
    int32_t block[KV_KINDS];                    /* -1: not there */
    int32_t next_key, next_before, last_before; /* in the lists of prefix.c; -1 */
};

/* n_node: nodes at most. */
enum brrr_status prefix_new(struct prefix **out, int n_node, uint64_t secret,
                            struct brrr_error *err);
void prefix_free(struct prefix *p); /* NULL is allowed */

/* What the first block of a sequence follows. */
struct prefix_key prefix_root(const struct prefix *p, uint64_t salt);
/* The name of the block with these tokens after the one named `before`. */
struct prefix_key prefix_key(const struct prefix *p, struct prefix_key before,
                             const int32_t token[KV_BLOCK]);

/* The node of that name, or -1. */
int32_t prefix_find(const struct prefix *p, struct prefix_key before,
                    const int32_t token[KV_BLOCK]);
/* The same; made, without blocks, if it is not there; -1 if there are too many. */
int32_t prefix_get(struct prefix *p, struct prefix_key before, const int32_t token[KV_BLOCK]);
/* Among the nodes after `before` that have a block of each kind in `kinds` (bits), the one whose
 * tokens have most in common with token[0..n): *common of them; -1 if none has any. */
int32_t prefix_closest(const struct prefix *p, struct prefix_key before, const int32_t *token,
                       int n, unsigned kinds, int *common);

struct prefix_node *prefix_node(struct prefix *p, int32_t node);
/* A node loses its block of a kind; without any it is gone. */
void prefix_drop(struct prefix *p, int32_t node, enum kv_kind kind);

#endif
