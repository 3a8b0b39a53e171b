/* SPDX-License-Identifier: MIT */
/*
 * sim.c - random lives of the engine, by the million steps: the real scheduler, KV pool, prefix
 * cache, requests and sampler over an architecture that costs nothing (hash_model.h) and a
 * clock that is simulated.
 *
 * A life is an engine of random size and habits, and a few hundred requests of every kind that
 * arrive, are cancelled, preempted, forked and rolled back. After every poll blocks must
 * balance and nobody who has waited too long may be passed by; every answer must be the one
 * that the definition gives without any engine. Some engines guess tokens, keep blocks on a disk
 * that fails, or aim at a time between tokens; in some lives one user asks without end beside
 * another.
 *
 *     sim [--seed S] [--seconds T | --lives N] [--life K] [--verbose]
 *
 * Life K of seed S is always the same, so a failure is repeated by `--seed S --life K`; but for
 * lives with a disk, whose threads are as fast as they are, and for means over all lives.
 */
#include "base/f16.h"
#include "engine/kvdisk.h"
#include "sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>
#include <cmocka.h>

#include "tiny_model.h"

_Static_assert((int)WIDTH == (int)TINY_D, "sim.h says how wide the tiny model is");

struct sim_total total;
static uint64_t sim_seed, sim_life;
static const char *shown_kind = "?";

_Noreturn void die(const struct life *l, const char *what, int64_t a, int64_t b)
{
    fprintf(stderr,
            "sim: %s (%lld, %lld)\n"
            "sim: life %llu of seed %llu (%s), poll %llu (%llu in all): slots %d, chunk %d, "
            "policy %s, %s, guesses %s%s%s, itl %g\n"
            "sim: again: tests/sim/sim --seed %llu --life %llu\n",
            what, (long long)a, (long long)b, (unsigned long long)sim_life,
            (unsigned long long)sim_seed, shown_kind, (unsigned long long)l->n_poll,
            (unsigned long long)(total.polls + l->n_poll), l->o.n_parallel, l->o.chunk,
            sched_policy_name(l->o.policy), l->o.no_prefix ? "no prefix cache" : "prefix cache",
            draft_name(l->o.speculate), *l->disk ? ", disk" : "", l->flood ? ", flood" : "",
            l->o.itl_s, (unsigned long long)sim_seed, (unsigned long long)sim_life);
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

static bool has_user(const struct life *l, uint64_t user)
{
    for (int i = 0; i < l->n_live; i++)
        if (l->ask[i].user == user) return true;
    return false;
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
    /* Of equal priority: the highest goes first, whoever has it. */
    if (l->flood) a->gen.priority = 0;
    a->user = l->flood ? 0 : (uint64_t)below(5);
    if (l->flood && one_in(4) && !has_user(l, QUIET)) a->user = QUIET;
    a->step = l->e->n_step;
    a->salt = one_in(5) ? 1 + (uint64_t)below(SALTS - 1) : 0;
    struct engine_request q = { .prompt = a->prompt,
                                .n_prompt = (size_t)a->n_prompt,
                                .gen = &a->gen,
                                .user = a->user,
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

/* --- living --- */

static struct ask *find(struct life *l, uint64_t id)
{
    for (int i = 0; i < l->n_live; i++)
        if (l->ask[i].id == id) return &l->ask[i];
    return NULL;
}

/* The conversation goes on from the answer. */
static void go_on(struct life *l, const struct ask *a)
{
    struct talk *t = &l->talk[a->chat];

    if (one_in(2) && a->n_prompt + a->n[0] < MAX_PROMPT) {
        memcpy(t->id, a->prompt, (size_t)a->n_prompt * sizeof(*t->id));
        memcpy(t->id + a->n_prompt, a->token[0], (size_t)a->n[0] * sizeof(*t->id));
        t->n = a->n_prompt + a->n[0];
    }
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
    go_on(l, a);
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
    double now = world_now();
    int n = engine_poll(l->e, ev, one_in(4) ? 1 + below(EVENTS) : EVENTS);

    l->n_poll++;
    l->n_idle = n > 0 || l->e->n_step != l->n_step ? 0 : l->n_idle + 1;
    l->n_step = l->e->n_step;
    if (l->n_idle > MAX_IDLE && l->n_live > 0) die(l, "nothing happens", l->n_live, n);
    for (int i = 0; i < n; i++)
        take_event(l, &ev[i]);
    check_order(l, now);
    check_waits(l);
    check_pace(l);
    if (one_in(8)) {
        check_blocks(l);
        check_queue(l);
    }
    if (l->e->ev_at == l->e->n_ev) world_pass(1e-3 + 1e-4 * below(400));
    return n >= 0;
}

/* --- what an engine is like: one row for each habit, and how rare it is --- */

static struct brrr_model *models; /* [COUNT(kinds)] */

static void habit_crowd(struct life *l)
{
    l->o.n_parallel = 1 + below(20);
}
static void habit_small_chunks(struct life *l)
{
    l->o.chunk = 1 + below(20);
}
static void habit_no_cache(struct life *l)
{
    l->o.no_prefix = true;
}
static void habit_pace(struct life *l)
{
    l->o.itl_s = hash_step_s + hash_row_s * (20 + below(150));
}
/* Everybody asks the same model, so that its guesses are right, or one with another window. */
static void habit_guesses(struct life *l)
{
    l->o.speculate = (enum draft_kind)(1 + below(DRAFT_KINDS - 1));
    l->o.draft_max = 1 + below(8);
    l->o.draft_all = one_in(2);
    l->o.draft_model = one_in(2) ? l->m : &models[below(4)];
}
static void habit_repetition(struct life *l)
{
    (void)l;
    hash_period = 3 + below(10);
}
static void habit_flood(struct life *l)
{
    l->flood = true;
    l->o.policy = SCHED_FAIR;
    l->o.n_parallel = 1 + below(3);
    l->busy = 1;
}
static void habit_disk(struct life *l)
{
    static const struct world_faults faults[] = { { 0, 0, 0 }, { 0, 0, 20 }, { 500, 50, 0 } };

    world_folder(l->disk);
    world_disk(faults[below(COUNT(faults))]);
    l->o.kv_disk = l->disk;
    l->o.kv_disk_bytes = (size_t)(64 + below(1024)) << 10;
}

static const struct {
    int one_in;
    void (*habit)(struct life *l);
} habits[] = {
    { 3, habit_crowd },      { 3, habit_small_chunks }, { 4, habit_no_cache }, { 3, habit_pace },
    { 2, habit_repetition }, { 2, habit_guesses },      { 6, habit_flood },    { 6, habit_disk },
};

static void draw_engine(struct life *l, const struct brrr_model *m)
{
    struct kvpool_opts k = { .ctx = CTX, .n_slot = 1 + below(5) };

    l->o = (struct engine_opts){ .n_threads = 1,
                                 .ctx = CTX,
                                 .n_parallel = 1 + below(6),
                                 .chunk = 1 + below(200),
                                 .policy = (enum sched_policy)below(SCHED_POLICIES) };
    l->busy = 1 + below(30);
    hash_period = 0;
    for (size_t i = 0; i < COUNT(habits); i++)
        if (one_in(habits[i].one_in)) habits[i].habit(l);
    k.chunk = MAX(l->o.chunk, 1 + l->o.draft_max);
    l->o.kv_bytes = kvpool_bytes(&m->model->hp, &k) * (size_t)(4 + below(4)) / 4;
}

static void open_engine(struct life *l)
{
    struct brrr_error err;

    if (engine_open(&l->e, l->m, &l->o, &err)) die(l, err.text, 0, 0);
    l->n_step = 0;
    l->seen_step = UINT64_MAX;
}

/* Until nobody is left; then nothing is in use. */
static void close_engine(struct life *l)
{
    struct metrics x;
    struct kvdisk_stats d = { 0 };

    while (poll_once(l))
        continue;
    if (l->n_live > 0) die(l, "requests without an end", l->n_live, 0);
    check_blocks(l);
    engine_metrics(l->e, &x);
    if (x.kv.n_used > 0) die(l, "blocks in use when nobody runs", x.kv.n_used, 0);
    total.preempted += x.n_preempted;
    total.cached += x.n_cached;
    total.forked += x.kv.copied;
    total.drafted += x.n_drafted;
    total.accepted += x.n_accepted;
    if (l->e->disk) kvdisk_stats(l->e->disk, &d);
    total.disk_read += d.n_read;
    total.disk_bad += d.n_bad + d.n_error;
    brrr_engine_close(l->e);
}

static void live(struct brrr_model *m, struct sampler *s, uint64_t n)
{
    static struct life l;
    int n_poll = 200 + below(1500);

    memset(&l, 0, sizeof(l));
    l.m = m;
    l.sampler = s;
    sim_life = n;
    draw_engine(&l, m);
    struct engine_opts alone = {
        .n_threads = 1, .ctx = CTX, .chunk = 64, .n_parallel = MAX_CHOICES, .no_prefix = true
    };
    open_engine(&l);
    if (engine_open(&l.alone, m, &alone, NULL)) die(&l, "no engine to be alone in", 0, 0);
    for (int i = 0; i < n_poll; i++) {
        int burst = one_in(l.busy) ? 1 + (one_in(10) ? below(30) : 0) : 0;
        while (burst-- > 0)
            arrive(&l);
        if (one_in(60)) cancel_one(&l);
        poll_once(&l);
        if (!*l.disk || i != n_poll / 2) continue;
        close_engine(&l); /* what is on disk stays */
        open_engine(&l);
    }
    close_engine(&l);
    check_late(&l);
    total.lives++;
    total.polls += l.n_poll;
    brrr_engine_close(l.alone);
    world_disk((struct world_faults){ 0 });
    if (*l.disk) world_remove(l.disk);
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
    double t0 = world_wall();

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
    models = m;
    if (sampler_new(&s, HASH_VOCAB, &m[0].model->kernels, NULL)) return 1;
    printf("sim: seed %llu\n", (unsigned long long)sim_seed);
    fflush(stdout);
    catch_crashes();
    for (uint64_t n = one ? only : first; one       ? n == only
                                          : n_lives ? n <= n_lives
                                                    : world_wall() - t0 < (double)seconds;
         n++) {
        chance_begin(sim_seed, n);
        size_t k = n % COUNT(kinds);
        shown_kind = kinds[k].window == 0 ? "full" : kinds[k].n_layer == 1 ? "window" : "both";
        live(&m[k], s, n);
        if (verbose) printf("life %llu: %s\n", (unsigned long long)n, shown_kind);
    }
    double t = world_wall() - t0;
    printf("sim: %llu lives, %llu polls (%.0f a second), %llu requests (%llu cancelled, %llu "
           "refused), %llu tokens, "
           "%llu preemptions, %llu cached, %llu blocks copied, %llu tokens checked: all as alone\n",
           (unsigned long long)total.lives, (unsigned long long)total.polls,
           (double)total.polls / t, (unsigned long long)total.requests,
           (unsigned long long)total.cancelled, (unsigned long long)total.refused,
           (unsigned long long)total.tokens, (unsigned long long)total.preempted,
           (unsigned long long)total.cached, (unsigned long long)total.forked,
           (unsigned long long)total.checked);
    printf(
        "sim: %llu guesses, %llu right; %llu blocks from disk, %llu reads and writes bad; a quiet "
        "user waited %llu steps of a flood, at most %llu; %llu of %llu steps longer than asked\n",
        (unsigned long long)total.drafted, (unsigned long long)total.accepted,
        (unsigned long long)total.disk_read, (unsigned long long)total.disk_bad,
        (unsigned long long)(total.waited / MAX(total.quiet, 1)),
        (unsigned long long)total.longest_wait, (unsigned long long)total.late,
        (unsigned long long)total.mixed);
    sampler_free(s);
    for (size_t k = 0; k < COUNT(kinds); k++)
        tiny_close(&m[k], &file[k]);
    return 0;
}
