/* SPDX-License-Identifier: MIT */
/*
 * test_reading.c - what is asked of a prompt itself (engine/reading.h): log-probabilities of its
 * tokens are those of the logits that an evaluation gives, embeddings are the hidden states behind
 * those logits, to the bit however they were computed.
 */
#include "base/f16.h"
#include "engine/eval.h"
#include "engine/kvpool.h"
#include "engine/metrics.h"
#include "engine/reading.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tiny_model.h"

enum { CTX = 256, N_PROMPT = 200, N_GEN = 8, TOP = 5, CAP = LIMIT_PARALLEL, MANY = 6 };

/* What came of a request. */
struct told {
    uint64_t id;
    struct sample_logprob chosen[N_PROMPT], top[N_PROMPT][TOP];
    float embedding[TINY_D];
    int n, n_embedding, n_token, n_cached;
    enum brrr_finish finish;
    bool last;
};

static void prompt_of(int32_t *id)
{
    for (int i = 0; i < N_PROMPT; i++)
        id[i] = (i * 37 + i * i % 7) % TINY_VOCAB;
}

static struct gen_params *params(int n_predict)
{
    static struct gen_params g;

    gen_params_init(&g);
    g.n_predict = n_predict;
    return &g;
}

static struct brrr_engine *open_engine(const struct brrr_model *m, const struct engine_opts *opts)
{
    struct engine_opts o = *opts;
    struct brrr_engine *e;
    struct brrr_error err;

    o.ctx = CTX;
    if (engine_open(&e, m, &o, &err)) fail_msg("%s", err.text);
    return e;
}

static void submit(struct brrr_engine *e, const struct gen_params *g, int n, struct told *t)
{
    int32_t prompt[N_PROMPT];
    struct brrr_error err;

    memset(t, 0, sizeof(*t));
    prompt_of(prompt);
    if (submit_ids(e, prompt, (size_t)n, g, &t->id, &err)) fail_msg("%s", err.text);
}

static void take(struct told *t, const struct engine_event *ev)
{
    assert_false(t->last);
    t->last = ev->last;
    if (ev->prompt) {
        int32_t prompt[N_PROMPT];
        prompt_of(prompt);
        assert_int_equal(t->n_token, 0);
        assert_int_equal(ev->token, prompt[t->n + 1]);
        t->chosen[t->n] = ev->chosen;
        if (ev->n_top > 0) memcpy(t->top[t->n], ev->top, (size_t)ev->n_top * sizeof(*ev->top));
        t->n++;
        return;
    }
    t->n_token += ev->token >= 0;
    t->finish = ev->finish;
    t->n_embedding = ev->n_embedding;
    if (ev->n_embedding > 0) memcpy(t->embedding, ev->embedding, sizeof(t->embedding));
    if (ev->finish) t->n_cached = ev->timings.n_cached;
}

static bool poll_once(struct brrr_engine *e, struct told *t, int n_told, int cap)
{
    struct engine_event ev[CAP];
    int n = engine_poll(e, ev, cap);

    for (int i = 0; i < n; i++)
        for (int k = 0; k < n_told; k++)
            if (t[k].id == ev[i].id) take(&t[k], &ev[i]);
    return n >= 0;
}

static void finish(struct brrr_engine *e, struct told *t, int n_told)
{
    while (poll_once(e, t, n_told, CAP))
        continue;
    for (int i = 0; i < n_told; i++)
        assert_true(t[i].last);
}

/* --- log-probabilities --- */

struct truth {
    struct sampler *s;
    struct told t;
    int32_t prompt[N_PROMPT];
    float logits[N_PROMPT][TINY_VOCAB];
};

static bool take_row(void *arg, int row, const float *logits)
{
    struct truth *x = arg;
    struct sample_logprob *chosen = &x->t.chosen[row];

    memcpy(x->logits[row], logits, sizeof(x->logits[row]));
    if (row + 1 == N_PROMPT) return true;
    chosen->id = x->prompt[row + 1];
    assert_int_equal(sampler_logprobs(x->s, logits, x->t.top[row], TOP, chosen), TOP);
    return true;
}

/* Every row of the prompt by an evaluation, which `brrr logits` is too. */
static void evaluate(const struct brrr_model *m, struct truth *x)
{
    struct engine_opts o = { .n_threads = 1, .ctx = CTX };
    struct eval_rows rows = { .all = true, .take = take_row, .arg = x };
    struct eval *v;

    memset(x, 0, sizeof(*x));
    prompt_of(x->prompt);
    o.kv_type = m->model->precision == BRRR_PRECISION_F32 ? KV_F32 : KV_F16;
    assert_int_equal(eval_new(&v, m, &o, NULL), BRRR_OK);
    assert_int_equal(sampler_new(&x->s, TINY_VOCAB, &m->model->kernels, NULL), BRRR_OK);
    assert_int_equal(eval_run(v, x->prompt, N_PROMPT, &rows, NULL), BRRR_OK);
    sampler_free(x->s);
    eval_free(v);
}

static void expect_logprobs(const struct told *got, const struct truth *want)
{
    assert_int_equal(got->n, N_PROMPT - 1);
    assert_memory_equal(got->chosen, want->t.chosen, sizeof(got->chosen));
    assert_memory_equal(got->top, want->t.top, sizeof(got->top));
}

static const struct engine_opts variants[] = {
    { .n_threads = 1, .n_parallel = 4 },
    { .n_threads = 2, .n_parallel = 1, .chunk = 1 },
    { .n_threads = 2, .n_parallel = 8, .chunk = 7 },
    { .n_threads = 1, .n_parallel = 3, .chunk = 100, .no_prefix = true },
    { .n_threads = 2, .n_parallel = 8, .chunk = 300, .speculate = DRAFT_NGRAM, .draft_all = true },
};

static const struct tiny_spec specs[] = { { "llama", 2, 0, CTX, QT_Q4_1 },
                                          { "gemma3", 7, 40, CTX, QT_Q8_0 } };

/* With any answers, from an empty cache and from one that has the prompt. */
static void logprobs_are_those_of_the_logits(void **state)
{
    static struct truth want;
    static struct told t[MANY];
    struct brrr_model m;
    struct tiny tiny;

    (void)state;
    for (size_t k = 0; k < COUNT(specs); k++) {
        tiny_open(&m, &tiny, &specs[k], BRRR_PRECISION_Q8);
        evaluate(&m, &want);
        for (size_t v = 0; v < COUNT(variants); v++) {
            struct brrr_engine *e = open_engine(&m, &variants[v]);
            for (int round = 0; round < 2; round++) {
                for (int i = 0; i < MANY; i++) {
                    struct gen_params *g = params(i % 3 ? N_GEN : 0);
                    g->n_prompt_logprobs = TOP;
                    g->n_choices = i == 2 ? 3 : 1;
                    g->best_of = i == 4 ? 3 : 0;
                    submit(e, g, N_PROMPT, &t[i]);
                }
                finish(e, t, MANY);
                for (int i = 0; i < MANY; i++) {
                    expect_logprobs(&t[i], &want);
                    assert_int_equal(t[i].n_token, i % 3 ? N_GEN * (i == 2 ? 3 : 1) : 0);
                    assert_int_equal(t[i].finish, BRRR_FINISH_LENGTH);
                    assert_int_equal(t[i].n_cached, i == 2 ? t[i].n_cached : 0);
                }
            }
            brrr_engine_close(e);
        }
        tiny_close(&m, &tiny);
    }
}

/* Its blocks are for others, as any prompt's: only itself may not use them. */
static void what_it_read_is_in_the_cache(void **state)
{
    struct engine_opts o = { .n_threads = 1, .n_parallel = 2 };
    static struct told t[2];
    struct brrr_model m;
    struct tiny tiny;

    (void)state;
    tiny_open(&m, &tiny, &specs[0], BRRR_PRECISION_Q8);
    struct brrr_engine *e = open_engine(&m, &o);
    struct gen_params *g = params(1);
    g->n_prompt_logprobs = 0;
    submit(e, g, N_PROMPT, &t[0]);
    finish(e, t, 1);
    submit(e, params(1), N_PROMPT, &t[1]);
    finish(e, t + 1, 1);
    assert_int_equal(t[0].n_cached, 0);
    assert_int_equal(t[1].n_cached, N_PROMPT / KV_BLOCK * KV_BLOCK);
    assert_int_equal(t[1].n, 0);
    brrr_engine_close(e);
    tiny_close(&m, &tiny);
}

/* Who has to give way while it is read tells every token once. The others are few tokens when they
 * begin, and need all the room before the prompt, a token a step, is read. */
static void giving_way_is_not_seen(void **state)
{
    struct kvpool_opts k = { .ctx = CTX, .n_slot = 2, .chunk = 1 };
    static struct truth want;
    static struct told t[2], other[2];
    struct brrr_model m;
    struct tiny tiny;

    (void)state;
    tiny_open(&m, &tiny, &specs[0], BRRR_PRECISION_Q8);
    evaluate(&m, &want);
    for (int no_prefix = 0; no_prefix < 2; no_prefix++) {
        struct engine_opts o = { .n_threads = 1,
                                 .n_parallel = 4,
                                 .chunk = 1,
                                 .no_prefix = no_prefix,
                                 .kv_bytes = kvpool_bytes(&m.model->hp, &k) };
        struct brrr_engine *e = open_engine(&m, &o);
        int most = 0, least = N_PROMPT;
        for (int i = 0; i < 2; i++) {
            struct gen_params *g = params(200);
            g->priority = 1;
            submit(e, g, 1 + i, &other[i]);
        }
        struct gen_params *g = params(N_GEN);
        g->n_prompt_logprobs = TOP;
        submit(e, g, N_PROMPT, &t[0]);
        int done, total;
        while (!t[0].last) {
            poll_once(e, t, 1, CAP);
            if (!engine_progress(e, t[0].id, &done, &total)) break;
            if (done > most) most = done;
            else if (done < most && t[0].n < N_PROMPT - 1) least = done; /* it gave way */
        }
        finish(e, t, 1);
        assert_true(least < most);
        expect_logprobs(&t[0], &want);
        brrr_engine_close(e);
    }
    tiny_close(&m, &tiny);
}

/* However many ask for them: room for their logits is bounded, and nobody is in another's way. */
static void rows_of_logits_are_bounded(void **state)
{
    enum { N = 3 };
    struct engine_opts o = { .n_threads = 2, .n_parallel = 8, .chunk = 512, .no_prefix = true };
    static struct metric_step step[METRIC_STEPS];
    static struct truth want;
    static struct told t[MANY + 1];
    struct brrr_model m;
    struct tiny tiny;
    int most = 0;

    (void)state;
    tiny_open(&m, &tiny, &specs[0], BRRR_PRECISION_Q8);
    evaluate(&m, &want);
    struct brrr_engine *e = open_engine(&m, &o);
    for (int i = 0; i < MANY; i++) {
        struct gen_params *g = params(N_GEN);
        g->n_prompt_logprobs = TOP;
        submit(e, g, N_PROMPT, &t[i]);
    }
    submit(e, params(1), N_PROMPT, &t[MANY]); /* is read at once, beside them */
    for (int i = 0; i < N && !t[MANY].last; i++)
        poll_once(e, t, MANY + 1, CAP);
    assert_true(t[MANY].last);
    finish(e, t, MANY);
    for (int i = 0; i < MANY; i++)
        expect_logprobs(&t[i], &want);
    int n = engine_steps(e, step, METRIC_STEPS);
    for (int i = 0; i < n; i++)
        most = MAX(most, step[i].n_out);
    assert_true(most >= READING_ROWS && most <= READING_ROWS + o.n_parallel);
    brrr_engine_close(e);
    tiny_close(&m, &tiny);
}

/* --- embeddings --- */

static void embed(const struct brrr_model *m, const struct engine_opts *o, enum gen_embed kind,
                  int n, struct told *t)
{
    struct brrr_engine *e = open_engine(m, o);
    struct gen_params *g = params(N_GEN);

    g->embed = kind;
    submit(e, g, n, t);
    finish(e, t, 1);
    assert_int_equal(t->n_embedding, TINY_D);
    assert_int_equal(t->finish, BRRR_FINISH_LENGTH);
    assert_int_equal(t->n_token, 0);
    brrr_engine_close(e);
}

/* The head of these models is the embedding of their tokens: row by row its product with a hidden
 * state is a logit. */
static void hidden_states_give_the_logits(void **state)
{
    struct engine_opts o = { .n_threads = 1, .kv_type = KV_F32 };
    static struct truth want;
    struct brrr_model m;
    struct tiny tiny;
    struct told t;
    double worst = 0, largest = 0;

    (void)state;
    for (size_t k = 0; k < COUNT(specs); k++) {
        struct tiny_spec spec = specs[k];
        spec.type = QT_F32;
        tiny_open(&m, &tiny, &spec, BRRR_PRECISION_F32);
        evaluate(&m, &want);
        const float *head = m.model->g.embd.w;
        for (int n = 1; n <= N_PROMPT; n += 13) {
            embed(&m, &o, EMBED_LAST, n, &t);
            for (int id = 0; id < TINY_VOCAB; id++) {
                double sum = 0, logit = (double)want.logits[n - 1][id];
                for (int d = 0; d < TINY_D; d++)
                    sum += (double)head[id * TINY_D + d] * (double)t.embedding[d];
                worst = fmax(worst, fabs(sum - logit));
                largest = fmax(largest, fabs(logit));
            }
        }
        tiny_close(&m, &tiny);
    }
    assert_true(largest > 0.5 && worst < 1e-5 * largest);
}

/* The mean is that of the last ones of all beginnings, and both are the same however computed. */
static void same_embeddings_everywhere(void **state)
{
    static struct told one, last, mean, t[MANY];
    struct brrr_model m;
    struct tiny tiny;

    (void)state;
    for (size_t k = 0; k < COUNT(specs); k++) {
        double sum[TINY_D] = { 0 };
        float want[TINY_D];
        tiny_open(&m, &tiny, &specs[k], BRRR_PRECISION_Q8);
        for (int n = 1; n <= N_PROMPT; n++) {
            embed(&m, &variants[0], EMBED_LAST, n, &one);
            for (int d = 0; d < TINY_D; d++)
                sum[d] += (double)one.embedding[d];
        }
        for (int d = 0; d < TINY_D; d++)
            want[d] = (float)(sum[d] / N_PROMPT);
        for (size_t v = 0; v < COUNT(variants); v++) {
            embed(&m, &variants[v], EMBED_LAST, N_PROMPT, &last);
            assert_memory_equal(last.embedding, one.embedding, sizeof(last.embedding));
            embed(&m, &variants[v], EMBED_MEAN, N_PROMPT, &mean);
            assert_memory_equal(mean.embedding, want, sizeof(want));
            /* In company, and where the cache has the prompt: of use for the last one's only. */
            struct brrr_engine *e = open_engine(&m, &variants[v]);
            for (int round = 0; round < 2; round++) {
                for (int i = 0; i < MANY; i++) {
                    struct gen_params *g = params(N_GEN);
                    g->embed = (enum gen_embed)(i % EMBED_KINDS);
                    if (!g->embed) g->n_prompt_logprobs = TOP;
                    submit(e, g, N_PROMPT, &t[i]);
                }
                finish(e, t, MANY);
            }
            for (int i = 0; i < MANY; i++) {
                enum gen_embed kind = (enum gen_embed)(i % EMBED_KINDS);
                if (kind)
                    assert_memory_equal(t[i].embedding, kind == EMBED_MEAN ? want : one.embedding,
                                        sizeof(want));
                assert_int_equal(t[i].n_cached > 0, kind == EMBED_LAST && !variants[v].no_prefix);
            }
            brrr_engine_close(e);
        }
        tiny_close(&m, &tiny);
    }
}

/* --- limits, ends --- */

static void ends_at_any_time(void **state)
{
    struct engine_opts o = { .n_threads = 1, .n_parallel = 2, .chunk = 16 };
    static struct told t[3];
    struct brrr_model m;
    struct metrics x;
    struct tiny tiny;

    (void)state;
    tiny_open(&m, &tiny, &specs[0], BRRR_PRECISION_Q8);
    struct brrr_engine *e = open_engine(&m, &o);
    for (int after = 0; after < 260; after += 1 + after / 20) {
        for (int i = 0; i < 3; i++) {
            struct gen_params *g = params(N_GEN);
            g->n_prompt_logprobs = i == 0 ? TOP : -1;
            g->embed = (enum gen_embed)i;
            submit(e, g, N_PROMPT, &t[i]);
        }
        for (int i = 0; i < after; i++)
            poll_once(e, t, 3, 1);
        for (int i = 0; i < 3; i++)
            engine_cancel(e, t[i].id);
        finish(e, t, 3);
        for (int i = 0; i < 3; i++)
            assert_int_equal(t[i].n_embedding > 0, i && t[i].finish == BRRR_FINISH_LENGTH);
        engine_metrics(e, &x);
        assert_int_equal(x.kv.n_used, 0);
    }
    brrr_engine_close(e);
    tiny_close(&m, &tiny);
}

/* A prompt may fill the context if nothing is to follow it. */
static void up_to_the_whole_context(void **state)
{
    struct engine_opts o = { .n_threads = 1, .ctx = N_PROMPT };
    int32_t prompt[N_PROMPT + 1] = { 0 };
    struct engine_event ev;
    struct brrr_engine *e;
    struct brrr_error err;
    struct brrr_model m;
    struct tiny tiny;
    uint64_t id;

    (void)state;
    tiny_open(&m, &tiny, &specs[0], BRRR_PRECISION_Q8);
    assert_int_equal(engine_open(&e, &m, &o, NULL), BRRR_OK);
    for (int kind = 0; kind < EMBED_KINDS; kind++) {
        struct gen_params *g = params(kind ? N_GEN : 0);
        int n, n_event = 0;
        g->embed = (enum gen_embed)kind;
        g->n_prompt_logprobs = kind ? -1 : 0;
        assert_int_equal(submit_ids(e, prompt, N_PROMPT + 1, g, &id, &err), BRRR_E_LIMIT);
        assert_non_null(strstr(err.text, "has 201 tokens, the context holds 200 ("));
        assert_int_equal(submit_ids(e, prompt, N_PROMPT, g, &id, &err), BRRR_OK);
        while ((n = engine_poll(e, &ev, 1)) >= 0)
            n_event += n;
        assert_int_equal(n_event, kind ? 1 : N_PROMPT);
        assert_int_equal(ev.finish, BRRR_FINISH_LENGTH);
    }
    assert_int_equal(submit_ids(e, prompt, N_PROMPT, params(1), &id, &err), BRRR_E_LIMIT);
    assert_non_null(strstr(err.text, "holds 200, the answer included"));
    /* Of one token nothing is known. */
    struct gen_params *g = params(0);
    g->n_prompt_logprobs = 3;
    assert_int_equal(submit_ids(e, prompt, 1, g, &id, &err), BRRR_OK);
    while (engine_poll(e, &ev, 1) >= 0)
        assert_false(ev.prompt && ev.id == id);
    brrr_engine_close(e);
    tiny_close(&m, &tiny);
}

static void refusals_say_why(void **state)
{
    struct brrr_error err;
    struct gen_params *g;

    (void)state;
    g = params(1);
    g->beam_width = 2;
    g->n_prompt_logprobs = 0;
    assert_int_equal(gen_params_check(g, 0, &err), BRRR_E_LIMIT);
    assert_non_null(strstr(err.text, "prompt_logprobs is 0: a beam search (beam_width 2)"));
    g->beam_width = 0;
    g->n_prompt_logprobs = LIMIT_LOGPROBS + 1;
    assert_int_equal(gen_params_check(g, 0, &err), BRRR_E_LIMIT);
    assert_non_null(strstr(err.text, "n_prompt_logprobs is 1025"));
    g->n_prompt_logprobs = 1;
    g->embed = EMBED_MEAN;
    assert_int_equal(gen_params_check(g, 0, &err), BRRR_E_LIMIT);
    assert_non_null(strstr(err.text, "prompt_logprobs is 1: beside embed 'mean' it must be -1"));
    g->n_prompt_logprobs = -1;
    g->n_choices = 2;
    assert_int_equal(gen_params_check(g, 0, &err), BRRR_E_LIMIT);
    assert_non_null(strstr(err.text, "n is 2: beside embed 'mean' it must be 1"));
    g->n_choices = 1;
    assert_int_equal(gen_params_check(g, 0, &err), BRRR_OK);
    g->embed = EMBED_KINDS;
    assert_int_equal(gen_params_check(g, 0, &err), BRRR_E_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logprobs_are_those_of_the_logits),
        cmocka_unit_test(what_it_read_is_in_the_cache),
        cmocka_unit_test(giving_way_is_not_seen),
        cmocka_unit_test(rows_of_logits_are_bounded),
        cmocka_unit_test(hidden_states_give_the_logits),
        cmocka_unit_test(same_embeddings_everywhere),
        cmocka_unit_test(ends_at_any_time),
        cmocka_unit_test(up_to_the_whole_context),
        cmocka_unit_test(refusals_say_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
