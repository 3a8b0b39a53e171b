/* SPDX-License-Identifier: MIT */
/* kvpool.c - see kvpool.h. */
#include "engine/kvpool.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"

/* One kind of cache: its blocks and its tables. */
struct kind {
    size_t block_bytes; /* all layers of the kind */
    int n_block, n_free;
    int32_t *free_list; /* [n_free] of [n_block]  */
    int32_t **table;    /* [n_slot][n_logical]    */
};

struct kvpool {
    struct kvpool_opts o;
    int window, n_logical;
    struct kind kind[KV_KINDS];
    struct kv_layer *layer;
    struct kv_view view;
    struct arena mem;
};

static int blocks_for(int n_pos)
{
    return (n_pos + KV_BLOCK - 1) / KV_BLOCK;
}

/* Physical blocks that one slot can need at once. */
static int slot_blocks(const struct hparams *hp, const struct kvpool_opts *o, enum kv_kind kind)
{
    int all = blocks_for(o->ctx);

    if (kind == KV_FULL) return all;
    /* Window and chunk may each start in the middle of a block. */
    int64_t need = ((int64_t)hp->window + o->chunk) / KV_BLOCK + 2;
    return (int)MIN(need, all);
}

/* Bytes of a block of each kind, all its layers together. */
static void block_sizes(const struct hparams *hp, int kv_type, size_t bytes[KV_KINDS])
{
    bytes[KV_FULL] = bytes[KV_WINDOW] = 0;
    for (int i = 0; i < hp->n_layer; i++)
        bytes[model_kv_kind(hp, i)] += model_kv_block_bytes(hp, kv_type);
}

size_t kvpool_bytes(const struct hparams *hp, const struct kvpool_opts *o)
{
    size_t bytes[KV_KINDS], sum = 0, n;

    block_sizes(hp, o->kv_type, bytes);
    for (int k = 0; k < KV_KINDS; k++) {
        size_t blocks = (size_t)slot_blocks(hp, o, (enum kv_kind)k) * (size_t)o->n_slot;
        if (!size_mul(&n, bytes[k], blocks) || !size_add(&sum, sum, n)) return SIZE_MAX;
    }
    return sum;
}

static bool kind_init(struct kind *k, int n_slot, int n_block, int n_logical)
{
    k->n_block = n_block;
    k->free_list = calloc((size_t)n_block + 1, sizeof(*k->free_list));
    k->table = calloc((size_t)n_slot, sizeof(*k->table));
    if (!k->free_list || !k->table) return false;
    /* Lowest block last, so that it is taken first. */
    for (int i = 0; i < n_block; i++)
        k->free_list[k->n_free++] = n_block - 1 - i;
    for (int s = 0; s < n_slot; s++) {
        k->table[s] = malloc((size_t)n_logical * sizeof(**k->table));
        if (!k->table[s]) return false;
        for (int b = 0; b < n_logical; b++)
            k->table[s][b] = -1;
    }
    return true;
}

/* Where each layer's share lies inside a block of its kind. */
static void place_layers(struct kvpool *p, const struct hparams *hp, uint8_t *const base[KV_KINDS])
{
    size_t off[KV_KINDS] = { 0 }, layer_bytes = model_kv_block_bytes(hp, p->o.kv_type);
    size_t k_bytes = kv_k_bytes(p->o.kv_type, hp->d_k);

    for (int i = 0; i < hp->n_layer; i++) {
        enum kv_kind kind = model_kv_kind(hp, i);
        p->layer[i] = (struct kv_layer){
            .base = base[kind] + off[kind],
            .block_stride = p->kind[kind].block_bytes,
            .head_stride = k_bytes + kv_v_bytes(p->o.kv_type, hp->d_v),
            .v_off = k_bytes,
            .kind = kind,
        };
        off[kind] += layer_bytes;
    }
}

enum brrr_status kvpool_new(struct kvpool **out, const struct hparams *hp,
                            const struct kvpool_opts *o, struct brrr_error *err)
{
    struct kvpool *p = calloc(1, sizeof(*p));
    size_t bytes[KV_KINDS], need = kvpool_bytes(hp, o);
    uint8_t *base[KV_KINDS] = { 0 };

    *out = NULL;
    if (!p) return fail(err, BRRR_E_NOMEM, "no memory for the KV cache");
    p->o = *o;
    p->window = hp->window;
    p->n_logical = blocks_for(o->ctx);
    if (need > SIZE_MAX / 2 || need > mem_available()) {
        fail(err, BRRR_E_NOMEM,
             "the KV cache of %d x %d tokens needs %zu MiB, %zu MiB are available; "
             "a smaller --ctx-size helps",
             o->n_slot, o->ctx, need >> 20, mem_available() >> 20);
        goto error;
    }
    if (arena_init(&p->mem, need + KV_KINDS * ARENA_ALIGN, "KV cache", err)) goto error;
    block_sizes(hp, o->kv_type, bytes);
    p->layer = calloc((size_t)hp->n_layer, sizeof(*p->layer));
    if (!p->layer) goto nomem;
    for (int k = 0; k < KV_KINDS; k++) {
        int n = bytes[k] ? slot_blocks(hp, o, (enum kv_kind)k) * o->n_slot : 0;
        p->kind[k].block_bytes = bytes[k];
        base[k] = arena_take(&p->mem, bytes[k] * (size_t)n);
        if (!base[k] || !kind_init(&p->kind[k], o->n_slot, n, p->n_logical)) goto nomem;
        p->view.table[k] = (const int32_t *const *)p->kind[k].table;
    }
    place_layers(p, hp, base);
    p->view.type = o->kv_type;
    p->view.layer = p->layer;
    *out = p;
    return BRRR_OK;

nomem:
    fail(err, BRRR_E_NOMEM, "no memory for the tables of the KV cache");
error:
    kvpool_free(p);
    return BRRR_E_NOMEM;
}

void kvpool_free(struct kvpool *p)
{
    if (!p) return;
    for (int k = 0; k < KV_KINDS; k++) {
        for (int s = 0; p->kind[k].table && s < p->o.n_slot; s++)
            free(p->kind[k].table[s]);
        free(p->kind[k].table);
        free(p->kind[k].free_list);
    }
    free(p->layer);
    arena_fini(&p->mem);
    free(p);
}

const struct kv_view *kvpool_view(const struct kvpool *p)
{
    return &p->view;
}

static void give(struct kind *k, int slot, int logical)
{
    int32_t *entry = &k->table[slot][logical];

    if (*entry < 0) return;
    k->free_list[k->n_free++] = *entry;
    *entry = -1;
}

static void take(struct kind *k, int slot, int logical)
{
    int32_t *entry = &k->table[slot][logical];

    if (*entry >= 0) return;
    assert(k->n_free > 0);
    *entry = k->free_list[--k->n_free];
}

void kvpool_extend(struct kvpool *p, int slot, int from, int to)
{
    struct kind *win = &p->kind[KV_WINDOW];
    int first_seen = from - p->window + 1;

    assert(to <= p->o.ctx && to - from <= p->o.chunk);
    /* Backwards, until the blocks that an earlier call has let go of. */
    for (int b = first_seen / KV_BLOCK - 1; win->n_block && first_seen > 0 && b >= 0; b--) {
        if (win->table[slot][b] < 0) break;
        give(win, slot, b);
    }
    for (int k = 0; k < KV_KINDS; k++)
        for (int b = from / KV_BLOCK; p->kind[k].n_block && b < blocks_for(to); b++)
            take(&p->kind[k], slot, b);
}

void kvpool_release(struct kvpool *p, int slot)
{
    for (int k = 0; k < KV_KINDS; k++)
        for (int b = 0; p->kind[k].n_block && b < p->n_logical; b++)
            give(&p->kind[k], slot, b);
}

int kvpool_n_used(const struct kvpool *p)
{
    int n = 0;

    for (int k = 0; k < KV_KINDS; k++)
        n += p->kind[k].n_block - p->kind[k].n_free;
    return n;
}
