/* SPDX-License-Identifier: MIT */
/*
 * test_no_memory.c - a request that there is no memory for is refused when it is submitted,
 * whichever allocation fails; one that was accepted needs none until its last event, so that no
 * text of an answer can get lost.
 *
 * This program has its own malloc(), which glibc uses too. Sanitizers bring theirs.
 */
#include "base/f16.h"
#include "engine/request.h"
#include "text/vocab.h"

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

#if OWN_MALLOC
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);

static bool refused(void)
{
    return ++n_alloc == fail_at;
}

void *malloc(size_t n)
{
    return refused() ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    return refused() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
    return refused() ? NULL : __libc_realloc(p, n);
}
#endif

enum { N_GEN = 60 };

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_of_a_request_fails_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
