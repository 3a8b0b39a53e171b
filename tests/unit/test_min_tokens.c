/* SPDX-License-Identifier: MIT */
/*
 * test_min_tokens.c - no answer ends before min_tokens: stop tokens are not drawn, of any kind and
 * in any kind of request, stop strings are not seen, and nothing else changes.
 */
#include "base/f16.h"
#include "engine/engine.h"
#include "text/vocab.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tiny_words.h"

enum { N_PROMPT = 30, N_GEN = 60, N_MIN = 25, N_STOP = 50, EOS = 3, CHOICES = 3 };

struct answer {
    int32_t token[N_GEN];
    float logprob[N_GEN];
    char text[4 * N_GEN];
    int n, n_text;
    enum brrr_finish finish;
};

struct fixture {
    struct brrr_model m;
    struct tiny tiny;
};

static void open_fixture(struct fixture *f)
{
    tiny_open(&f->m, &f->tiny, &(struct tiny_spec){ "llama", 2, 0, 256, QT_Q4_1 },
              BRRR_PRECISION_Q8);
    f->m.tok = tiny_words(0, EOS);
}

static void close_fixture(struct fixture *f)
{
    tokenizer_close(f->m.tok);
    tiny_close(&f->m, &f->tiny);
}

static void params(struct gen_params *g)
{
    gen_params_init(g);
    g->n_predict = N_GEN;
    g->min_tokens = N_MIN;
    g->n_logprobs = 0;
    g->sample.temperature = 1.2;
    g->sample.seed = 11;
}

/* Every second id and more: no answer would be longer than a few tokens. */
static void many_stops(struct gen_params *g)
{
    for (int i = 0; i < N_STOP; i++)
        g->stop_id[g->n_stop_id++] = i * 5 % TINY_VOCAB;
}

static bool stops(const struct gen_params *g, int32_t id)
{
    for (int i = 0; i < g->n_stop_id; i++)
        if (g->stop_id[i] == id) return true;
    return !g->ignore_eos && id == EOS;
}

static void ask(const struct fixture *f, const struct engine_opts *o, const struct gen_params *g,
                struct answer a[CHOICES])
{
    struct engine_event ev[LIMIT_PARALLEL];
    int32_t prompt[N_PROMPT];
    struct brrr_engine *e;
    struct brrr_error err;
    uint64_t id;
    int n;

    for (int i = 0; i < N_PROMPT; i++)
        prompt[i] = (i * 37 + i * i % 7) % TINY_VOCAB;
    memset(a, 0, CHOICES * sizeof(*a));
    if (engine_open(&e, &f->m, o, &err) || submit_ids(e, prompt, N_PROMPT, g, &id, &err))
        fail_msg("%s", err.text);
    while ((n = engine_poll(e, ev, LIMIT_PARALLEL)) >= 0)
        for (int i = 0; i < n; i++) {
            struct answer *x = &a[ev[i].choice];
            memcpy(x->text + x->n_text, ev[i].text.p, ev[i].text.n);
            x->n_text += (int)ev[i].text.n;
            x->logprob[x->n] = ev[i].chosen.logprob;
            x->token[x->n++] = ev[i].token;
            x->finish = ev[i].finish;
        }
    brrr_engine_close(e);
}

static const struct engine_opts variants[] = {
    { .n_threads = 1, .n_parallel = 4 },
    { .n_threads = 2, .n_parallel = 4, .chunk = 7, .speculate = DRAFT_NGRAM, .draft_all = true },
};

/* Until then the tokens are those of the same request without the stops in its vocabulary, and
 * after it the first stop ends. */
static void stop_tokens_are_not_drawn_before(void **state)
{
    static struct answer a[CHOICES], want[CHOICES];
    static struct gen_params g, biased;
    struct fixture f;
    int n_stopped = 0;

    (void)state;
    open_fixture(&f);
    for (uint64_t seed = 0; seed < 12; seed++) {
        params(&g);
        many_stops(&g);
        g.sample.seed = seed;
        g.n_choices = 1 + (int)seed % CHOICES;
        if (seed % 4 == 3) g.sample.temperature = 0;
        biased = g;
        biased.n_stop_id = biased.min_tokens = 0;
        biased.n_predict = N_MIN;
        for (int i = 0; i < N_STOP; i++)
            biased.sample.bias[biased.sample.n_bias++] =
                (struct sample_bias){ g.stop_id[i], -INFINITY };
        biased.sample.bias[biased.sample.n_bias++] = (struct sample_bias){ EOS, -INFINITY };
        ask(&f, &variants[0], &biased, want);
        ask(&f, &variants[seed % 2], &g, a);
        for (int c = 0; c < g.n_choices; c++) {
            assert_true(a[c].n > N_MIN);
            assert_memory_equal(a[c].token, want[c].token, N_MIN * sizeof(int32_t));
            assert_memory_equal(a[c].logprob, want[c].logprob, N_MIN * sizeof(float));
            for (int i = N_MIN; i < a[c].n; i++)
                assert_int_equal(stops(&g, a[c].token[i]),
                                 i + 1 == a[c].n && a[c].finish == BRRR_FINISH_STOP);
            n_stopped += a[c].finish == BRRR_FINISH_STOP;
        }
    }
    assert_true(n_stopped > 6);
    close_fixture(&f);
}

/* The model's own stop is one of them, unless it is none for this request. */
static void ignored_stops_stay(void **state)
{
    static struct answer a[CHOICES];
    static struct gen_params g;
    struct fixture f;

    (void)state;
    open_fixture(&f);
    for (int ignore = 0; ignore < 2; ignore++) {
        params(&g);
        g.ignore_eos = ignore;
        g.sample.n_bias = 1;
        g.sample.bias[0] = (struct sample_bias){ EOS, 1000 };
        ask(&f, &variants[0], &g, a);
        assert_int_equal(a[0].n, ignore ? N_GEN : N_MIN + 1);
        for (int i = 0; i < a[0].n; i++)
            assert_int_equal(a[0].token[i] == EOS, ignore || i == N_MIN);
    }
    close_fixture(&f);
}

/* Ranked answers are as long. */
static void nor_by_those_that_rank(void **state)
{
    static struct answer a[CHOICES];
    static struct gen_params g;
    struct fixture f;

    (void)state;
    open_fixture(&f);
    for (int beams = 0; beams < 2; beams++) {
        params(&g);
        many_stops(&g);
        *(beams ? &g.beam_width : &g.best_of) = 4;
        g.n_choices = CHOICES;
        ask(&f, &variants[0], &g, a);
        for (int c = 0; c < CHOICES; c++) {
            assert_true(a[c].n > N_MIN);
            for (int i = 0; i < N_MIN; i++)
                assert_false(stops(&g, a[c].token[i]));
        }
    }
    close_fixture(&f);
}

/* Every token as a text stops; what is complete before N_MIN tokens is part of the answer. */
static void stop_strings_are_not_seen_before(void **state)
{
    static struct answer plain[CHOICES], a[CHOICES];
    static struct gen_params g;
    struct fixture f;

    (void)state;
    open_fixture(&f);
    params(&g);
    g.min_tokens = 0;
    g.ignore_eos = true;
    ask(&f, &variants[0], &g, plain);
    for (int at = 1; at + 1 < N_GEN; at++) {
        const char *two = plain[0].text + at;
        int end = 0; /* the first place after which it counts */
        params(&g);
        g.ignore_eos = true;
        if (gen_params_add_stop(&g, two, 2, NULL)) continue;
        for (end = N_MIN + 1; end <= N_GEN; end++)
            if (memcmp(plain[0].text + end - 2, two, 2) == 0) break;
        ask(&f, &variants[at % 2], &g, a);
        assert_int_equal(a[0].n, MIN(end, N_GEN));
        assert_int_equal(a[0].finish, end <= N_GEN ? BRRR_FINISH_STOP : BRRR_FINISH_LENGTH);
        assert_int_equal(a[0].n_text, end <= N_GEN ? end - 2 : N_GEN);
        assert_memory_equal(a[0].text, plain[0].text, (size_t)a[0].n_text);
    }
    close_fixture(&f);
}

static void longer_than_the_answer_is_refused(void **state)
{
    static struct gen_params g;
    struct brrr_error err;

    (void)state;
    params(&g);
    g.min_tokens = N_GEN + 1;
    assert_int_equal(gen_params_check(&g, 0, &err), BRRR_E_LIMIT);
    assert_non_null(strstr(err.text, "min_tokens is 61, n_predict is 60"));
    g.n_predict = -1;
    assert_int_equal(gen_params_check(&g, 0, &err), BRRR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stop_tokens_are_not_drawn_before),
        cmocka_unit_test(ignored_stops_stay),
        cmocka_unit_test(nor_by_those_that_rank),
        cmocka_unit_test(stop_strings_are_not_seen_before),
        cmocka_unit_test(longer_than_the_answer_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
