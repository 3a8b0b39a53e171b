/* SPDX-License-Identifier: MIT */
/*
 * test_matrix.c - the determinism contract over random requests: each computed alone by a
 * plain engine, and then in the company of all the others, by engines with other batches,
 * chunks, threads, caches, drafters and too little memory, with a disk behind it and without. Every
 * token and the bits of every log-probability of the whole vocabulary must be the same.
 *
 * MATRIX_REQUESTS=N makes it larger (default 200), MATRIX_SEED=S another one.
 */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/f16.h"
#include "base/rng.h"
#include "engine/kvdisk.h"
#include "engine/kvpool.h"
#include "engine/metrics.h"
#include "engine/run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tiny_model.h"

enum {
    CTX = 256,
    MAX_PROMPT = 170,
    MAX_GEN = 60,
    MAX_CHOICES = 4,
    FEW = 200,
    MOST = 100000,
    DISK = 64 << 20
};

/* What a request came to: a digest of each answer's events. */
struct outcome {
    uint64_t id, digest[MAX_CHOICES];
    int n_end;
    bool last;
};

struct wish {
    int32_t prompt[MAX_PROMPT];
    int n_prompt;
    struct gen_params gen;
};

struct variant {
    const char *name;
    struct engine_opts o;
    int kv_sequences; /* room for so many full ones; 0: the default */
};

/* 64 random bits of (what, of which request). */
static uint64_t dice(uint64_t seed, int request, int what)
{
    uint32_t out[4], ctr[4] = { (uint32_t)request, (uint32_t)what, 0, 0 };
    uint32_t key[2] = { (uint32_t)seed, (uint32_t)(seed >> 32) };

    rng_philox(out, ctr, key);
    return (uint64_t)out[0] << 32 | out[1];
}

static int pick(uint64_t seed, int request, int what, int n)
{
    return (int)(dice(seed, request, what) % (uint64_t)n);
}

static void draw_params(struct gen_params *g, uint64_t seed, int i)
{
    gen_params_init(g);
    g->n_predict = pick(seed, i, 1, 8) ? pick(seed, i, 2, MAX_GEN) : 0;
    g->n_logprobs = TINY_VOCAB;
    g->sample.temperature = pick(seed, i, 3, 3) * 0.7;
    g->sample.seed = dice(seed, i, 4);
    if (pick(seed, i, 5, 3) == 0) g->sample.top_k = 1 + pick(seed, i, 6, 40);
    if (pick(seed, i, 7, 3) == 0) g->sample.top_p = 0.8;
    if (pick(seed, i, 8, 3) == 0) g->sample.repetition_penalty = 1.3;
    if (pick(seed, i, 9, 4) == 0) g->sample.no_repeat_ngram_size = 3;
    if (pick(seed, i, 10, 3) == 0) g->stop_id[g->n_stop_id++] = pick(seed, i, 11, TINY_VOCAB);
    g->priority = pick(seed, i, 12, 3);
    switch (pick(seed, i, 13, 8)) {
    case 0:
        g->n_choices = 1 + pick(seed, i, 14, MAX_CHOICES);
        break;
    case 1:
        g->best_of = MAX_CHOICES;
        g->n_choices = 2;
        break;
    case 2:
        g->beam_width = 2;
        g->n_logprobs = 0;
        break;
    }
}

/* Prompts that share beginnings: of the four trunks, cut anywhere, with ends of their own. */
static void draw_wish(struct wish *w, uint64_t seed, int i)
{
    int trunk = pick(seed, i, 20, 4), shared = pick(seed, i, 21, 120);

    w->n_prompt = MAX(1, MIN(shared + pick(seed, i, 22, 50), MAX_PROMPT));
    for (int k = 0; k < w->n_prompt; k++)
        w->prompt[k] = k < shared ? (k * 7 + trunk * 31 + k * k % 13) % TINY_VOCAB
                                  : pick(seed, i, 100 + k, TINY_VOCAB);
    draw_params(&w->gen, seed, i);
}

static void note(struct outcome *o, const struct engine_event *ev)
{
    uint64_t *d = &o->digest[ev->choice];

    *d = XXH3_64bits_withSeed(&ev->token, sizeof(ev->token), *d);
    *d = XXH3_64bits_withSeed(&ev->chosen, sizeof(ev->chosen), *d);
    *d = XXH3_64bits_withSeed(ev->top, (size_t)ev->n_top * sizeof(*ev->top), *d);
    *d = XXH3_64bits_withSeed(&ev->finish, sizeof(ev->finish), *d);
    o->n_end += ev->finish != BRRR_FINISH_NONE;
    assert_false(o->last);
    o->last = ev->last;
}

/* One poll; false when there is nothing left to do. */
static bool poll_once(struct brrr_engine *e, struct outcome *out, int n)
{
    struct engine_event ev[LIMIT_PARALLEL];
    int got = engine_poll(e, ev, LIMIT_PARALLEL);

    for (int i = 0; i < got; i++)
        for (int k = 0; k < n; k++)
            if (out[k].id == ev[i].id) note(&out[k], &ev[i]);
    return got >= 0;
}

static void submit(struct brrr_engine *e, uint64_t seed, int i, struct outcome *out)
{
    static struct wish w;
    struct brrr_error err;

    draw_wish(&w, seed, i);
    if (submit_ids(e, w.prompt, (size_t)w.n_prompt, &w.gen, &out->id, &err))
        fail_msg("request %d: %s", i, err.text);
}

static const struct brrr_model *second; /* it guesses */
static char disk_dir[] = "/tmp/test_matrix.XXXXXX";

static struct brrr_engine *open_variant(const struct brrr_model *m, const struct variant *v)
{
    struct kvpool_opts k = { .ctx = CTX, .n_slot = v->kv_sequences, .chunk = v->o.chunk };
    struct engine_opts o = v->o;
    struct brrr_engine *e;
    struct brrr_error err;

    o.ctx = CTX;
    if (o.speculate == DRAFT_MODEL) o.draft_model = second;
    if (v->kv_sequences) o.kv_bytes = kvpool_bytes(&m->model->hp, &k);
    if (engine_open(&e, m, &o, &err)) fail_msg("%s", err.text);
    return e;
}

/* What an engine counted. */
struct counted {
    struct metrics x;
    struct kvdisk_stats disk;
};

/* All requests, arriving at random times, every fifth one twice and then cancelled once. */
static void together(const struct brrr_model *m, const struct variant *v, uint64_t seed,
                     struct outcome *out, int n, struct counted *c)
{
    struct brrr_engine *e = open_variant(m, v);
    struct outcome doomed = { 0 };

    for (int i = 0; i < n; i++) {
        submit(e, seed, i, &out[i]);
        if (i % 5 == 0) submit(e, seed, i, &doomed);
        for (int k = pick(seed, i, 30, 4); k > 0; k--)
            poll_once(e, out, i + 1);
        if (i % 5 == 0) engine_cancel(e, doomed.id);
    }
    while (poll_once(e, out, n))
        continue;
    engine_metrics(e, &c->x);
    assert_int_equal(c->x.kv.n_used, 0);
    if (v->o.kv_disk) {
        assert_non_null(e->disk);
        kvdisk_stats(e->disk, &c->disk);
    }
    brrr_engine_close(e);
}

static void compare(const struct variant *v, uint64_t seed, const struct outcome *want,
                    const struct outcome *got, int n)
{
    for (int i = 0; i < n; i++)
        if (!got[i].last || got[i].n_end != want[i].n_end ||
            memcmp(got[i].digest, want[i].digest, sizeof(got[i].digest)) != 0)
            fail_msg("%s: request %d of seed %llu differs", v->name, i, (unsigned long long)seed);
}

static const struct variant plain = {
    "alone", { .n_threads = 1, .n_parallel = 4, .chunk = 256, .no_prefix = true }, 0
};
static const struct variant variants[] = {
    { "batch 2, chunk 32", { .n_threads = 1, .n_parallel = 2, .chunk = 32 }, 0 },
    { "batch 64, 2 threads", { .n_threads = 2, .n_parallel = 64, .chunk = 128 }, 0 },
    { "batch 16, no cache",
      { .n_threads = 2, .n_parallel = 16, .chunk = 512, .no_prefix = true },
      0 },
    { "short of memory", { .n_threads = 1, .n_parallel = 4, .chunk = 64 }, 2 },
    { "short of memory, no cache",
      { .n_threads = 1, .n_parallel = 4, .chunk = 48, .no_prefix = true },
      2 },
    { "first come, first served",
      { .n_threads = 2, .n_parallel = 5, .chunk = 100, .policy = SCHED_FCFS },
      2 },
    { "short of memory, with a disk",
      { .n_threads = 2, .n_parallel = 4, .chunk = 64, .kv_disk = disk_dir, .kv_disk_bytes = DISK },
      2 },
    { "guesses and a disk, short of memory",
      { .n_threads = 1,
        .n_parallel = 6,
        .chunk = 40,
        .speculate = DRAFT_SUFFIX,
        .draft_all = true,
        .kv_disk = disk_dir,
        .kv_disk_bytes = DISK },
      2 },
    { "guesses from n-grams",
      { .n_threads = 2, .n_parallel = 6, .chunk = 5, .speculate = DRAFT_NGRAM },
      0 },
    { "guesses from a suffix automaton, short of memory",
      { .n_threads = 1,
        .n_parallel = 4,
        .chunk = 48,
        .speculate = DRAFT_SUFFIX,
        .draft_max = 20,
        .draft_all = true },
      2 },
    { "guesses of another model",
      { .n_threads = 2,
        .n_parallel = 6,
        .chunk = 20,
        .speculate = DRAFT_MODEL,
        .draft_max = 5,
        .draft_all = true },
      3 },
};

static long number(const char *name, long otherwise)
{
    const char *s = getenv(name);

    return s ? strtol(s, NULL, 10) : otherwise;
}

static uint64_t n_preempted; /* in all tests */

static void all_alike(const struct tiny_spec *spec)
{
    int n = (int)MIN(number("MATRIX_REQUESTS", FEW), MOST);
    uint64_t seed = (uint64_t)number("MATRIX_SEED", 1);
    struct outcome *want = calloc((size_t)n, sizeof(*want)), *got;
    struct counted c;
    struct brrr_model m, m2;
    struct tiny tiny, tiny2;
    struct tiny_spec spec2 = *spec;
    uint64_t n_cached = 0, n_accepted = 0, n_read = 0;

    assert_non_null(want);
    tiny_open(&m, &tiny, spec, BRRR_PRECISION_Q8);
    spec2.type = QT_F32; /* other weights */
    tiny_open(&m2, &tiny2, &spec2, BRRR_PRECISION_Q8);
    second = &m2;
    for (int i = 0; i < n; i++) {
        struct brrr_engine *e = open_variant(&m, &plain);
        submit(e, seed, i, &want[i]);
        while (poll_once(e, &want[i], 1))
            continue;
        brrr_engine_close(e);
    }
    for (size_t v = 0; v < COUNT(variants); v++) {
        got = calloc((size_t)n, sizeof(*got));
        assert_non_null(got);
        c = (struct counted){ 0 };
        together(&m, &variants[v], seed, got, n, &c);
        compare(&variants[v], seed, want, got, n);
        n_preempted += c.x.n_preempted;
        n_cached += c.x.n_cached;
        n_accepted += c.x.n_accepted;
        if (getenv("MATRIX_VERBOSE"))
            print_message(
                "%s: %llu preempted, %llu tokens found in the cache, %llu guessed, %llu of "
                "them right; %llu blocks written to disk, %llu read\n",
                variants[v].name, (unsigned long long)c.x.n_preempted,
                (unsigned long long)c.x.n_cached, (unsigned long long)c.x.n_drafted,
                (unsigned long long)c.x.n_accepted, (unsigned long long)c.disk.n_written,
                (unsigned long long)c.disk.n_read);
        n_read += c.disk.n_read;
        free(got);
    }
    if (n >= FEW) assert_true(n_cached > 0 && n_accepted > 0 && n_read > 0);
    free(want);
    tiny_close(&m, &tiny);
    tiny_close(&m2, &tiny2);
}

static void full_attention(void **state)
{
    (void)state;
    all_alike(&(struct tiny_spec){ "llama", 2, 0, CTX, QT_Q4_1 });
}

static void windows(void **state)
{
    (void)state;
    all_alike(&(struct tiny_spec){ "gemma3", 7, 40, CTX, QT_Q8_0 });
    if (number("MATRIX_REQUESTS", FEW) >= FEW) assert_true(n_preempted > 0);
}

static int new_dir(void **state)
{
    (void)state;
    return mkdtemp(disk_dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    char cmd[64];

    (void)state;
    snprintf(cmd, sizeof(cmd), "rm -rf '%s'", disk_dir);
    return system(cmd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(full_attention),
        cmocka_unit_test(windows),
    };
    return cmocka_run_group_tests(tests, new_dir, remove_dir);
}
