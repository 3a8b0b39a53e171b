/* SPDX-License-Identifier: MIT */
/* draft.c - see draft.h. */
#include "engine/draft.h"

#include <stdlib.h>

#include "base/limits.h"
#include "engine/suffix.h"
#include "text/hash.h"

enum {
    NGRAM = 4,      /* the longest that is looked up                              */
    MATCH_MAX = 32, /* how far back a match is followed: longer ones are as good  */
    FEED = 4096,    /* tokens that are looked at in one call                      */
};

struct draft_shared {
    struct suffix *gen[2]; /* young, old                                  */
    uint64_t turn;         /* how often they changed places: cursors start again */
};

struct draft {
    const struct draft_ops *ops;
    int cap, n; /* tokens: at most, and seen so far */

    /* ngram: by length the places after the newest n-gram of each kind, 0: free slot. */
    uint64_t key;
    size_t mask;
    int32_t *place[NGRAM];

    /* suffix */
    struct suffix *own;
    const struct draft_shared *shared;
    struct suffix_at at[2]; /* in shared->gen */
    uint64_t turn;
};

struct draft_ops {
    size_t (*bytes)(int cap);
    enum brrr_status (*init)(struct draft *d, struct brrr_error *err);
    void (*feed)(struct draft *d, const int32_t *id, int n);
    int (*guess)(struct draft *d, const int32_t *id, int n, int32_t *out, int cap, int *match);
};

/* --- ngram --- */

static size_t ngram_slots(int cap)
{
    size_t slots = 8;

    while (slots < 2 * (size_t)cap)
        slots *= 2;
    return slots;
}

static size_t ngram_bytes(int cap)
{
    return NGRAM * ngram_slots(cap) * sizeof(int32_t);
}

static enum brrr_status ngram_init(struct draft *d, struct brrr_error *err)
{
    size_t slots = ngram_slots(d->cap);

    d->mask = slots - 1;
    d->key = hash_key();
    for (int k = 0; k < NGRAM; k++) {
        d->place[k] = calloc(d->mask + 1, sizeof(*d->place[k]));
        if (!d->place[k])
            return fail(err, BRRR_E_NOMEM, "no memory to look up %d tokens for guesses", d->cap);
    }
    return BRRR_OK;
}

/* Where the place of the k tokens before id[n] is kept, or would be. */
static int32_t *ngram_slot(const struct draft *d, const int32_t *id, int n, int k)
{
    const int32_t *gram = id + n - k;
    size_t bytes = (size_t)k * sizeof(*id);
    size_t i = hash_bytes(d->key, (const char *)gram, bytes) & d->mask;

    for (;; i = (i + 1) & d->mask) {
        int32_t *p = &d->place[k - 1][i];
        if (*p == 0 || memcmp(id + *p - k, gram, bytes) == 0) return p;
    }
}

/* What ends before the newest token has something that follows. */
static void ngram_feed(struct draft *d, const int32_t *id, int n)
{
    for (int i = MAX(d->n, 1); i < n; i++)
        for (int k = 1; k <= MIN(i, NGRAM); k++)
            *ngram_slot(d, id, i, k) = i;
}

static int ngram_guess(struct draft *d, const int32_t *id, int n, int32_t *out, int cap, int *match)
{
    for (int k = MIN(n, NGRAM); k >= 1; k--) {
        int from = *ngram_slot(d, id, n, k), len = k;
        if (from == 0) continue;
        while (len < MATCH_MAX && len < from && id[from - len - 1] == id[n - len - 1])
            len++;
        *match = len;
        /* Past its own end a guess goes on with itself: the text repeats. */
        for (int i = 0; i < cap; i++)
            out[i] = from + i < n ? id[from + i] : out[from + i - n];
        return cap;
    }
    return 0;
}

static const struct draft_ops ngram_ops = { ngram_bytes, ngram_init, ngram_feed, ngram_guess };

/* --- suffix --- */

static enum brrr_status suffix_init(struct draft *d, struct brrr_error *err)
{
    return suffix_new(&d->own, d->cap, err);
}

static void suffix_follow(struct draft *d, const int32_t *id, int n)
{
    int from = d->n;

    if (d->turn != d->shared->turn) {
        d->turn = d->shared->turn;
        d->at[0] = d->at[1] = (struct suffix_at){ 0 };
        from = 0;
    }
    /* What lies further back makes a match longer than anybody asks. */
    for (int i = MAX(from, n - MATCH_MAX); i < n; i++)
        for (int g = 0; g < 2; g++)
            d->at[g] = suffix_step(d->shared->gen[g], d->at[g], id[i]);
}

static void suffix_feed_own(struct draft *d, const int32_t *id, int n)
{
    if (d->shared) suffix_follow(d, id, n);
    for (int i = d->n; i < n; i++)
        suffix_feed(d->own, id[i]);
}

static int suffix_guess_best(struct draft *d, const int32_t *id, int n, int32_t *out, int cap,
                             int *match)
{
    const struct suffix *s = d->own;
    struct suffix_at at = suffix_seen(s);

    (void)id;
    (void)n;
    for (int g = 0; d->shared && g < 2; g++) {
        if (d->at[g].len <= at.len) continue;
        at = d->at[g];
        s = d->shared->gen[g];
    }
    *match = MIN(at.len, MATCH_MAX);
    return at.len > 0 ? suffix_guess(s, at, out, cap) : 0;
}

static const struct draft_ops suffix_ops = { suffix_bytes, suffix_init, suffix_feed_own,
                                             suffix_guess_best };

enum brrr_status draft_shared_new(struct draft_shared **out, int n_token, struct brrr_error *err)
{
    struct draft_shared *s = calloc(1, sizeof(*s));
    enum brrr_status st;

    *out = NULL;
    if (!s) return fail(err, BRRR_E_NOMEM, "no memory for guesses");
    st = suffix_new(&s->gen[0], n_token, err);
    if (!st) st = suffix_new(&s->gen[1], n_token, err);
    if (st) {
        draft_shared_free(s);
        return st;
    }
    *out = s;
    return BRRR_OK;
}

void draft_shared_free(struct draft_shared *s)
{
    if (!s) return;
    suffix_free(s->gen[0]);
    suffix_free(s->gen[1]);
    free(s);
}

void draft_shared_learn(struct draft_shared *s, const int32_t *id, int n)
{
    if (suffix_room(s->gen[0]) < n) {
        struct suffix *old = s->gen[1];
        s->gen[1] = s->gen[0];
        s->gen[0] = old;
        suffix_clear(old);
        s->turn++;
    }
    suffix_break(s->gen[0]);
    for (int i = 0; i < n; i++) /* of one longer than everything: its beginning */
        suffix_feed(s->gen[0], id[i]);
}

/* --- all of them --- */

static const struct {
    const char *name;
    const struct draft_ops *ops;
} drafters[] = {
#define DRAFTER(id, name, ops, help) [id] = { name, ops },
#include "engine/draft.def"
#undef DRAFTER
};

const char *draft_name(enum draft_kind k)
{
    return drafters[k].name;
}

enum draft_kind draft_find(const char *name)
{
    int k = 0;

    while (k < DRAFT_KINDS && strcmp(drafters[k].name, name) != 0)
        k++;
    return (enum draft_kind)k;
}

static int cap_of(int n_token)
{
    return MIN(n_token, LIMIT_DRAFT_INDEX);
}

size_t draft_bytes(enum draft_kind k, int n_token)
{
    const struct draft_ops *ops = drafters[k].ops;

    return ops ? sizeof(struct draft) + ops->bytes(cap_of(n_token)) : 0;
}

enum brrr_status draft_new(struct draft **out, enum draft_kind k, int n_token,
                           const struct draft_shared *shared, struct brrr_error *err)
{
    struct draft *d;
    enum brrr_status st;

    *out = NULL;
    if (!drafters[k].ops) return BRRR_OK;
    if (!(d = calloc(1, sizeof(*d)))) return fail(err, BRRR_E_NOMEM, "no memory for guesses");
    d->ops = drafters[k].ops;
    d->cap = cap_of(n_token);
    d->shared = shared;
    if ((st = d->ops->init(d, err))) {
        draft_free(d);
        return st;
    }
    *out = d;
    return BRRR_OK;
}

void draft_free(struct draft *d)
{
    if (!d) return;
    for (int k = 0; k < NGRAM; k++)
        free(d->place[k]);
    suffix_free(d->own);
    free(d);
}

int draft_guess(struct draft *d, const int32_t *id, int n, int32_t *out, int cap, int *match)
{
    *match = 0;
    if (n > d->cap) return 0; /* longer than anything that is remembered */
    int to = MIN(n, d->n + FEED);
    if (to > d->n) d->ops->feed(d, id, to);
    d->n = to;
    return n > 0 && to == n && cap > 0 ? d->ops->guess(d, id, n, out, cap, match) : 0;
}
