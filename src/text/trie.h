/* SPDX-License-Identifier: MIT */
/*
 * trie.h - the longest of many strings that begins at a place in a text.
 *
 * Used for tokens that are matched before all else (special and user-defined
 * ones) and for WordPiece. Edges live in one hash table keyed by (node, byte).
 * Strings longer than TRIE_STRING_MAX are not taken, so that a lookup is
 * bounded whatever the vocabulary holds.
 */
#ifndef TEXT_TRIE_H
#define TEXT_TRIE_H

#include "base/status.h"

enum { TRIE_STRING_MAX = 256, TRIE_NODES_MAX = 1 << 23 };

struct trie {
    struct trie_edge {
        uint32_t node; /* 0: free; node 0 is the root, whose edges are in first[] */
        uint32_t to;   /* the low byte of the edge's letter is kept in `letter`   */
        uint8_t letter;
    } * edge;
    size_t mask;
    int32_t *value; /* [n_nodes] what ends here; -1: nothing */
    uint32_t n_nodes, cap_nodes, n_edges;
    uint32_t first[256]; /* edges of the root; 0: none */
    uint64_t key;
};

bool trie_init(struct trie *t);
void trie_fini(struct trie *t);
/* The first value given for a string stays. False: no memory, or too many nodes. */
bool trie_add(struct trie *t, struct slice s, int32_t value);
/* One step from a node (0: the root); 0: no such edge. */
uint32_t trie_step(const struct trie *t, uint32_t node, unsigned char letter);

#endif
