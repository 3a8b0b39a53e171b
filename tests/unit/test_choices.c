/* SPDX-License-Identifier: MIT */
/* test_choices.c - several answers to one prompt: n and best_of (engine/request.h). */
#include "base/f16.h"
#include "engine/engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tiny_model.h"

enum { N_PROMPT = 70, N_GEN = 40, MANY = 6, CAP = LIMIT_PARALLEL };

struct answer {
    int32_t token[N_GEN];
    float logprob[N_GEN];
    int n, n_last;
    enum brrr_finish finish;
};

static void params(struct gen_params *g, int n, int best_of)
{
    gen_params_init(g);
    g->n_predict = N_GEN;
    g->n_choices = n;
    g->best_of = best_of;
    g->n_logprobs = 2;
    g->sample.temperature = 1.3;
    g->sample.seed = 7;
}

static uint64_t submit(struct brrr_engine *e, const struct gen_params *g)
{
    int32_t prompt[N_PROMPT];
    struct brrr_error err;
    uint64_t id;

    for (int i = 0; i < N_PROMPT; i++)
        prompt[i] = (i * 37 + i * i % 7) % TINY_VOCAB;
    if (submit_ids(e, prompt, N_PROMPT, g, &id, &err)) fail_msg("%s", err.text);
    return id;
}

/* Poll to the end; *n_last counts events that say they are the request's last. */
static void collect(struct brrr_engine *e, struct answer *a, int *n_last)
{
    struct engine_event ev[CAP];
    int n;

    *n_last = 0;
    while ((n = engine_poll(e, ev, CAP)) >= 0)
        for (int i = 0; i < n; i++) {
            struct answer *x = &a[ev[i].choice];
            assert_int_equal(*n_last, 0); /* nothing comes after it */
            assert_int_equal(x->finish, BRRR_FINISH_NONE);
            if (ev[i].token >= 0) {
                x->logprob[x->n] = ev[i].chosen.logprob;
                x->token[x->n++] = ev[i].token;
            }
            x->finish = ev[i].finish;
            *n_last += ev[i].last;
        }
}

static void answers(const struct brrr_model *m, const struct engine_opts *o,
                    const struct gen_params *g, struct answer a[MANY])
{
    struct brrr_engine *e;
    struct brrr_error err;
    int n_last;

    memset(a, 0, MANY * sizeof(*a));
    if (engine_open(&e, m, o, &err)) fail_msg("%s", err.text);
    submit(e, g);
    collect(e, a, &n_last);
    assert_int_equal(n_last, 1);
    brrr_engine_close(e);
    for (int i = 0; i < g->n_choices; i++)
        assert_int_equal(a[i].finish, BRRR_FINISH_LENGTH);
}

static void same_answers_however_they_run(void **state)
{
    static const struct engine_opts variants[] = {
        { .n_threads = 1, .n_parallel = MANY },
        { .n_threads = 2, .n_parallel = 1, .chunk = 16 },
        { .n_threads = 1, .n_parallel = 3, .chunk = 33 },
        { .n_threads = 1, .n_parallel = 2, .no_prefix = true },
    };
    static const struct tiny_spec specs[] = { { "llama", 2, 0, 256, QT_Q4_1 },
                                              { "gemma3", 8, 48, 256, QT_Q4_1 } };
    static struct answer alone[MANY], want[MANY], got[MANY];
    static struct gen_params g;

    (void)state;
    for (size_t k = 0; k < COUNT(specs); k++) {
        struct brrr_model m;
        struct tiny tiny;
        tiny_open(&m, &tiny, &specs[k], BRRR_PRECISION_Q8);
        params(&g, 1, 0);
        answers(&m, &variants[0], &g, alone);
        params(&g, MANY, 0);
        answers(&m, &variants[0], &g, want);
        assert_memory_equal(alone[0].token, want[0].token, sizeof(want[0].token));
        assert_memory_not_equal(want[0].token, want[1].token, sizeof(want[0].token));
        for (size_t v = 1; v < COUNT(variants); v++) {
            answers(&m, &variants[v], &g, got);
            assert_memory_equal(got, want, sizeof(want));
        }
        tiny_close(&m, &tiny);
    }
}

static void best_of_shows_the_likeliest(void **state)
{
    struct engine_opts o = { .n_threads = 2, .n_parallel = 3 };
    static struct answer all[MANY], got[MANY];
    static struct gen_params g;
    struct brrr_model m;
    struct tiny tiny;
    double mean[MANY] = { 0 };
    bool used[MANY] = { false };

    (void)state;
    tiny_open(&m, &tiny, &(struct tiny_spec){ "llama", 2, 0, 256, QT_Q4_1 }, BRRR_PRECISION_Q8);
    params(&g, MANY, 0);
    answers(&m, &o, &g, all);
    for (int i = 0; i < MANY; i++)
        for (int j = 0; j < N_GEN; j++)
            mean[i] += (double)all[i].logprob[j] / N_GEN;
    params(&g, 2, MANY);
    answers(&m, &o, &g, got);
    for (int i = 0; i < 2; i++) {
        int best = -1;
        for (int j = 0; j < MANY; j++)
            if (!used[j] && (best < 0 || mean[j] > mean[best])) best = j;
        used[best] = true;
        assert_memory_equal(&got[i], &all[best], sizeof(got[i]));
    }
    tiny_close(&m, &tiny);
}

/* Whatever the phase, every answer ends once and nothing stays behind. */
static void cancel_ends_all_answers(void **state)
{
    struct engine_opts o = { .n_threads = 1, .n_parallel = 2, .chunk = 32 };
    static struct gen_params g;
    struct brrr_model m;
    struct tiny tiny;

    (void)state;
    tiny_open(&m, &tiny, &(struct tiny_spec){ "llama", 1, 0, 256, QT_Q4_1 }, BRRR_PRECISION_Q8);
    for (int quiet = 0; quiet < 2; quiet++)
        for (int after = 0; after < 4 * N_GEN; after++) {
            struct answer a[MANY] = { 0 };
            struct engine_event ev;
            struct brrr_engine *e;
            int n_last = 0, n = 0, n_end = 0;

            assert_int_equal(engine_open(&e, &m, &o, NULL), BRRR_OK);
            params(&g, 3, quiet ? MANY : 0);
            uint64_t id = submit(e, &g);
            for (int i = 0; i < after && n >= 0 && !n_last; i++) {
                n = engine_poll(e, &ev, 1);
                n_end += n > 0 && ev.finish;
                n_last += n > 0 && ev.last;
                if (n > 0) a[ev.choice].finish = ev.finish;
            }
            engine_cancel(e, id);
            if (!n_last) collect(e, a, &n_last);
            assert_int_equal(n_last, 1);
            for (int i = 0; i < 3; i++)
                assert_int_not_equal(a[i].finish, BRRR_FINISH_NONE);
            submit(e, &g); /* all slots and blocks are there again */
            memset(a, 0, sizeof(a));
            collect(e, a, &n_last);
            assert_int_equal(a[2].n, N_GEN);
            brrr_engine_close(e);
        }
    tiny_close(&m, &tiny);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_answers_however_they_run),
        cmocka_unit_test(best_of_shows_the_likeliest),
        cmocka_unit_test(cancel_ends_all_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
