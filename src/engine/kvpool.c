/* SPDX-License-Identifier: MIT */
/* kvpool.c - see kvpool.h. */
#include "engine/kvpool.h"

#include <assert.h>
#include <stdlib.h>

#include "base/clock.h"
#include "engine/kvblocks.h"
#include "engine/kvdisk.h"
#include "engine/prefix.h"

/* A start reads from disk for so many seconds at most: others wait meanwhile. */
static const double READ_S = 0.05;

/* Memory that is present before it is needed: a part of what the slots may come to. */
enum { AHEAD_PART = 8, AHEAD_MOST = 256 << 20 };

struct slot {
    struct prefix_key last; /* of the last published block, or the root */
    int n_published;        /* blocks                                   */
    int n_block;            /* entries of its tables that may be in use */
    int n;                  /* positions that hold something            */
    uint64_t user;
};

struct kvpool {
    struct kvpool_opts o;
    struct hparams hp;
    int n_logical;
    struct kvblocks blocks;
    struct prefix *prefix;     /* NULL: opts.no_prefix */
    int32_t **table[KV_KINDS]; /* [n_slot][n_logical]  */
    struct slot *slot;         /* [n_slot]             */
    struct kv_layer *layer;
    struct kv_view view;
    double block_s; /* to compute one; 0: not known */
    uint64_t evicted, copied, merged;
};

static int blocks_for(int n_pos)
{
    return (n_pos + KV_BLOCK - 1) / KV_BLOCK;
}

/* Physical blocks that one sequence of n positions can need at once. */
static int seq_blocks(const struct hparams *hp, const struct kvpool_opts *o, enum kv_kind kind,
                      int n)
{
    int all = blocks_for(n);

    if (kind == KV_FULL) return all;
    /* Window and chunk may each start in the middle of a block. */
    int64_t need = ((int64_t)hp->window + o->chunk) / KV_BLOCK + 2;
    return (int)MIN(need, all);
}

void kvpool_kind_bytes(const struct hparams *hp, int kv_type, size_t bytes[KV_KINDS])
{
    bytes[KV_FULL] = bytes[KV_WINDOW] = 0;
    for (int i = 0; i < hp->n_layer; i++)
        bytes[model_kv_kind(hp, i)] += model_kv_block_bytes(hp, kv_type);
}

static size_t bytes_for(const struct hparams *hp, const struct kvpool_opts *o, int n, int n_slot)
{
    size_t bytes[KV_KINDS], sum = 0, more;

    kvpool_kind_bytes(hp, o->kv_type, bytes);
    for (int k = 0; k < KV_KINDS; k++) {
        size_t blocks = (size_t)seq_blocks(hp, o, (enum kv_kind)k, n) * (size_t)n_slot;
        if (!size_mul(&more, bytes[k], blocks) || !size_add(&sum, sum, more)) return SIZE_MAX;
    }
    return sum;
}

size_t kvpool_bytes(const struct hparams *hp, const struct kvpool_opts *o)
{
    return bytes_for(hp, o, o->ctx, o->n_slot);
}

size_t kvpool_seq_bytes(const struct kvpool *p, int n)
{
    return bytes_for(&p->hp, &p->o, n, 1);
}

/* Where each layer's share lies inside a block of its kind. */
static void place_layers(struct kvpool *p, const struct hparams *hp)
{
    size_t off[KV_KINDS] = { 0 }, layer_bytes = model_kv_block_bytes(hp, p->o.kv_type);
    size_t k_bytes = kv_k_bytes(p->o.kv_type, hp->d_k);

    for (int i = 0; i < hp->n_layer; i++) {
        enum kv_kind kind = model_kv_kind(hp, i);
        p->layer[i] = (struct kv_layer){
            .base = p->blocks.kind[kind].base + off[kind],
            .block_stride = p->blocks.kind[kind].bytes,
            .head_stride = k_bytes + kv_v_bytes(p->o.kv_type, hp->d_v),
            .v_off = k_bytes,
            .kind = kind,
        };
        off[kind] += layer_bytes;
    }
}

static bool take_tables(struct kvpool *p)
{
    size_t n_slot = (size_t)p->o.n_slot, n = (size_t)p->n_logical;

    p->slot = calloc(n_slot, sizeof(*p->slot));
    p->layer = calloc((size_t)p->hp.n_layer, sizeof(*p->layer));
    if (!p->slot || !p->layer) return false;
    for (int k = 0; k < KV_KINDS; k++) {
        p->table[k] = calloc(n_slot, sizeof(*p->table[k]));
        if (!p->table[k]) return false;
        p->view.table[k] = (const int32_t *const *)p->table[k];
        for (size_t s = 0; s < n_slot; s++) {
            p->table[k][s] = malloc(n * sizeof(int32_t));
            if (!p->table[k][s]) return false;
            for (size_t b = 0; b < n; b++)
                p->table[k][s][b] = -1;
        }
    }
    return true;
}

static enum brrr_status check_budget(const struct kvpool *p, size_t budget, struct brrr_error *err)
{
    size_t one = bytes_for(&p->hp, &p->o, 1, 1);

    if (budget > SIZE_MAX / 4 || budget > mem_available())
        return fail(err, BRRR_E_NOMEM,
                    "the KV cache of %d x %d tokens needs %zu MiB, %zu MiB are available; "
                    "a smaller --ctx-size helps",
                    p->o.n_slot, p->o.ctx, budget >> 20, mem_available() >> 20);
    if (budget < one)
        return fail(err, BRRR_E_NOMEM, "a KV cache of %zu bytes holds no block of %zu", budget,
                    one);
    return BRRR_OK;
}

enum brrr_status kvpool_new(struct kvpool **out, const struct hparams *hp,
                            const struct kvpool_opts *o, struct brrr_error *err)
{
    struct kvpool *p = calloc(1, sizeof(*p));
    size_t bytes[KV_KINDS], budget = o->budget ? o->budget : kvpool_bytes(hp, o);
    int64_t nodes = 0;
    enum brrr_status st = BRRR_E_NOMEM;

    *out = NULL;
    if (!p) return fail(err, BRRR_E_NOMEM, "no memory for the KV cache");
    p->o = *o;
    p->hp = *hp;
    p->n_logical = blocks_for(o->ctx);
    if ((st = check_budget(p, budget, err))) goto error;
    kvpool_kind_bytes(hp, o->kv_type, bytes);
    if ((st = kvblocks_init(&p->blocks, bytes, budget, err))) goto error;
    for (int k = 0; k < KV_KINDS; k++)
        nodes += p->blocks.kind[k].n;
    nodes = MIN(nodes, INT32_MAX / 2);
    if (!o->no_prefix && (st = prefix_new(&p->prefix, (int)nodes, o->secret, err))) goto error;
    if (!take_tables(p)) {
        st = fail(err, BRRR_E_NOMEM, "no memory for the tables of the KV cache");
        goto error;
    }
    place_layers(p, hp);
    kvblocks_ahead(&p->blocks, MIN(kvpool_bytes(hp, o) / AHEAD_PART, (size_t)AHEAD_MOST));
    p->view.type = o->kv_type;
    p->view.layer = p->layer;
    *out = p;
    return BRRR_OK;

error:
    kvpool_free(p);
    return st;
}

void kvpool_free(struct kvpool *p)
{
    if (!p) return;
    for (int k = 0; k < KV_KINDS; k++) {
        for (int s = 0; p->table[k] && s < p->o.n_slot; s++)
            free(p->table[k][s]);
        free(p->table[k]);
    }
    free(p->slot);
    free(p->layer);
    prefix_free(p->prefix);
    kvblocks_fini(&p->blocks);
    free(p);
}

const struct kv_view *kvpool_view(const struct kvpool *p)
{
    return &p->view;
}

static bool has_kind(const struct kvpool *p, int kind)
{
    return p->blocks.kind[kind].bytes > 0;
}

/* --- single entries of a table --- */

static void put(struct kvpool *p, int slot, int kind, int logical, int32_t block)
{
    p->table[kind][slot][logical] = block;
    p->slot[slot].n_block = MAX(p->slot[slot].n_block, logical + 1);
}

/* A block that is there, in another table or in none. */
static void share(struct kvpool *p, int slot, int kind, int logical, int32_t block)
{
    kvblocks_ref(&p->blocks, (enum kv_kind)kind, block, p->slot[slot].user);
    put(p, slot, kind, logical, block);
}

static void give(struct kvpool *p, int slot, int kind, int logical)
{
    int32_t *entry = &p->table[kind][slot][logical];

    if (*entry < 0) return;
    kvblocks_unref(&p->blocks, (enum kv_kind)kind, *entry);
    *entry = -1;
}

/* A block for a slot, which had room for it; cached ones make way. */
static int32_t take(struct kvpool *p, int slot, enum kv_kind kind)
{
    enum kv_kind victim_kind;
    int32_t victim;

    while (kvblocks_must_evict(&p->blocks, kind, &victim_kind, &victim)) {
        if (p->o.disk) kvdisk_let_go(p->o.disk, kvblocks_memory(&p->blocks, victim_kind, victim));
        prefix_drop(p->prefix, p->blocks.kind[victim_kind].block[victim].node, victim_kind);
        kvblocks_evict(&p->blocks, victim_kind, victim);
        p->evicted++;
    }
    return kvblocks_take(&p->blocks, kind, p->slot[slot].user);
}

/* --- the disk: blocks are offered to it when they get their names and when they are used --- */

static void offer(struct kvpool *p, int32_t node)
{
    const struct prefix_node *x = prefix_node(p->prefix, node);
    const uint8_t *mem[KV_KINDS] = { NULL };
    struct kvfile_what what = { .key = x->key, .before = x->before };

    if (!p->o.disk) return;
    for (int k = 0; k < KV_KINDS; k++) {
        if (!has_kind(p, k)) continue;
        if (x->block[k] < 0) return; /* only what is complete */
        mem[k] = kvblocks_memory(&p->blocks, (enum kv_kind)k, x->block[k]);
    }
    memcpy(what.token, x->token, sizeof(what.token));
    kvdisk_offer(p->o.disk, &what, mem);
}

void kvpool_pace(struct kvpool *p, double block_s)
{
    p->block_s = block_s;
}

/* --- prefixes --- */

/* The first logical block that a token at position n sees, in a layer with a window. */
static int first_in_window(const struct kvpool *p, int n)
{
    return MAX(0, n - p->hp.window + 1) / KV_BLOCK;
}

/* What of a sequence is there for all kinds. */
struct found {
    int n, n_whole; /* tokens; as many as whole blocks have          */
    int n_used;     /* in blocks of which each kind has a user       */
    int32_t tail;   /* the node whose first n % KV_BLOCK match; or -1 */
};

/* True if a slot uses the blocks of a node, of every kind that it has. */
static bool in_use(const struct kvpool *p, const struct prefix_node *x)
{
    for (int k = 0; k < KV_KINDS; k++)
        if (x->block[k] >= 0 && p->blocks.kind[k].block[x->block[k]].refs == 0) return false;
    return true;
}

/* True if the last `run` blocks of positions [0, n) are all that position n sees in a window. */
static bool window_reaches(const struct kvpool *p, int n, int run)
{
    return !has_kind(p, KV_WINDOW) || run >= blocks_for(n) - first_in_window(p, n);
}

static struct found look_up(const struct kvpool *p, const int32_t *token, int n, uint64_t salt)
{
    struct found f = { .tail = -1 };
    unsigned kinds = 0;
    int b = 0, run = 0, common;

    if (!p->prefix || n <= 0) return f;
    struct prefix_key key = prefix_root(p->prefix, salt);
    for (; (b + 1) * KV_BLOCK <= n; b++) {
        int32_t i = prefix_find(p->prefix, key, token + (size_t)b * KV_BLOCK);
        if (i < 0) break;
        const struct prefix_node *x = prefix_node(p->prefix, i);
        if (has_kind(p, KV_FULL) && x->block[KV_FULL] < 0) break;
        run = x->block[KV_WINDOW] >= 0 ? run + 1 : 0;
        key = x->key;
        f.n_used += in_use(p, x) ? KV_BLOCK : 0;
        if (window_reaches(p, (b + 1) * KV_BLOCK, run)) f.n = f.n_whole = (b + 1) * KV_BLOCK;
    }
    for (int k = 0; k < KV_KINDS; k++)
        if (has_kind(p, k)) kinds |= 1u << k;
    f.tail = prefix_closest(p->prefix, key, token + (size_t)b * KV_BLOCK, n - b * KV_BLOCK, kinds,
                            &common);
    if (f.tail >= 0 && window_reaches(p, b * KV_BLOCK + common, run + 1))
        f.n = b * KV_BLOCK + common;
    else f.tail = -1;
    return f;
}

int kvpool_match(const struct kvpool *p, const int32_t *token, int n, uint64_t salt, int *n_used)
{
    struct found f = look_up(p, token, n - 1, salt);

    if (n_used) *n_used = MIN(f.n_used, f.n_whole);
    return f.n;
}

/* The whole blocks of what was found into a slot's tables. */
static void adopt(struct kvpool *p, int slot, const int32_t *token, const struct found *f)
{
    struct slot *s = &p->slot[slot];
    int seen = first_in_window(p, f->n);

    for (int b = 0; b < f->n / KV_BLOCK; b++) {
        int32_t i = prefix_find(p->prefix, s->last, token + (size_t)b * KV_BLOCK);
        const struct prefix_node *x = prefix_node(p->prefix, i);
        for (int k = 0; k < KV_KINDS; k++) {
            if (x->block[k] < 0 || (k == KV_WINDOW && b < seen)) continue;
            share(p, slot, k, b, x->block[k]);
        }
        offer(p, i);
        s->last = x->key;
    }
    s->n_published = f->n / KV_BLOCK;
    s->n = f->n;
}

/* A block of a table that others read too, or that has a name: the slot gets a copy. */
static void own(struct kvpool *p, int slot, enum kv_kind kind, int logical)
{
    int32_t from = p->table[kind][slot][logical], to = take(p, slot, kind);

    memcpy(kvblocks_memory(&p->blocks, kind, to), kvblocks_memory(&p->blocks, kind, from),
           p->blocks.kind[kind].bytes);
    kvblocks_unref(&p->blocks, kind, from);
    put(p, slot, kind, logical, to);
    p->copied++;
}

/* The block in which what was found ends, as a copy. False if there is no room. */
static bool adopt_tail(struct kvpool *p, int slot, const struct found *f)
{
    const struct prefix_node *x = prefix_node(p->prefix, f->tail);
    int logical = f->n / KV_BLOCK;
    size_t bytes = 0;

    for (int k = 0; k < KV_KINDS; k++) {
        if (!has_kind(p, k)) continue;
        share(p, slot, k, logical, x->block[k]);
        bytes += p->blocks.kind[k].bytes;
    }
    if (bytes > kvblocks_room(&p->blocks)) return false;
    for (int k = 0; k < KV_KINDS; k++)
        if (has_kind(p, k)) own(p, slot, (enum kv_kind)k, logical);
    return true;
}

/* Blocks of a prefix that are in memory or on disk, from the start. */
static int reachable(const struct kvpool *p, const int32_t *token, int n, uint64_t salt)
{
    struct prefix_key key = prefix_root(p->prefix, salt);
    int b = 0;

    for (; (b + 1) * KV_BLOCK <= n; b++) {
        const int32_t *t = token + (size_t)b * KV_BLOCK;
        int32_t i = prefix_find(p->prefix, key, t);
        key = prefix_key(p->prefix, key, t);
        if (i >= 0 && (!has_kind(p, KV_FULL) || prefix_node(p->prefix, i)->block[KV_FULL] >= 0))
            continue;
        if (!kvdisk_has(p->o.disk, key)) break;
    }
    return b;
}

/* Kinds (bits) of block b of the first `last` ones that are needed and not in memory. */
static unsigned missing(const struct kvpool *p, int32_t node, int b, int last)
{
    unsigned kinds = 0;

    for (int k = 0; k < KV_KINDS; k++) {
        if (!has_kind(p, k)) continue;
        if (k == KV_WINDOW && b < first_in_window(p, last * KV_BLOCK)) continue;
        if (node < 0 || prefix_node(p->prefix, node)->block[k] < 0) kinds |= 1u << k;
    }
    return kinds;
}

/* What of a block is in memory gets a user, so that reading others does not push it out. */
static void hold(struct kvpool *p, int slot, int32_t node, int b, int last)
{
    for (int k = 0; node >= 0 && k < KV_KINDS; k++) {
        int32_t x = prefix_node(p->prefix, node)->block[k];
        if (x < 0 || (k == KV_WINDOW && b < first_in_window(p, last * KV_BLOCK))) continue;
        share(p, slot, k, b, x);
    }
}

bool kvpool_expect(struct kvpool *p, const int32_t *token, int n, uint64_t salt)
{
    bool any = false;

    if (!p->prefix || !p->o.disk) return false;
    struct prefix_key key = prefix_root(p->prefix, salt);
    int last = reachable(p, token, n - 1, salt);
    for (int b = 0; b < last; b++) {
        const int32_t *t = token + (size_t)b * KV_BLOCK;
        int32_t node = prefix_find(p->prefix, key, t);
        key = prefix_key(p->prefix, key, t);
        if (!missing(p, node, b, last)) continue;
        if (!kvdisk_expect(p->o.disk, key, p->block_s)) break;
        any = true;
    }
    return any;
}

/* The kinds of one block from disk, under its name. False: not there, or no room. */
static bool read_block(struct kvpool *p, int slot, int b, unsigned kinds,
                       const struct kvfile_what *what)
{
    uint8_t *dst[KV_KINDS] = { NULL };
    size_t bytes = 0;

    for (int k = 0; k < KV_KINDS; k++)
        if (kinds & 1u << k) bytes += p->blocks.kind[k].bytes;
    if (bytes > kvblocks_room(&p->blocks)) return false;
    for (int k = 0; k < KV_KINDS; k++) {
        if (!(kinds & 1u << k)) continue;
        put(p, slot, k, b, take(p, slot, (enum kv_kind)k));
        dst[k] = kvblocks_memory(&p->blocks, (enum kv_kind)k, p->table[k][slot][b]);
    }
    int32_t node =
        kvdisk_read(p->o.disk, what, dst) ? prefix_get(p->prefix, what->before, what->token) : -1;
    for (int k = 0; node >= 0 && k < KV_KINDS; k++) {
        if (!dst[k]) continue;
        prefix_node(p->prefix, node)->block[k] = p->table[k][slot][b];
        p->blocks.kind[k].block[p->table[k][slot][b]].node = node;
    }
    return node >= 0;
}

/*
 * Bring what the disk has of a prefix into memory, for look_up() to find: for a bounded time, and
 * where it is faster than computing. The slot holds the blocks meanwhile. Windows that the end of
 * the prefix can not see are left where they are.
 */
static void fetch(struct kvpool *p, int slot, const int32_t *token, int n, uint64_t salt)
{
    struct kvfile_what what = { .key = prefix_root(p->prefix, salt) };
    int last = reachable(p, token, n, salt);
    double start = clock_now();

    for (int b = 0; b < last; b++) {
        memcpy(what.token, token + (size_t)b * KV_BLOCK, sizeof(what.token));
        what.before = what.key;
        what.key = prefix_key(p->prefix, what.before, what.token);
        int32_t node = prefix_find(p->prefix, what.before, what.token);
        unsigned kinds = missing(p, node, b, last);
        hold(p, slot, node, b, last);
        if (!kinds || !kvdisk_has(p->o.disk, what.key)) continue;
        if (clock_now() - start > READ_S || !kvdisk_pays(p->o.disk, p->block_s)) break;
        if (!read_block(p, slot, b, kinds, &what)) break;
    }
    kvpool_release(p, slot);
}

/* A slot that holds nothing becomes one of this user and salt. */
static void begin(struct kvpool *p, int slot, uint64_t salt, uint64_t user)
{
    p->slot[slot] = (struct slot){ .last = prefix_root(p->prefix, salt), .user = user };
}

int kvpool_start(struct kvpool *p, int slot, const int32_t *token, int n, uint64_t salt,
                 uint64_t user)
{
    if (!p->prefix) {
        p->slot[slot].user = user;
        return 0;
    }
    begin(p, slot, salt, user);
    if (p->o.disk) fetch(p, slot, token, n - 1, salt);
    struct found f = look_up(p, token, n - 1, salt);

    begin(p, slot, salt, user);
    adopt(p, slot, token, &f);
    if (f.tail < 0 || adopt_tail(p, slot, &f)) return f.n;
    /* Without the tail the window may need one block more: start from what is whole. */
    kvpool_release(p, slot);
    begin(p, slot, salt, user);
    f.n = f.n_whole;
    adopt(p, slot, token, &f);
    return f.n;
}

/* Block b of a slot, of one kind, under the name of a node. */
static void publish(struct kvpool *p, int slot, int kind, int b, int32_t node)
{
    int32_t mine = p->table[kind][slot][b];
    int32_t *theirs = &prefix_node(p->prefix, node)->block[kind];

    if (mine < 0 || mine == *theirs) return;
    if (*theirs < 0) {
        *theirs = mine;
        p->blocks.kind[kind].block[mine].node = node;
        return;
    }
    /* Somebody computed the same at the same time: the same bits. One copy is enough. */
    give(p, slot, kind, b);
    share(p, slot, kind, b, *theirs);
    p->merged++;
}

void kvpool_publish(struct kvpool *p, int slot, const int32_t *token, int n)
{
    struct slot *s = &p->slot[slot];

    for (int b = s->n_published; p->prefix && (b + 1) * KV_BLOCK <= n; b++) {
        const int32_t *t = token + (size_t)b * KV_BLOCK;
        bool any = false;

        for (int k = 0; k < KV_KINDS; k++)
            any = any || (has_kind(p, k) && p->table[k][slot][b] >= 0);
        int32_t node = any ? prefix_get(p->prefix, s->last, t) : -1;
        for (int k = 0; node >= 0 && k < KV_KINDS; k++)
            if (has_kind(p, k)) publish(p, slot, k, b, node);
        if (node >= 0) offer(p, node);
        s->last = prefix_key(p->prefix, s->last, t);
        s->n_published = b + 1;
    }
}

/* --- growing and shrinking --- */

/* Backwards, until the blocks that an earlier call has let go of. */
static void leave_window(struct kvpool *p, int slot, int from)
{
    for (int b = first_in_window(p, from) - 1; has_kind(p, KV_WINDOW) && b >= 0; b--) {
        if (p->table[KV_WINDOW][slot][b] < 0) break;
        give(p, slot, KV_WINDOW, b);
    }
}

/* A slot may write into a block that nobody else reads and that has no name. */
static bool may_write(const struct kvpool *p, int kind, int32_t block)
{
    const struct kvblock *x = &p->blocks.kind[kind].block[block];

    return x->refs == 1 && x->node < 0;
}

size_t kvpool_extend_bytes(const struct kvpool *p, int slot, int from, int to)
{
    size_t bytes = 0;

    for (int k = 0; k < KV_KINDS; k++)
        for (int b = from / KV_BLOCK; has_kind(p, k) && b < blocks_for(to); b++) {
            int32_t x = p->table[k][slot][b];
            if (x < 0 || !may_write(p, k, x)) bytes += p->blocks.kind[k].bytes;
        }
    return bytes;
}

bool kvpool_extend(struct kvpool *p, int slot, int from, int to)
{
    assert(to <= p->o.ctx && to - from <= p->o.chunk);
    leave_window(p, slot, from);
    if (kvpool_extend_bytes(p, slot, from, to) > kvblocks_room(&p->blocks)) return false;
    for (int k = 0; k < KV_KINDS; k++)
        for (int b = from / KV_BLOCK; has_kind(p, k) && b < blocks_for(to); b++) {
            int32_t x = p->table[k][slot][b];
            if (x < 0) put(p, slot, k, b, take(p, slot, (enum kv_kind)k));
            else if (!may_write(p, k, x)) own(p, slot, (enum kv_kind)k, b);
        }
    p->slot[slot].n = to;
    return true;
}

void kvpool_fork(struct kvpool *p, int from, int to, int n)
{
    assert(n >= p->slot[from].n_published * KV_BLOCK);
    p->slot[to] = p->slot[from];
    p->slot[to].n = n;
    for (int k = 0; k < KV_KINDS; k++)
        for (int b = 0; has_kind(p, k) && b < blocks_for(n); b++) {
            int32_t x = p->table[k][from][b];
            if (x < 0) continue;
            share(p, to, k, b, x);
        }
}

void kvpool_truncate(struct kvpool *p, int slot, int n)
{
    assert(n >= p->slot[slot].n_published * KV_BLOCK);
    for (int k = 0; k < KV_KINDS; k++)
        for (int b = p->slot[slot].n_block - 1; has_kind(p, k) && b >= blocks_for(n); b--)
            give(p, slot, k, b);
    p->slot[slot].n_block = MIN(p->slot[slot].n_block, blocks_for(n));
    p->slot[slot].n = MIN(p->slot[slot].n, n);
}

void kvpool_release(struct kvpool *p, int slot)
{
    /* From the end: of a chain that is not used any more the last link goes first. */
    for (int b = p->slot[slot].n_block - 1; b >= 0; b--)
        for (int k = 0; k < KV_KINDS; k++)
            if (has_kind(p, k)) give(p, slot, k, b);
    p->slot[slot] = (struct slot){ 0 };
}

void kvpool_room(const struct kvpool *p, size_t *room, size_t *block_bytes)
{
    *room = kvblocks_room(&p->blocks);
    *block_bytes = 0;
    for (int k = 0; k < KV_KINDS; k++)
        *block_bytes += p->blocks.kind[k].bytes;
}

/* True for one of the slots that have a block at this place. */
static bool counts_for(const struct kvpool *p, int slot, int kind, int logical)
{
    int32_t x = p->table[kind][slot][logical];

    if (p->blocks.kind[kind].block[x].refs == 1) return true;
    for (int i = 0; i < slot; i++)
        if (p->table[kind][i][logical] == x) return false;
    return true;
}

/* What of the last blocks of all slots holds nothing. */
static void count_tails(const struct kvpool *p, struct kvpool_stats *out)
{
    for (int i = 0; i < p->o.n_slot; i++) {
        int last = p->slot[i].n / KV_BLOCK, n = p->slot[i].n % KV_BLOCK;
        for (int k = 0; n > 0 && k < KV_KINDS; k++) {
            if (!has_kind(p, k) || p->table[k][i][last] < 0) continue;
            size_t bytes = p->blocks.kind[k].bytes / KV_BLOCK * (size_t)(KV_BLOCK - n);
            out->tail_alone += bytes;
            if (counts_for(p, i, k, last)) out->tail += bytes;
        }
    }
}

void kvpool_stats(const struct kvpool *p, struct kvpool_stats *out)
{
    *out = (struct kvpool_stats){ .budget = p->blocks.budget,
                                  .used = p->blocks.used,
                                  .cached = p->blocks.cached,
                                  .evicted = p->evicted,
                                  .copied = p->copied,
                                  .merged = p->merged };
    for (int k = 0; k < KV_KINDS; k++) {
        out->n_used += p->blocks.kind[k].n_used;
        out->n_cached += p->blocks.kind[k].n_cached;
        out->alone += p->blocks.kind[k].n_user * p->blocks.kind[k].bytes;
    }
    count_tails(p, out);
}

void kvpool_map(const struct kvpool *p, enum kv_kind kind, struct kv_map *out)
{
    kvblocks_map(&p->blocks, kind, out);
}

int kvpool_n_used(const struct kvpool *p)
{
    int n = 0;

    for (int k = 0; k < KV_KINDS; k++)
        n += p->blocks.kind[k].n_used;
    return n;
}
