/* SPDX-License-Identifier: MIT */
/*
 * guess.c - guesses of next tokens, and what was right of them; see run.h.
 *
 * Lossless: each place is drawn from the model's own logits with that place's own random number
 * and the tokens before it, and a guess is accepted where it equals what was drawn. So the
 * tokens are those of decoding one by one, to the bit of every log-probability. Rows of wrong
 * guesses leave nothing behind: their blocks are cut off before anybody could read them.
 * Source: the verification of Leviathan et al., arXiv:2211.17192, with the random numbers fixed.
 */
#include <stdlib.h>

#include "engine/run.h"
#include "engine/second.h"

enum {
    SHARED = 32768,  /* tokens of earlier answers in each of the two generations              */
    MODEL_MATCH = 5, /* a draft model's first guess is as good as one after so long a match  */
    LEAD_IN = 8,     /* tokens of the prompt before an answer that is kept: how it began       */
};

/* A further row takes no less than this part of a step of one: on two cores of a Zen 5 it was 0.07.
 */
static const double ROW_LEAST = 0.04;
/* Of the time in which something decodes, for tries of a draft model that does not pay; and saved
 * up no more than so many steps take, for those are in the next one. */
static const double TRY_PART = 0.01, TRY_MOST = 8;

enum brrr_status guess_open(struct brrr_engine *e, struct brrr_error *err)
{
    if (e->o.speculate == DRAFT_SUFFIX) return draft_shared_new(&e->shared, SHARED, err);
    if (e->o.speculate != DRAFT_MODEL) return BRRR_OK;
    e->job = calloc((size_t)e->o.n_parallel, sizeof(*e->job));
    if (!e->job) return fail(err, BRRR_E_NOMEM, "no memory for a draft model");
    struct model_cost c;
    model_cost(&c, e->o.draft_model->model, KV_F16);
    e->second_size = cost_weight_bytes(&c) / cost_weight_bytes(&e->cost);
    return second_new(&e->second, &e->o, MAX(e->o.n_threads, e->o.n_threads_decode), err);
}

void guess_close(struct brrr_engine *e)
{
    draft_shared_free(e->shared);
    second_free(e->second);
    free(e->job);
}

/* Who has a salt shares with those of the same salt only: not what is guessed either. */
static bool may_share(const struct brrr_engine *e, const struct request *r)
{
    return e->shared && r->salt == 0;
}

enum brrr_status guess_attach(struct brrr_engine *e, struct request *r, struct brrr_error *err)
{
    const struct draft_shared *shared = may_share(e, r) ? e->shared : NULL;
    enum brrr_status st = BRRR_OK;

    for (int i = 0; r->n_row > 1 && !st && i < r->n_seq; i++) {
        spec_init(&r->seq[i].spec, &e->experience);
        st = draft_new(&r->seq[i].draft, e->o.speculate, r->limit, shared, err);
    }
    return st;
}

static bool decodes(const struct seq *q)
{
    return q->n_done + 1 == q->n && q->n > q->r->n_prompt;
}

/* What the step will hold beside guesses: sequences that decode, and about how much of prompts. */
static void survey(struct brrr_engine *e)
{
    int64_t reading = e->head ? e->o.chunk : 0;

    e->n_plain = 0;
    for (int i = 0; i < e->o.n_parallel; i++) {
        struct seq *q = e->slot[i];
        if (!q) continue;
        q->n_guess = 0;
        if (decodes(q)) e->n_plain++;
        else if (!q->r->beams) reading += q->n - q->n_done;
    }
    e->n_reading = (int)MIN(reading, e->o.chunk);
}

static double step_seconds(const void *arg, int rows)
{
    const struct brrr_engine *e = arg;

    /* Where steps of one row were disturbed more than others, more rows look free. They are not. */
    double plain = pace_step_seconds(&e->pace, e->n_reading, e->n_plain);
    double least = plain * (1 + ROW_LEAST * (rows - e->n_plain) / MAX(e->n_plain, 1));
    return MAX(pace_step_seconds(&e->pace, e->n_reading, rows), least);
}

/* What a guess of the draft model takes: by the size of the models, before it is known. */
static double second_price(const struct brrr_engine *e)
{
    double known = second_guess_seconds(e->second);

    return known > 0 ? known : e->second_size * pace_seconds(&e->pace, 1);
}

/* The same with this sequence's share of what must be read first, over the tokens that it may still
 * come to. A try reads all of it. */
static void price_of(struct brrr_engine *e, struct seq *q, struct spec_cost *c)
{
    if (!e->second) return;
    double guess = second_price(e);
    double read = second_read_seconds(e->second, q->slot, q->order, q->n, guess);
    c->guess_s = guess + read / MAX(q->r->limit - q->n, 1);
    c->try_s = guess + read;
    c->try_left = e->try_s;
}

/* Where a draft model does not pay it is tried again for a small part of the time: it was judged by
 * other texts, or while the machine was busy. */
static void save_for_tries(struct brrr_engine *e)
{
    double step = e->n_plain > 0 ? step_seconds(e, e->n_plain) : 0;

    if (e->second && step > 0) e->try_s = MIN(e->try_s + TRY_PART * step, TRY_MOST * step);
}

/* How many of n guesses to verify, or to make, when a match of so many tokens stands before them.
 */
static int length(struct brrr_engine *e, struct seq *q, int n, const struct spec_cost *c)
{
    return e->o.draft_all ? MAX(n, 0) : spec_length(&q->spec, q->match, n, c);
}

/* The draft model makes the guesses that were asked for. */
static void ask_second(struct brrr_engine *e)
{
    int n = 0;

    for (int i = 0; i < e->o.n_parallel; i++) {
        struct seq *q = e->slot[i];
        if (!q || q->n_guess == 0) continue;
        e->job[n++] = (struct second_job){ .sample = &q->r->gen.sample,
                                           .slot = i,
                                           .order = q->order,
                                           .choice = q->choice,
                                           .id = q->id,
                                           .n = q->n,
                                           .want = q->n_guess };
    }
    second_guess(e->second, e->pool, e->job, n);
    for (int i = 0; i < n; i++)
        e->slot[e->job[i].slot]->n_guess = e->job[i].got;
}

void guess_plan(struct brrr_engine *e)
{
    struct spec_cost c = { .seconds = step_seconds, .arg = e };
    int left = e->n_guess_max;

    if (left == 0) return;
    survey(e);
    save_for_tries(e);
    c.rows = e->n_plain - 1;
    c.tokens = e->n_plain - 1;

    for (int i = 0; i < e->o.n_parallel && left > 0; i++) {
        struct seq *q = e->slot[i];
        if (!q || q->r->n_row == 1 || !decodes(q)) continue;
        int n = MIN(MIN(e->o.draft_max, left), q->r->limit - q->n - 1);
        q->match = MODEL_MATCH;
        price_of(e, q, &c);
        if (q->draft) n = draft_guess(q->draft, q->id, q->n, q->id + q->n, n, &q->match);
        q->n_guess = length(e, q, n, &c);
        if (q->spec.tries) e->try_s -= c.try_s;
        left -= q->n_guess;
        c.rows += q->n_guess;
        c.tokens += spec_tokens(&q->spec, q->match, q->n_guess) - 1;
    }
    if (e->second) ask_second(e);
}

/* The same tokens one a step, and how it was, by what steps of so many rows take. */
static void note_times(struct brrr_engine *e, struct seq *q, int n_taken)
{
    double plain = step_seconds(e, e->n_plain) * n_taken;
    double spent = step_seconds(e, e->now.n_decode + e->now.n_draft);

    if (e->second) spent += e->now.n_draft * second_price(e);

    q->spec.plain_s += plain;
    q->spec.spent_s += spent;
    e->metrics.plain_s += plain;
    e->metrics.spent_s += spent;
}

void guess_verified(struct brrr_engine *e, struct seq *q, int n_taken)
{
    int n = q->n_guess, n_right = MIN(q->n_drawn - 1, n_taken);

    if (q->r->n_row > 1 && e->n_plain > 0) note_times(e, q, n_taken);
    if (n > 0) {
        spec_learn(&q->spec, q->match, n, n_right, &e->experience, &e->metrics.spec);
        e->metrics.n_drafted += (uint64_t)n;
        e->metrics.n_accepted += (uint64_t)n_right;
        q->n_done += n_right;
        q->n_guess = 0;
        if (e->second) second_right(e->second, q->slot, n_right);
        kvpool_truncate(e->kv, q->slot, q->n_done);
    }
    if (!q->finish || q->n == q->r->n_prompt || !may_share(e, q->r)) return;
    int from = MAX(q->r->n_prompt - LEAD_IN, 0);
    draft_shared_learn(e->shared, q->id + from, q->n - from);
}
