/* SPDX-License-Identifier: MIT */
/*
 * step.c - buffers of a step and the program around the layers (model.h, step.h).
 */
#include "model/step.h"

#include <math.h>
#include <stdlib.h>

#include "model/arch.h"
#include "model/rope.h"

/* Every buffer of a step. Called twice: with a measuring arena, then with a real one. */
static bool lay_out(struct step *s, struct arena *a)
{
    const struct model *m = s->m;
    const struct hparams *hp = &m->hp;
    size_t t = (size_t)s->o.max_row, k = (size_t)m->k_max;
    bool ok = true;

#define TAKE(field, n_bytes) ok = ok && (s->field = arena_take(a, n_bytes)) != NULL
    TAKE(x, t * (size_t)hp->d_model * 4);
    TAKE(h, t * k * 4);
    TAKE(h_packed, act_bytes(m, s->o.max_row, m->k_max));
    TAKE(q, t * (size_t)hp->n_head * (size_t)hp->d_k * 4);
    TAKE(k, t * (size_t)hp->n_kv * (size_t)hp->d_k * 4);
    TAKE(v, t * (size_t)hp->n_kv * (size_t)hp->d_v * 4);
    TAKE(att, t * (size_t)hp->n_head * (size_t)hp->d_v * 4);
    TAKE(gate, t * (size_t)hp->d_ff * 4);
    TAKE(up, t * (size_t)hp->d_ff * 4);
    TAKE(ff_packed, act_bytes(m, s->o.max_row, hp->d_ff));
    TAKE(tmp, t * (size_t)hp->d_model * 4);
    for (int i = 0; i < 2; i++) {
        TAKE(rot[i], t * (size_t)hp->n_rot * 4);
        TAKE(inv_freq[i], (size_t)hp->n_rot / 2 * 4);
    }
    TAKE(logits, (size_t)s->o.max_out * (size_t)hp->n_vocab * 4);
    TAKE(row_seq, t * sizeof(*s->row_seq));
    TAKE(tile, tiles_cap(m, &s->o) * sizeof(*s->tile));
    TAKE(part, tiles_part_floats(m, &s->o) * 4);
    s->n_group_max = SPLIT_TOKENS * hp->n_kv;
    TAKE(left, (size_t)s->n_group_max * sizeof(*s->left));
    TAKE(worker, (size_t)s->o.n_workers * sizeof(*s->worker));
#undef TAKE
    return ok;
}

/* What each worker has for itself; into *w unless that is NULL (measuring). */
static bool lay_out_worker(struct step *s, struct arena *a, struct worker *w)
{
    const struct hparams *hp = &s->m->hp;
    size_t k = (size_t)s->m->k_max, rows = (size_t)TILE_TOKENS * (size_t)(hp->n_head / hp->n_kv);
    size_t scratch = MAX(MATMUL_SCRATCH(k), ATTEND_SCRATCH(rows, hp->d_k, hp->d_v));
    struct worker own = { .s = s };

    own.own_h = arena_take(a, OWN_ROWS * k * 4);
    own.own_packed = arena_take(a, act_bytes(s->m, OWN_ROWS, s->m->k_max));
    own.scratch = arena_take(a, scratch);
    if (w) *w = own;
    return own.own_h && own.own_packed && own.scratch;
}

static enum brrr_status take_buffers(struct step *s, struct brrr_error *err)
{
    struct arena a;
    bool ok;

    arena_measure(&a);
    ok = lay_out(s, &a);
    for (int i = 0; i < s->o.n_workers; i++)
        ok = ok && lay_out_worker(s, &a, NULL);
    if (!ok || a.used > mem_available())
        return fail(err, BRRR_E_NOMEM,
                    "the buffers of a step of %d rows need %zu MiB, %zu MiB are available; "
                    "a smaller --chunk helps",
                    s->o.max_row, a.used >> 20, mem_available() >> 20);
    enum brrr_status st = arena_init(&s->mem, a.used, "step buffers", err);
    if (st) return st;
    lay_out(s, &s->mem);
    for (int i = 0; i < s->o.n_workers; i++) {
        lay_out_worker(s, &s->mem, &s->worker[i]);
        s->worker[i].index = i;
        s->worker[i].n = s->o.n_workers;
    }
    return BRRR_OK;
}

enum brrr_status step_new(struct step **out, const struct model *m, const struct step_opts *o,
                          struct brrr_error *err)
{
    struct step *s = calloc(1, sizeof(*s));
    enum brrr_status st;

    *out = NULL;
    if (!s) return fail(err, BRRR_E_NOMEM, "no memory for a step");
    s->m = m;
    s->o = *o;
    if ((st = take_buffers(s, err))) {
        step_free(s);
        return st;
    }
    for (int i = 0; i < 2; i++)
        rope_inv_freq(s->inv_freq[i], &m->hp, i, o->ctx, &m->g);
    *out = s;
    return BRRR_OK;
}

void step_free(struct step *s)
{
    if (!s) return;
    arena_fini(&s->mem);
    free(s);
}

size_t step_bytes(const struct step *s)
{
    return s->mem.used;
}

int worker_take(struct worker *w, int n)
{
    /* The counter runs on from phase to phase: each worker goes once beyond the end of each. */
    long long i = atomic_fetch_add(&w->s->next_piece, 1) - w->taken;

    if (i < n) return (int)i;
    w->taken += n + w->n;
    return -1;
}

static void program(void *arg, int index, int n)
{
    struct step *s = arg;
    struct worker *w = &s->worker[index];

    w->n = n;
    w->taken = 0;
    op_begin(w);
    for (int i = 0; i < s->m->hp.n_layer; i++)
        s->m->arch->layer(w, &s->m->layer[i]);
    op_hidden(w);
    op_logits(w);
}

const float *step_run(struct step *s, struct pool *pool, const struct batch *b,
                      const struct kv_view *kv)
{
    s->pool = pool;
    s->b = b;
    s->kv = kv;
    tiles_make(s);
    atomic_store(&s->next_piece, 0);
    pool_run_n(pool, b->n_workers ? b->n_workers : pool_n_workers(pool), program, s);
    return s->logits;
}

const float *step_hidden(const struct step *s)
{
    return s->tmp;
}
