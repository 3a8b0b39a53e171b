/* SPDX-License-Identifier: MIT */
/*
 * seq.h - one sequence of tokens: a prompt and one answer to it. Private to engine/.
 *
 * A request (request.h) has one, or several where it asked for more than one answer.
 * What a step drew for a sequence (seq_draw, any thread) becomes its next token and an
 * event (seq_take, the engine's thread). Behind its tokens may stand guesses of the next ones:
 * a step draws for each of them as if those before it were right, and takes what turns out to be.
 * All its memory is taken by seq_init().
 */
#ifndef ENGINE_SEQ_H
#define ENGINE_SEQ_H

#include "engine/draft.h"
#include "engine/engine.h"
#include "engine/spec.h"

struct request;

/* A token that was drawn from a row of logits. */
struct drawn {
    int32_t token;
    struct sample_logprob chosen; /* of it, if asked for      */
    struct sample_logprob *top;   /* [gen.n_logprobs, or twice the width of a beam search] */
    int n_top;
};

struct seq {
    struct request *r;
    struct seq *next; /* in the queue of waiting ones                              */
    uint64_t order;   /* ascending with arrival, over all requests                 */
    int choice;       /* which of the request's answers                            */
    int32_t *id;      /* [r->limit, or the prompt's length] prompt, answer, guesses */
    int n, n_done;    /* tokens; of them, positions in the cache                   */
    int n_match;      /* waiting: of them, in the cache when it was last looked for */
    int n_shared;     /* waiting: of those, in blocks that others use               */
    bool expected;    /* waiting: what is on disk of it is being fetched           */
    int n_paid;       /* tokens that its user was charged for, or that the cache had */
    int slot;         /* -1: it waits, is held or has ended                        */
    bool waits;       /* in the queue                                              */
    bool held;        /* a further answer to a prompt that another sequence reads  */
    bool live;        /* of a beam search: it goes on                              */
    enum brrr_finish finish;
    int n_preempted;        /* times that it had to give its blocks back                 */
    int n_cached;           /* of its prompt: found in the cache                         */
    double itl_max;         /* longest time between two of its tokens, seconds */
    double t_first, t_last; /* its first and its newest token                           */
    int out0;               /* its first row of logits in this step                      */
    struct drawn *drawn;    /* [r->n_row] for the place behind n - 1 tokens, n, ...      */
    int n_drawn;

    /* Speculation (guess.c). */
    struct draft *draft; /* NULL: nobody guesses                                     */
    int n_guess, match;  /* of this step: behind its n tokens; spec.h                */
    struct spec spec;

    /* Text that clients see. */
    struct detok detok;
    struct stopper stopper;
    char *text; /* [r->n_row] of the last events, text_room bytes each */
    size_t text_room;
    int at; /* of the event that is being made   */

    /* A sequence whose events wait until all answers are there (request.h, quiet). */
    double sum_logprob;
    float *logprob;             /* of each token of the answer                          */
    struct sample_logprob *top; /* [tokens of the answer][gen.n_logprobs]; id -1: none  */
    int n_shown;                /* tokens that were handed out since                    */
    bool shown;                 /* all of them                                          */
};

/* Memory that seq_init() takes for one sequence of r, and this struct; SIZE_MAX where that
 * overflows. r: but for its sequences. */
size_t seq_bytes(const struct request *r, const struct brrr_model *m);
enum brrr_status seq_init(struct seq *q, struct request *r, int choice, const struct brrr_model *m,
                          const int32_t *prompt, struct brrr_error *err);
void seq_fini(struct seq *q); /* zeroed is allowed */

/* Draw the token that follows its tokens and the first i guesses, into q->drawn[i]. A pure function
 * of the sequence and its logits. */
void seq_draw(struct seq *q, struct sampler *s, const float *logits, int i);
/* Draw for all rows of logits, from its first one on, as far as the guesses are right. */
void seq_draw_all(struct seq *q, struct sampler *s, const float *logits);
/* drawn[i] becomes the sequence's next token: i counts those of a step. Fills *ev. A sequence that
 * may have none ends. */
void seq_take(struct seq *q, const struct brrr_model *m, double now, int i,
              struct engine_event *ev);
/* The event of token n_shown of a quiet sequence, from the first to the last. */
void seq_show(struct seq *q, const struct brrr_model *m, struct engine_event *ev);
/* Does this token end the answer? Stop strings are seq_take()'s. */
bool seq_stops(const struct seq *q, const struct brrr_model *m, int32_t token);
/* The tokens and the text so far of another sequence of the request. */
void seq_copy(struct seq *to, const struct seq *from);
/* The last event of a sequence that ends without a token. */
void seq_end(struct seq *q, enum brrr_finish finish, struct engine_event *ev);

#endif
