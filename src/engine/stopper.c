/* SPDX-License-Identifier: MIT */
/* stopper.c - see stopper.h. */
#include "engine/stopper.h"

#include <assert.h>
#include <string.h>

/* How many bytes of `stop` the stream ends in after one more byte. `at` is less than stop->n. */
static uint16_t advance(const struct stop_text *stop, const uint16_t *back, uint16_t at, char byte)
{
    while (at > 0 && stop->text[at] != byte)
        at = back[at - 1];
    return stop->text[at] == byte ? (uint16_t)(at + 1) : at;
}

void stopper_init(struct stopper *s, const struct stop_text *stop, int n_stop)
{
    assert(n_stop >= 0 && n_stop <= LIMIT_STOPS);
    memset(s, 0, sizeof(*s));
    s->which = -1;
    for (int i = 0; i < n_stop; i++) {
        if (stop[i].n == 0) continue;
        struct stop_text *t = &s->stop[s->n_stop];
        uint16_t *back = s->back[s->n_stop];

        *t = stop[i];
        for (uint16_t j = 1, at = 0; j < t->n; j++)
            back[j] = at = advance(t, back, at, t->text[j]);
        s->n_stop++;
    }
}

/* The stop string of which the most bytes are at the end of the stream; -1 if there is none. */
static int longest(const struct stopper *s)
{
    int best = -1;

    for (int i = 0; i < s->n_stop; i++)
        if (s->at[i] > (best < 0 ? 0 : s->at[best])) best = i;
    return best;
}

/* One byte into every automaton; the longest stop string that it completes, or -1. */
static int step(struct stopper *s, char byte)
{
    int done = -1;

    for (int i = 0; i < s->n_stop; i++) {
        s->at[i] = advance(&s->stop[i], s->back[i], s->at[i], byte);
        if (s->ignores && s->at[i] == s->stop[i].n) s->at[i] = s->back[i][s->at[i] - 1];
        if (s->at[i] == s->stop[i].n && (done < 0 || s->stop[i].n > s->stop[done].n)) done = i;
    }
    return done;
}

size_t stopper_feed(struct stopper *s, const char *text, size_t n, char *out)
{
    int held = longest(s);
    size_t n_out = held < 0 ? 0 : s->at[held], used = 0;

    if (s->found) return 0;
    if (held >= 0) memcpy(out, s->stop[held].text, n_out);
    while (used < n && s->which < 0)
        s->which = step(s, text[used++]);
    memcpy(out + n_out, text, used);
    n_out += used;
    s->found = s->which >= 0;
    if (s->found) return s->keep ? n_out : n_out - s->stop[s->which].n;
    held = longest(s);
    return held < 0 ? n_out : n_out - s->at[held];
}

size_t stopper_flush(struct stopper *s, char *out)
{
    int held = longest(s);

    if (s->found || held < 0) return 0;
    size_t n = s->at[held];
    memcpy(out, s->stop[held].text, n);
    memset(s->at, 0, sizeof(s->at));
    return n;
}
