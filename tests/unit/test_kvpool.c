/* SPDX-License-Identifier: MIT */
/*
 * test_kvpool.c - the KV cache's blocks: prefixes found to the token, sharing, copying,
 * eviction, and that a slot always reads what was computed for its own tokens.
 *
 * No model runs. A position's "computed" value is a hash of all tokens up to it, kept
 * where the first layer of each kind keeps that position; whatever a slot may read must
 * hold it.
 */
#include "base/clock.h"
#include "engine/engine.h"
#include "engine/kvdisk.h"
#include "engine/kvpool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

enum { CTX = 400, CHUNK = 64, SLOTS = 6, WINDOW = 40 };

static const struct hparams local_and_global = {
    .n_layer = 6, .n_head = 1, .n_kv = 1, .d_k = 16, .d_v = 16, .window = WINDOW, .window_period = 3
};
static const struct hparams global_only = {
    .n_layer = 2, .n_head = 1, .n_kv = 1, .d_k = 16, .d_v = 16
};

struct seq {
    int32_t token[CTX];
    int n, done; /* tokens; positions computed */
    uint64_t user;
    bool live;
};

struct world {
    struct hparams hp;
    struct kvpool *p;
    struct seq seq[SLOTS];
    uint64_t seed;
};

/* From 0 to n - 1. */
static uint32_t rnd(struct world *w, uint32_t n)
{
    w->seed = w->seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(w->seed >> 33) % n;
}

static struct kvpool *pool(const struct hparams *hp, size_t budget, bool no_prefix)
{
    struct kvpool_opts o = { .kv_type = KV_F32,
                             .ctx = CTX,
                             .n_slot = SLOTS,
                             .chunk = CHUNK,
                             .budget = budget,
                             .secret = 7,
                             .no_prefix = no_prefix };
    struct kvpool *p;

    assert_int_equal(kvpool_new(&p, hp, &o, NULL), BRRR_OK);
    return p;
}

/* Where the value of a position is kept, in the first layer of a kind; NULL: not there. */
static uint64_t *cell(const struct world *w, int kind, int slot, int pos)
{
    const struct kv_view *v = kvpool_view(w->p);
    int32_t block = v->table[kind][slot][pos / KV_BLOCK];

    for (int l = 0; l < w->hp.n_layer && block >= 0; l++)
        if ((int)v->layer[l].kind == kind)
            return (uint64_t *)(void *)(v->layer[l].base +
                                        (size_t)block * v->layer[l].block_stride +
                                        (size_t)(pos % KV_BLOCK) * sizeof(uint64_t));
    return NULL;
}

static uint64_t value(const struct seq *s, int pos)
{
    uint64_t h = 1469598103934665603u;

    for (int i = 0; i <= pos; i++)
        h = (h ^ (uint64_t)(uint32_t)s->token[i]) * 1099511628211u + 1;
    return h;
}

static bool has_kind(const struct world *w, int kind)
{
    for (int l = 0; l < w->hp.n_layer; l++)
        if ((int)model_kv_kind(&w->hp, l) == kind) return true;
    return false;
}

/* Everything that a query at position `done` may read. */
static void check_slot(const struct world *w, int slot)
{
    const struct seq *s = &w->seq[slot];

    for (int k = 0; k < KV_KINDS; k++)
        for (int pos = k == KV_WINDOW ? MAX(0, s->done - WINDOW + 1) : 0;
             has_kind(w, k) && pos < s->done; pos++) {
            const uint64_t *c = cell(w, k, slot, pos);
            assert_non_null(c);
            assert_true(*c == value(s, pos));
        }
}

/* Compute up to `to`; false: no room. */
static bool compute(struct world *w, int slot, int to)
{
    struct seq *s = &w->seq[slot];

    if (!kvpool_extend(w->p, slot, s->done, to)) return false;
    for (int k = 0; k < KV_KINDS; k++)
        for (int pos = s->done; has_kind(w, k) && pos < to; pos++)
            *cell(w, k, slot, pos) = value(s, pos);
    s->done = to;
    return true;
}

static int start(struct world *w, int slot)
{
    struct seq *s = &w->seq[slot];

    s->live = true;
    s->done = kvpool_start(w->p, slot, s->token, s->n, 0, s->user);
    return s->done;
}

static void sequence(struct seq *s, int n, int which, int from)
{
    s->n = n;
    for (int i = 0; i < n; i++)
        s->token[i] = i < from ? i : 1000 * which + i;
}

static void prefixes_are_found_to_the_token(void **state)
{
    const struct hparams *models[] = { &local_and_global, &global_only };

    (void)state;
    for (size_t m = 0; m < COUNT(models); m++) {
        struct world w = { .hp = *models[m], .p = pool(models[m], 0, false) };
        sequence(&w.seq[0], 219, 1, 219);
        assert_int_equal(start(&w, 0), 0);
        while (w.seq[0].done < 219) {
            assert_true(compute(&w, 0, MIN(w.seq[0].done + CHUNK, 219)));
            kvpool_publish(w.p, 0, w.seq[0].token, w.seq[0].done);
        }
        kvpool_release(w.p, 0);
        assert_int_equal(kvpool_n_used(w.p), 0);
        /* 6 whole blocks were published; the 27 tokens after them were not. */
        assert_int_equal(start(&w, 0), 192);
        check_slot(&w, 0);
        /* 100 in common: 3 blocks and 4 tokens of the next one, which is copied. */
        sequence(&w.seq[1], 150, 2, 100);
        assert_int_equal(kvpool_match(w.p, w.seq[1].token, 150, 0, NULL), 100);
        assert_int_equal(start(&w, 1), 100);
        check_slot(&w, 1);
        assert_true(compute(&w, 1, 150));
        check_slot(&w, 0);
        check_slot(&w, 1);
        /* A prompt that is there as a whole: its last token is computed. */
        sequence(&w.seq[2], 192, 1, 192);
        assert_int_equal(start(&w, 2), 191);
        assert_true(compute(&w, 2, 192));
        check_slot(&w, 2);
        /* Another salt shares nothing. */
        assert_int_equal(kvpool_match(w.p, w.seq[1].token, 150, 1, NULL), 0);
        kvpool_free(w.p);
    }
}

static void without_prefixes_nothing_is_found(void **state)
{
    struct world w = { .hp = global_only, .p = pool(&global_only, 0, true) };

    (void)state;
    sequence(&w.seq[0], 64, 1, 64);
    assert_int_equal(start(&w, 0), 0);
    assert_true(compute(&w, 0, 64));
    kvpool_publish(w.p, 0, w.seq[0].token, 64);
    kvpool_release(w.p, 0);
    assert_int_equal(start(&w, 0), 0);
    kvpool_free(w.p);
}

static void the_same_computed_twice_is_kept_once(void **state)
{
    struct world w = { .hp = local_and_global, .p = pool(&local_and_global, 0, false) };
    struct kvpool_stats s;

    (void)state;
    for (int i = 0; i < 2; i++) {
        sequence(&w.seq[i], 64, 1, 64);
        start(&w, i);
    }
    for (int i = 0; i < 2; i++)
        assert_true(compute(&w, i, 64));
    int before = kvpool_n_used(w.p);
    for (int i = 0; i < 2; i++)
        kvpool_publish(w.p, i, w.seq[i].token, 64);
    kvpool_stats(w.p, &s);
    assert_int_equal(s.n_used, before / 2);
    assert_true(s.merged > 0);
    check_slot(&w, 0);
    check_slot(&w, 1);
    kvpool_free(w.p);
}

/* One by one, as an answer: windows move on after each. */
static void answer(struct world *w, int slot, int to)
{
    while (w->seq[slot].done < to) {
        assert_true(compute(w, slot, w->seq[slot].done + 1));
        kvpool_publish(w->p, slot, w->seq[slot].token, w->seq[slot].done);
    }
}

/* Where a prompt and a turn ended the window is there, however far it has moved on since. */
static void windows_at_boundaries_are_kept(void **state)
{
    enum { PROMPT = 100, TURN = 100 + 5 * WINDOW };
    struct world w = { .hp = local_and_global, .p = pool(&local_and_global, 0, false) };

    (void)state;
    for (int live = 0; live < 2; live++) { /* while the first answer goes on, and afterwards */
        sequence(&w.seq[0], TURN + 2 * WINDOW, 1 + live, 0);
        w.seq[0].n = PROMPT;
        start(&w, 0);
        answer(&w, 0, TURN);
        if (!live) kvpool_release(w.p, 0);
        /* Another answer to the same prompt: to the token, in a block that is copied. */
        w.seq[1] = w.seq[0];
        w.seq[1].n = PROMPT + 1;
        w.seq[1].token[PROMPT] = 7;
        assert_int_equal(start(&w, 1), PROMPT);
        check_slot(&w, 1);
        kvpool_release(w.p, 1);
        /* The second turn, to the last block that is full; it runs on until nothing of the first
         * turn is in its window. */
        w.seq[1] = w.seq[0];
        w.seq[1].n = TURN + 20;
        assert_int_equal(start(&w, 1), TURN / KV_BLOCK * KV_BLOCK);
        check_slot(&w, 1);
        answer(&w, 1, TURN + WINDOW + 10);
        /* The first turn's end once more. */
        w.seq[2] = w.seq[0];
        w.seq[2].n = TURN + 1;
        assert_in_range(start(&w, 2), TURN / KV_BLOCK * KV_BLOCK, TURN);
        check_slot(&w, 2);
        for (int i = live ? 0 : 1; i < 3; i++)
            kvpool_release(w.p, i);
    }
    kvpool_free(w.p);
}

/* Prompts over three tokens, so that they often begin alike. */
static void new_sequence(struct world *w, int slot)
{
    struct seq *s = &w->seq[slot];
    int other = (int)rnd(w, SLOTS), keep = (int)rnd(w, (uint32_t)MAX(1, w->seq[other].n + 1));

    s->user = rnd(w, 3);
    s->n = keep + 1 + (int)rnd(w, 120);
    s->n = MIN(s->n, CTX);
    if (other != slot) memcpy(s->token, w->seq[other].token, (size_t)MIN(keep, s->n) * 4);
    for (int i = MIN(keep, s->n); i < s->n; i++)
        s->token[i] = (int32_t)rnd(w, 3);
    start(w, slot);
}

static void fork_slot(struct world *w, int slot)
{
    for (int to = 0; to < SLOTS; to++) {
        if (w->seq[to].live) continue;
        kvpool_fork(w->p, slot, to, w->seq[slot].done);
        w->seq[to] = w->seq[slot];
        return;
    }
}

/* Positions are computed ahead and taken back, as drafts are. */
static void draft(struct world *w, int slot)
{
    struct seq *s = &w->seq[slot];
    int done = s->done, to = done + 1 + (int)rnd(w, 12);

    to = MIN(to, CTX);
    if (done == CTX || done < s->n) return;
    for (int i = s->n; i < to; i++)
        s->token[i] = (int32_t)rnd(w, 3);
    s->n = MAX(s->n, to);
    if (!compute(w, slot, to)) {
        s->n = done;
        return;
    }
    s->n = s->done = done + 1 + (int)rnd(w, (uint32_t)(to - done));
    kvpool_truncate(w->p, slot, s->done);
    kvpool_publish(w->p, slot, s->token, s->done);
}

static void act(struct world *w, int slot)
{
    struct seq *s = &w->seq[slot];
    uint32_t what = rnd(w, 16);

    if (!s->live) {
        new_sequence(w, slot);
    } else if (what == 0 || s->done >= CTX - 1) {
        kvpool_release(w->p, slot);
        s->live = false;
    } else if (what == 1) {
        fork_slot(w, slot);
    } else if (s->done < s->n) {
        int n = 1 + (int)rnd(w, CHUNK); /* not inside MIN(): that would draw twice */
        if (compute(w, slot, MIN(s->n, s->done + n))) kvpool_publish(w->p, slot, s->token, s->done);
    } else {
        draft(w, slot);
    }
}

static size_t block_bytes(const struct world *w, int kind)
{
    const struct kv_view *v = kvpool_view(w->p);

    for (int l = 0; l < w->hp.n_layer; l++)
        if ((int)v->layer[l].kind == kind) return v->layer[l].block_stride;
    return 0;
}

/* Bytes of the blocks in all tables, each table for itself. */
static size_t bytes_alone(const struct world *w)
{
    const struct kv_view *v = kvpool_view(w->p);
    size_t n = 0;

    for (int k = 0; k < KV_KINDS; k++)
        for (int i = 0; v->table[k] && i < SLOTS; i++)
            for (int b = 0; w->seq[i].live && b < (CTX + KV_BLOCK - 1) / KV_BLOCK; b++)
                n += v->table[k][i][b] >= 0 ? block_bytes(w, k) : 0;
    return n;
}

/* Of them, what holds no position. */
static size_t tails_alone(const struct world *w)
{
    size_t n = 0;

    for (int i = 0; i < SLOTS; i++)
        for (int k = 0; k < KV_KINDS; k++)
            if (w->seq[i].live && has_kind(w, k))
                n += block_bytes(w, k) / KV_BLOCK * (size_t)(-w->seq[i].done & (KV_BLOCK - 1));
    return n;
}

/* Blocks of a kind that several tables have. */
static int shared_blocks(const struct world *w, int kind, int n_block)
{
    const struct kv_view *v = kvpool_view(w->p);
    int *users = calloc((size_t)n_block, sizeof(*users)), n = 0;

    assert_non_null(users);
    for (int i = 0; v->table[kind] && i < SLOTS; i++)
        for (int b = 0; w->seq[i].live && b < (CTX + KV_BLOCK - 1) / KV_BLOCK; b++)
            if (v->table[kind][i][b] >= 0 && ++users[v->table[kind][i][b]] == 2) n++;
    free(users);
    return n;
}

/* The map says what the counts and the tables say. */
static void check_maps(const struct world *w, const struct kvpool_stats *s)
{
    static struct kv_map m;
    int n_used = 0, n_cached = 0;

    for (int k = 0; k < KV_KINDS; k++) {
        struct kv_cell sum = { 0 };
        kvpool_map(w->p, (enum kv_kind)k, &m);
        assert_int_equal(m.n_block > 0, has_kind(w, k));
        if (m.n_block == 0) continue;
        assert_int_equal(m.n_cell, (m.n_block + m.per - 1) / m.per);
        for (int i = 0; i < m.n_cell; i++) {
            assert_true(m.cell[i].used + m.cell[i].shared + m.cell[i].cached <= m.per);
            sum.used += m.cell[i].used;
            sum.shared += m.cell[i].shared;
            sum.cached += m.cell[i].cached;
        }
        assert_int_equal(sum.used, m.n_used);
        assert_int_equal(sum.shared, m.n_shared);
        assert_int_equal(sum.cached, m.n_cached);
        assert_int_equal(m.n_shared, shared_blocks(w, k, m.n_block));
        n_used += m.n_used + m.n_shared;
        n_cached += m.n_cached;
    }
    assert_int_equal(n_used, s->n_used);
    assert_int_equal(n_cached, s->n_cached);
}

/* A pool of more blocks than a map has cells. */
static void a_map_has_a_limited_number_of_cells(void **state)
{
    struct kvpool_opts o = { .kv_type = KV_F32, .ctx = CTX, .n_slot = 1, .chunk = CHUNK };
    size_t bytes = kvpool_bytes(&global_only, &o) / ((CTX + KV_BLOCK - 1) / KV_BLOCK);
    struct world w = { .hp = global_only, .p = pool(&global_only, bytes * 5000, false) };
    static struct kv_map m;

    (void)state;
    sequence(&w.seq[0], 200, 1, 200);
    start(&w, 0);
    while (w.seq[0].done < 200)
        assert_true(compute(&w, 0, MIN(w.seq[0].done + CHUNK, 200)));
    kvpool_map(w.p, KV_FULL, &m);
    assert_true(m.n_block >= 5000 && m.n_cell <= KV_CELLS);
    assert_int_equal(m.per, (m.n_block + KV_CELLS - 1) / KV_CELLS);
    assert_int_equal(m.n_used, 7);
    assert_int_equal(m.cell[0].used, m.per);
    kvpool_free(w.p);
}

static void random_life(const struct hparams *hp, size_t budget, uint64_t seed, int steps)
{
    struct world *w = calloc(1, sizeof(*w));
    struct kvpool_stats s;

    assert_non_null(w);
    w->hp = *hp;
    w->seed = seed;
    w->p = pool(hp, budget, false);
    for (int i = 0; i < steps; i++) {
        int slot = (int)rnd(w, SLOTS);
        act(w, slot);
        for (int j = 0; j < SLOTS; j++)
            if (w->seq[j].live && (j == slot || i % 16 == 0)) check_slot(w, j);
        kvpool_stats(w->p, &s);
        assert_true(s.used + s.cached <= s.budget);
        assert_int_equal(s.alone, bytes_alone(w));
        assert_int_equal(s.tail_alone, tails_alone(w));
        assert_true(s.tail <= s.tail_alone && s.tail < s.used + !s.used);
        if (i % 16 == 0) check_maps(w, &s);
    }
    assert_true(s.copied > 0 && s.evicted > 0);
    for (int j = 0; j < SLOTS; j++)
        if (w->seq[j].live) kvpool_release(w->p, j);
    assert_int_equal(kvpool_n_used(w->p), 0);
    kvpool_free(w->p);
    free(w);
}

static void a_slot_reads_what_was_computed_for_it(void **state)
{
    struct kvpool_opts o = { .kv_type = KV_F32, .ctx = CTX, .n_slot = SLOTS, .chunk = CHUNK };

    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        random_life(&local_and_global, kvpool_bytes(&local_and_global, &o) / 3, seed, 4000);
        random_life(&global_only, kvpool_bytes(&global_only, &o) / 3, seed, 4000);
    }
}

/* The same over a disk tier smaller than what passes through it, twice over the same directory. */
static void random_life_on_disk(const struct hparams *hp, uint64_t seed, const char *dir)
{
    struct kvpool_opts o = { .kv_type = KV_F32, .ctx = CTX, .n_slot = SLOTS, .chunk = CHUNK };
    struct kvdisk_opts d = { .dir = dir, .bytes = 2 << 20, .id = { "test", { 0 } } };
    struct kvdisk_stats s;

    kvpool_kind_bytes(hp, KV_F32, d.id.kind_bytes);
    o.budget = kvpool_bytes(hp, &o) / 3;
    for (int round = 0; round < 2; round++) {
        struct world *w = calloc(1, sizeof(*w));
        assert_non_null(w);
        w->hp = *hp;
        w->seed = seed;
        assert_int_equal(kvdisk_open(&o.disk, &d, NULL), BRRR_OK);
        o.secret = kvdisk_secret(o.disk);
        assert_int_equal(kvpool_new(&w->p, hp, &o, NULL), BRRR_OK);
        for (int i = 0; i < 2000; i++) {
            int slot = (int)rnd(w, SLOTS);
            act(w, slot);
            if (w->seq[slot].live) check_slot(w, slot);
        }
        for (int j = 0; j < SLOTS; j++)
            if (w->seq[j].live) kvpool_release(w->p, j);
        assert_int_equal(kvpool_n_used(w->p), 0);
        kvdisk_stats(o.disk, &s);
        assert_true(s.n_written > 0 && s.n_error == 0 && s.n_bad == 0);
        assert_true(round == 0 || s.n_read > 0);
        kvdisk_close(o.disk);
        kvpool_free(w->p);
        free(w);
    }
}

static void what_comes_from_disk_is_what_was_computed(void **state)
{
    const struct hparams *models[] = { &local_and_global, &global_only };

    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++)
        for (size_t m = 0; m < COUNT(models); m++) {
            char dir[] = "/tmp/test_kvpool.XXXXXX", cmd[64];
            assert_non_null(mkdtemp(dir));
            random_life_on_disk(models[m], seed, dir);
            snprintf(cmd, sizeof(cmd), "rm -rf '%s'", dir);
            assert_int_equal(system(cmd), 0);
        }
}

/* --- reading or computing --- */

static double read_takes; /* seconds, of each block's data */

static ssize_t read_slowly(int fd, void *buf, size_t n, off_t at)
{
    double until = clock_now() + (n > 512 ? read_takes : 0);

    while (clock_now() < until)
        continue;
    return pread(fd, buf, n, at);
}

/* Blocks of a prompt of 300 tokens that come from disk, where computing one takes compute_s. The
 * pool is a new one each time: what it has had of it before is on disk only. */
static int blocks_read(struct kvdisk *disk, double compute_s)
{
    struct kvpool_opts o = { .kv_type = KV_F32, .ctx = CTX, .n_slot = SLOTS, .chunk = CHUNK };
    static struct world w;

    w = (struct world){ .hp = global_only };
    o.disk = disk;
    o.secret = kvdisk_secret(disk);
    assert_int_equal(kvpool_new(&w.p, &w.hp, &o, NULL), BRRR_OK);
    sequence(&w.seq[0], 300, 1, 300);
    kvpool_pace(w.p, compute_s);
    int n = start(&w, 0) / KV_BLOCK;
    check_slot(&w, 0);
    while (w.seq[0].done < 300) {
        assert_true(compute(&w, 0, MIN(w.seq[0].done + CHUNK, 300)));
        kvpool_publish(w.p, 0, w.seq[0].token, w.seq[0].done);
    }
    kvpool_release(w.p, 0);
    assert_true(kvdisk_flush(disk, 10));
    kvpool_free(w.p);
    return n;
}

/* Each start chooses by what reading and computing a block took lately. */
static void what_is_cheaper_is_done(void **state)
{
    const struct kvfile_io io = { .read = read_slowly, .write = pwrite, .resize = ftruncate };
    char dir[] = "/tmp/test_kvpool.XXXXXX", cmd[64];
    struct kvdisk_opts d = { .dir = dir, .bytes = 2 << 20, .id = { "test", { 0 } }, .io = &io };
    struct kvdisk *disk;

    (void)state;
    assert_non_null(mkdtemp(dir));
    kvpool_kind_bytes(&global_only, KV_F32, d.id.kind_bytes);
    assert_int_equal(kvdisk_open(&disk, &d, NULL), BRRR_OK);
    read_takes = 1e-4;
    assert_int_equal(blocks_read(disk, 1e3), 0); /* nothing is there */
    assert_true(blocks_read(disk, 1e3) > 0);
    assert_int_equal(blocks_read(disk, 1e-5), 0);
    assert_true(blocks_read(disk, 1e3) > 0);
    read_takes = 3e-3; /* a disk that became slow is noticed by reading */
    blocks_read(disk, 1e3);
    assert_int_equal(blocks_read(disk, 3e-4), 0);
    assert_true(blocks_read(disk, 0) > 0); /* not known what computing takes */
    kvdisk_close(disk);
    snprintf(cmd, sizeof(cmd), "rm -rf '%s'", dir);
    assert_int_equal(system(cmd), 0);
}

/* What is on disk is expected, what is in memory or nowhere is not, nor what is better computed. */
static void what_will_be_read_is_expected(void **state)
{
    char dir[] = "/tmp/test_kvpool.XXXXXX", cmd[64];
    struct kvpool_opts o = { .kv_type = KV_F32, .ctx = CTX, .n_slot = SLOTS, .chunk = CHUNK };
    struct kvdisk_opts d = { .dir = dir, .bytes = 2 << 20, .id = { "test", { 0 } } };
    struct world w = { .hp = local_and_global };

    (void)state;
    assert_non_null(mkdtemp(dir));
    kvpool_kind_bytes(&w.hp, KV_F32, d.id.kind_bytes);
    sequence(&w.seq[0], 300, 1, 300);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(kvdisk_open(&o.disk, &d, NULL), BRRR_OK);
        o.secret = kvdisk_secret(o.disk);
        assert_int_equal(kvpool_new(&w.p, &w.hp, &o, NULL), BRRR_OK);
        assert_int_equal(kvpool_expect(w.p, w.seq[0].token, 300, 0), round == 1);
        assert_false(kvpool_expect(w.p, w.seq[0].token, 300, 9));
        assert_int_equal(start(&w, 0), round * 288);
        check_slot(&w, 0);
        answer(&w, 0, 300);
        assert_false(kvpool_expect(w.p, w.seq[0].token, 300, 0));
        kvpool_release(w.p, 0);
        kvdisk_close(o.disk);
        kvpool_free(w.p);
    }
    snprintf(cmd, sizeof(cmd), "rm -rf '%s'", dir);
    assert_int_equal(system(cmd), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prefixes_are_found_to_the_token),
        cmocka_unit_test(without_prefixes_nothing_is_found),
        cmocka_unit_test(the_same_computed_twice_is_kept_once),
        cmocka_unit_test(windows_at_boundaries_are_kept),
        cmocka_unit_test(a_map_has_a_limited_number_of_cells),
        cmocka_unit_test(a_slot_reads_what_was_computed_for_it),
        cmocka_unit_test(what_comes_from_disk_is_what_was_computed),
        cmocka_unit_test(what_is_cheaper_is_done),
        cmocka_unit_test(what_will_be_read_is_expected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
