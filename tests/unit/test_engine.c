/* SPDX-License-Identifier: MIT */
/*
 * test_engine.c - the determinism contract and the bookkeeping of the engine, on tiny
 * random models: the same request gives the same bits with any number of threads,
 * any chunk, any company; blocks balance; refusals say why.
 *
 * The project's headers come first: cmocka has a macro named fail.
 */
#include "base/f16.h"
#include "engine/eval.h"
#include "engine/kvpool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tiny_model.h"

enum { N_PROMPT = 150, N_GEN = 12, TOP = 8 };

/* What one request came to: tokens, and log-probabilities to the last bit. */
struct trace {
    int32_t token[N_GEN];
    float logprob[N_GEN][TOP];
    int n;
    enum brrr_finish finish;
    int n_cached;
};

static void prompt_of(int32_t *id, int n, int which)
{
    for (int i = 0; i < n; i++)
        id[i] = (i * 37 + which * 11 + i * i % 7) % TINY_VOCAB;
}

/* Request `which`: its own prompt, its own parameters. */
static uint64_t submit(struct brrr_engine *e, int which)
{
    static struct gen_params g;
    int32_t prompt[N_PROMPT];
    int n = N_PROMPT - 40 * which;
    struct brrr_error err;
    uint64_t id;

    prompt_of(prompt, n, which);
    gen_params_init(&g);
    g.n_predict = N_GEN;
    g.n_logprobs = TOP;
    g.sample.temperature = which == 0 ? 0 : 0.9;
    g.sample.top_k = 20;
    g.sample.seed = 42;
    if (submit_ids(e, prompt, (size_t)n, &g, &id, &err)) fail_msg("%s", err.text);
    return id;
}

/* Requests 0.. all at once, to their end. */
static void round_of(struct brrr_engine *e, int n_request, struct trace *trace)
{
    struct engine_event ev[LIMIT_PARALLEL];
    uint64_t id[8];
    int n;

    memset(trace, 0, (size_t)n_request * sizeof(*trace));
    for (int i = 0; i < n_request; i++)
        id[i] = submit(e, i);
    while ((n = engine_poll(e, ev, LIMIT_PARALLEL)) >= 0)
        for (int i = 0; i < n; i++)
            for (int r = 0; r < n_request; r++) {
                if (ev[i].id != id[r]) continue;
                struct trace *t = &trace[r];
                t->token[t->n] = ev[i].token;
                for (int k = 0; k < ev[i].n_top; k++)
                    t->logprob[t->n][k] = ev[i].top[k].logprob;
                t->n++;
                t->finish = ev[i].finish;
                t->n_cached += ev[i].timings.n_cached;
            }
}

static void run(const struct brrr_model *m, const struct engine_opts *o, int n_request,
                struct trace *trace)
{
    struct brrr_engine *e;
    struct brrr_error err;

    if (engine_open(&e, m, o, &err)) fail_msg("%s", err.text);
    round_of(e, n_request, trace);
    brrr_engine_close(e);
}

static void same_bits_everywhere(const struct tiny_spec *spec, enum brrr_precision precision)
{
    static const struct engine_opts variants[] = {
        { .n_threads = 1, .chunk = 256 },
        { .n_threads = 2, .chunk = 256 },
        { .n_threads = 7, .chunk = 33 },
        { .n_threads = 2, .chunk = 1 },
        { .n_threads = 1, .chunk = 7 },
        { .n_threads = 2, .chunk = 64, .n_parallel = 3 },
        { .n_threads = 3, .chunk = 19, .n_parallel = 2 },
        { .n_threads = 3, .n_threads_decode = 1, .chunk = 40, .n_parallel = 2 },
        { .n_threads = 1, .n_threads_decode = 2, .chunk = 40, .n_parallel = 3 },
        { .n_threads = 2, .chunk = 256, .n_parallel = 3, .itl_s = 1e-6, .policy = SCHED_FCFS },
        { .n_threads = 2, .chunk = 200, .n_parallel = 2, .itl_s = 1e-3, .policy = SCHED_PRIORITY },
        { .n_threads = 2, .chunk = 256, .ahead = 1 },
        { .n_threads = 2, .chunk = 256, .ahead = LIMIT_AHEAD },
    };
    struct trace want[3], got[3];
    struct brrr_model m;
    struct tiny t;

    tiny_open(&m, &t, spec, precision);
    for (size_t v = 0; v < COUNT(variants); v++) {
        struct engine_opts o = variants[v];
        o.ctx = 200;
        o.kv_type = precision == BRRR_PRECISION_F32 ? KV_F32 : KV_F16;
        run(&m, &o, 3, v ? got : want);
        if (v) assert_memory_equal(got, want, sizeof(want));
    }
    for (int r = 0; r < 3; r++) {
        assert_int_equal(want[r].n, N_GEN);
        assert_int_equal(want[r].finish, BRRR_FINISH_LENGTH);
    }
    tiny_close(&m, &t);
}

/* Twice in one engine: the second time almost all of the prompts is in the cache. */
static void same_bits_from_the_cache(void **state)
{
    static const struct tiny_spec specs[] = { { "llama", 2, 0, 256, QT_Q4_1 },
                                              { "gemma3", 7, 33, 256, QT_Q4_1 } };
    static const int chunks[] = { 7, 64, 256 };
    struct trace want[3], got[3];
    struct brrr_engine *e;
    struct brrr_model m;
    struct tiny t;

    (void)state;
    for (size_t s = 0; s < COUNT(specs); s++) {
        struct engine_opts o = { .n_threads = 2, .ctx = 256, .n_parallel = 2, .no_prefix = true };
        tiny_open(&m, &t, &specs[s], false);
        run(&m, &o, 3, want);
        o.no_prefix = false;
        for (size_t c = 0; c < COUNT(chunks); c++) {
            o.chunk = chunks[c];
            assert_int_equal(engine_open(&e, &m, &o, NULL), BRRR_OK);
            for (int again = 0; again < 3; again++) {
                round_of(e, 3, got);
                for (int r = 0; r < 3; r++) {
                    if (again) assert_true(got[r].n_cached >= N_PROMPT - 40 * r - KV_BLOCK);
                    got[r].n_cached = 0;
                }
                assert_memory_equal(got, want, sizeof(want));
            }
            brrr_engine_close(e);
        }
        tiny_close(&m, &t);
    }
}

enum { LONG_GEN = 130, LONG_PROMPT = 30, MANY = 5 };

/* MANY short prompts with long answers; log-probabilities of the chosen tokens. Times preempted. */
static int long_answers(struct brrr_engine *e, struct sample_logprob out[MANY][LONG_GEN])
{
    static struct gen_params g;
    struct engine_event ev[LIMIT_PARALLEL];
    int32_t prompt[LONG_PROMPT];
    int n, at[MANY] = { 0 }, preempted = 0;
    uint64_t id[MANY];

    gen_params_init(&g);
    g.n_predict = LONG_GEN;
    g.n_logprobs = 0;
    g.ignore_eos = true;
    for (int i = 0; i < MANY; i++) {
        prompt_of(prompt, LONG_PROMPT, i / 2); /* two and two are alike */
        g.sample.seed = (uint64_t)i;
        assert_int_equal(submit_ids(e, prompt, LONG_PROMPT, &g, &id[i], NULL), BRRR_OK);
    }
    while ((n = engine_poll(e, ev, LIMIT_PARALLEL)) >= 0)
        for (int i = 0; i < n; i++)
            for (int r = 0; r < MANY; r++) {
                if (ev[i].id != id[r]) continue;
                out[r][at[r]++] = ev[i].chosen;
                preempted += ev[i].timings.n_preempted;
            }
    for (int r = 0; r < MANY; r++)
        assert_int_equal(at[r], LONG_GEN);
    return preempted;
}

/* Far too little cache for what runs at once: some give way, and their answers do not change. */
static void same_bits_when_room_is_short(void **state)
{
    static const struct tiny_spec specs[] = { { "llama", 2, 0, 256, QT_Q4_1 },
                                              { "gemma3", 7, 33, 256, QT_Q4_1 } };
    static struct sample_logprob want[MANY][LONG_GEN], got[MANY][LONG_GEN];
    struct brrr_engine *e;
    struct brrr_model m;
    struct tiny t;

    (void)state;
    for (size_t s = 0; s < COUNT(specs); s++)
        for (int prefix = 0, preempted = 0; prefix < 2; prefix++) {
            struct engine_opts o = { .n_threads = 2, .ctx = 170, .no_prefix = true };
            struct kvpool_opts k = { .ctx = 170, .n_slot = 1, .chunk = 16 };

            tiny_open(&m, &t, &specs[s], false);
            assert_int_equal(engine_open(&e, &m, &o, NULL), BRRR_OK);
            assert_int_equal(long_answers(e, want), 0);
            brrr_engine_close(e);
            o.chunk = 16;
            o.n_parallel = MANY - 1;
            /* Without names a tight one, so that somebody must give way. */
            o.kv_bytes = (prefix ? 8 : 5) * kvpool_bytes(&m.model->hp, &k) / 4;
            o.no_prefix = !prefix;
            assert_int_equal(engine_open(&e, &m, &o, NULL), BRRR_OK);
            for (int again = 0; again < 2; again++) {
                preempted += long_answers(e, got);
                assert_memory_equal(got, want, sizeof(want));
            }
            if (s == 0 && !prefix) assert_true(preempted > 0);
            brrr_engine_close(e);
            tiny_close(&m, &t);
        }
}

static void same_bits_llama(void **state)
{
    (void)state;
    same_bits_everywhere(&(struct tiny_spec){ "llama", 2, 0, 256, QT_Q4_1 }, BRRR_PRECISION_Q8);
    same_bits_everywhere(&(struct tiny_spec){ "llama", 2, 0, 256, QT_Q8_0 }, BRRR_PRECISION_Q8);
    same_bits_everywhere(&(struct tiny_spec){ "llama", 2, 0, 256, QT_F32 }, BRRR_PRECISION_F32);
    same_bits_everywhere(&(struct tiny_spec){ "llama", 2, 0, 256, QT_F32 }, BRRR_PRECISION_BF16);
}

static void same_bits_with_windows(void **state)
{
    (void)state;
    same_bits_everywhere(&(struct tiny_spec){ "llama", 2, 20, 256, QT_Q4_0 }, BRRR_PRECISION_Q8);
    same_bits_everywhere(&(struct tiny_spec){ "gemma3", 7, 33, 256, QT_Q4_1 }, BRRR_PRECISION_Q8);
    same_bits_everywhere(&(struct tiny_spec){ "gemma3", 7, 33, 256, QT_F32 }, BRRR_PRECISION_BF16);
}

/* A window as large as the context is no window. */
static void a_wide_window_changes_nothing(void **state)
{
    struct engine_opts o = { .n_threads = 2, .chunk = 64, .ctx = 200 };
    struct trace wide[1], none[1];
    struct brrr_model m;
    struct tiny t;

    (void)state;
    tiny_open(&m, &t, &(struct tiny_spec){ "llama", 2, 256, 256, QT_Q4_1 }, BRRR_PRECISION_Q8);
    run(&m, &o, 1, wide);
    tiny_close(&m, &t);
    tiny_open(&m, &t, &(struct tiny_spec){ "llama", 2, 0, 256, QT_Q4_1 }, BRRR_PRECISION_Q8);
    run(&m, &o, 1, none);
    tiny_close(&m, &t);
    assert_memory_equal(wide, none, sizeof(wide));
}

/* Events come one at a time, if so asked, through the public header too: none is lost. */
static void a_small_buffer_loses_nothing(void **state)
{
    struct engine_opts o = { .n_threads = 1, .ctx = 200, .n_parallel = 3 };
    struct trace all[3];
    struct brrr_event ev;
    struct brrr_engine *e;
    struct brrr_model m;
    struct tiny t;
    int seen[3] = { 0 }, n;
    uint64_t id[3];

    (void)state;
    tiny_open(&m, &t, &(struct tiny_spec){ "llama", 1, 0, 256, QT_Q4_1 }, BRRR_PRECISION_Q8);
    run(&m, &o, 3, all);
    assert_int_equal(engine_open(&e, &m, &o, NULL), BRRR_OK);
    for (int i = 0; i < 3; i++)
        id[i] = submit(e, i);
    while ((n = brrr_engine_poll(e, &ev, 1)) >= 0)
        for (int r = 0; n == 1 && r < 3; r++)
            if (ev.id == id[r]) {
                assert_int_equal(ev.token, all[r].token[seen[r]++]);
                assert_int_equal(ev.finish != BRRR_FINISH_NONE, seen[r] == N_GEN);
            }
    for (int r = 0; r < 3; r++)
        assert_int_equal(seen[r], N_GEN);
    brrr_engine_close(e);
    tiny_close(&m, &t);
}

/* brrr_engine_submit() hands every field on: the same tokens as the parameters themselves. */
static void the_public_header_says_the_same(void **state)
{
    static struct gen_params g;
    struct engine_opts o = { .n_threads = 1, .ctx = 200 };
    struct engine_event in;
    struct brrr_event ev;
    struct brrr_engine *e;
    struct brrr_gen gen;
    struct brrr_model m;
    struct tiny t;
    int32_t prompt[20], want[40];
    uint64_t id;
    int n_want = 0, n_got = 0, n;

    (void)state;
    tiny_open(&m, &t, &(struct tiny_spec){ "llama", 1, 0, 256, QT_Q4_1 }, BRRR_PRECISION_Q8);
    assert_int_equal(engine_open(&e, &m, &o, NULL), BRRR_OK);
    prompt_of(prompt, 20, 0);
    gen_params_init(&g);
    brrr_gen_default(&gen);
    gen.n_predict = g.n_predict = 40;
    gen.seed = g.sample.seed = 3;
    gen.temperature = g.sample.temperature = 1.7;
    gen.top_k = g.sample.top_k = 90;
    gen.top_p = g.sample.top_p = 0.97;
    gen.min_p = g.sample.min_p = 0.001;
    gen.typical_p = g.sample.typical_p = 0.98;
    gen.repetition_penalty = g.sample.repetition_penalty = 1.1;
    gen.frequency_penalty = g.sample.frequency_penalty = 0.2;
    gen.presence_penalty = g.sample.presence_penalty = 0.3;
    assert_int_equal(submit_ids(e, prompt, 20, &g, &id, NULL), BRRR_OK);
    while ((n = engine_poll(e, &in, 1)) >= 0)
        if (n) want[n_want++] = in.token;
    assert_int_equal(brrr_engine_submit(e, prompt, 20, &gen, &id, NULL), BRRR_OK);
    while ((n = brrr_engine_poll(e, &ev, 1)) >= 0)
        if (n) assert_int_equal(ev.token, want[n_got++]);
    assert_int_equal(n_want, 40);
    assert_int_equal(n_got, 40);
    brrr_engine_close(e);
    tiny_close(&m, &t);
}

static void cancel_ends_running_and_waiting(void **state)
{
    struct engine_event ev[LIMIT_PARALLEL];
    struct engine_opts o = { .n_threads = 1, .ctx = 200 };
    struct brrr_engine *e;
    struct brrr_model m;
    struct tiny t;
    int cancelled = 0, n;

    (void)state;
    tiny_open(&m, &t, &(struct tiny_spec){ "llama", 1, 0, 256, QT_Q4_1 }, BRRR_PRECISION_Q8);
    assert_int_equal(engine_open(&e, &m, &o, NULL), BRRR_OK);
    uint64_t a = submit(e, 0), b = submit(e, 1), c = submit(e, 2);
    assert_int_equal(engine_poll(e, ev, LIMIT_PARALLEL), 1);
    assert_int_equal(ev[0].id, a);
    engine_cancel(e, a);
    engine_cancel(e, c);
    while ((n = engine_poll(e, ev, LIMIT_PARALLEL)) >= 0)
        for (int i = 0; i < n; i++) {
            if (ev[i].finish == BRRR_FINISH_CANCELLED) cancelled++;
            if (ev[i].finish == BRRR_FINISH_CANCELLED) assert_int_not_equal(ev[i].id, b);
        }
    assert_int_equal(cancelled, 2);
    brrr_engine_close(e);
    tiny_close(&m, &t);
}

static void refusals_say_why(void **state)
{
    static struct gen_params g;
    struct engine_opts o = { .n_threads = 1, .ctx = 64 };
    int32_t prompt[64] = { 0 };
    struct brrr_error err;
    struct brrr_engine *e;
    struct brrr_model m;
    struct tiny t;
    uint64_t id;

    (void)state;
    tiny_open(&m, &t, &(struct tiny_spec){ "llama", 1, 0, 256, QT_Q4_1 }, BRRR_PRECISION_Q8);
    assert_int_equal(engine_open(&e, &m, &o, NULL), BRRR_OK);
    gen_params_init(&g);
    assert_int_equal(submit_ids(e, prompt, 0, &g, &id, &err), BRRR_E_FORMAT);
    assert_int_equal(submit_ids(e, prompt, 64, &g, &id, &err), BRRR_E_LIMIT);
    assert_non_null(strstr(err.text, "64"));
    prompt[1] = TINY_VOCAB;
    assert_int_equal(submit_ids(e, prompt, 2, &g, &id, &err), BRRR_E_FORMAT);
    assert_non_null(strstr(err.text, "token 1"));
    brrr_engine_close(e);
    o.ctx = 257;
    assert_int_equal(engine_open(&e, &m, &o, &err), BRRR_E_LIMIT);
    assert_null(e);
    tiny_close(&m, &t);
}

static bool keep_row(void *arg, int row, const float *logits)
{
    memcpy((float *)arg + (size_t)row * TINY_VOCAB, logits, TINY_VOCAB * sizeof(*logits));
    return true;
}

/* eval: every row in chunks equals the last row of every prefix. */
static void prefill_equals_token_by_token(void **state)
{
    static float rows[100][TINY_VOCAB], one[100][TINY_VOCAB];
    struct engine_opts o = { .n_threads = 2, .chunk = 48, .ctx = 100 };
    struct eval_rows all = { true, keep_row, rows }, last = { false, keep_row, one };
    int32_t id[100];
    struct brrr_model m;
    struct eval *v;
    struct tiny t;

    (void)state;
    prompt_of(id, 100, 1);
    tiny_open(&m, &t, &(struct tiny_spec){ "gemma3", 6, 24, 128, QT_Q4_1 }, BRRR_PRECISION_Q8);
    assert_int_equal(eval_new(&v, &m, &o, NULL), BRRR_OK);
    assert_int_equal(eval_run(v, id, 100, &all, NULL), BRRR_OK);
    for (int n = 1; n <= 100; n += 9) {
        assert_int_equal(eval_run(v, id, n, &last, NULL), BRRR_OK);
        assert_memory_equal(one[n - 1], rows[n - 1], sizeof(rows[0]));
    }
    eval_free(v);
    tiny_close(&m, &t);
}

static void the_profile_names_the_cache(void **state)
{
    struct brrr_model m;
    char name[32];
    struct tiny t;

    (void)state;
    tiny_open(&m, &t, &(struct tiny_spec){ "llama", 1, 0, 128, QT_Q8_0 }, BRRR_PRECISION_Q8);
    model_profile_kv(m.model, KV_INT8, name, sizeof(name));
    assert_string_equal(name, "q8g32x/int8");
    tiny_close(&m, &t);
}

/* What a worker fetches ahead at the end of a matrix. */
static void matrices_know_the_next_of_a_step(void **state)
{
    struct brrr_model m;
    struct tiny t;

    (void)state;
    tiny_open(&m, &t, &(struct tiny_spec){ "llama", 2, 0, 128, QT_Q8_0 }, false);
    const struct layer *l = m.model->layer;
    const struct matrix *head = &m.model->g.lm_head;
    const struct matrix *order[] = { &l[0].wq,   &l[0].wk,     &l[0].wv, &l[0].wo, &l[0].w_gate,
                                     &l[0].w_up, &l[0].w_down, &l[1].wq, &l[1].wk };
    for (size_t i = 1; i < COUNT(order); i++)
        assert_ptr_equal(order[i - 1]->next, order[i]);
    assert_ptr_equal(l[m.model->hp.n_layer - 1].w_down.next, head);
    assert_ptr_equal(head->next, &l[0].wq);
    tiny_close(&m, &t);
}

/* Logits of the last of n ids: chunks decide whether it comes alone, which is when splits are
 * shared out among threads. */
static void last_row(const struct brrr_model *m, const struct engine_opts *o, int n, float *out)
{
    struct eval_rows last = { false, keep_row, out - (size_t)(n - 1) * TINY_VOCAB };
    static int32_t id[1024];
    struct eval *v;

    prompt_of(id, n, 1);
    assert_int_equal(eval_new(&v, m, o, NULL), BRRR_OK);
    assert_int_equal(eval_run(v, id, n, &last, NULL), BRRR_OK);
    eval_free(v);
}

static void long_context_in(const struct tiny_spec *spec, int kv_type)
{
    float want[TINY_VOCAB], got[TINY_VOCAB];
    struct engine_opts o = { .n_threads = 1, .chunk = 1024, .ctx = 1024, .kv_type = kv_type };
    struct brrr_model m;
    struct tiny t;

    tiny_open(&m, &t, spec, BRRR_PRECISION_Q8);
    last_row(&m, &o, 1001, want);
    for (o.n_threads = 1; o.n_threads <= 3; o.n_threads++) {
        o.chunk = 1000 / o.n_threads / o.n_threads; /* 1, 1 and 2 rows are left at the end */
        last_row(&m, &o, 1001, got);
        assert_memory_equal(want, got, sizeof(want));
    }
    tiny_close(&m, &t);
}

/* Past KV_SPLIT positions, every type of cache, windows shorter and longer than a split. */
static void same_bits_at_length(void **state)
{
    (void)state;
    for (int type = 0; type < KV_TYPES; type++) {
        long_context_in(&(struct tiny_spec){ "llama", 2, 0, 1024, QT_Q4_1 }, type);
        long_context_in(&(struct tiny_spec){ "gemma3", 6, type & 1 ? 300 : 33, 1024, QT_Q4_1 },
                        type);
    }
}

/* The largest shape that a file may ask for, with everything turned up: refused, not wrapped. */
static void a_cache_beyond_any_memory_is_refused(void **state)
{
    struct hparams hp = { .n_layer = LIMIT_LAYERS, .n_kv = 2048, .d_k = 512, .d_v = 512 };
    struct kvpool_opts o = { .kv_type = KV_F32, .ctx = LIMIT_CTX, .n_slot = 256, .chunk = 1 };
    struct brrr_error err;
    struct kvpool *p;

    (void)state;
    assert_true(kvpool_bytes(&hp, &o) == SIZE_MAX);
    assert_int_equal(kvpool_new(&p, &hp, &o, &err), BRRR_E_NOMEM);
    assert_null(p);
}

static void blocks_balance(void **state)
{
    struct kvpool_opts o = { .kv_type = KV_F16, .ctx = 500, .n_slot = 2, .chunk = 64 };
    struct brrr_model m;
    struct kvpool *p;
    struct tiny t;

    (void)state;
    tiny_open(&m, &t, &(struct tiny_spec){ "gemma3", 7, 40, 512, QT_Q4_1 }, BRRR_PRECISION_Q8);
    assert_int_equal(kvpool_new(&p, &m.model->hp, &o, NULL), BRRR_OK);
    for (int at = 0; at < 500; at += 50) {
        kvpool_extend(p, 0, at, at + 50);
        const int32_t *win = kvpool_view(p)->table[KV_WINDOW][0];
        /* What the window reaches is there, what it does not is not. */
        for (int b = MAX(0, at - 39) / KV_BLOCK; b <= (at + 49) / KV_BLOCK; b++)
            assert_true(win[b] >= 0);
        for (int b = 0; b < MAX(0, at - 39) / KV_BLOCK; b++)
            assert_int_equal(win[b], -1);
    }
    for (int at = 0; at < 500; at += 64)
        kvpool_extend(p, 1, at, MIN(at + 64, 500));
    assert_true(kvpool_n_used(p) > 0);
    kvpool_release(p, 0);
    kvpool_release(p, 1);
    assert_int_equal(kvpool_n_used(p), 0);
    kvpool_free(p);
    tiny_close(&m, &t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_bits_from_the_cache),
        cmocka_unit_test(same_bits_when_room_is_short),
        cmocka_unit_test(same_bits_llama),
        cmocka_unit_test(same_bits_with_windows),
        cmocka_unit_test(a_wide_window_changes_nothing),
        cmocka_unit_test(a_small_buffer_loses_nothing),
        cmocka_unit_test(the_public_header_says_the_same),
        cmocka_unit_test(cancel_ends_running_and_waiting),
        cmocka_unit_test(refusals_say_why),
        cmocka_unit_test(prefill_equals_token_by_token),
        cmocka_unit_test(same_bits_at_length),
        cmocka_unit_test(the_profile_names_the_cache),
        cmocka_unit_test(matrices_know_the_next_of_a_step),
        cmocka_unit_test(a_cache_beyond_any_memory_is_refused),
        cmocka_unit_test(blocks_balance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
