/* SPDX-License-Identifier: MIT */
/* kvblocks.c - see kvblocks.h. */
#include "engine/kvblocks.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { PAGE = 4096 };
_Static_assert((int)KV_KINDS <= (int)PREFAULT_RANGES, "a range for each kind");

static enum brrr_status kind_init(struct kvblocks_kind *k, struct brrr_error *err)
{
    size_t n = (size_t)k->n;

    k->free_list = calloc(n + 1, sizeof(*k->free_list));
    k->block = calloc(n + 1, sizeof(*k->block));
    if (!k->free_list || !k->block)
        return fail(err, BRRR_E_NOMEM, "no memory for the tables of %d blocks of KV cache", k->n);
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
    for (int i = 0; i < KV_OWNERS; i++)
        for (int k = 0; k < KV_KINDS; k++)
            b->owner[i].oldest[k] = b->owner[i].youngest[k] = -1;
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

void kvblocks_ahead(struct kvblocks *b, size_t bytes)
{
    for (int k = 0; k < KV_KINDS; k++)
        prefault_add(&b->ahead, b->kind[k].base, (size_t)b->kind[k].n * b->kind[k].bytes);
    prefault_start(&b->ahead, bytes);
}

void kvblocks_fini(struct kvblocks *b)
{
    prefault_stop(&b->ahead);
    for (int k = 0; k < KV_KINDS; k++) {
        free(b->kind[k].free_list);
        free(b->kind[k].block);
    }
    arena_fini(&b->mem);
    *b = (struct kvblocks){ 0 };
}

/* --- owners --- */

/* The place of a user; a free one becomes its place. */
static int32_t owner_of(struct kvblocks *b, uint64_t user)
{
    int32_t place = KV_SHARED;

    for (int32_t i = 1; i < KV_OWNERS; i++) {
        if (b->owner[i].held > 0 && b->owner[i].user == user) return i;
        if (b->owner[i].held == 0 && place == KV_SHARED) place = i;
    }
    b->owner[place].user = user;
    return place;
}

static void own(struct kvblocks *b, enum kv_kind kind, int32_t block, int32_t owner)
{
    b->kind[kind].block[block].owner = owner;
    b->owner[owner].held += b->kind[kind].bytes;
}

static void disown(struct kvblocks *b, enum kv_kind kind, int32_t block)
{
    b->owner[b->kind[kind].block[block].owner].held -= b->kind[kind].bytes;
}

/* --- the cached ones of an owner, by when they were let go of --- */

static void append(struct kvblocks *b, enum kv_kind kind, int32_t i)
{
    struct kvblock *block = b->kind[kind].block, *x = &block[i];
    struct kvowner *o = &b->owner[x->owner];

    x->older = o->youngest[kind];
    x->younger = -1;
    *(x->older < 0 ? &o->oldest[kind] : &block[x->older].younger) = i;
    o->youngest[kind] = i;
    b->kind[kind].n_cached++;
}

static void unlink_block(struct kvblocks *b, enum kv_kind kind, int32_t i)
{
    struct kvblock *block = b->kind[kind].block, *x = &block[i];
    struct kvowner *o = &b->owner[x->owner];

    *(x->older < 0 ? &o->oldest[kind] : &block[x->older].younger) = x->younger;
    *(x->younger < 0 ? &o->youngest[kind] : &block[x->younger].older) = x->older;
    b->kind[kind].n_cached--;
}

/* When an owner let go of the first of its cached blocks, which it is; UINT64_MAX: it has none. */
static uint64_t first_of(const struct kvblocks *b, int owner, enum kv_kind *kind, int32_t *block)
{
    uint64_t first = UINT64_MAX;

    for (int k = 0; k < KV_KINDS; k++) {
        int32_t i = b->owner[owner].oldest[k];
        if (i < 0 || b->kind[k].block[i].let_go >= first) continue;
        first = b->kind[k].block[i].let_go;
        *kind = (enum kv_kind)k;
        *block = i;
    }
    return first;
}

bool kvblocks_must_evict(const struct kvblocks *b, enum kv_kind want, enum kv_kind *kind,
                         int32_t *block)
{
    uint64_t first = UINT64_MAX;
    size_t most = 0, n = 0;

    if (b->used + b->cached + b->kind[want].bytes <= b->budget) return false;
    /* KV_SHARED last, when it is known how many have it. */
    for (int i = KV_OWNERS - 1; i >= 0; i--) {
        size_t held = b->owner[i].held;
        enum kv_kind its_kind = KV_FULL;
        int32_t its = -1;
        if (held == 0) continue;
        if (i == KV_SHARED) held /= MAX(n, 1);
        n++;
        uint64_t t = first_of(b, i, &its_kind, &its);
        if (t == UINT64_MAX || held < most || (held == most && t > first)) continue;
        most = held;
        first = t;
        *kind = its_kind;
        *block = its;
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
    unlink_block(b, kind, block);
    disown(b, kind, block);
    k->block[block].node = -1;
    k->free_list[k->n_free++] = block;
    b->cached -= k->bytes;
    for (int i = 0; i < KV_KINDS; i++)
        kinds += b->kind[i].bytes != 0;
    if (kinds > 1) give_back(b, kind, block);
}

int32_t kvblocks_take(struct kvblocks *b, enum kv_kind kind, uint64_t user)
{
    struct kvblocks_kind *k = &b->kind[kind];

    assert(k->n_free > 0 && b->used + b->cached + k->bytes <= b->budget);
    int32_t i = k->free_list[--k->n_free];
    /* New ones come in order, the lowest first. */
    prefault_use(&b->ahead, (int)kind, ((size_t)i + 1) * k->bytes);
    k->block[i] = (struct kvblock){ .refs = 1, .node = -1 };
    own(b, kind, i, owner_of(b, user));
    k->n_user++;
    k->n_used++;
    b->used += k->bytes;
    return i;
}

void kvblocks_ref(struct kvblocks *b, enum kv_kind kind, int32_t block, uint64_t user)
{
    struct kvblocks_kind *k = &b->kind[kind];
    struct kvblock *x = &k->block[block];

    k->n_user++;
    if (x->refs++ == 0) {
        unlink_block(b, kind, block);
        b->cached -= k->bytes;
        b->used += k->bytes;
        k->n_used++;
    }
    if (x->owner == KV_SHARED || b->owner[x->owner].user == user) return;
    disown(b, kind, block);
    own(b, kind, block, KV_SHARED);
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
        disown(b, kind, block);
        k->free_list[k->n_free++] = block;
        return;
    }
    x->let_go = b->now++;
    append(b, kind, block);
    b->cached += k->bytes;
}
