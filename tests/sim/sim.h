/* SPDX-License-Identifier: MIT */
/*
 * sim.h - one simulated life, for the files that live it (sim.c), know what must come of it
 * (truth.c) and look at it between polls (balance.c).
 */
#ifndef TESTS_SIM_SIM_H
#define TESTS_SIM_SIM_H

#include "engine/run.h"
#include "hash_model.h"
#include "wish.h"
#include "world.h"

enum {
    MAX_PROMPT = 260,
    WIDTH = 64,    /* of the model: TINY_D */
    MAX_LIVE = 96, /* requests of a life that have not ended             */
    MAX_CHAT = 24, /* conversations that go on                           */
    MAX_PAST = 8192,
    PAST_ID = 1 << 21,
    SALTS = 3,
    BY_CHANCE = 4,  /* tokens that a prompt may share with an answer that was not shown */
    MAX_IDLE = 200, /* polls without a step or an event, while there are requests */
    EVENTS = 64,
    QUIET = 1,        /* the user who does not flood                          */
    MOST_WAIT = 1000, /* steps that this one waits to begin, at most          */
};

/* A request and what came of it. */
struct ask {
    uint64_t id;
    int32_t prompt[MAX_PROMPT];
    int n_prompt, n_end, chat; /* chat: the conversation it belongs to, or -1 */
    struct gen_params gen;
    uint64_t salt, user;
    uint64_t step; /* of the engine, when it came */
    bool began;    /* it was given its first row  */
    int n[MAX_CHOICES];
    int32_t token[MAX_CHOICES][CTX];
    enum brrr_finish finish[MAX_CHOICES];
    int n_read; /* tokens of the prompt whose log-probabilities came */
    struct sample_logprob read[MAX_PROMPT], likeliest[MAX_PROMPT];
    float embedding[WIDTH];
    bool cancelled;
};

/* All sequences of one salt that were ever submitted or answered, one after the other. */
struct past {
    int n, n_id, end[MAX_PAST];
};

/* Its answers are chosen of several. */
static inline bool is_ranked(const struct ask *a)
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
    uint64_t n_step, n_idle; /* steps of the engine; polls since the last step or event */
    bool flood;              /* user 0 asks without end, user QUIET once at a time           */
    char disk[64];           /* the folder of the second tier; "": there is none              */
    uint64_t seen_step;      /* by check_pace() */
    int n_mixed, n_late; /* steps of prompts beside decoding ones; of them, beyond what was asked */
    struct past past[SALTS];         /* what may be in the cache, by salt                       */
    int32_t past_id[SALTS][PAST_ID]; /* their tokens                                            */
};

/* What all lives together did. */
extern struct sim_total {
    uint64_t lives, polls, requests, cancelled, tokens, preempted, cached, forked, checked, refused;
    uint64_t drafted, accepted, disk_read, disk_bad, quiet, waited, longest_wait, mixed, late;
} total;

/* Says what is wrong and how to have it again, and ends the process. */
_Noreturn void die(const struct life *l, const char *what, int64_t a, int64_t b);

/* --- truth.c --- */

/* This may be found in the cache from now on: id and what follows it. */
void remember(struct life *l, const struct ask *a, const int32_t *id, int n, const int32_t *more,
              int n_more);
/* Nothing comes from the cache but what was there under the same salt. */
void check_cached(const struct life *l, const struct ask *a, int n_cached);
/* A request that has ended: its answers are those of the definition, and end where they must. */
void check(struct life *l, const struct ask *a);

/* --- balance.c --- */

void check_blocks(struct life *l);
void check_queue(const struct life *l);
/* `now`: when the last poll began. */
void check_order(struct life *l, double now);
void check_waits(struct life *l);
/* The last step, and all of them at the end of a life. */
void check_pace(struct life *l);
void check_late(struct life *l);

#endif
