/* SPDX-License-Identifier: MIT */
/* beam.c - see beam.h. */
#include "engine/beam.h"

#include <math.h>
#include <stdlib.h>

#include "engine/request.h"

static int room_for(const struct request *r)
{
    return MAX(r->limit - r->n_prompt, 1);
}

size_t beams_bytes(const struct request *r)
{
    const struct beams *b = NULL; /* for the sizes */

    return (size_t)room_for(r) * (sizeof(*b->done->id) + sizeof(*b->done->logprob)) +
           2 * sizeof(*b->next) + sizeof(*b->done) + sizeof(*b->move) + sizeof(*b->first) +
           sizeof(*b->taken);
}

enum brrr_status beams_new(struct beams **out, const struct request *r, struct brrr_error *err)
{
    struct beams *b = calloc(1, sizeof(*b));
    size_t w = (size_t)r->gen.beam_width, n = (size_t)room_for(r);
    bool ok = b != NULL;

    *out = b;
    if (b) {
        b->width = r->gen.beam_width;
        b->next = calloc(2 * w, sizeof(*b->next));
        b->done = calloc(w, sizeof(*b->done));
        b->move = calloc(w, sizeof(*b->move));
        b->first = calloc(w, sizeof(*b->first));
        b->taken = calloc(w, sizeof(*b->taken));
        ok = b->next && b->done && b->move && b->first && b->taken;
    }
    for (size_t i = 0; ok && i < w; i++) {
        b->done[i].id = calloc(n, sizeof(int32_t));
        b->done[i].logprob = calloc(n, sizeof(float));
        ok = b->done[i].id && b->done[i].logprob;
    }
    return ok ? BRRR_OK : fail(err, BRRR_E_NOMEM, "no memory for %zu beams of %zu tokens", w, n);
}

void beams_free(struct beams *b, const struct request *r)
{
    if (!b) return;
    for (int i = 0; b->done && i < r->gen.beam_width; i++) {
        free(b->done[i].id);
        free(b->done[i].logprob);
    }
    free(b->next);
    free(b->done);
    free(b->move);
    free(b->first);
    free(b->taken);
    free(b);
}

static double score(const struct request *r, double sum, int n)
{
    return sum / pow(MAX(n, 1), r->gen.length_penalty);
}

/* --- finished answers --- */

static int worst_done(const struct beams *b)
{
    int worst = 0;

    for (int i = 1; i < b->n_done; i++)
        if (b->done[i].score <= b->done[worst].score) worst = i;
    return worst;
}

/* The answer of sequence q, and one more token unless that is NULL. */
static void finish(struct beams *b, const struct seq *q, const struct beam_next *last,
                   enum brrr_finish how)
{
    const struct request *r = q->r;
    int n = q->n - r->n_prompt, total = n + (last != NULL);
    double s = score(r, last ? last->sum : q->sum_logprob, total);
    int at = b->n_done < b->width ? b->n_done : worst_done(b);

    if (at < b->n_done && s <= b->done[at].score) return;
    struct beam_done *d = &b->done[at];
    memcpy(d->id, q->id + r->n_prompt, (size_t)n * sizeof(*d->id));
    memcpy(d->logprob, q->logprob, (size_t)n * sizeof(*d->logprob));
    if (last) {
        d->id[n] = last->token;
        d->logprob[n] = last->logprob;
    }
    d->n = total;
    d->score = s;
    d->finish = how;
    if (at == b->n_done) b->n_done++;
}

/* --- candidates --- */

/* Does the first continuation go before the second? Of equals the one of the first beam. */
static bool is_better(const struct beam_next *x, const struct beam_next *y)
{
    if (x->sum != y->sum) return x->sum > y->sum;
    return x->parent < y->parent;
}

/* The next continuation of beam i that was not taken. */
static bool peek(const struct beams *b, const struct request *r, int i, struct beam_next *c)
{
    const struct seq *q = &r->seq[i];
    int k = b->taken[i];

    if (!q->live || k >= MIN(q->drawn->n_top, 2 * b->width)) return false;
    const struct sample_logprob *t = &q->drawn->top[k];
    *c = (struct beam_next){ i, t->id, t->logprob, q->sum_logprob + (double)t->logprob };
    return true;
}

/* The 2 width best continuations of all live beams into b->next: a merge of their sorted lists. */
static int gather(struct beams *b, const struct request *r)
{
    int n = 0;

    memset(b->taken, 0, (size_t)b->width * sizeof(*b->taken));
    for (; n < 2 * b->width; n++) {
        struct beam_next c, best = { .parent = -1 };
        for (int i = 0; i < r->n_seq; i++)
            if (peek(b, r, i, &c) && (best.parent < 0 || is_better(&c, &best))) best = c;
        if (best.parent < 0) break;
        b->taken[best.parent]++;
        b->next[n] = best;
    }
    return n;
}

/* Of n candidates those that end become answers, if they are among the best; the rest are the next
 * beams. */
static void choose(struct beams *b, struct request *r, const struct brrr_model *m, int n)
{
    b->n_next = 0;
    for (int rank = 0; rank < n && b->n_next < b->width; rank++) {
        struct beam_next c = b->next[rank];
        if (!seq_stops(&r->seq[c.parent], m, c.token)) b->next[b->n_next++] = c;
        else if (rank < b->width) finish(b, &r->seq[c.parent], &c, BRRR_FINISH_STOP);
    }
}

/* --- moves --- */

/* The first child of a beam stays where it is, further ones go where a beam has died. */
static void place(struct beams *b, struct request *r)
{
    int to = 0;

    for (int i = 0; i < r->n_seq; i++)
        b->first[i] = -1;
    for (int c = b->n_next - 1; c >= 0; c--)
        b->first[b->next[c].parent] = c;
    for (int i = 0; i < r->n_seq; i++)
        r->seq[i].live = b->first[i] >= 0;
    b->n_move = 0;
    for (int c = 0; c < b->n_next; c++) {
        int from = b->next[c].parent;
        if (b->first[from] == c) continue;
        while (r->seq[to].live || b->first[to] >= 0)
            to++;
        b->move[b->n_move++] = (struct beam_move){ from, to };
        b->first[to] = c;
        seq_copy(&r->seq[to], &r->seq[from]);
    }
}

/* Every beam's token. One that ends in a stop string or at the limit is an answer. */
static void append(struct beams *b, struct request *r, const struct brrr_model *m, double now)
{
    struct engine_event ev;

    for (int i = 0; i < r->n_seq; i++) {
        struct seq *q = &r->seq[i];
        if (b->first[i] < 0) continue;
        const struct beam_next *c = &b->next[b->first[i]];
        q->drawn->token = c->token;
        q->drawn->chosen = (struct sample_logprob){ c->token, c->logprob };
        seq_take(q, m, now, 0, &ev);
        q->live = q->finish == BRRR_FINISH_NONE;
        if (!q->live) finish(b, q, NULL, q->finish);
        q->finish = BRRR_FINISH_NONE; /* it is no answer yet */
    }
}

static bool is_over(const struct beams *b, const struct request *r)
{
    double best = -INFINITY;

    for (int i = 0; i < r->n_seq; i++)
        if (r->seq[i].live) best = MAX(best, r->seq[i].sum_logprob);
    if (best == -INFINITY) return true;
    if (b->n_done < b->width) return false;
    if (r->gen.early_stopping) return true;
    int n = 0;
    for (int i = 0; i < r->n_seq; i++)
        if (r->seq[i].live) n = r->seq[i].n - r->n_prompt;
    return b->done[worst_done(b)].score >= score(r, best, n);
}

/* --- the end --- */

/* The best answer that was not taken; when none is left, the last one again. */
static const struct beam_done *take_best(struct beams *b)
{
    int best = 0;

    for (int i = 1; i < b->n_done; i++)
        if (b->done[i].score > b->done[best].score) best = i;
    struct beam_done d = b->done[best];
    if (b->n_done == 1) return &b->done[0];
    b->n_done--;
    b->done[best] = b->done[b->n_done];
    b->done[b->n_done] = d;
    return &b->done[b->n_done];
}

/* The best answers into the first sequences, to be shown. */
static void hand_over(struct beams *b, struct request *r)
{
    for (int i = 0; i < r->gen.n_choices; i++) {
        const struct beam_done *d = take_best(b);
        struct seq *q = &r->seq[i];
        memcpy(q->id + r->n_prompt, d->id, (size_t)d->n * sizeof(*q->id));
        memcpy(q->logprob, d->logprob, (size_t)d->n * sizeof(*q->logprob));
        q->n = r->n_prompt + d->n;
        q->finish = d->finish;
        q->choice = i;
        r->winner[i] = i;
    }
}

bool beams_advance(struct beams *b, struct request *r, const struct brrr_model *m, double now)
{
    b->n_move = 0;
    if (r->seq[0].n >= r->limit) { /* n_predict is 0 */
        finish(b, &r->seq[0], NULL, BRRR_FINISH_LENGTH);
    } else {
        choose(b, r, m, gather(b, r));
        place(b, r);
        append(b, r, m, now);
        if (!is_over(b, r)) return false;
    }
    hand_over(b, r);
    return true;
}
