/* SPDX-License-Identifier: MIT */
/* suffix.c - see suffix.h. */
#include "engine/suffix.h"

#include <stdlib.h>

#include "text/hash.h"

/* Edges of a state form a list; index 0 of edge is no edge, so that zeroed memory is empty. */
struct state {
    int32_t len;  /* of its longest substring                           */
    int32_t link; /* the state of the longest suffix that is not in it  */
    int32_t first, best;
    int32_t count;
};

struct edge {
    int32_t from, token, to, next;
};

struct suffix {
    int n_token, n_state, n_edge;
    int cap_token, cap_state, cap_edge;
    int32_t last; /* the state of the whole text being fed */
    uint64_t key;
    size_t mask;
    struct state *state; /* [cap_state]                                  */
    struct edge *edge;   /* [cap_edge]                                   */
    int32_t *slot;       /* [mask + 1] by (state, token): the edge, or 0 */
};

/* How many states, edges and slots a text of n tokens can need. */
static void size_tables(struct suffix *s, int n_token)
{
    size_t slots = 8;

    s->cap_token = n_token;
    s->cap_state = 2 * n_token + 2;
    s->cap_edge = 3 * n_token + 4;
    while (slots < 2 * (size_t)s->cap_edge)
        slots *= 2;
    s->mask = slots - 1;
}

size_t suffix_bytes(int n_token)
{
    struct suffix s;

    size_tables(&s, n_token);
    return sizeof(s) + (size_t)s.cap_state * sizeof(*s.state) +
           (size_t)s.cap_edge * sizeof(*s.edge) + (s.mask + 1) * sizeof(*s.slot);
}

enum brrr_status suffix_new(struct suffix **out, int n_token, struct brrr_error *err)
{
    struct suffix *s = calloc(1, sizeof(*s));

    *out = NULL;
    if (!s || n_token < 1 || n_token > INT32_MAX / 8) goto nomem;
    size_tables(s, n_token);
    s->key = hash_key();
    s->state = calloc((size_t)s->cap_state, sizeof(*s->state));
    s->edge = calloc((size_t)s->cap_edge, sizeof(*s->edge));
    s->slot = calloc(s->mask + 1, sizeof(*s->slot));
    if (!s->state || !s->edge || !s->slot) goto nomem;
    suffix_clear(s);
    *out = s;
    return BRRR_OK;

nomem:
    suffix_free(s);
    return fail(err, BRRR_E_NOMEM, "no memory to remember %d tokens for guesses", n_token);
}

void suffix_free(struct suffix *s)
{
    if (!s) return;
    free(s->state);
    free(s->edge);
    free(s->slot);
    free(s);
}

void suffix_clear(struct suffix *s)
{
    if (s->n_edge > 1) memset(s->slot, 0, (s->mask + 1) * sizeof(*s->slot));
    s->state[SUFFIX_ROOT] = (struct state){ .link = -1 };
    s->n_state = 1;
    s->n_edge = 1;
    s->n_token = 0;
    s->last = SUFFIX_ROOT;
}

int suffix_room(const struct suffix *s)
{
    return s->cap_token - s->n_token;
}

/* --- edges --- */

static size_t slot_of(const struct suffix *s, int32_t from, int32_t token)
{
    uint64_t x = (uint64_t)(uint32_t)from << 32 | (uint32_t)token;
    size_t i = hash_u64(s->key, x) & s->mask;

    for (;; i = (i + 1) & s->mask) {
        const struct edge *e = &s->edge[s->slot[i]];
        if (s->slot[i] == 0 || (e->from == from && e->token == token)) return i;
    }
}

static int32_t find(const struct suffix *s, int32_t from, int32_t token)
{
    return s->slot[slot_of(s, from, token)];
}

static void add_edge(struct suffix *s, int32_t from, int32_t token, int32_t to)
{
    if (s->n_edge == s->cap_edge) return; /* more than there can be */
    int32_t e = s->n_edge++;

    s->edge[e] = (struct edge){ from, token, to, s->state[from].first };
    s->state[from].first = e;
    s->slot[slot_of(s, from, token)] = e;
}

/* --- feeding --- */

static int32_t add_state(struct suffix *s, int32_t len)
{
    s->state[s->n_state] = (struct state){ .len = len };
    return s->n_state++;
}

/* Edge e leads from p to a state with longer substrings than those of p and the token: these
 * get a state of their own, with the same continuations. */
static int32_t split(struct suffix *s, int32_t p, int32_t e)
{
    int32_t token = s->edge[e].token, q = s->edge[e].to;
    int32_t mine = add_state(s, s->state[p].len + 1);

    s->state[mine].link = s->state[q].link;
    s->state[mine].count = s->state[q].count;
    for (int32_t i = s->state[q].first; i; i = s->edge[i].next) {
        add_edge(s, mine, s->edge[i].token, s->edge[i].to);
        if (i == s->state[q].best) s->state[mine].best = s->state[mine].first;
    }
    s->state[q].link = mine;
    for (; p >= 0; p = s->state[p].link) {
        e = find(s, p, token);
        if (!e || s->edge[e].to != q) break;
        s->edge[e].to = mine;
    }
    return mine;
}

/* Where edge e leads, as a state of exactly the substrings of p and its token, and shorter ones. */
static int32_t exact(struct suffix *s, int32_t p, int32_t e)
{
    int32_t q = s->edge[e].to;

    return s->state[q].len == s->state[p].len + 1 ? q : split(s, p, e);
}

static int32_t extend(struct suffix *s, int32_t p, int32_t token)
{
    int32_t e = find(s, p, token);

    if (e) return exact(s, p, e); /* another text had the same beginning */
    int32_t now = add_state(s, s->state[p].len + 1);
    for (; p >= 0 && !(e = find(s, p, token)); p = s->state[p].link)
        add_edge(s, p, token, now);
    /* A split may move nothing of `now`: assign after it. */
    int32_t link = p < 0 ? SUFFIX_ROOT : exact(s, p, e);
    s->state[now].link = link;
    return now;
}

/* One more place where the ends of the text, from p on, go on with this token. */
static void count(struct suffix *s, int32_t p, int32_t token)
{
    int32_t done = -1;

    for (int i = 0; i < SUFFIX_WALK && p >= 0; i++, p = s->state[p].link) {
        int32_t e = find(s, p, token);
        if (!e) return;
        struct state *to = &s->state[s->edge[e].to];
        if (s->edge[e].to != done) to->count++;
        done = s->edge[e].to;
        const struct state *best = &s->state[s->edge[s->state[p].best].to];
        if (!s->state[p].best || to->count >= best->count) s->state[p].best = e;
    }
}

void suffix_feed(struct suffix *s, int32_t token)
{
    int32_t before = s->last;

    if (suffix_room(s) == 0) return;
    s->n_token++;
    s->last = extend(s, before, token);
    count(s, before, token);
}

void suffix_break(struct suffix *s)
{
    s->last = SUFFIX_ROOT;
}

/* --- asking --- */

struct suffix_at suffix_seen(const struct suffix *s)
{
    int32_t link = s->state[s->last].link;

    if (link < 0) return (struct suffix_at){ 0 };
    if (s->state[s->last].count > 1) return (struct suffix_at){ s->last, s->state[s->last].len };
    return (struct suffix_at){ link, s->state[link].len };
}

/* States split while a cursor stands in them: back to the one that holds its tokens. */
static struct suffix_at settled(const struct suffix *s, struct suffix_at at)
{
    while (at.state != SUFFIX_ROOT && at.len <= s->state[s->state[at.state].link].len)
        at.state = s->state[at.state].link;
    return at;
}

struct suffix_at suffix_step(const struct suffix *s, struct suffix_at at, int32_t token)
{
    int32_t e;

    at = settled(s, at);
    while (!(e = find(s, at.state, token)) && at.state != SUFFIX_ROOT) {
        at.state = s->state[at.state].link;
        at.len = s->state[at.state].len;
    }
    if (!e) return (struct suffix_at){ 0 };
    return (struct suffix_at){ s->edge[e].to, at.len + 1 };
}

int suffix_count(const struct suffix *s, struct suffix_at at)
{
    return s->state[settled(s, at).state].count;
}

int suffix_guess(const struct suffix *s, struct suffix_at at, int32_t *out, int cap)
{
    int32_t q = settled(s, at).state;
    int n = 0, links = 0;

    while (n < cap && q > SUFFIX_ROOT) {
        int32_t e = s->state[q].best;
        if (e) {
            out[n++] = s->edge[e].token;
            q = s->edge[e].to;
        } else if (links++ < SUFFIX_WALK) {
            q = s->state[q].link; /* the end of a text: as shorter ends of it went on */
        } else break;
    }
    return n;
}
