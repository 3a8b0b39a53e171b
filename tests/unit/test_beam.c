/* SPDX-License-Identifier: MIT */
/*
 * test_beam.c - beam search in the engine against one that computes every beam from its start,
 * alone: the same tokens and the same log-probabilities, however the engine runs it.
 */
#include "base/f16.h"
#include "engine/eval.h"
#include "engine/kvpool.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tiny_model.h"

enum { N_PROMPT = 45, N_GEN = 60, WIDTH = 5, CTX = 128, N_STOP = 12 };

struct hyp {
    int32_t id[N_GEN];
    float logprob[N_GEN];
    int n;
    double sum, score;
};

struct search {
    const struct gen_params *g;
    int32_t prompt[N_PROMPT];
    struct hyp live[WIDTH], done[WIDTH];
    int n_live, n_done;
    struct eval *eval;
    struct sampler *sampler;
    struct sample_logprob top[2 * WIDTH];
    int n_top;
};

static void prompt_of(int32_t *id)
{
    for (int i = 0; i < N_PROMPT; i++)
        id[i] = (i * 29 + i * i % 11) % TINY_VOCAB;
}

static void params(struct gen_params *g, int stops)
{
    gen_params_init(g);
    g->n_predict = N_GEN;
    g->beam_width = WIDTH;
    g->n_choices = WIDTH;
    g->n_logprobs = 0;
    for (int i = 0; i < stops; i++)
        g->stop_id[g->n_stop_id++] = i * 9 + 1;
}

/* --- the reference --- */

static bool take_row(void *arg, int row, const float *logits)
{
    struct search *s = arg;

    (void)row;
    s->n_top = sampler_logprobs(s->sampler, logits, s->top, 2 * WIDTH, NULL);
    return true;
}

static void add_done(struct search *s, struct hyp h)
{
    int worst = 0;

    h.score = h.sum / pow(h.n, s->g->length_penalty);
    if (s->n_done < WIDTH) {
        s->done[s->n_done++] = h;
        return;
    }
    for (int i = 1; i < WIDTH; i++)
        if (s->done[i].score <= s->done[worst].score) worst = i;
    if (h.score > s->done[worst].score) s->done[worst] = h;
}

static bool stops(const struct gen_params *g, int32_t id)
{
    for (int i = 0; i < g->n_stop_id; i++)
        if (g->stop_id[i] == id) return true;
    return false;
}

/* One step; false when the search is over. */
static bool advance(struct search *s)
{
    struct hyp cand[WIDTH * 2 * WIDTH], next[WIDTH];
    int n = 0, n_next = 0, taken = 0;
    double worst = INFINITY;

    for (int i = 0; i < s->n_live; i++) {
        struct eval_rows rows = { .take = take_row, .arg = s };
        int32_t id[N_PROMPT + N_GEN];
        memcpy(id, s->prompt, sizeof(s->prompt));
        memcpy(id + N_PROMPT, s->live[i].id, sizeof(s->live[i].id));
        assert_int_equal(eval_run(s->eval, id, N_PROMPT + s->live[i].n, &rows, NULL), BRRR_OK);
        for (int k = 0; k < s->n_top; k++) {
            struct hyp h = s->live[i];
            h.id[h.n] = s->top[k].id;
            h.logprob[h.n++] = s->top[k].logprob;
            h.sum += (double)s->top[k].logprob;
            cand[n++] = h;
        }
    }
    for (; taken < 2 * WIDTH && n_next < WIDTH; taken++) {
        int best = 0;
        for (int i = 1; i < n; i++)
            if (cand[i].sum > cand[best].sum) best = i;
        struct hyp h = cand[best];
        cand[best].sum = -INFINITY;
        if (!stops(s->g, h.id[h.n - 1])) next[n_next++] = h;
        else if (taken < WIDTH) add_done(s, h);
    }
    memcpy(s->live, next, sizeof(next));
    s->n_live = n_next;
    if (s->live[0].n == N_GEN) {
        for (int i = 0; i < n_next; i++)
            add_done(s, next[i]);
        return false;
    }
    if (s->n_done < WIDTH) return true;
    for (int i = 0; i < WIDTH; i++)
        worst = fmin(worst, s->done[i].score);
    return !s->g->early_stopping && worst < next[0].sum / pow(next[0].n, s->g->length_penalty);
}

static int by_score(const void *a, const void *b)
{
    const struct hyp *x = a, *y = b;

    return (x->score < y->score) - (x->score > y->score);
}

static void reference(const struct brrr_model *m, const struct gen_params *g, struct hyp out[WIDTH])
{
    struct engine_opts o = { .n_threads = 1, .ctx = CTX };
    static struct search s;

    memset(&s, 0, sizeof(s));
    s.g = g;
    s.n_live = 1;
    prompt_of(s.prompt);
    assert_int_equal(eval_new(&s.eval, m, &o, NULL), BRRR_OK);
    assert_int_equal(sampler_new(&s.sampler, TINY_VOCAB, &m->model->kernels, NULL), BRRR_OK);
    while (advance(&s))
        continue;
    qsort(s.done, WIDTH, sizeof(s.done[0]), by_score);
    memcpy(out, s.done, sizeof(s.done));
    eval_free(s.eval);
    sampler_free(s.sampler);
}

/* --- the engine --- */

struct company {
    struct engine_opts o;
    int n_other; /* other requests beside it                                  */
    int kv_part; /* quarters of what two searches need; 0: the default budget */
};

static void compare(const struct engine_event *ev, const struct hyp *want, int at[WIDTH])
{
    int c = ev->choice, i = at[c]++;

    assert_true(i < want[c].n);
    assert_int_equal(ev->token, want[c].id[i]);
    assert_memory_equal(&ev->chosen.logprob, &want[c].logprob[i], sizeof(float));
    assert_int_equal(ev->finish != BRRR_FINISH_NONE, i + 1 == want[c].n);
}

/* Returns how often the searches had to give way. */
static int run(const struct brrr_model *m, const struct company *c, const struct gen_params *g,
               const struct hyp *want)
{
    struct engine_event ev[LIMIT_PARALLEL];
    struct engine_opts o = c->o;
    static struct gen_params other;
    int32_t prompt[N_PROMPT];
    struct brrr_engine *e;
    struct brrr_error err;
    uint64_t id[2], rest;
    int at[2][WIDTH] = { 0 }, n, n_last = 0, n_preempted = 0;

    o.ctx = CTX;
    if (c->kv_part) {
        struct kvpool_opts k = { .ctx = CTX, .n_slot = WIDTH, .chunk = 256 };
        o.kv_bytes = (size_t)c->kv_part * kvpool_bytes(&m->model->hp, &k) / 4;
    }
    if (engine_open(&e, m, &o, &err)) fail_msg("%s", err.text);
    prompt_of(prompt);
    for (int i = 0; i < 2; i++)
        if (submit_ids(e, prompt, N_PROMPT, g, &id[i], &err)) fail_msg("%s", err.text);
    gen_params_init(&other);
    other.n_predict = 80;
    other.priority = 1; /* if there is not enough room the searches give way */
    for (int i = 0; i < 3; i++)
        assert_int_equal(engine_poll(e, ev, LIMIT_PARALLEL), 0);
    for (int i = 0; i < c->n_other; i++) {
        prompt[0] = i;
        assert_int_equal(submit_ids(e, prompt, N_PROMPT, &other, &rest, NULL), BRRR_OK);
    }
    while ((n = engine_poll(e, ev, LIMIT_PARALLEL)) >= 0)
        for (int i = 0; i < n; i++)
            for (int k = 0; k < 2; k++) {
                if (ev[i].id != id[k]) continue;
                compare(&ev[i], want, at[k]);
                n_last += ev[i].last;
                if (ev[i].finish) n_preempted += ev[i].timings.n_preempted;
            }
    assert_int_equal(n_last, 2);
    brrr_engine_close(e);
    return n_preempted;
}

static void same_as_computed_alone(void **state)
{
    static const struct tiny_spec specs[] = { { "llama", 2, 0, 256, QT_Q4_1 },
                                              { "gemma3", 7, 33, 256, QT_Q4_1 } };
    static const struct company companies[] = {
        { { .n_threads = 1, .n_parallel = WIDTH, .chunk = 256 }, 0, 0 },
        { { .n_threads = 2, .n_parallel = WIDTH, .chunk = 7, .no_prefix = true }, 0, 0 },
        { { .n_threads = 1, .n_parallel = 2 * WIDTH + 3, .chunk = 16 }, 6, 0 },
        { { .n_threads = 1, .n_parallel = WIDTH + 4, .chunk = 64 }, 6, 4 },
        { { .n_threads = 1, .n_parallel = WIDTH + 4, .chunk = 64, .no_prefix = true }, 4, 4 },
    };
    static struct gen_params g;
    static struct hyp want[WIDTH];
    int n_preempted = 0;

    (void)state;
    for (size_t k = 0; k < COUNT(specs); k++) {
        struct brrr_model m;
        struct tiny tiny;
        tiny_open(&m, &tiny, &specs[k], BRRR_PRECISION_Q8);
        for (int stop = 0; stop < 2; stop++)
            for (int early = 0; early < 2; early++) {
                params(&g, stop * N_STOP);
                g.early_stopping = early;
                g.length_penalty = early ? 0.5 : 1;
                reference(&m, &g, want);
                for (size_t c = 0; c < COUNT(companies); c++)
                    n_preempted += run(&m, &companies[c], &g, want);
            }
        tiny_close(&m, &tiny);
    }
    assert_true(n_preempted > 0);
}

static void refusals(void **state)
{
    struct engine_opts o = { .n_threads = 1, .ctx = CTX, .n_parallel = WIDTH };
    int32_t prompt[N_PROMPT];
    static struct gen_params g;
    struct brrr_engine *e;
    struct brrr_error err;
    struct brrr_model m;
    struct tiny tiny;
    uint64_t id;

    (void)state;
    tiny_open(&m, &tiny, &(struct tiny_spec){ "llama", 1, 0, 256, QT_Q4_1 }, BRRR_PRECISION_Q8);
    struct kvpool_opts k = { .ctx = CTX, .n_slot = 1, .chunk = 256 };
    o.kv_bytes = 2 * kvpool_bytes(&m.model->hp, &k);
    assert_int_equal(engine_open(&e, &m, &o, NULL), BRRR_OK);
    prompt_of(prompt);
    params(&g, 0);
    g.beam_width = g.n_choices = WIDTH + 1;
    assert_int_equal(submit_ids(e, prompt, N_PROMPT, &g, &id, &err), BRRR_E_LIMIT);
    assert_non_null(strstr(err.text, "beam_width is 6, 5 sequences"));
    g.beam_width = g.n_choices = WIDTH;
    g.n_predict = -1;
    assert_int_equal(submit_ids(e, prompt, N_PROMPT, &g, &id, &err), BRRR_E_LIMIT);
    assert_non_null(strstr(err.text, "5 beams of 128 tokens"));
    g.n_choices = WIDTH + 1;
    assert_int_equal(submit_ids(e, prompt, N_PROMPT, &g, &id, &err), BRRR_E_LIMIT);
    assert_non_null(strstr(err.text, "beam_width is 5, n is 6"));
    assert_int_equal(engine_poll(e, &(struct engine_event){ 0 }, 1), -1);
    brrr_engine_close(e);
    tiny_close(&m, &tiny);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_as_computed_alone),
        cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
