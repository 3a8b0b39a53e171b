/* SPDX-License-Identifier: MIT */
/* seq.c - see seq.h. */
#include "engine/seq.h"

#include <stdlib.h>

#include "engine/request.h"

/* Bytes of one event's text at most: a token's, what the decoder kept, what the stopper held. */
static size_t text_room(const struct tokenizer *t)
{
    return 2 * STOPPER_ROOM(detok_room(t)) + LIMIT_STOP_BYTES;
}

/* The answer goes on where the prompt ends: a first space is stripped only after a special token,
 * as at the start of a text. */
static void begin_text(struct seq *q)
{
    const struct gen_params *g = &q->r->gen;

    stopper_init(&q->stopper, g->stop, g->n_stop);
    q->stopper.keep = g->include_stop;
    if (!q->detok.t) return;
    detok_reset(&q->detok);
    detok_push(&q->detok, q->id[q->r->n_prompt - 1]);
}

/* Tokens that it may be given. */
static size_t most_made(const struct request *r)
{
    return (size_t)MAX(r->limit - r->n_prompt, 1);
}

/* Likeliest tokens that a step tells of each place. */
static size_t top_of(const struct request *r)
{
    return (size_t)MAX(MAX(r->gen.n_logprobs, 2 * r->gen.beam_width), 0);
}

/* *sum += a * b */
static bool add_product(size_t *sum, size_t a, size_t b)
{
    size_t more;

    return size_mul(&more, a, b) && size_add(sum, *sum, more);
}

size_t seq_bytes(const struct request *r, const struct brrr_model *m)
{
    const size_t one = sizeof(struct sample_logprob);
    size_t n_row = (size_t)r->n_row, n = most_made(r), sum = sizeof(struct seq);
    size_t quiet = sizeof(float) + (size_t)MAX(r->gen.n_logprobs, 0) * one;
    size_t row = sizeof(struct drawn) + top_of(r) * one;
    bool ok = add_product(&sum, (size_t)MAX(r->limit, r->n_prompt), sizeof(int32_t));

    if (m->tok) row += text_room(m->tok);
    ok = ok && add_product(&sum, n_row, row);
    if (m->tok) ok = ok && add_product(&sum, 2, detok_room(m->tok)); /* about */
    if (r->quiet) ok = ok && add_product(&sum, n, quiet);
    return ok ? sum : SIZE_MAX;
}

/* What a quiet sequence keeps of each token. */
static bool init_quiet(struct seq *q)
{
    size_t n = most_made(q->r), k = 0;

    if (q->r->gen.n_logprobs > 0 && !size_mul(&k, n, (size_t)q->r->gen.n_logprobs)) return false;
    q->logprob = calloc(n, sizeof(*q->logprob));
    if (k > 0) q->top = calloc(k, sizeof(*q->top));
    return q->logprob && (k == 0 || q->top);
}

/* What a step may draw. */
static bool init_drawn(struct seq *q)
{
    size_t n = (size_t)q->r->n_row, n_top = top_of(q->r);

    q->drawn = calloc(n, sizeof(*q->drawn));
    if (!q->drawn || n_top == 0) return q->drawn;
    struct sample_logprob *top = calloc(n * n_top, sizeof(*top));
    for (size_t i = 0; top && i < n; i++)
        q->drawn[i].top = top + i * n_top;
    return top;
}

enum brrr_status seq_init(struct seq *q, struct request *r, int choice, const struct brrr_model *m,
                          const int32_t *prompt, struct brrr_error *err)
{
    size_t cap = (size_t)MAX(r->limit, r->n_prompt);

    *q = (struct seq){ .r = r, .choice = choice, .slot = -1, .n = r->n_prompt };
    q->held = choice > 0;
    q->live = choice == 0;
    q->id = malloc(cap * sizeof(*q->id));
    if (!q->id) goto nomem;
    memcpy(q->id, prompt, (size_t)r->n_prompt * sizeof(*prompt));
    if (!init_drawn(q)) goto nomem;
    if (m->tok) {
        q->text_room = text_room(m->tok);
        q->text = malloc((size_t)r->n_row * q->text_room);
        if (!detok_init(&q->detok, m->tok, false) || !q->text) goto nomem;
    }
    if (r->quiet && !init_quiet(q)) goto nomem;
    begin_text(q);
    return BRRR_OK;

nomem:
    return fail(err, BRRR_E_NOMEM, "no memory for a request of %zu tokens", cap);
}

void seq_fini(struct seq *q)
{
    detok_fini(&q->detok);
    free(q->id);
    if (q->drawn) free(q->drawn[0].top); /* of all */
    free(q->drawn);
    draft_free(q->draft);
    free(q->text);
    free(q->logprob);
    free(q->top);
}

/* --- text --- */

/* The stopper's view of a piece of text, appended to the event's; text_room() is enough for all. */
static void put_text(struct seq *q, struct slice piece, struct engine_event *ev)
{
    char *text = q->text + (size_t)q->at * q->text_room;

    ev->text.p = text;
    ev->text.n += stopper_feed(&q->stopper, piece.p, piece.n, text + ev->text.n);
}

static void put_rest(struct seq *q, struct engine_event *ev)
{
    if (!q->detok.t) return;
    put_text(q, detok_flush(&q->detok), ev);
    char *text = q->text + (size_t)q->at * q->text_room;
    ev->text.n += stopper_flush(&q->stopper, text + ev->text.n);
}

bool seq_stops(const struct seq *q, const struct brrr_model *m, int32_t token)
{
    const struct gen_params *g = &q->r->gen;

    for (int i = 0; i < g->n_stop_id; i++)
        if (g->stop_id[i] == token) return true;
    return !g->ignore_eos && m->tok && tokenizer_is_stop(m->tok, token);
}

/* The text of a token that is the n-th of the sequence, and whether the answer ends with it. */
static void show(struct seq *q, const struct brrr_model *m, int32_t token, int n,
                 struct engine_event *ev)
{
    if (seq_stops(q, m, token)) {
        ev->finish = BRRR_FINISH_STOP;
    } else {
        if (q->detok.t) put_text(q, detok_push(&q->detok, token), ev);
        if (q->stopper.found) ev->finish = BRRR_FINISH_STOP;
        else if (n >= q->r->limit) ev->finish = BRRR_FINISH_LENGTH;
    }
    if (ev->finish != BRRR_FINISH_NONE) put_rest(q, ev);
}

/* --- tokens --- */

static void fill_timings(const struct seq *q, struct engine_timings *t)
{
    const struct request *r = q->r;

    t->n_prompt = r->n_prompt;
    t->n_cached = q->n_cached;
    t->n_preempted = q->n_preempted;
    t->n_gen = q->n - r->n_prompt;
    t->n_drafted = q->spec.n_drafted;
    t->n_accepted = q->spec.n_accepted;
    t->speedup = q->spec.spent_s > 0 ? q->spec.plain_s / q->spec.spent_s : 1;
    t->n_block = (q->n_done + KV_BLOCK - 1) / KV_BLOCK;
    t->itl_max_s = q->itl_max;
    t->queue_s = r->t_start > 0 ? r->t_start - r->t_submit : 0;
    t->prefill_s = t->n_gen > 0 ? q->t_first - r->t_start : 0;
    t->decode_s = t->n_gen > 0 ? q->t_last - q->t_first : 0;
}

static struct engine_event event_of(const struct seq *q)
{
    return (
        struct engine_event){ .id = q->r->id, .tag = q->r->tag, .choice = q->choice, .token = -1 };
}

void seq_end(struct seq *q, enum brrr_finish finish, struct engine_event *ev)
{
    if (q->r->quiet && q->n_shown == 0) begin_text(q); /* none of its text is out */
    *ev = event_of(q);
    ev->finish = q->finish = finish;
    put_rest(q, ev);
    fill_timings(q, &ev->timings);
}

void seq_draw(struct seq *q, struct sampler *s, const float *logits, int i)
{
    const struct gen_params *g = &q->r->gen;
    struct sample_in in = { .logits = logits,
                            .history = q->id,
                            .n_history = q->n + i,
                            .choice = (uint32_t)q->choice,
                            .position = (uint64_t)(q->n + i) };
    struct drawn *d = &q->drawn[i];
    if (q->n >= q->r->limit) return; /* n_predict is 0 */
    if (g->beam_width > 0) {
        d->n_top = sampler_logprobs(s, logits, d->top, 2 * g->beam_width, NULL);
        return;
    }
    d->token = sampler_next(s, &g->sample, &in);
    d->chosen = (struct sample_logprob){ .id = d->token };
    if (g->n_logprobs >= 0 || q->r->quiet)
        d->n_top = sampler_logprobs(s, logits, d->top, MAX(g->n_logprobs, 0), &d->chosen);
}

void seq_draw_all(struct seq *q, struct sampler *s, const float *logits)
{
    for (q->n_drawn = 0; q->n_drawn <= q->n_guess;) {
        int i = q->n_drawn++;
        seq_draw(q, s, logits + (size_t)i * (size_t)q->r->n_vocab, i);
        if (i < q->n_guess && q->drawn[i].token != q->id[q->n + i]) return;
    }
}

void seq_copy(struct seq *to, const struct seq *from)
{
    size_t n_gen = (size_t)(from->n - from->r->n_prompt);

    memcpy(to->id, from->id, (size_t)from->n * sizeof(*to->id));
    memcpy(to->logprob, from->logprob, n_gen * sizeof(*to->logprob));
    to->n = from->n;
    to->n_done = from->n_done;
    to->n_paid = from->n_paid;
    to->sum_logprob = from->sum_logprob;
    to->t_first = from->t_first;
    to->t_last = from->t_last;
    to->stopper = from->stopper;
    if (to->detok.t) detok_copy(&to->detok, &from->detok);
}

/* A quiet sequence keeps what its events will say. */
static void keep(struct seq *q, const struct drawn *d)
{
    int at = q->n - 1 - q->r->n_prompt, k = q->r->gen.n_logprobs;

    q->sum_logprob += (double)d->chosen.logprob;
    q->logprob[at] = d->chosen.logprob;
    for (int i = 0; i < k; i++)
        q->top[(size_t)at * (size_t)k + (size_t)i] =
            i < d->n_top ? d->top[i] : (struct sample_logprob){ .id = -1 };
}

void seq_take(struct seq *q, const struct brrr_model *m, double now, int i, struct engine_event *ev)
{
    const struct drawn *d = &q->drawn[i];

    q->at = i;

    if (q->n >= q->r->limit) {
        seq_end(q, BRRR_FINISH_LENGTH, ev);
        return;
    }
    *ev = event_of(q);
    ev->token = d->token;
    if (q->r->gen.n_logprobs >= 0) {
        ev->chosen = d->chosen;
        ev->top = d->top;
        ev->n_top = d->n_top;
    }
    q->id[q->n++] = d->token;
    q->t_last = now;
    if (q->n == q->r->n_prompt + 1) q->t_first = now;
    if (q->r->quiet) keep(q, d);
    show(q, m, d->token, q->n, ev);
    q->finish = ev->finish;
    if (ev->finish) fill_timings(q, &ev->timings);
}

void seq_show(struct seq *q, const struct brrr_model *m, struct engine_event *ev)
{
    int at = q->n_shown, n = q->r->n_prompt + at + 1, k = q->r->gen.n_logprobs;

    q->at = 0;
    if (at == 0) begin_text(q);
    if (n > q->n) { /* an answer of no token */
        seq_end(q, q->finish, ev);
        return;
    }
    *ev = event_of(q);
    ev->token = q->id[n - 1];
    if (k >= 0) ev->chosen = (struct sample_logprob){ ev->token, q->logprob[at] };
    if (k > 0) ev->top = q->top + (size_t)at * (size_t)k;
    while (ev->n_top < k && ev->top[ev->n_top].id >= 0)
        ev->n_top++;
    show(q, m, ev->token, n, ev);
    if (ev->finish) fill_timings(q, &ev->timings);
    q->n_shown++;
}
