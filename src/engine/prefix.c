/* SPDX-License-Identifier: MIT */
/* prefix.c - see prefix.h. */
#include "engine/prefix.h"

#include <assert.h>
#include <stdlib.h>
#include <xxhash.h>

enum {
    /* Nodes that are compared at most in prefix_closest(): of very many that follow the same
     * block, the ones that came last. */
    COMPARED = 64,
};

struct prefix {
    uint64_t secret;
    int n, n_head;                     /* nodes, lists (a power of two)                */
    int32_t *by_key, *by_before, free; /* heads of lists of nodes, newest first; -1    */
    struct prefix_node *node;
};

enum brrr_status prefix_new(struct prefix **out, int n_node, uint64_t secret,
                            struct brrr_error *err)
{
    struct prefix *p = calloc(1, sizeof(*p));
    size_t heads = 1;

    *out = NULL;
    while (heads < (size_t)n_node)
        heads *= 2;
    if (p) {
        p->by_key = malloc(heads * sizeof(*p->by_key));
        p->by_before = malloc(heads * sizeof(*p->by_before));
        p->node = malloc(((size_t)n_node + 1) * sizeof(*p->node));
    }
    if (!p || !p->by_key || !p->by_before || !p->node) {
        prefix_free(p);
        return fail(err, BRRR_E_NOMEM, "no memory for the names of %d blocks", n_node);
    }
    p->secret = secret;
    p->n = n_node;
    p->n_head = (int)heads;
    for (size_t i = 0; i < heads; i++)
        p->by_key[i] = p->by_before[i] = -1;
    p->free = n_node > 0 ? 0 : -1;
    for (int i = 0; i < n_node; i++)
        p->node[i].next_key = i + 1 < n_node ? i + 1 : -1;
    *out = p;
    return BRRR_OK;
}

void prefix_free(struct prefix *p)
{
    if (!p) return;
    free(p->by_key);
    free(p->by_before);
    free(p->node);
    free(p);
}

static bool same_key(struct prefix_key a, struct prefix_key b)
{
    return a.low == b.low && a.high == b.high;
}

static struct prefix_key hash(const struct prefix *p, const void *bytes, size_t n)
{
    XXH128_hash_t h = XXH3_128bits_withSeed(bytes, n, p->secret);

    return (struct prefix_key){ h.low64, h.high64 };
}

struct prefix_key prefix_root(const struct prefix *p, uint64_t salt)
{
    return hash(p, &salt, sizeof(salt));
}

struct prefix_key prefix_key(const struct prefix *p, struct prefix_key before,
                             const int32_t token[KV_BLOCK])
{
    struct {
        struct prefix_key before;
        int32_t token[KV_BLOCK];
    } in = { .before = before };

    memcpy(in.token, token, sizeof(in.token));
    return hash(p, &in, sizeof(in));
}

static int32_t *list(const struct prefix *p, int32_t *heads, struct prefix_key k)
{
    return &heads[k.low & (uint64_t)(p->n_head - 1)];
}

static int32_t find(const struct prefix *p, struct prefix_key key, struct prefix_key before,
                    const int32_t token[KV_BLOCK])
{
    for (int32_t i = *list(p, p->by_key, key); i >= 0; i = p->node[i].next_key) {
        const struct prefix_node *n = &p->node[i];
        if (same_key(n->key, key) && same_key(n->before, before) &&
            memcmp(n->token, token, sizeof(n->token)) == 0)
            return i;
    }
    return -1;
}

int32_t prefix_find(const struct prefix *p, struct prefix_key before, const int32_t token[KV_BLOCK])
{
    return find(p, prefix_key(p, before, token), before, token);
}

int32_t prefix_get(struct prefix *p, struct prefix_key before, const int32_t token[KV_BLOCK])
{
    struct prefix_key key = prefix_key(p, before, token);
    int32_t i = find(p, key, before, token);

    if (i >= 0 || p->free < 0) return i;
    i = p->free;
    struct prefix_node *n = &p->node[i];
    p->free = n->next_key;
    *n = (struct prefix_node){ .key = key,
                               .before = before,
                               .next_key = *list(p, p->by_key, key),
                               .next_before = *list(p, p->by_before, before),
                               .last_before = -1 };
    memcpy(n->token, token, sizeof(n->token));
    for (int k = 0; k < KV_KINDS; k++)
        n->block[k] = -1;
    *list(p, p->by_key, key) = i;
    *list(p, p->by_before, before) = i;
    if (n->next_before >= 0) p->node[n->next_before].last_before = i;
    return i;
}

static unsigned kinds_of(const struct prefix_node *n)
{
    unsigned kinds = 0;

    for (int k = 0; k < KV_KINDS; k++)
        if (n->block[k] >= 0) kinds |= 1u << k;
    return kinds;
}

int32_t prefix_closest(const struct prefix *p, struct prefix_key before, const int32_t *token,
                       int n, unsigned kinds, int *common)
{
    int32_t best = -1;
    int tries = COMPARED;

    *common = 0;
    for (int32_t i = *list(p, p->by_before, before); i >= 0 && tries > 0;
         i = p->node[i].next_before, tries--) {
        const struct prefix_node *x = &p->node[i];
        int same = 0;

        if (!same_key(x->before, before) || (kinds_of(x) & kinds) != kinds) continue;
        while (same < n && same < KV_BLOCK && x->token[same] == token[same])
            same++;
        if (same > *common) *common = same, best = i;
    }
    return best;
}

struct prefix_node *prefix_node(struct prefix *p, int32_t node)
{
    assert(node >= 0 && node < p->n);
    return &p->node[node];
}

void prefix_drop(struct prefix *p, int32_t node, enum kv_kind kind)
{
    struct prefix_node *n = prefix_node(p, node);

    n->block[kind] = -1;
    if (kinds_of(n)) return;
    int32_t *at = list(p, p->by_key, n->key);
    while (*at != node)
        at = &p->node[*at].next_key;
    *at = n->next_key;
    /* Very many may follow one block: this list is linked both ways. */
    at = n->last_before < 0 ? list(p, p->by_before, n->before)
                            : &p->node[n->last_before].next_before;
    *at = n->next_before;
    if (n->next_before >= 0) p->node[n->next_before].last_before = n->last_before;
    n->next_key = p->free;
    p->free = node;
}
