/* SPDX-License-Identifier: MIT */
/* second.c - see second.h. */
#include "engine/second.h"

#include <assert.h>
#include <stdlib.h>

#include "base/clock.h"
#include "engine/kvpool.h"

enum {
    MANY = 32,       /* rows of a step that shows what reading takes                       */
    ROWS_A_STEP = 6, /* that are read in the time of a guess, before anything is known     */
};

static const double NEWEST = 0.1; /* weight of a time among those before it */

struct place {
    uint64_t order;      /* of the sequence whose tokens the slot holds; UINT64_MAX: none   */
    int n_done, n_valid; /* positions in the cache; of them, those that are not wrong guesses */
};

struct second {
    const struct brrr_model *m;
    struct kvpool *kv;
    struct step *step;
    struct sampler *sampler;
    int n_slot, chunk;
    double guess_s, read_s; /* of a guess; of a token that is read among many; 0: not known */

    struct place *place;     /* [n_slot] */
    int32_t *token;          /* [chunk + n_slot] */
    int32_t *out_row;        /* [n_slot] */
    struct batch_seq *seq;   /* [n_slot] */
    struct second_job **out; /* [n_slot] who gets the rows of logits */
};

static enum brrr_status check_token(const struct brrr_model *a, const struct brrr_model *b,
                                    int32_t id, struct brrr_error *err)
{
    struct slice x = tokenizer_piece(a->tok, id), y = tokenizer_piece(b->tok, id);
    char shown_x[40], shown_y[40];

    if (x.n == y.n && (x.n == 0 || memcmp(x.p, y.p, x.n) == 0)) return BRRR_OK;
    return fail(err, BRRR_E_UNSUPPORTED,
                "the draft model has another vocabulary: its token %d is '%s', the model's is '%s'",
                id, slice_print(shown_y, sizeof(shown_y), y),
                slice_print(shown_x, sizeof(shown_x), x));
}

enum brrr_status second_check(const struct brrr_model *first, const struct brrr_model *second,
                              struct brrr_error *err)
{
    int n = first->model->hp.n_vocab;
    enum brrr_status st = BRRR_OK;

    if (n != second->model->hp.n_vocab)
        return fail(err, BRRR_E_UNSUPPORTED,
                    "the draft model has another vocabulary: %d tokens, the model has %d",
                    second->model->hp.n_vocab, n);
    if (!first->tok || !second->tok) return BRRR_OK; /* ids only */
    for (int32_t i = 0; !st && i < MIN(n, tokenizer_n_vocab(first->tok)); i++)
        st = check_token(first, second, i, err);
    return st;
}

enum brrr_status second_new(struct second **out, const struct engine_opts *o, int n_workers,
                            struct brrr_error *err)
{
    struct second *s = calloc(1, sizeof(*s));
    const struct model *model = o->draft_model->model;
    size_t n = (size_t)o->n_parallel;
    enum brrr_status st;

    *out = NULL;
    if (!s) return fail(err, BRRR_E_NOMEM, "no memory for a draft model");
    if (o->ctx > model->hp.ctx_max) {
        st = fail(err, BRRR_E_LIMIT,
                  "a context of %d tokens: the draft model has at most %d (--ctx-size)", o->ctx,
                  model->hp.ctx_max);
        goto error;
    }
    s->m = o->draft_model;
    s->n_slot = o->n_parallel;
    s->chunk = o->chunk;
    struct kvpool_opts k = { .kv_type = model->precision == BRRR_PRECISION_F32 ? KV_F32 : KV_F16,
                             .ctx = o->ctx,
                             .n_slot = o->n_parallel,
                             .chunk = o->chunk + o->n_parallel + o->draft_max,
                             .no_prefix = true };
    struct step_opts so = { .max_row = o->chunk + o->n_parallel,
                            .max_out = o->n_parallel,
                            .ctx = o->ctx,
                            .n_workers = n_workers,
                            .ahead = o->ahead };
    if ((st = kvpool_new(&s->kv, &model->hp, &k, err))) goto error;
    if ((st = step_new(&s->step, model, &so, err))) goto error;
    if ((st = sampler_new(&s->sampler, model->hp.n_vocab, &model->kernels, err))) goto error;
    s->place = calloc(n, sizeof(*s->place));
    s->token = calloc((size_t)so.max_row, sizeof(*s->token));
    s->out_row = calloc(n, sizeof(*s->out_row));
    s->seq = calloc(n, sizeof(*s->seq));
    s->out = calloc(n, sizeof(struct second_job *));
    if (!s->place || !s->token || !s->out_row || !s->seq || !s->out) {
        st = fail(err, BRRR_E_NOMEM, "no memory for a draft model");
        goto error;
    }
    for (size_t i = 0; i < n; i++)
        s->place[i].order = UINT64_MAX;
    *out = s;
    return BRRR_OK;

error:
    second_free(s);
    return st;
}

void second_free(struct second *s)
{
    if (!s) return;
    kvpool_free(s->kv);
    step_free(s->step);
    sampler_free(s->sampler);
    free(s->place);
    free(s->token);
    free(s->out_row);
    free(s->seq);
    free(s->out);
    free(s);
}

/* How many of this sequence's n tokens need not be read again. The last one always is: its logits
 * are wanted, and the slot may hold it, from guesses that no step came to verify. */
static int known(const struct second *s, int slot, uint64_t order, int n)
{
    const struct place *p = &s->place[slot];

    return p->order == order ? MIN(MIN(p->n_done, p->n_valid), n - 1) : 0;
}

/* The mean of the last times. */
static void note_time(double *mean, double x)
{
    *mean = *mean > 0 ? *mean + NEWEST * (x - *mean) : x;
}

/* What the slot holds of the job's sequence; room for what it will hold. */
static void prepare(struct second *s, const struct second_job *j, int n_row)
{
    struct place *p = &s->place[j->slot];

    if (p->order != j->order) {
        kvpool_release(s->kv, j->slot);
        *p = (struct place){ .order = j->order };
    }
    p->n_done = known(s, j->slot, j->order, j->n);
    p->n_valid = MIN(p->n_done + n_row, j->n);
    kvpool_truncate(s->kv, j->slot, p->n_done);
    /* Once for all guesses, so that a window does not leave behind what the next ones see. */
    bool room =
        kvpool_extend(s->kv, j->slot, p->n_done, MIN(p->n_done + n_row, j->n) + j->want - 1);
    assert(room); /* there is enough for all slots */
    (void)room;
}

/* n tokens of a job, and a row of logits if they are all that is there. */
static void add_rows(struct second *s, struct batch *b, struct second_job *j, int n)
{
    struct place *p = &s->place[j->slot];

    s->seq[b->n_seq++] =
        (struct batch_seq){ .slot = j->slot, .row0 = b->n_row, .n_row = n, .pos0 = p->n_done };
    memcpy(s->token + b->n_row, j->id + p->n_done, (size_t)n * sizeof(*s->token));
    b->n_row += n;
    p->n_done += n;
    if (p->n_done < j->n + j->got) return;
    s->out[b->n_out] = j;
    s->out_row[b->n_out++] = b->n_row - 1;
}

/* A step, and the next guess of each that has a row of logits. */
static void run(struct second *s, struct pool *pool, struct batch *b)
{
    size_t n_vocab = (size_t)s->m->model->hp.n_vocab;
    const float *logits = step_run(s->step, pool, b, kvpool_view(s->kv));

    for (int i = 0; i < b->n_out; i++) {
        struct second_job *j = s->out[i];
        struct sample_in in = { .logits = logits + (size_t)i * n_vocab,
                                .history = j->id,
                                .n_history = j->n + j->got,
                                .choice = (uint32_t)j->choice,
                                .position = (uint64_t)(j->n + j->got) };
        j->id[j->n + j->got] = sampler_next(s->sampler, j->sample, &in);
        j->got++;
    }
}

static struct batch empty(const struct second *s)
{
    return (struct batch){ .token = s->token, .seq = s->seq, .out_row = s->out_row };
}

/* What was not seen yet of all sequences, as far as a chunk reaches. */
static void catch_up(struct second *s, struct pool *pool, struct second_job *job, int n_job)
{
    struct batch b = empty(s);
    int left = s->chunk + s->n_slot - n_job; /* beyond a row for each */

    for (int i = 0; i < n_job; i++) {
        int n = MIN(job[i].n - known(s, job[i].slot, job[i].order, job[i].n), left + 1);
        job[i].got = 0;
        prepare(s, &job[i], n);
        add_rows(s, &b, &job[i], n);
        left -= n - 1;
    }
    double t = clock_now();
    run(s, pool, &b);
    if (b.n_row >= MANY) note_time(&s->read_s, (clock_now() - t) / b.n_row);
    else if (b.n_row == b.n_out) note_time(&s->guess_s, (clock_now() - t) / b.n_row);
}

void second_guess(struct second *s, struct pool *pool, struct second_job *job, int n_job)
{
    if (n_job == 0) return;
    catch_up(s, pool, job, n_job);
    for (;;) {
        struct batch b = empty(s);
        double t = clock_now();
        for (int i = 0; i < n_job; i++)
            if (job[i].got > 0 && job[i].got < job[i].want) add_rows(s, &b, &job[i], 1);
        if (b.n_row == 0) return;
        run(s, pool, &b);
        note_time(&s->guess_s, (clock_now() - t) / b.n_row);
    }
}

void second_right(struct second *s, int slot, int n)
{
    s->place[slot].n_valid += n;
}

double second_guess_seconds(const struct second *s)
{
    return s->guess_s;
}

double second_read_seconds(const struct second *s, int slot, uint64_t order, int n, double guess_s)
{
    return (n - 1 - known(s, slot, order, n)) * (s->read_s > 0 ? s->read_s : guess_s / ROWS_A_STEP);
}
