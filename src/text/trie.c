/* SPDX-License-Identifier: MIT */
/* trie.c - see trie.h. Source: own. */
#include "text/trie.h"

#include <stdlib.h>

#include "text/hash.h"

bool trie_init(struct trie *t)
{
    *t = (struct trie){ .key = hash_key(), .n_nodes = 1, .cap_nodes = 64, .mask = 127 };
    t->edge = calloc(t->mask + 1, sizeof(*t->edge));
    t->value = malloc(t->cap_nodes * sizeof(*t->value));
    if (!t->edge || !t->value) return false;
    t->value[0] = -1;
    return true;
}

void trie_fini(struct trie *t)
{
    free(t->edge);
    free(t->value);
    *t = (struct trie){ 0 };
}

static size_t place(const struct trie *t, uint32_t node, unsigned char letter)
{
    return (size_t)hash_u64(t->key, (uint64_t)node << 8 | letter) & t->mask;
}

uint32_t trie_step(const struct trie *t, uint32_t node, unsigned char letter)
{
    if (node == 0) return t->first[letter];
    for (size_t i = place(t, node, letter); t->edge[i].node; i = (i + 1) & t->mask)
        if (t->edge[i].node == node && t->edge[i].letter == letter) return t->edge[i].to;
    return 0;
}

static void put_edge(struct trie *t, struct trie_edge e)
{
    size_t i = place(t, e.node, e.letter);

    while (t->edge[i].node)
        i = (i + 1) & t->mask;
    t->edge[i] = e;
}

static bool grow_edges(struct trie *t)
{
    struct trie_edge *old = t->edge;
    size_t n_old = t->mask + 1;

    t->edge = calloc(2 * n_old, sizeof(*t->edge));
    if (!t->edge) {
        t->edge = old;
        return false;
    }
    t->mask = 2 * n_old - 1;
    for (size_t i = 0; i < n_old; i++)
        if (old[i].node) put_edge(t, old[i]);
    free(old);
    return true;
}

/* A new node; 0: no room. */
static uint32_t new_node(struct trie *t)
{
    if (t->n_nodes >= TRIE_NODES_MAX) return 0;
    if (t->n_nodes == t->cap_nodes) {
        int32_t *p = realloc(t->value, 2 * (size_t)t->cap_nodes * sizeof(*p));
        if (!p) return 0;
        t->value = p;
        t->cap_nodes *= 2;
    }
    t->value[t->n_nodes] = -1;
    return t->n_nodes++;
}

static uint32_t extend(struct trie *t, uint32_t node, unsigned char letter)
{
    if (2 * (size_t)t->n_edges > t->mask && !grow_edges(t)) return 0;
    uint32_t to = new_node(t);
    if (to == 0) return 0;
    if (node == 0) {
        t->first[letter] = to;
    } else {
        put_edge(t, (struct trie_edge){ node, to, letter });
        t->n_edges++;
    }
    return to;
}

bool trie_add(struct trie *t, struct slice s, int32_t value)
{
    uint32_t node = 0;

    if (s.n == 0 || s.n > TRIE_STRING_MAX) return true;
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        uint32_t to = trie_step(t, node, c);
        if (to == 0) to = extend(t, node, c);
        if (to == 0) return false;
        node = to;
    }
    if (t->value[node] < 0) t->value[node] = value;
    return true;
}
