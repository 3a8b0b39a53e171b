/* SPDX-License-Identifier: MIT */
/*
 * test_eviction.c - who makes room in the KV cache: whoever holds most of it, so that a flood of
 * prompts pushes out its own blocks and not what others come back to (engine/kvblocks.h).
 */
#include "base/f16.h"
#include "engine/kvblocks.h"
#include "engine/metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tiny_model.h"

/* --- blocks --- */

enum { BLOCK = 64, BLOCKS = 16 };

static struct kvblocks blocks;

static int new_blocks(void **state)
{
    const size_t bytes[KV_KINDS] = { [KV_FULL] = BLOCK };

    (void)state;
    return kvblocks_init(&blocks, bytes, (size_t)BLOCK * BLOCKS, NULL);
}

static int free_blocks(void **state)
{
    (void)state;
    kvblocks_fini(&blocks);
    return 0;
}

/* The block that made room, or -1: there was some. */
static int32_t make_room(void)
{
    enum kv_kind kind;
    int32_t i;

    if (!kvblocks_must_evict(&blocks, KV_FULL, &kind, &i)) return -1;
    kvblocks_evict(&blocks, kind, i);
    return i;
}

/* A block that a user computed and let go of. */
static int32_t leave(uint64_t user)
{
    make_room();
    int32_t i = kvblocks_take(&blocks, KV_FULL, user);

    blocks.kind[KV_FULL].block[i].node = i;
    kvblocks_unref(&blocks, KV_FULL, i);
    return i;
}

static void hit(int32_t block, uint64_t user)
{
    kvblocks_ref(&blocks, KV_FULL, block, user);
    kvblocks_unref(&blocks, KV_FULL, block);
}

static void one_user_alone_has_one_lru(void **state)
{
    int32_t at[BLOCKS];

    (void)state;
    for (int i = 0; i < BLOCKS; i++)
        at[i] = leave(5);
    hit(at[0], 5);
    for (int i = 1; i < BLOCKS; i++)
        assert_int_equal(make_room(), i == 1 ? at[1] : -1);
    for (int i = 2; i < BLOCKS; i++)
        assert_int_equal(leave(5), at[i - 1]); /* in the place of the one that went last */
}

static void who_holds_most_makes_room(void **state)
{
    bool gone[BLOCKS] = { false };
    int32_t quiet[4];

    (void)state;
    for (int i = 0; i < 4; i++)
        quiet[i] = leave(1);
    for (int i = 0; i < 12; i++)
        leave(2);
    assert_int_equal(blocks.cached, BLOCKS * BLOCK); /* all that is free is used */
    for (int i = 0; i < 100; i++) {
        int32_t x = make_room();
        if (x >= 0) gone[x] = true;
        leave(2);
    }
    for (int i = 0; i < 4; i++)
        assert_false(gone[quiet[i]]);
    /* With as much as the other, a user makes room for itself. */
    for (int i = 0; i < 100; i++)
        leave(1);
    assert_in_range(blocks.owner[1].held / BLOCK, 7, 9);
    assert_int_equal(blocks.owner[1].held + blocks.owner[2].held, BLOCKS * BLOCK);
}

/* What one of two users runs with counts too, and can not be taken. */
static void what_is_in_use_counts(void **state)
{
    int32_t quiet[4];

    (void)state;
    for (int i = 0; i < 4; i++)
        quiet[i] = leave(1);
    for (int i = 0; i < 9; i++)
        kvblocks_take(&blocks, KV_FULL, 2);
    for (int i = 0; i < 3; i++)
        leave(2);
    for (int i = 0; i < 3; i++) {
        assert_int_not_equal(make_room(), quiet[0]);
        kvblocks_take(&blocks, KV_FULL, 2);
    }
    for (int i = 0; i < 4; i++) /* nothing else is left */
        assert_int_equal((make_room(), kvblocks_take(&blocks, KV_FULL, 2)), quiet[i]);
    assert_int_equal(make_room(), -1);
}

static void what_is_shared_is_everyones(void **state)
{
    int32_t prompt[8];

    (void)state;
    for (int i = 0; i < 8; i++)
        prompt[i] = leave(1);
    assert_int_equal(blocks.owner[KV_SHARED].held, 0);
    for (int i = 0; i < 8; i++)
        hit(prompt[i], 2);
    assert_int_equal(blocks.owner[KV_SHARED].held, 8 * BLOCK);
    /* The one who came first has as much room as the others: each may have 4 beside it. */
    for (int i = 0; i < 4; i++)
        leave(1), leave(2);
    for (int i = 0; i < 100; i++)
        leave(2);
    assert_in_range(blocks.owner[KV_SHARED].held / BLOCK, 7, 8);
    assert_in_range(blocks.owner[1].held / BLOCK, 3, 4);
}

static void more_users_than_places(void **state)
{
    (void)state;
    for (uint64_t user = 0; user < 3 * KV_OWNERS; user++) {
        size_t sum = 0;
        leave(user);
        hit(leave(user % 7), user);
        for (int i = 0; i < KV_OWNERS; i++)
            sum += blocks.owner[i].held;
        assert_int_equal(sum, blocks.used + blocks.cached);
    }
    assert_int_equal(blocks.cached, BLOCKS * BLOCK);
}

/* --- the engine --- */

enum { CTX = 400, TURN = 200 };

/* One request at a time; the part of its prompt that the cache had. */
static int ask(struct brrr_engine *e, const int32_t *prompt, int n, uint64_t user)
{
    struct engine_request q = { .prompt = prompt, .n_prompt = (size_t)n, .user = user };
    static struct gen_params g;
    struct engine_event ev[LIMIT_PARALLEL];
    int n_ev, n_cached = -1;
    uint64_t id;

    gen_params_init(&g);
    g.n_predict = 2;
    q.gen = &g;
    assert_int_equal(engine_submit(e, &q, &id, NULL), BRRR_OK);
    while ((n_ev = engine_poll(e, ev, LIMIT_PARALLEL)) >= 0)
        for (int i = 0; i < n_ev; i++)
            if (ev[i].finish) n_cached = ev[i].timings.n_cached;
    return n_cached;
}

static void a_flood_does_not_push_out_a_chat(void **state)
{
    struct engine_opts o = { .n_threads = 1, .n_parallel = 2, .ctx = CTX, .chunk = 128 };
    const char *archs[] = { "llama", "gemma3" };
    int32_t chat[TURN + 20], flood[TURN];

    (void)state;
    for (size_t a = 0; a < COUNT(archs); a++) {
        struct tiny_spec spec = { archs[a], a ? 6 : 2, a ? 50 : 0, 512, QT_Q4_1 };
        struct brrr_engine *e;
        struct brrr_model m;
        struct metrics x;
        struct tiny tiny;

        tiny_open(&m, &tiny, &spec, BRRR_PRECISION_Q8);
        assert_int_equal(engine_open(&e, &m, &o, NULL), BRRR_OK);
        for (int i = 0; i < (int)COUNT(chat); i++)
            chat[i] = i % TINY_VOCAB;
        assert_int_equal(ask(e, chat, TURN, 1), 0);
        for (int k = 0; k < 200; k++) {
            for (int i = 0; i < TURN; i++)
                flood[i] = (i * 7 + k * 13 + (i / 3) * k) % TINY_VOCAB;
            ask(e, flood, TURN, 2);
        }
        engine_metrics(e, &x);
        assert_true(x.kv.evicted > 100);
        assert_true(x.kv.cached > x.kv.budget / 10 * 9);
        assert_true(ask(e, chat, (int)COUNT(chat), 1) >= TURN / KV_BLOCK * KV_BLOCK);
        brrr_engine_close(e);
        tiny_close(&m, &tiny);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_user_alone_has_one_lru, new_blocks, free_blocks),
        cmocka_unit_test_setup_teardown(who_holds_most_makes_room, new_blocks, free_blocks),
        cmocka_unit_test_setup_teardown(what_is_in_use_counts, new_blocks, free_blocks),
        cmocka_unit_test_setup_teardown(what_is_shared_is_everyones, new_blocks, free_blocks),
        cmocka_unit_test_setup_teardown(more_users_than_places, new_blocks, free_blocks),
        cmocka_unit_test(a_flood_does_not_push_out_a_chat),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
