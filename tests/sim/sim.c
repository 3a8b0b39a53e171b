/* SPDX-License-Identifier: MIT */
/*
 * sim.c - random lives of the engine, by the million steps: the real scheduler, KV pool, prefix
 * cache, requests and sampler over an architecture that costs nothing (hash_model.h) and a
 * clock that is simulated.
 *
 * A life is an engine of random size and habits, and a few hundred requests of every kind that
 * arrive, are cancelled, preempted, forked and rolled back. After every poll blocks must
 * balance and nobody who has waited too long may be passed by; every answer must be the one
 * that the definition gives without any engine.
 *
 *     sim [--seed S] [--seconds T | --lives N] [--life K] [--verbose]
 *
 * Life K of seed S is always the same, so a failure is repeated by `--seed S --life K`.
 */
#include "base/f16.h"
#include "base/rng.h"
#include "engine/run.h"
#include "hash_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "tiny_model.h"
#include "wish.h"

enum {
    MAX_PROMPT = 260,
    MAX_LIVE = 96, /* requests of a life that have not ended             */
    MAX_CHAT = 24, /* conversations that go on                           */
    MAX_PAST = 8192,
    PAST_ID = 1 << 21,
    SALTS = 3,
    BY_CHANCE = 4,  /* tokens that a prompt may share with an answer that was not shown */
    MAX_IDLE = 200, /* polls without a step or an event, while there are requests */
    EVENTS = 64,
};

/* --- the clock --- */

static double sim_now = 1000;

int __wrap_clock_gettime(clockid_t id, struct timespec *t);
int __real_clock_gettime(clockid_t id, struct timespec *t);

int __wrap_clock_gettime(clockid_t id, struct timespec *t)
{
    (void)id;
    t->tv_sec = (time_t)sim_now;
    t->tv_nsec = (long)((sim_now - (double)t->tv_sec) * 1e9);
    return 0;
}

static double wall(void)
{
    struct timespec t;

    __real_clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static uint64_t sim_seed, sim_life;

/* --- a life --- */

/* A request and what came of it. */
struct ask {
    uint64_t id;
    int32_t prompt[MAX_PROMPT];
    int n_prompt, n_end, chat; /* chat: the conversation it belongs to, or -1 */
    struct gen_params gen;
    uint64_t salt;
    int n[MAX_CHOICES];
    int32_t token[MAX_CHOICES][CTX];
    enum brrr_finish finish[MAX_CHOICES];
    int n_read; /* tokens of the prompt whose log-probabilities came */
    struct sample_logprob read[MAX_PROMPT], likeliest[MAX_PROMPT];
    float embedding[TINY_D];
    bool cancelled;
};

/* All sequences of one salt that were ever submitted or answered, one after the other. */
struct past {
    int n, n_id, end[MAX_PAST];
};

/* Its answers are chosen of several. */
static bool is_ranked(const struct ask *a)
{
    return a->gen.beam_width > 0 || a->gen.best_of > a->gen.n_choices;
}

/* A conversation: what the next prompt of it starts with. */
struct talk {
    int32_t id[MAX_PROMPT];
    int n;
};

struct life {
    struct brrr_model *m;
    struct sampler *sampler;
    struct brrr_engine *e, *alone; /* alone: for what must be ranked */
    struct engine_opts o;
    struct ask ask[MAX_LIVE];
    int n_live;
    struct talk talk[MAX_CHAT];
    int busy; /* one arrival in so many polls */
    uint64_t n_poll;
    uint64_t n_step, n_idle;         /* steps of the engine; polls since the last step or event */
    struct past past[SALTS];         /* what may be in the cache, by salt                       */
    int32_t past_id[SALTS][PAST_ID]; /* their tokens                                            */
};

/* What all lives together did. */
static struct {
    uint64_t lives, polls, requests, cancelled, tokens, preempted, cached, forked, checked, refused;
} total;

static const char *shown_kind = "?";

static void die(const struct life *l, const char *what, int64_t a, int64_t b)
{
    fprintf(stderr,
            "sim: %s (%lld, %lld)\n"
            "sim: life %llu of seed %llu (%s), poll %llu (%llu in all): slots %d, chunk %d, "
            "policy %s, %s\n"
            "sim: again: tests/sim/sim --seed %llu --life %llu\n",
            what, (long long)a, (long long)b, (unsigned long long)sim_life,
            (unsigned long long)sim_seed, shown_kind, (unsigned long long)l->n_poll,
            (unsigned long long)(total.polls + l->n_poll), l->o.n_parallel, l->o.chunk,
            sched_policy_name(l->o.policy), l->o.no_prefix ? "no prefix cache" : "prefix cache",
            (unsigned long long)sim_seed, (unsigned long long)sim_life);
    exit(1);
}

/* An assertion or worse: how to have it again. */
static void on_crash(int sig)
{
    char text[128];
    int n = snprintf(text, sizeof(text),
                     "sim: signal %d; again: tests/sim/sim --seed %llu --life %llu\n", sig,
                     (unsigned long long)sim_seed, (unsigned long long)sim_life);

    if (write(STDERR_FILENO, text, (size_t)n) < 0) _exit(1);
    signal(sig, SIG_DFL);
    raise(sig);
}

/* Sanitizers have handlers that say more. */
static void catch_crashes(void)
{
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    signal(SIGSEGV, on_crash);
#endif
    signal(SIGABRT, on_crash);
}

/* A prompt: a conversation that goes on, or one that begins like another. */
static void draw_prompt(struct life *l, struct ask *a)
{
    struct talk *t;

    a->chat = below(MAX_CHAT);
    t = &l->talk[a->chat];
    if (t->n == 0 || t->n + 40 > MAX_PROMPT || one_in(10)) {
        const struct talk *like = &l->talk[below(MAX_CHAT)];
        t->n = like->n > 0 ? below(like->n) : 0;
        memmove(t->id, like->id, (size_t)t->n * sizeof(*t->id));
    }
    int more = 1 + (one_in(4) ? below(MAX_PROMPT - t->n - 1) : below(30));
    for (int i = 0; i < more && t->n < MAX_PROMPT; i++)
        t->id[t->n++] = below(HASH_VOCAB);
    a->n_prompt = t->n;
    memcpy(a->prompt, t->id, (size_t)t->n * sizeof(*t->id));
}

/* --- what the cache may have --- */

static void remember(struct life *l, const struct ask *a, const int32_t *id, int n,
                     const int32_t *more, int n_more)
{
    struct past *p = &l->past[a->salt];
    int32_t *to = l->past_id[a->salt] + p->n_id;

    if (p->n == MAX_PAST || p->n_id + n + n_more > PAST_ID) die(l, "MAX_PAST is too small", 0, 0);
    memcpy(to, id, (size_t)n * sizeof(*id));
    if (n_more > 0) memcpy(to + n, more, (size_t)n_more * sizeof(*more));
    p->end[p->n++] = p->n_id += n + n_more;
}

/* Nothing comes from the cache but what was there under the same salt: what another salt computed
 * must not even be seen in the times. */
static void check_cached(const struct life *l, const struct ask *a, int n_cached)
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

static void arrive(struct life *l)
{
    struct ask *a = &l->ask[l->n_live];
    struct brrr_error err;

    if (l->n_live == MAX_LIVE) return;
    memset(a, 0, sizeof(*a));
    draw_prompt(l, a);
    gen_params_init(&a->gen);
    wish_all(&a->gen);
    a->salt = one_in(5) ? 1 + (uint64_t)below(SALTS - 1) : 0;
    struct engine_request q = { .prompt = a->prompt,
                                .n_prompt = (size_t)a->n_prompt,
                                .gen = &a->gen,
                                .user = (uint64_t)below(5),
                                .salt = a->salt };
    enum brrr_status st = engine_submit(l->e, &q, &a->id, &err);
    if (st == BRRR_E_LIMIT) { /* too many beams for this engine, or a prompt too long */
        total.refused++;
        return;
    }
    if (st) die(l, err.text, st, 0);
    total.requests++;
    l->n_live++;
    remember(l, a, a->prompt, a->n_prompt, NULL, 0);
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
    float row[TINY_D];
    double sum[TINY_D] = { 0 };
    int want = a->gen.n_prompt_logprobs >= 0 ? a->n_prompt - 1 : 0;

    if (a->n_read > want || (!a->cancelled && a->n_read < want))
        die(l, "how many tokens of the prompt were told?", a->n_read, want);
    for (int p = 0; p < a->n_prompt && (a->n_read > 0 || a->gen.embed); p++) {
        uint64_t x = hash_alone_next(&h, a->prompt[p]);
        struct sample_logprob chosen = { .id = a->prompt[(p + 1) % a->n_prompt] }, top[1];
        hash_logits(logits, x);
        sampler_logprobs(l->sampler, logits, top, 1, &chosen);
        if (p < a->n_read && !same_logprob(&chosen, &a->read[p]))
            die(l, "a log-probability of the prompt is wrong", p, chosen.id);
        if (p < a->n_read && a->gen.n_prompt_logprobs > 0 && !same_logprob(top, &a->likeliest[p]))
            die(l, "the likeliest in a prompt is wrong", p, top->id);
        hash_hidden(row, TINY_D, x);
        for (int i = 0; i < TINY_D; i++)
            sum[i] = (a->gen.embed == EMBED_MEAN ? sum[i] : 0) + (double)row[i];
    }
    for (int i = 0; i < TINY_D && a->gen.embed && !a->cancelled; i++) {
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
        hash_logits(logits, x);
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

static void check(struct life *l, struct ask *a)
{
    bool ranked = is_ranked(a);

    for (int c = 0; c < a->gen.n_choices; c++) {
        if (a->finish[c] == BRRR_FINISH_NONE) die(l, "an answer has no end", c, 0);
        if (!ranked) check_drawn(l, a, c);
        if (a->finish[c] != BRRR_FINISH_CANCELLED) check_end(l, a, c);
    }
    if (ranked && !a->cancelled) check_ranked(l, a);
    check_read(l, a);
    /* The conversation goes on from the answer. */
    struct talk *t = &l->talk[a->chat];
    if (one_in(2) && a->n_prompt + a->n[0] < MAX_PROMPT) {
        memcpy(t->id, a->prompt, (size_t)a->n_prompt * sizeof(*t->id));
        memcpy(t->id + a->n_prompt, a->token[0], (size_t)a->n[0] * sizeof(*t->id));
        t->n = a->n_prompt + a->n[0];
    }
}

/* --- what must hold between polls --- */

/* Blocks in use are those that tables name, each once. */
static void check_blocks(struct life *l)
{
    static uint64_t seen[KV_KINDS][4096];
    const struct kv_view *v = kvpool_view(l->e->kv);
    struct kvpool_stats s;
    int n = 0;

    kvpool_stats(l->e->kv, &s);
    memset(seen, 0, sizeof(seen));
    for (int k = 0; k < KV_KINDS; k++)
        for (int slot = 0; slot < l->o.n_parallel; slot++)
            for (int b = 0; b < (CTX + KV_BLOCK - 1) / KV_BLOCK; b++) {
                int32_t x = v->table[k][slot][b];
                if (x < 0) continue;
                const struct seq *q = l->e->slot[slot];
                if (!q) die(l, "a slot that is free holds a block", slot, x);
                if (q->r->beams && !q->live) die(l, "a beam that died holds a block", slot, x);
                if (x >= 4096 * 64) die(l, "a block's number is too large", x, 0);
                n += !(seen[k][x / 64] >> (x % 64) & 1);
                seen[k][x / 64] |= (uint64_t)1 << (x % 64);
            }
    if (n != s.n_used) die(l, "blocks do not balance", n, s.n_used);
    if (s.used + s.cached > s.budget) die(l, "more blocks than the budget has", 0, 0);
}

static bool is_old(const struct seq *q, double now)
{
    return now - q->r->t_submit > 10;
}

/* The first of those that wait and are old, or NULL. */
static const struct seq *first_old(const struct life *l, double now)
{
    const struct seq *q = l->e->head;

    while (q && !is_old(q, now))
        q = q->next;
    return q;
}

/* Who waits stands in order of arrival, those that had to give way too. */
static void check_queue(const struct life *l)
{
    int n = 0;

    for (const struct seq *q = l->e->head; q; q = q->next, n++)
        if (q->next && q->next->order <= q->order)
            die(l, "the queue is out of order", (int64_t)q->order, (int64_t)q->next->order);
    if (n != l->e->n_waiting) die(l, "how many wait?", n, l->e->n_waiting);
}

/* First come, first served: nobody begins before one who has waited for too long. Who that is
 * between users is tests/unit/test_sched_sim.c's. */
static void check_order(struct life *l, double now)
{
    const struct seq *old = first_old(l, now);

    if (!old || l->o.policy != SCHED_FCFS) return;
    for (int i = 0; i < l->o.n_parallel; i++) {
        const struct seq *q = l->e->slot[i];
        if (q && q->r->t_start == now && q->order > old->order && !is_old(q, now) &&
            old->n_preempted == 0)
            die(l, "a newer request began before an old one", (int64_t)q->order,
                (int64_t)old->order);
    }
}

/* --- living --- */

static struct ask *find(struct life *l, uint64_t id)
{
    for (int i = 0; i < l->n_live; i++)
        if (l->ask[i].id == id) return &l->ask[i];
    return NULL;
}

static void take_read(struct life *l, struct ask *a, const struct engine_event *ev)
{
    int i = a->n_read++;

    for (int c = 0; c < a->gen.n_choices; c++)
        if (a->n[c] > 0) die(l, "the prompt is told after the answer began", i, c);
    if (i + 1 >= a->n_prompt || ev->token != a->prompt[i + 1] || ev->last || ev->finish)
        die(l, "which token of the prompt?", i, ev->token);
    if (ev->n_top != MIN(MAX(a->gen.n_prompt_logprobs, 0), HASH_VOCAB))
        die(l, "how many of the likeliest?", i, ev->n_top);
    a->read[i] = ev->chosen;
    if (ev->n_top > 0) a->likeliest[i] = ev->top[0];
}

static void take_event(struct life *l, const struct engine_event *ev)
{
    struct ask *a = find(l, ev->id);
    int c = ev->choice;

    if (!a) die(l, "an event of a request that has ended", (int64_t)ev->id, c);
    if (a->finish[c]) die(l, "an event of an answer that has ended", (int64_t)ev->id, c);
    if (ev->prompt) {
        take_read(l, a, ev);
        return;
    }
    if ((ev->n_embedding > 0) != (a->gen.embed && ev->finish == BRRR_FINISH_LENGTH))
        die(l, "an embedding?", ev->n_embedding, ev->finish);
    if (ev->n_embedding > 0) memcpy(a->embedding, ev->embedding, sizeof(a->embedding));
    if (ev->token >= 0) {
        if (a->n_prompt + a->n[c] >= CTX) die(l, "more tokens than the context holds", c, 0);
        a->token[c][a->n[c]++] = ev->token;
        total.tokens++;
    }
    if (ev->token < 0 && a->n[c] > 0 && ev->finish != BRRR_FINISH_CANCELLED)
        die(l, "an end that came after its last token", (int64_t)ev->id, c);
    a->finish[c] = ev->finish;
    /* The first answer began from the cache, further ones from the first. */
    if (ev->finish && c == 0 && !is_ranked(a)) check_cached(l, a, ev->timings.n_cached);
    if ((ev->finish == BRRR_FINISH_CANCELLED) != a->cancelled && ev->finish)
        if (!a->cancelled) die(l, "cancelled by nobody", (int64_t)ev->id, c);
    a->n_end += ev->finish != BRRR_FINISH_NONE;
    if (ev->last != (a->n_end == a->gen.n_choices)) die(l, "which event is the last?", c, a->n_end);
    if (!ev->last) return;
    check(l, a);
    for (int i = 0; i < a->gen.n_choices; i++)
        remember(l, a, a->prompt, a->n_prompt, a->token[i], a->n[i]);
    *a = l->ask[--l->n_live];
}

/* After a cancellation and a poll for all that is pending a request is gone. */
static void cancel_one(struct life *l)
{
    struct engine_event ev[EVENTS];
    int n, rounds = 0;

    if (l->n_live == 0) return;
    struct ask *a = &l->ask[below(l->n_live)];
    uint64_t id = a->id;
    engine_cancel(l->e, id);
    if (one_in(3)) engine_cancel(l->e, id); /* twice is once */
    a->cancelled = true;
    total.cancelled++;
    /* What is pending is handed out, and then at most one step's news. */
    do {
        n = engine_poll(l->e, ev, EVENTS);
        for (int i = 0; i < n; i++)
            take_event(l, &ev[i]);
    } while (find(l, id) && (n == EVENTS || rounds++ < 2));
    if (find(l, id)) die(l, "a cancelled request goes on", (int64_t)id, 0);
}

static bool poll_once(struct life *l)
{
    struct engine_event ev[EVENTS];
    double now = sim_now;
    int n = engine_poll(l->e, ev, one_in(4) ? 1 + below(EVENTS) : EVENTS);

    l->n_poll++;
    l->n_idle = n > 0 || l->e->n_step != l->n_step ? 0 : l->n_idle + 1;
    l->n_step = l->e->n_step;
    if (l->n_idle > MAX_IDLE && l->n_live > 0) die(l, "nothing happens", l->n_live, n);
    for (int i = 0; i < n; i++)
        take_event(l, &ev[i]);
    check_order(l, now);
    if (one_in(8)) {
        check_blocks(l);
        check_queue(l);
    }
    if (l->e->ev_at == l->e->n_ev) sim_now += 1e-3 + 1e-4 * below(400);
    return n >= 0;
}

static void draw_engine(struct life *l, const struct brrr_model *m)
{
    struct kvpool_opts k = { .ctx = CTX, .n_slot = 1 + below(5) };

    l->o = (struct engine_opts){ .n_threads = 1,
                                 .ctx = CTX,
                                 .n_parallel = 1 + below(one_in(3) ? 20 : 6),
                                 .chunk = one_in(3) ? 1 + below(20) : 1 + below(200),
                                 .policy = (enum sched_policy)below(SCHED_POLICIES),
                                 .no_prefix = one_in(4) };
    k.chunk = l->o.chunk;
    l->o.kv_bytes = kvpool_bytes(&m->model->hp, &k) * (size_t)(4 + below(4)) / 4;
    l->busy = 1 + below(30);
}

static void live(struct brrr_model *m, struct sampler *s, uint64_t n)
{
    static struct life l;
    struct brrr_error err;
    struct metrics x;
    int n_poll = 200 + below(1500);

    memset(&l, 0, sizeof(l));
    l.m = m;
    l.sampler = s;
    sim_life = n;
    draw_engine(&l, m);
    struct engine_opts alone = {
        .n_threads = 1, .ctx = CTX, .chunk = 64, .n_parallel = MAX_CHOICES, .no_prefix = true
    };
    if (engine_open(&l.e, m, &l.o, &err)) die(&l, err.text, 0, 0);
    if (engine_open(&l.alone, m, &alone, &err)) die(&l, err.text, 0, 0);
    for (int i = 0; i < n_poll; i++) {
        int burst = one_in(l.busy) ? 1 + (one_in(10) ? below(30) : 0) : 0;
        while (burst-- > 0)
            arrive(&l);
        if (one_in(60)) cancel_one(&l);
        poll_once(&l);
    }
    while (poll_once(&l))
        continue;
    if (l.n_live > 0) die(&l, "requests without an end", l.n_live, 0);
    check_blocks(&l);
    engine_metrics(l.e, &x);
    if (x.kv.n_used > 0) die(&l, "blocks in use when nobody runs", x.kv.n_used, 0);
    total.lives++;
    total.polls += l.n_poll;
    total.preempted += x.n_preempted;
    total.cached += x.n_cached;
    total.forked += x.kv.copied;
    brrr_engine_close(l.e);
    brrr_engine_close(l.alone);
}

static const struct tiny_spec kinds[] = {
    { "llama", 1, 0, 512, QT_Q4_1 },   /* full layers       */
    { "llama", 1, 50, 512, QT_Q4_1 },  /* window layers     */
    { "gemma3", 6, 70, 512, QT_Q4_1 }, /* both              */
    { "gemma3", 6, 20, 512, QT_Q4_1 }, /* a window shorter than a block */
};

static uint64_t number(const char *s)
{
    return s ? strtoull(s, NULL, 10) : 0;
}

int main(int argc, char **argv)
{
    struct brrr_model m[COUNT(kinds)];
    struct tiny file[COUNT(kinds)];
    struct sampler *s;
    uint64_t n_lives = 0, only = 0, seconds = 20, first = 1;
    bool verbose = false, one = false;
    double t0 = wall();

    sim_seed = 1;
    for (int i = 1; i < argc; i++) {
        const char *v = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--seed") == 0) sim_seed = number(v);
        else if (strcmp(argv[i], "--seconds") == 0) seconds = number(v);
        else if (strcmp(argv[i], "--lives") == 0) n_lives = number(v);
        else if (strcmp(argv[i], "--life") == 0) only = number(v), one = true;
        else verbose = verbose || strcmp(argv[i], "--verbose") == 0;
    }
    for (size_t k = 0; k < COUNT(kinds); k++)
        tiny_open(&m[k], &file[k], &kinds[k], BRRR_PRECISION_Q8);
    if (sampler_new(&s, HASH_VOCAB, &m[0].model->kernels, NULL)) return 1;
    printf("sim: seed %llu\n", (unsigned long long)sim_seed);
    fflush(stdout);
    catch_crashes();
    for (uint64_t n = one ? only : first; one       ? n == only
                                          : n_lives ? n <= n_lives
                                                    : wall() - t0 < (double)seconds;
         n++) {
        uint32_t bits[4], ctr[4] = { (uint32_t)n, (uint32_t)(n >> 32), 0, 0 };
        uint32_t key[2] = { (uint32_t)sim_seed, (uint32_t)(sim_seed >> 32) };
        rng_philox(bits, ctr, key);
        chance_state = (uint64_t)bits[0] << 32 | bits[1];
        size_t k = n % COUNT(kinds);
        shown_kind = kinds[k].window == 0 ? "full" : kinds[k].n_layer == 1 ? "window" : "both";
        live(&m[k], s, n);
        if (verbose) printf("life %llu: %s\n", (unsigned long long)n, shown_kind);
    }
    double t = wall() - t0;
    printf("sim: %llu lives, %llu polls (%.0f a second), %llu requests (%llu cancelled, %llu "
           "refused), %llu tokens, "
           "%llu preemptions, %llu cached, %llu blocks copied, %llu tokens checked: all as alone\n",
           (unsigned long long)total.lives, (unsigned long long)total.polls,
           (double)total.polls / t, (unsigned long long)total.requests,
           (unsigned long long)total.cancelled, (unsigned long long)total.refused,
           (unsigned long long)total.tokens, (unsigned long long)total.preempted,
           (unsigned long long)total.cached, (unsigned long long)total.forked,
           (unsigned long long)total.checked);
    sampler_free(s);
    for (size_t k = 0; k < COUNT(kinds); k++)
        tiny_close(&m[k], &file[k]);
    return 0;
}
