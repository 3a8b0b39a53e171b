/* SPDX-License-Identifier: MIT */
/*
 * test_no_memory.c - a request that there is no memory for is refused when it is submitted,
 * whichever allocation fails; one that was accepted needs none until its last event, so that no
 * text of an answer can get lost. Who runs meanwhile sees nothing of it, and what was refused
 * leaves nothing behind.
 *
 * This program has its own malloc(), which glibc uses too. Sanitizers bring theirs.
 */
#include "base/f16.h"
#include "engine/run.h"
#include "text/vocab.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tiny_model.h"
#include "vocab_fixture.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || defined(__clang__)
#define OWN_MALLOC 0
#else
#define OWN_MALLOC 1
#endif

static long n_alloc, fail_at; /* allocations so far; the one that fails, 0: none */
static long n_live;           /* allocations that were not given back            */
static size_t live_bytes;     /* in them                                         */
static bool fail_all;

#if OWN_MALLOC
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t align, size_t n);
void __libc_free(void *p);

#define OURS __attribute__((visibility("default")))

static bool refused(void)
{
    return ++n_alloc == fail_at || fail_all;
}

static void *counted(void *p)
{
    n_live += p != NULL;
    live_bytes += malloc_usable_size(p);
    return p;
}

OURS void *malloc(size_t n)
{
    return refused() ? NULL : counted(__libc_malloc(n));
}

OURS void *calloc(size_t n, size_t size)
{
    return refused() ? NULL : counted(__libc_calloc(n, size));
}

OURS void *realloc(void *p, size_t n)
{
    size_t before = malloc_usable_size(p);

    if (refused()) return NULL;
    if (!p) return counted(__libc_malloc(n));
    p = __libc_realloc(p, n);
    if (p) live_bytes += malloc_usable_size(p) - before;
    return p;
}

OURS void *aligned_alloc(size_t align, size_t n)
{
    return refused() ? NULL : counted(__libc_memalign(align, n));
}

OURS void free(void *p)
{
    n_live -= p != NULL;
    live_bytes -= malloc_usable_size(p);
    __libc_free(p);
}
#endif

enum { N_GEN = 60, MAX_CHOICES = 4 };

/* The model's 128 ids are the bytes from 0x80 on: characters in parts, and U+FFFD in plenty. */
static struct tokenizer *open_bytes(void)
{
    static struct vf_vocab v;
    struct vf f = { 0 };
    struct tokenizer *t;
    struct gguf *g;
    char name[8];

    for (int b = 0x80; b <= 0xff; b++) {
        snprintf(name, sizeof(name), "<0x%02X>", (unsigned)b);
        vf_token(&v, name, TOKEN_BYTE);
    }
    vf_begin(&f);
    vf_str(&f, "tokenizer.ggml.model", "llama");
    vf_arrays(&f, &v);
    vf_end(&f);
    assert_int_equal(gguf_open_memory(&g, f.b, f.n, "v", NULL), BRRR_OK);
    assert_int_equal(tokenizer_open(&t, g, NULL), BRRR_OK);
    gguf_close(g);
    free(f.b);
    return t;
}

/* Poll to the end; the text of all events, which must be what the ids decode to. */
static void expect_whole_answer(struct brrr_engine *e, const struct tokenizer *t)
{
    static char got[16 * N_GEN];
    struct engine_event ev;
    int32_t id[N_GEN];
    struct slice want;
    size_t at = 0, n_id = 0;
    long before = n_alloc;
    int n;

    while ((n = engine_poll(e, &ev, 1)) >= 0) {
        if (n == 0) continue;
        assert_true(n_id < N_GEN && at + ev.text.n <= sizeof(got));
        memcpy(got + at, ev.text.p, ev.text.n);
        at += ev.text.n;
        id[n_id++] = ev.token;
    }
    assert_int_equal(n_alloc, before);
    assert_int_equal(n_id, N_GEN);
    assert_int_equal(tokenizer_decode(t, id, n_id, false, &want, NULL), BRRR_OK);
    assert_int_equal(at, want.n);
    assert_memory_equal(got, want.p, at);
    free((void *)want.p);
}

static void every_allocation_fails_once(enum draft_kind speculate)
{
    static struct gen_params g;
    int32_t prompt[40] = { 0 };
    struct brrr_error err;
    struct brrr_engine *e;
    struct brrr_model m;
    struct engine_opts o = {
        .n_threads = 1, .ctx = 200, .speculate = speculate, .draft_model = &m
    };
    struct tiny tiny;
    uint64_t id;
    long n = 0;

    tiny_open(&m, &tiny, &(struct tiny_spec){ "llama", 1, 0, 256, QT_Q4_1 }, BRRR_PRECISION_Q8);
    m.tok = open_bytes();
    assert_int_equal(engine_open(&e, &m, &o, NULL), BRRR_OK);
    gen_params_init(&g);
    g.n_predict = N_GEN;
    g.ignore_eos = true;
    g.n_logprobs = 3;
    g.sample.temperature = 1.5;
    /* Never complete, but held back until the answer ends. */
    assert_int_equal(gen_params_add_stop(&g, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd!", 10, &err),
                     BRRR_OK);
    for (;;) {
        n_alloc = 0;
        fail_at = ++n;
        enum brrr_status st = submit_ids(e, prompt, COUNT(prompt), &g, &id, &err);
        fail_at = 0;
        if (st == BRRR_OK) break;
        assert_int_equal(st, BRRR_E_NOMEM);
        assert_int_equal(err.status, BRRR_E_NOMEM);
        assert_non_null(strstr(err.text, "no memory"));
        assert_int_equal(id, 0);
        assert_int_equal(engine_poll(e, &(struct engine_event){ 0 }, 1), -1);
    }
    if (OWN_MALLOC) assert_true(n > 5); /* all of them were found */
    expect_whole_answer(e, m.tok);
    brrr_engine_close(e);
    tokenizer_close(m.tok);
    tiny_close(&m, &tiny);
}

static void every_allocation_of_a_request_fails_once(void **state)
{
    (void)state;
    for (int k = 0; k < DRAFT_KINDS; k++)
        every_allocation_fails_once((enum draft_kind)k);
}

/* --- every kind of request, beside one that runs --- */

static void ask_one(struct gen_params *g)
{
    g->n_logprobs = 3;
}
static void ask_greedy(struct gen_params *g)
{
    g->sample.temperature = 0;
    g->sample.repetition_penalty = 1.3;
    g->sample.no_repeat_ngram_size = 3;
}
static void ask_choices(struct gen_params *g)
{
    g->n_choices = 4;
    g->n_logprobs = 2;
}
static void ask_best(struct gen_params *g)
{
    g->n_choices = 2;
    g->best_of = 5;
}
static void ask_best_logprobs(struct gen_params *g)
{
    ask_best(g);
    g->n_logprobs = 4;
}
static void ask_beams(struct gen_params *g)
{
    g->n_choices = 2;
    g->beam_width = 3;
    g->n_logprobs = 0;
}

static void (*const kinds[])(struct gen_params *g) = {
    ask_one, ask_greedy, ask_choices, ask_best, ask_best_logprobs, ask_beams,
};

static void draw_params(struct gen_params *g, void (*ask)(struct gen_params *g))
{
    gen_params_init(g);
    g->n_predict = N_GEN;
    g->ignore_eos = true;
    g->sample.temperature = 1.5;
    assert_int_equal(gen_params_add_stop(g, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd!", 10, NULL),
                     BRRR_OK);
    ask(g);
}

/* All that a client sees of a request, as one number for each answer. */
struct seen {
    uint64_t id, sum[MAX_CHOICES];
    int n_end;
};

static void add(uint64_t *sum, const void *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        *sum = (*sum ^ ((const uint8_t *)p)[i]) * 0x100000001b3u;
}

static void see(struct seen *s, const struct engine_event *ev)
{
    uint64_t *sum = &s->sum[ev->choice];

    add(sum, &ev->token, sizeof(ev->token));
    add(sum, &ev->finish, sizeof(ev->finish));
    add(sum, ev->text.p, ev->text.n);
    add(sum, &ev->chosen.logprob, sizeof(float));
    for (int i = 0; i < ev->n_top; i++)
        add(sum, &ev->top[i].logprob, sizeof(float));
    s->n_end += ev->last;
}

/* One poll in which no allocation would work: there is none. False: nobody is left. */
static bool poll_without_memory(struct brrr_engine *e, struct seen *s, int n_seen)
{
    struct engine_event ev[MAX_CHOICES];
    long before = n_alloc;

    fail_all = true;
    int n = engine_poll(e, ev, MAX_CHOICES);
    fail_all = false;
    assert_int_equal(n_alloc, before);
    for (int i = 0; i < n; i++)
        for (int k = 0; k < n_seen; k++)
            if (s[k].id == ev[i].id) see(&s[k], &ev[i]);
    return n >= 0;
}

static void submit(struct brrr_engine *e, void (*ask)(struct gen_params *g), struct seen *s)
{
    static const int32_t prompt[40] = { 5, 6, 7 };
    static struct gen_params g;
    struct brrr_error err;

    *s = (struct seen){ 0 };
    draw_params(&g, ask);
    /* Refused as often as it needs memory, and nothing is kept of it. */
    for (long n = 1, live = n_live;; n++, live = n_live) {
        n_alloc = 0;
        fail_at = n;
        enum brrr_status st = submit_ids(e, prompt, COUNT(prompt), &g, &s->id, &err);
        fail_at = 0;
        if (st == BRRR_OK) break;
        if (st != BRRR_E_NOMEM) fail_msg("%s", err.text);
        assert_int_equal(n_live, live);
        if (n % 4 == 0) poll_without_memory(e, s - 1, 1);
    }
}

static void expect_same(const struct seen *a, const struct seen *b)
{
    assert_int_equal(a->n_end, 1);
    assert_int_equal(b->n_end, 1);
    assert_memory_equal(a->sum, b->sum, sizeof(a->sum));
}

/* s[0] is nobody, s[1] a request that runs alone, then one beside s[1]. */
static void who_runs_does_not_see_refusals(void **state)
{
    struct engine_opts o = { .n_threads = 1, .ctx = 200, .n_parallel = 6, .chunk = 32 };
    struct brrr_engine *e;
    struct brrr_model m;
    struct tiny tiny;

    (void)state;
    tiny_open(&m, &tiny, &(struct tiny_spec){ "llama", 1, 0, 256, QT_Q4_1 }, BRRR_PRECISION_Q8);
    m.tok = open_bytes();
    assert_int_equal(engine_open(&e, &m, &o, NULL), BRRR_OK);
    for (size_t k = 0; k < COUNT(kinds); k++) {
        struct seen alone[2] = { 0 }, first[2] = { 0 }, s[3] = { 0 };
        submit(e, kinds[k], &alone[1]);
        while (poll_without_memory(e, &alone[1], 1))
            continue;
        submit(e, ask_one, &first[1]);
        while (poll_without_memory(e, &first[1], 1))
            continue;
        submit(e, ask_one, &s[1]);
        for (int i = 0; i < 4; i++)
            poll_without_memory(e, &s[1], 1);
        submit(e, kinds[k], &s[2]);
        if (OWN_MALLOC) assert_true(n_alloc > 3);
        while (poll_without_memory(e, &s[1], 2))
            continue;
        expect_same(&first[1], &s[1]);
        expect_same(&alone[1], &s[2]);
    }
    brrr_engine_close(e);
    tokenizer_close(m.tok);
    tiny_close(&m, &tiny);
}

/* --- the bound on all that waits is in bytes --- */

static void ask_many(struct gen_params *g)
{
    g->n_choices = 128;
    g->n_logprobs = 100;
}
static void ask_wide(struct gen_params *g)
{
    g->beam_width = 32;
}

/* What a request is counted as is what it takes: drafters, rows of guesses and likeliest tokens
 * used to be forgotten, which are the most of it. */
static void requests_count_what_they_take(void **state)
{
    static const int32_t prompt[40] = { 0 };
    static struct gen_params g;
    void (*const asks[])(struct gen_params *) = { ask_one,   ask_choices, ask_best_logprobs,
                                                  ask_beams, ask_many,    ask_wide };
    struct brrr_engine *e;
    struct brrr_model m;
    struct tiny tiny;
    uint64_t id;

    (void)state;
    tiny_open(&m, &tiny, &(struct tiny_spec){ "llama", 1, 0, 2048, QT_Q4_1 }, BRRR_PRECISION_Q8);
    m.tok = open_bytes();
    for (int d = 0; d < DRAFT_KINDS; d++) {
        struct engine_opts o = { .n_threads = 1,
                                 .ctx = 2048,
                                 .n_parallel = 32,
                                 .speculate = (enum draft_kind)d,
                                 .draft_model = &m,
                                 .draft_max = 64 };
        assert_int_equal(engine_open(&e, &m, &o, NULL), BRRR_OK);
        /* The table of events grows with the first request of so many answers. */
        draw_params(&g, ask_many);
        assert_int_equal(submit_ids(e, prompt, COUNT(prompt), &g, &id, NULL), BRRR_OK);
        for (size_t k = 0; k < COUNT(asks); k++) {
            draw_params(&g, asks[k]);
            g.n_predict = -1;
            size_t before = live_bytes, counted_before = e->request_bytes;
            assert_int_equal(submit_ids(e, prompt, COUNT(prompt), &g, &id, NULL), BRRR_OK);
            size_t took = live_bytes - before, counted_as = e->request_bytes - counted_before;
            if (OWN_MALLOC) assert_in_range(counted_as, took - took / 20, took + took / 10);
        }
        brrr_engine_close(e);
    }
    tokenizer_close(m.tok);
    tiny_close(&m, &tiny);
}

/* Nothing of an engine is left when it could not be opened. What is only asked for a better guess,
 * such as the free memory, may fail. */
static void every_allocation_of_an_engine_fails_once(void **state)
{
    struct engine_opts o = { .n_threads = 1, .ctx = 200, .n_parallel = 3 };
    struct brrr_engine *e;
    struct brrr_model m;
    struct tiny tiny;
    long n = 0, n_refused = 0, live;

    (void)state;
    tiny_open(&m, &tiny, &(struct tiny_spec){ "gemma3", 6, 40, 256, QT_Q4_1 }, BRRR_PRECISION_Q8);
    live = n_live;
    do {
        n_alloc = 0;
        fail_at = ++n;
        enum brrr_status st = engine_open(&e, &m, &o, NULL);
        fail_at = 0;
        assert_true(st == BRRR_OK || st == BRRR_E_NOMEM);
        assert_true((e != NULL) == (st == BRRR_OK));
        n_refused += st != BRRR_OK;
        brrr_engine_close(e);
        assert_int_equal(n_live, live);
    } while (n_alloc >= n);
    if (OWN_MALLOC) assert_true(n_refused > 20);
    tiny_close(&m, &tiny);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_of_a_request_fails_once),
        cmocka_unit_test(who_runs_does_not_see_refusals),
        cmocka_unit_test(requests_count_what_they_take),
        cmocka_unit_test(every_allocation_of_an_engine_fails_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
