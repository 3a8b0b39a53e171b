/* SPDX-License-Identifier: MIT */
/* truth.c - what every answer must be, and what the cache may have; see sim.h. */
#include "sim.h"

#include <stddef.h>

#include "engine/sampler.h"

/* --- what the cache may have --- */

void remember(struct life *l, const struct ask *a, const int32_t *id, int n, const int32_t *more,
              int n_more)
{
    struct past *p = &l->past[a->salt];
    int32_t *to = l->past_id[a->salt] + p->n_id;

    if (p->n == MAX_PAST || p->n_id + n + n_more > PAST_ID) die(l, "MAX_PAST is too small", 0, 0);
    memcpy(to, id, (size_t)n * sizeof(*id));
    if (n_more > 0) memcpy(to + n, more, (size_t)n_more * sizeof(*more));
    p->end[p->n++] = p->n_id += n + n_more;
}

/* What another salt computed must not even be seen in the times. */
void check_cached(const struct life *l, const struct ask *a, int n_cached)
{
    const struct past *p = &l->past[a->salt];
    const int32_t *id = l->past_id[a->salt];
    bool itself = false;
    int best = 0;

    for (int i = 0, at = 0; i < p->n; at = p->end[i++]) {
        int n = MIN(p->end[i] - at, a->n_prompt), same = 0;
        while (same < n && id[at + same] == a->prompt[same])
            same++;
        /* Its own prompt, once: others may have been the same. */
        if (!itself && same == a->n_prompt && p->end[i] - at == a->n_prompt) itself = true;
        else best = MAX(best, same);
    }
    if (n_cached > MIN(best + BY_CHANCE, a->n_prompt - 1))
        die(l, "more is cached than was ever computed", n_cached, best);
    if (n_cached > 0 && l->o.no_prefix) die(l, "cached without a cache", n_cached, 0);
    if (n_cached > 0 && (a->gen.n_prompt_logprobs >= 0 || a->gen.embed == EMBED_MEAN))
        die(l, "cached, though every row was to be looked at", n_cached, 0);
}

/* --- the truth --- */

static struct hash_alone begin_alone(const struct life *l, uint64_t *state)
{
    const struct hparams *hp = &l->m->model->hp;
    struct hash_alone h = { .state = state, .window = hp->window };

    for (int i = 0; i < hp->n_layer; i++)
        *(model_kv_kind(hp, i) == KV_FULL ? &h.full : &h.windowed) = true;
    return h;
}

static bool same_logprob(const struct sample_logprob *a, const struct sample_logprob *b)
{
    return a->id == b->id && memcmp(&a->logprob, &b->logprob, sizeof(a->logprob)) == 0;
}

/* What was asked of the prompt itself, by the definition. */
static void check_read(struct life *l, const struct ask *a)
{
    static uint64_t state[CTX];
    static float logits[HASH_VOCAB];
    struct hash_alone h = begin_alone(l, state);
    float row[WIDTH];
    double sum[WIDTH] = { 0 };
    int want = a->gen.n_prompt_logprobs >= 0 ? a->n_prompt - 1 : 0;

    if (a->n_read > want || (!a->cancelled && a->n_read < want))
        die(l, "how many tokens of the prompt were told?", a->n_read, want);
    for (int p = 0; p < a->n_prompt && (a->n_read > 0 || a->gen.embed); p++) {
        uint64_t x = hash_alone_next(&h, a->prompt[p]);
        struct sample_logprob chosen = { .id = a->prompt[(p + 1) % a->n_prompt] }, top[1];
        hash_logits(logits, x, a->prompt[p]);
        sampler_logprobs(l->sampler, logits, top, 1, &chosen);
        if (p < a->n_read && !same_logprob(&chosen, &a->read[p]))
            die(l, "a log-probability of the prompt is wrong", p, chosen.id);
        if (p < a->n_read && a->gen.n_prompt_logprobs > 0 && !same_logprob(top, &a->likeliest[p]))
            die(l, "the likeliest in a prompt is wrong", p, top->id);
        hash_hidden(row, WIDTH, x);
        for (int i = 0; i < WIDTH; i++)
            sum[i] = (a->gen.embed == EMBED_MEAN ? sum[i] : 0) + (double)row[i];
    }
    for (int i = 0; i < WIDTH && a->gen.embed && !a->cancelled; i++) {
        float x = (float)(sum[i] / (a->gen.embed == EMBED_MEAN ? a->n_prompt : 1));
        if (x != a->embedding[i]) die(l, "an embedding is wrong", i, 0);
    }
}

/* Choice c of a request by the definition, token after token, beside what came. */
static void check_drawn(struct life *l, const struct ask *a, int c)
{
    static uint64_t state[CTX];
    static float logits[HASH_VOCAB];
    struct hash_alone h = begin_alone(l, state);
    int32_t history[CTX];
    uint64_t x = 0;

    for (int i = 0; i < a->n_prompt; i++)
        x = hash_alone_next(&h, history[i] = a->prompt[i]);
    for (int i = 0; i < a->n[c]; i++) {
        struct sample_in in = { .logits = logits,
                                .history = history,
                                .n_history = a->n_prompt + i,
                                .choice = (uint32_t)c,
                                .position = (uint64_t)(a->n_prompt + i) };
        if (i < a->gen.min_tokens)
            in.ban[0] = (struct sample_ids){ a->gen.stop_id, a->gen.n_stop_id };
        hash_logits(logits, x, history[a->n_prompt + i - 1]);
        int32_t want = sampler_next(l->sampler, &a->gen.sample, &in);
        if (a->token[c][i] != want) die(l, "a token is not the one it should be", i, want);
        x = hash_alone_next(&h, history[a->n_prompt + i] = want);
    }
    total.checked += (uint64_t)a->n[c];
}

/* Where an answer must end: at a stop token, the asked length or the end of the context. */
static void check_end(const struct life *l, const struct ask *a, int c)
{
    int most = a->gen.n_predict < 0 ? CTX : MIN(a->n_prompt + a->gen.n_predict, CTX), stop = -1;

    if (a->gen.embed) most = a->n_prompt;
    for (int i = a->gen.min_tokens; i < a->n[c] && stop < 0; i++)
        for (int k = 0; k < a->gen.n_stop_id; k++)
            if (a->token[c][i] == a->gen.stop_id[k]) stop = i;
    bool at_stop = stop >= 0 && stop == a->n[c] - 1;
    bool full = a->n_prompt + a->n[c] == most;
    if (a->finish[c] == BRRR_FINISH_STOP ? !at_stop : !full || stop >= 0)
        die(l, "an answer ends where it should not", a->n[c], most);
}

/* best_of and beams rank answers: the same request again, in an engine that has nothing else. */
static void check_ranked(struct life *l, const struct ask *a)
{
    struct engine_request q = { .prompt = a->prompt,
                                .n_prompt = (size_t)a->n_prompt,
                                .gen = &a->gen };
    struct engine_event ev[EVENTS];
    int at[MAX_CHOICES] = { 0 }, n;
    uint64_t id;

    if (engine_submit(l->alone, &q, &id, NULL)) die(l, "refused when alone", 0, 0);
    while ((n = engine_poll(l->alone, ev, EVENTS)) >= 0)
        for (int i = 0; i < n; i++) {
            int c = ev[i].choice;
            if (ev[i].token < 0 || ev[i].prompt) continue;
            if (at[c] >= a->n[c] || a->token[c][at[c]] != ev[i].token)
                die(l, "a ranked answer differs from the one alone", c, at[c]);
            at[c]++;
        }
    for (int c = 0; c < a->gen.n_choices; c++)
        if (at[c] != a->n[c]) die(l, "a ranked answer is longer than alone", c, a->n[c]);
}

void check(struct life *l, const struct ask *a)
{
    bool ranked = is_ranked(a);

    for (int c = 0; c < a->gen.n_choices; c++) {
        if (a->finish[c] == BRRR_FINISH_NONE) die(l, "an answer has no end", c, 0);
        if (!ranked) check_drawn(l, a, c);
        if (a->finish[c] != BRRR_FINISH_CANCELLED) check_end(l, a, c);
    }
    if (ranked && !a->cancelled) check_ranked(l, a);
    check_read(l, a);
}
