/* SPDX-License-Identifier: MIT */
/* request.c - see request.h. */
#include "engine/request.h"

#include <stdlib.h>

#include "base/clock.h"

/* Bytes of one event's text at most: a token's, what the decoder kept, what the stopper held. */
static size_t text_room(const struct tokenizer *t)
{
    return 2 * STOPPER_ROOM(detok_room(t)) + LIMIT_STOP_BYTES;
}

enum brrr_status request_new(struct request **out, const struct brrr_model *m,
                             const int32_t *prompt, size_t n_prompt, const struct gen_params *gen,
                             struct brrr_error *err)
{
    struct request *r = calloc(1, sizeof(*r));

    *out = NULL;
    if (!r) goto nomem;
    for (size_t i = 0; i < n_prompt; i++)
        if (ids_push(&r->ids, prompt[i])) goto nomem;
    r->n_prompt = (int)n_prompt;
    r->slot = -1;
    r->gen = *gen;
    if (gen->n_logprobs > 0) {
        r->top = calloc((size_t)gen->n_logprobs, sizeof(*r->top));
        if (!r->top) goto nomem;
    }
    if (m->tok) {
        r->text = malloc(text_room(m->tok));
        if (!detok_init(&r->detok, m->tok, false) || !r->text) goto nomem;
        /* The answer goes on where the prompt ends: a first space is stripped only after a
         * special token, as at the start of a text. */
        detok_push(&r->detok, prompt[n_prompt - 1]);
    }
    stopper_init(&r->stopper, gen->stop, gen->n_stop);
    r->t_submit = clock_now();
    *out = r;
    return BRRR_OK;

nomem:
    request_free(r);
    return fail(err, BRRR_E_NOMEM, "no memory for a request of %zu tokens", n_prompt);
}

enum brrr_status request_limit(struct request *r, int limit, struct brrr_error *err)
{
    size_t cap = MAX((size_t)limit, r->ids.n);
    int32_t *p = realloc(r->ids.id, cap * sizeof(*p));

    if (!p) return fail(err, BRRR_E_NOMEM, "no memory for a request of %zu tokens", cap);
    r->ids.id = p;
    r->ids.cap = cap;
    r->limit = limit;
    return BRRR_OK;
}

void request_free(struct request *r)
{
    if (!r) return;
    detok_fini(&r->detok);
    ids_free(&r->ids);
    free(r->top);
    free(r->text);
    free(r);
}

/* The stoppers' view of a piece of text, appended to the event's; text_room() is enough for all. */
static void put_text(struct request *r, struct slice piece, struct engine_event *ev)
{
    ev->text.p = r->text;
    ev->text.n += stopper_feed(&r->stopper, piece.p, piece.n, r->text + ev->text.n);
}

static void put_rest(struct request *r, struct engine_event *ev)
{
    if (!r->detok.t) return;
    put_text(r, detok_flush(&r->detok), ev);
    ev->text.n += stopper_flush(&r->stopper, r->text + ev->text.n);
}

static bool is_stop(const struct request *r, const struct brrr_model *m, int32_t token)
{
    for (int i = 0; i < r->gen.n_stop_id; i++)
        if (r->gen.stop_id[i] == token) return true;
    return !r->gen.ignore_eos && m->tok && tokenizer_is_stop(m->tok, token);
}

static void fill_timings(const struct request *r, struct engine_timings *t)
{
    t->n_prompt = r->n_prompt;
    t->n_cached = r->n_cached;
    t->n_preempted = r->n_preempted;
    t->n_gen = (int)r->ids.n - r->n_prompt;
    t->queue_s = r->t_start > 0 ? r->t_start - r->t_submit : 0;
    t->prefill_s = t->n_gen > 0 ? r->t_first - r->t_start : 0;
    t->decode_s = t->n_gen > 0 ? r->t_last - r->t_first : 0;
}

void request_end(struct request *r, enum brrr_finish finish, struct engine_event *ev)
{
    *ev = (struct engine_event){ .id = r->id, .token = -1, .finish = finish };
    put_rest(r, ev);
    fill_timings(r, &ev->timings);
}

void request_step(struct request *r, const struct brrr_model *m, struct sampler *s,
                  const float *logits, struct engine_event *ev)
{
    struct sample_in in = {
        .logits = logits, .history = r->ids.id, .n_history = (int)r->ids.n, .position = r->ids.n
    };

    if ((int)r->ids.n >= r->limit) { /* n_predict is 0 */
        request_end(r, BRRR_FINISH_LENGTH, ev);
        return;
    }
    int32_t token = sampler_next(s, &r->gen.sample, &in);
    *ev = (struct engine_event){ .id = r->id, .token = token, .chosen = { .id = token } };
    if (r->gen.n_logprobs >= 0) {
        ev->n_top = sampler_logprobs(s, logits, r->top, r->gen.n_logprobs, &ev->chosen);
        ev->top = r->top;
    }
    r->ids.id[r->ids.n++] = token; /* request_limit() took the room */
    r->t_last = clock_now();
    if ((int)r->ids.n == r->n_prompt + 1) r->t_first = r->t_last;

    if (is_stop(r, m, token)) {
        ev->finish = BRRR_FINISH_STOP;
    } else {
        if (r->detok.t) put_text(r, detok_push(&r->detok, token), ev);
        if (r->stopper.found) ev->finish = BRRR_FINISH_STOP;
        else if ((int)r->ids.n >= r->limit) ev->finish = BRRR_FINISH_LENGTH;
    }
    if (ev->finish == BRRR_FINISH_NONE) return;
    put_rest(r, ev);
    fill_timings(r, &ev->timings);
}
