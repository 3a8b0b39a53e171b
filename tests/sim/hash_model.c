/* SPDX-License-Identifier: MIT */
/*
 * hash_model.c - the hash architecture (hash_model.h) in place of model/step.c: the engine
 * under test is linked with this.
 */
#include "hash_model.h"

#include "world.h"

#include <stdlib.h>

#include "model/step.h"

enum { HOT = 6 }; /* tokens that have a chance */

int hash_period;
double hash_step_s = 1e-3, hash_row_s = 1e-4;

void hash_logits(float *logits, uint64_t state, int32_t token)
{
    for (int i = 0; i < HASH_VOCAB; i++)
        logits[i] = -20;
    for (int i = 0; i < HOT; i++) {
        uint32_t id = (uint32_t)(state >> (8 * i)) % HASH_VOCAB;
        logits[id] = (float)(state >> (5 * i + 3) & 15) / 4;
    }
    if (hash_period > 0 && state >> 61 != 0) logits[(token + 1) % hash_period] = 9;
}

void hash_hidden(float *h, int d, uint64_t state)
{
    for (int i = 0; i < d; i++)
        h[i] = (float)((state >> i % 40 ^ (uint64_t)i * 77) & 0xffffff) / 4096;
}

uint64_t hash_alone_next(struct hash_alone *a, int32_t token)
{
    uint64_t full = 0, window = 0;

    for (int i = 0; a->full && i < a->n; i++)
        full = hash_fold(full, a->state[i]);
    for (int i = hash_first(a->window, a->n); a->windowed && i < a->n; i++)
        window = hash_fold(window, a->state[i]);
    a->state[a->n] = hash_state(full, window, token, a->n);
    return a->state[a->n++];
}

/* --- model/step.c --- */

enum brrr_status step_new(struct step **out, const struct model *m, const struct step_opts *o,
                          struct brrr_error *err)
{
    struct step *s = calloc(1, sizeof(*s));

    (void)err;
    s->m = m;
    s->o = *o;
    s->logits = calloc((size_t)o->max_out * HASH_VOCAB, sizeof(float));
    s->tmp = calloc((size_t)o->max_row * (size_t)m->hp.d_model, sizeof(float));
    *out = s;
    return BRRR_OK;
}

void step_free(struct step *s)
{
    if (s) free(s->logits);
    if (s) free(s->tmp);
    free(s);
}

size_t step_bytes(const struct step *s)
{
    (void)s;
    return 0;
}

int worker_take(struct worker *w, int n)
{
    (void)w;
    (void)n;
    abort(); /* no real operation runs here */
}

/* Any layer of this kind, or -1: all layers of a kind share their blocks. */
static int layer_of(const struct model *m, enum kv_kind kind)
{
    for (int i = 0; i < m->hp.n_layer; i++)
        if (model_kv_kind(&m->hp, i) == kind) return i;
    return -1;
}

/* Where the state of a position lies. */
static uint64_t *at(const struct kv_view *kv, int layer, int slot, int pos)
{
    const struct kv_layer *l = &kv->layer[layer];
    int32_t block = kv->table[l->kind][slot][pos / KV_BLOCK];

    if (block < 0) return NULL;
    return (uint64_t *)(void *)(l->base + (size_t)block * l->block_stride) + pos % KV_BLOCK;
}

static uint64_t fold(const struct kv_view *kv, int layer, int slot, int first, int n)
{
    uint64_t sum = 0;

    for (int i = first; layer >= 0 && i < n;) {
        const uint64_t *x = at(kv, layer, slot, i);
        int end = MIN(n, (i / KV_BLOCK + 1) * KV_BLOCK);
        for (; i < end; i++)
            sum = hash_fold(sum, x ? *x++ : 0xbad); /* a block that should be there */
    }
    return sum;
}

static uint64_t row(const struct step *s, const struct kv_view *kv, int slot, int pos,
                    int32_t token)
{
    int full = layer_of(s->m, KV_FULL), window = layer_of(s->m, KV_WINDOW);
    uint64_t state =
        hash_state(fold(kv, full, slot, 0, pos),
                   fold(kv, window, slot, hash_first(s->m->hp.window, pos), pos), token, pos);

    if (full >= 0) *at(kv, full, slot, pos) = state;
    if (window >= 0) *at(kv, window, slot, pos) = state;
    return state;
}

const float *step_run(struct step *s, struct pool *pool, const struct batch *b,
                      const struct kv_view *kv)
{
    int out = 0, hidden = 0, d = s->m->hp.d_model;

    (void)pool;
    for (int i = 0; i < b->n_seq; i++)
        for (int r = 0; r < b->seq[i].n_row; r++) {
            int at_row = b->seq[i].row0 + r;
            uint64_t state = row(s, kv, b->seq[i].slot, b->seq[i].pos0 + r, b->token[at_row]);
            if (out < b->n_out && b->out_row[out] == at_row)
                hash_logits(s->logits + (size_t)out++ * HASH_VOCAB, state, b->token[at_row]);
            if (hidden < b->n_hidden && b->hidden_row[hidden] == at_row)
                hash_hidden(s->tmp + (size_t)hidden++ * (size_t)d, d, state);
        }
    if (out != b->n_out || hidden != b->n_hidden) abort();
    if (out > s->o.max_out) abort();
    world_pass(hash_step_s + b->n_row * hash_row_s);
    return s->logits;
}

const float *step_hidden(const struct step *s)
{
    return s->tmp;
}
