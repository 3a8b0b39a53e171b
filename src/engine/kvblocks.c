/* SPDX-License-Identifier: MIT */
/* kvblocks.c - see kvblocks.h. */
#include "engine/kvblocks.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { PAGE = 4096 };

static enum brrr_status kind_init(struct kvblocks_kind *k, struct brrr_error *err)
{
    size_t n = (size_t)k->n;

    k->free_list = calloc(n + 1, sizeof(*k->free_list));
    k->block = calloc(n + 1, sizeof(*k->block));
    if (!k->free_list || !k->block)
        return fail(err, BRRR_E_NOMEM, "no memory for the tables of %d blocks of KV cache", k->n);
    k->oldest = k->youngest = -1;
    /* Lowest block last, so that it is taken first. */
    for (int i = 0; i < k->n; i++) {
        k->free_list[k->n_free++] = k->n - 1 - i;
        k->block[i].node = -1;
    }
    return BRRR_OK;
}

enum brrr_status kvblocks_init(struct kvblocks *b, const size_t bytes[KV_KINDS], size_t budget,
                               struct brrr_error *err)
{
    size_t map = 0;
    enum brrr_status st;

    *b = (struct kvblocks){ .budget = budget };
    for (int k = 0; k < KV_KINDS; k++) {
        b->kind[k].bytes = bytes[k];
        b->kind[k].n = bytes[k] ? (int)MIN(budget / bytes[k], INT32_MAX / 2) : 0;
        map += arena_round((size_t)b->kind[k].n * bytes[k]);
    }
    if ((st = arena_init(&b->mem, MAX(map, ARENA_ALIGN), "KV cache", err))) return st;
    for (int k = 0; k < KV_KINDS; k++) {
        b->kind[k].base = arena_take(&b->mem, (size_t)b->kind[k].n * bytes[k]);
        if ((st = kind_init(&b->kind[k], err))) return st;
    }
    return BRRR_OK;
}

void kvblocks_fini(struct kvblocks *b)
{
    for (int k = 0; k < KV_KINDS; k++) {
        free(b->kind[k].free_list);
        free(b->kind[k].block);
    }
    arena_fini(&b->mem);
    *b = (struct kvblocks){ 0 };
}

/* --- the cached ones, by when they were let go of --- */

static void append(struct kvblocks_kind *k, int32_t i)
{
    struct kvblock *x = &k->block[i];

    x->older = k->youngest;
    x->younger = -1;
    *(k->youngest < 0 ? &k->oldest : &k->block[k->youngest].younger) = i;
    k->youngest = i;
    k->n_cached++;
}

static void unlink_block(struct kvblocks_kind *k, int32_t i)
{
    struct kvblock *x = &k->block[i];

    *(x->older < 0 ? &k->oldest : &k->block[x->older].younger) = x->younger;
    *(x->younger < 0 ? &k->youngest : &k->block[x->younger].older) = x->older;
    k->n_cached--;
}

bool kvblocks_must_evict(const struct kvblocks *b, enum kv_kind want, enum kv_kind *kind,
                         int32_t *block)
{
    uint64_t first = UINT64_MAX;

    if (b->used + b->cached + b->kind[want].bytes <= b->budget) return false;
    for (int k = 0; k < KV_KINDS; k++) {
        int32_t i = b->kind[k].oldest;
        if (b->kind[k].n_cached == 0 || b->kind[k].block[i].let_go >= first) continue;
        first = b->kind[k].block[i].let_go;
        *kind = (enum kv_kind)k;
        *block = i;
    }
    return first != UINT64_MAX;
}

static void map_block(const struct kvblock *x, struct kv_map *m, struct kv_cell *c)
{
    if (x->refs > 1) c->shared++, m->n_shared++;
    else if (x->refs == 1) c->used++, m->n_used++;
    else if (x->node >= 0) c->cached++, m->n_cached++;
}

void kvblocks_map(const struct kvblocks *b, enum kv_kind kind, struct kv_map *out)
{
    const struct kvblocks_kind *k = &b->kind[kind];

    *out = (struct kv_map){ .n_block = k->n, .per = 1 };
    if (k->n == 0) return;
    out->per = (k->n + KV_CELLS - 1) / KV_CELLS;
    out->n_cell = (k->n + out->per - 1) / out->per;
    for (int i = 0; i < k->n; i++)
        map_block(&k->block[i], out, &out->cell[i / out->per]);
}

/* A block of one kind makes room for one of another: its pages go back. */
static void give_back(const struct kvblocks *b, enum kv_kind kind, int32_t block)
{
    uintptr_t lo = (uintptr_t)kvblocks_memory(b, kind, block), hi = lo + b->kind[kind].bytes;

    lo = (lo + PAGE - 1) & ~(uintptr_t)(PAGE - 1);
    hi &= ~(uintptr_t)(PAGE - 1);
    if (lo < hi) madvise((void *)lo, hi - lo, MADV_DONTNEED);
}

void kvblocks_evict(struct kvblocks *b, enum kv_kind kind, int32_t block)
{
    struct kvblocks_kind *k = &b->kind[kind];
    int kinds = 0;

    assert(k->block[block].refs == 0);
    unlink_block(k, block);
    k->block[block].node = -1;
    k->free_list[k->n_free++] = block;
    b->cached -= k->bytes;
    for (int i = 0; i < KV_KINDS; i++)
        kinds += b->kind[i].bytes != 0;
    if (kinds > 1) give_back(b, kind, block);
}

int32_t kvblocks_take(struct kvblocks *b, enum kv_kind kind)
{
    struct kvblocks_kind *k = &b->kind[kind];

    assert(k->n_free > 0 && b->used + b->cached + k->bytes <= b->budget);
    int32_t i = k->free_list[--k->n_free];
    k->block[i] = (struct kvblock){ .refs = 1, .node = -1 };
    k->n_user++;
    k->n_used++;
    b->used += k->bytes;
    return i;
}

void kvblocks_ref(struct kvblocks *b, enum kv_kind kind, int32_t block)
{
    struct kvblocks_kind *k = &b->kind[kind];

    k->n_user++;
    if (k->block[block].refs++ > 0) return;
    unlink_block(k, block);
    b->cached -= k->bytes;
    b->used += k->bytes;
    k->n_used++;
}

void kvblocks_unref(struct kvblocks *b, enum kv_kind kind, int32_t block)
{
    struct kvblocks_kind *k = &b->kind[kind];
    struct kvblock *x = &k->block[block];

    assert(x->refs > 0);
    k->n_user--;
    if (--x->refs > 0) return;
    b->used -= k->bytes;
    k->n_used--;
    if (x->node < 0) {
        k->free_list[k->n_free++] = block;
        return;
    }
    x->let_go = b->now++;
    append(k, block);
    b->cached += k->bytes;
}
