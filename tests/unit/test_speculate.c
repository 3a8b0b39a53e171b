/* SPDX-License-Identifier: MIT */
/*
 * test_speculate.c - guesses change when tokens come, and nothing else: text, stop strings, limits,
 * log-probabilities; and what is drawn has the distribution that it should have. (Random
 * requests in all company: test_matrix.c.)
 *
 * The project's headers come first: cmocka has a macro named fail.
 */
#include "base/f16.h"
#include "engine/eval.h"
#include "engine/metrics.h"
#include "engine/second.h"
#include "text/vocab.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tiny_model.h"
#include "vocab_fixture.h"

enum { CTX = 256, N_PROMPT = 24, ROOM = 4096 };

static const struct tiny_spec spec = { "llama", 1, 0, CTX, QT_Q4_1 };

/* A prompt that repeats itself, so that there is something to guess. */
static void prompt_of(int32_t *id, int which)
{
    for (int i = 0; i < N_PROMPT; i++)
        id[i] = (i % (3 + which % 5)) * 17 % TINY_VOCAB;
}

/* The model's ids are the bytes from 0x80 on, but for the first 64: letters. */
static struct tokenizer *open_letters(void)
{
    static struct vf_vocab v;
    struct vf f = { 0 };
    struct tokenizer *t;
    struct gguf *g;
    char name[8];

    for (int i = 0; i < TINY_VOCAB; i++) {
        snprintf(name, sizeof(name), "<0x%02X>", i < 64 ? (unsigned)i + 0x41 : (unsigned)i + 0x80);
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

/* All that a client sees of one answer. */
struct seen {
    char text[ROOM];
    size_t n_text;
    struct sample_logprob chosen[CTX];
    int32_t id[CTX];
    int n;
    enum brrr_finish finish;
};

static void answer(struct brrr_engine *e, const struct gen_params *g, int which, struct seen *s)
{
    struct engine_event ev[5];
    int32_t prompt[N_PROMPT];
    uint64_t id;
    int n;

    memset(s, 0, sizeof(*s));
    prompt_of(prompt, which);
    assert_int_equal(submit_ids(e, prompt, N_PROMPT, g, &id, NULL), BRRR_OK);
    while ((n = engine_poll(e, ev, COUNT(ev))) >= 0)
        for (int i = 0; i < n; i++) {
            memcpy(s->text + s->n_text, ev[i].text.p, ev[i].text.n);
            s->n_text += ev[i].text.n;
            if (ev[i].token >= 0) s->chosen[s->n] = ev[i].chosen;
            if (ev[i].token >= 0) s->id[s->n++] = ev[i].token;
            assert_int_equal(s->finish, BRRR_FINISH_NONE);
            s->finish = ev[i].finish;
        }
}

/* Stop strings from the answer itself, at all places; limits of all lengths; every drafter. */
static void the_same_is_seen(void **state)
{
    static struct gen_params g;
    static struct seen want, got;
    struct engine_opts o = { .n_threads = 1, .ctx = CTX, .no_prefix = true };
    struct brrr_engine *plain, *e;
    struct brrr_model m;
    struct metrics x;
    struct tiny t;

    (void)state;
    tiny_open(&m, &t, &spec, BRRR_PRECISION_Q8);
    m.tok = open_letters();
    assert_int_equal(engine_open(&plain, &m, &o, NULL), BRRR_OK);
    for (int k = DRAFT_NONE + 1; k < DRAFT_KINDS; k++) {
        o.speculate = (enum draft_kind)k;
        o.draft_max = 7 + k;
        o.draft_all = true;
        o.draft_model = &m; /* what it guesses is right: it draws with the same numbers */
        assert_int_equal(engine_open(&e, &m, &o, NULL), BRRR_OK);
        for (int i = 0; i < 120; i++) {
            gen_params_init(&g);
            g.ignore_eos = true;
            g.n_logprobs = i % 3;
            g.n_predict = i % 4 ? 1 + i : CTX;
            g.sample.seed = (uint64_t)i;
            g.sample.temperature = i % 5 * 0.1;
            g.sample.frequency_penalty = i % 7 == 3 ? 0.2 : 0;
            answer(plain, &g, i, &want);
            if (i % 2 && want.n_text > 8) { /* the text itself says where to stop */
                size_t at = (size_t)i % (want.n_text - 4);
                while (at > 0 && (want.text[at] & 0xc0) == 0x80)
                    at--;
                size_t n = 1;
                while (at + n < want.n_text && (n < 4 || (want.text[at + n] & 0xc0) == 0x80))
                    n++;
                assert_int_equal(gen_params_add_stop(&g, want.text + at, n, NULL), BRRR_OK);
                answer(plain, &g, i, &want);
                assert_int_equal(want.finish, BRRR_FINISH_STOP);
            }
            answer(e, &g, i, &got);
            assert_memory_equal(&got, &want, sizeof(want));
        }
        engine_metrics(e, &x);
        assert_true(x.n_accepted > 500 && x.n_accepted <= x.n_drafted);
        /* But for what was guessed past the ends. */
        assert_int_equal(k == DRAFT_MODEL, 10 * x.n_accepted > 8 * x.n_drafted);
        assert_int_equal(x.kv.n_used, 0);
        brrr_engine_close(e);
    }
    brrr_engine_close(plain);
    tokenizer_close(m.tok);
    tiny_close(&m, &t);
}

/* A draft model that is asked again, because no step came to verify what it said, says the same:
 * alone, when all of its tokens are known, and beside one that it has never seen. */
static void asked_again_it_says_the_same(void **state)
{
    static struct gen_params g;
    enum { WANT = 5 };
    struct engine_opts o = {
        .n_threads = 1, .ctx = CTX, .n_parallel = 2, .speculate = DRAFT_MODEL
    };
    int32_t id[2][N_PROMPT + WANT] = { { 0 } }, first[WANT];
    struct brrr_model m;
    struct second *s;
    struct pool *pool;
    struct tiny t;

    (void)state;
    tiny_open(&m, &t, &spec, BRRR_PRECISION_Q8);
    o.draft_model = &m;
    assert_int_equal(engine_opts_settle(&o, &m, NULL), BRRR_OK);
    assert_int_equal(second_new(&s, &o, 1, NULL), BRRR_OK);
    assert_int_equal(pool_new(&pool, 1, NULL), BRRR_OK);
    gen_params_init(&g);
    g.sample.temperature = 1;
    for (int round = 0; round < 3; round++) {
        struct second_job job[2];
        for (int i = 0; i < 2; i++) {
            prompt_of(id[i], i);
            job[i] = (struct second_job){ .sample = &g.sample,
                                          .slot = i,
                                          .order = (uint64_t)i,
                                          .id = id[i],
                                          .n = N_PROMPT,
                                          .want = WANT };
        }
        second_guess(s, pool, job, round < 2 ? 1 : 2);
        assert_int_equal(job[0].got, WANT);
        if (round == 0) memcpy(first, id[0] + N_PROMPT, sizeof(first));
        assert_memory_equal(id[0] + N_PROMPT, first, sizeof(first));
    }
    second_free(s);
    pool_free(pool);
    tiny_close(&m, &t);
}

/* --- the distribution --- */

enum { LETTERS = 5, DRAWS = 100000, AT_ONCE = 8, CELLS = LETTERS * LETTERS * LETTERS };

static const int32_t letter[LETTERS] = { 0, 17, 34, 51, 68 }; /* those of the prompts */

/* Only these tokens can be drawn. */
static void draw_letters(struct gen_params *g)
{
    gen_params_init(g);
    g->ignore_eos = true;
    g->n_predict = 3;
    g->n_choices = AT_ONCE;
    g->sample.temperature = 0.8;
    for (int32_t i = 0; i < TINY_VOCAB; i++) {
        bool is = false;
        for (int k = 0; k < LETTERS; k++)
            is = is || letter[k] == i;
        if (!is) g->sample.bias[g->sample.n_bias++] = (struct sample_bias){ i, -INFINITY };
    }
}

struct row {
    struct sampler *s;
    const struct gen_params *g;
    double p[LETTERS];
};

static bool take_row(void *arg, int at, const float *logits)
{
    struct row *r = arg;
    struct sample_in in = { .logits = logits };
    struct sample_dist d;

    (void)at;
    sampler_apply(r->s, &r->g->sample, &in, &d);
    for (int k = 0; k < LETTERS; k++)
        for (int i = 0; i < d.n; i++)
            if (d.id[i] == letter[k]) r->p[k] = (double)d.prob[i];
    return true;
}

/* The probability of each answer of three letters, by the model and the sampler alone. */
static void expect_answers(const struct brrr_model *m, const struct gen_params *g, double p[CELLS])
{
    struct engine_opts o = { .n_threads = 1, .ctx = CTX };
    struct row r = { .g = g };
    struct eval_rows rows = { .take = take_row, .arg = &r };
    int32_t id[N_PROMPT + 3];
    struct eval *v;

    assert_int_equal(eval_new(&v, m, &o, NULL), BRRR_OK);
    assert_int_equal(sampler_new(&r.s, TINY_VOCAB, &m->model->kernels, NULL), BRRR_OK);
    prompt_of(id, 2);
    for (int c = 0; c < CELLS; c++) {
        int word[3] = { c / LETTERS / LETTERS, c / LETTERS % LETTERS, c % LETTERS };
        p[c] = 1;
        for (int i = 0; i < 3; i++) {
            assert_int_equal(eval_run(v, id, N_PROMPT + i, &rows, NULL), BRRR_OK);
            p[c] *= r.p[word[i]];
            id[N_PROMPT + i] = letter[word[i]];
        }
    }
    sampler_free(r.s);
    eval_free(v);
}

static int letter_of(int32_t id)
{
    int k = 0;

    while (k < LETTERS && letter[k] != id)
        k++;
    assert_true(k < LETTERS);
    return k;
}

/* DRAWS answers, each choice of each request one; how often each came. */
static void count_answers(struct brrr_engine *e, struct gen_params *g, int count[CELLS])
{
    static int cell[AT_ONCE];
    struct engine_event ev[64];
    int32_t prompt[N_PROMPT];
    uint64_t id;
    int n;

    prompt_of(prompt, 2);
    for (int round = 0; round < DRAWS / AT_ONCE; round++) {
        g->sample.seed = (uint64_t)round;
        memset(cell, 0, sizeof(cell));
        assert_int_equal(submit_ids(e, prompt, N_PROMPT, g, &id, NULL), BRRR_OK);
        while ((n = engine_poll(e, ev, COUNT(ev))) >= 0)
            for (int i = 0; i < n; i++) {
                int *c = &cell[ev[i].choice];
                *c = *c * LETTERS + letter_of(ev[i].token);
                if (ev[i].finish) count[*c]++;
            }
    }
}

/* Pearson's chi-squared over all answers of three letters. The draws are those of fixed seeds, so
 * that this passes always or never; of other seeds one in a hundred thousand would fail. */
static void draws_are_distributed_as_they_should(void **state)
{
    static struct gen_params g;
    static const double largest = 200; /* 124 degrees of freedom: 124 + 4.4 sqrt(248) + ... */
    struct engine_opts o = { .n_threads = 1, .ctx = CTX, .n_parallel = AT_ONCE };
    double p[CELLS], chi2 = 0, sum = 0, few = 0, want_few = 0;
    int n_cell = 0;
    int count[CELLS] = { 0 };
    struct brrr_engine *e;
    struct brrr_model m;
    struct metrics x;
    struct tiny t;

    (void)state;
    tiny_open(&m, &t, &spec, BRRR_PRECISION_Q8);
    draw_letters(&g);
    expect_answers(&m, &g, p);
    o.speculate = DRAFT_SUFFIX;
    o.draft_all = true;
    assert_int_equal(engine_open(&e, &m, &o, NULL), BRRR_OK);
    count_answers(e, &g, count);
    for (int c = 0; c < CELLS; c++) {
        double want = p[c] * DRAWS;
        sum += p[c];
        n_cell += want >= 10;
        if (want >= 10) chi2 += (count[c] - want) * (count[c] - want) / want;
        else {
            few += count[c];
            want_few += want;
        }
    }
    assert_true(n_cell > 20);
    chi2 += (few - want_few) * (few - want_few) / MAX(want_few, 10);
    engine_metrics(e, &x);
    assert_true(fabs(sum - 1) < 1e-4);
    if (getenv("SPECULATE_VERBOSE"))
        print_message("%llu of %llu guesses right, chi-squared %.1f over %d\n",
                      (unsigned long long)x.n_accepted, (unsigned long long)x.n_drafted, chi2,
                      n_cell);
    assert_true(x.n_drafted > 10000 && x.n_accepted > 2000);
    if (chi2 > largest) fail_msg("chi-squared is %g over %d answers", chi2, CELLS);
    brrr_engine_close(e);
    tiny_close(&m, &t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_is_seen),
        cmocka_unit_test(asked_again_it_says_the_same),
        cmocka_unit_test(draws_are_distributed_as_they_should),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
