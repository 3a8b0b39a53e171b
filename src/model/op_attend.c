/* SPDX-License-Identifier: MIT */
/*
 * op_attend.c - embedding, rotation, cache and attention: what goes by row and head.
 */
#include "model/arch.h"
#include "model/rope.h"
#include "model/step.h"

void op_begin(struct worker *w)
{
    struct step *s = w->s;
    const struct model *m = s->m;
    const struct matrix *e = &m->g.embd;
    size_t d = (size_t)m->hp.d_model, row_bytes = qtype_row_bytes(e->type, d);
    int lo, hi, n_rot = m->hp.n_rot;

    worker_share(w, step_rows(w), 1, &lo, &hi);
    for (int r = lo; r < hi; r++) {
        float *x = s->x + (size_t)r * d;
        const struct batch_seq *seq = s->row_seq[r];
        int pos = seq->pos0 + r - seq->row0;

        m->kernels.dequant[e->type](x, (const uint8_t *)e->w + (size_t)s->b->token[r] * row_bytes,
                                    d);
        if (m->hp.embd_scale != 1) m->kernels.scale(x, x, (int)d, m->hp.embd_scale);
        for (int i = 0; i < 1 + (m->hp.window > 0); i++)
            rope_table(s->rot[i] + (size_t)r * (size_t)n_rot, s->inv_freq[i], n_rot / 2, pos,
                       m->hp.rope[i].attn_factor);
    }
    op_barrier(w);
}

/* Norm and rotation of one head in place. */
static void turn(const struct step *s, float *head, const float *norm, const float *cs)
{
    const struct model *m = s->m;

    if (norm) m->kernels.rmsnorm(head, head, norm, m->hp.d_k, m->hp.eps);
    m->kernels.rope(head, cs, m->hp.n_rot / 2, m->arch->rope_neox);
}

static void store(const struct step *s, const struct layer *l, int row, int g)
{
    const struct hparams *hp = &s->m->hp;
    const struct batch_seq *seq = s->row_seq[row];
    const struct kv_layer *kv = &s->kv->layer[l->index];
    int pos = seq->pos0 + row - seq->row0;
    int32_t block = s->kv->table[kv->kind][seq->slot][pos / KV_BLOCK];
    uint8_t *base = kv->base + (size_t)block * kv->block_stride + (size_t)g * kv->head_stride;
    size_t head = (size_t)row * (size_t)hp->n_kv + (size_t)g;

    s->m->kernels.kv_store(base, base + kv->v_off, s->k + head * (size_t)hp->d_k,
                           s->v + head * (size_t)hp->d_v, hp->d_k, hp->d_v, pos % KV_BLOCK,
                           s->kv->type);
}

void op_rotate_store(struct worker *w, const struct layer *l)
{
    struct step *s = w->s;
    const struct hparams *hp = &s->m->hp;
    int heads = hp->n_head + hp->n_kv, lo, hi;
    size_t dk = (size_t)hp->d_k;

    /* Shared out by (row, head): one row alone keeps all workers busy too. */
    worker_share(w, step_rows(w) * heads, 1, &lo, &hi);
    for (int i = lo; i < hi; i++) {
        int row = i / heads, head = i % heads;
        const float *cs = s->rot[l->rope] + (size_t)row * (size_t)hp->n_rot;
        if (head < hp->n_head) {
            turn(s, s->q + ((size_t)row * (size_t)hp->n_head + (size_t)head) * dk, l->q_norm, cs);
            continue;
        }
        int g = head - hp->n_head;
        turn(s, s->k + ((size_t)row * (size_t)hp->n_kv + (size_t)g) * dk, l->k_norm, cs);
        store(s, l, row, g);
    }
    op_barrier(w);
}

static struct attend_args tile_args(struct worker *w, const struct layer *l, const struct tile *t)
{
    struct step *s = w->s;
    const struct hparams *hp = &s->m->hp;
    const struct kv_layer *kv = &s->kv->layer[l->index];
    int group = hp->n_head / hp->n_kv;
    size_t ld_q = (size_t)hp->n_head * (size_t)hp->d_k,
           ld_out = (size_t)hp->n_head * (size_t)hp->d_v;
    const uint8_t *base = kv->base + (size_t)t->kv_head * kv->head_stride;

    return (struct attend_args){
        .out = s->att + (size_t)t->row * ld_out + (size_t)(t->kv_head * group * hp->d_v),
        .q = s->q + (size_t)t->row * ld_q + (size_t)(t->kv_head * group * hp->d_k),
        .ld_out = ld_out,
        .ld_q = ld_q,
        .n_tok = t->n_row,
        .n_group = group,
        .d_k = hp->d_k,
        .d_v = hp->d_v,
        .pos0 = t->seq->pos0 + t->row - t->seq->row0,
        .window = l->window,
        .scale = hp->attn_scale,
        .softcap = hp->softcap_attn,
        .block = s->kv->table[kv->kind][t->seq->slot],
        .k_base = base,
        .v_base = base + kv->v_off,
        .k_stride = kv->block_stride,
        .v_stride = kv->block_stride,
        .kv_type = s->kv->type,
        .scratch = w->scratch,
    };
}

/* The first split of a tile that the layer sees. */
static int first_split(const struct layer *l, const struct tile *t)
{
    int pos0 = t->seq->pos0 + t->row - t->seq->row0;

    return l->window > 0 ? MAX(0, pos0 - l->window + 1) / KV_SPLIT : 0;
}

/* Where the keys lie that a tile reads first. */
static void first_keys(const struct step *s, const struct layer *l, const struct tile *t,
                       const uint8_t *key[KV_SPLIT / KV_BLOCK])
{
    const struct kv_layer *kv = &s->kv->layer[l->index];
    const int32_t *table = s->kv->table[kv->kind][t->seq->slot];
    int split = t->part ? MAX(t->split, first_split(l, t)) : first_split(l, t);
    int end = (t->seq->pos0 + t->row - t->seq->row0 + t->n_row - 1) / KV_BLOCK;

    for (int i = 0; i < KV_SPLIT / KV_BLOCK; i++) {
        int b = split * (KV_SPLIT / KV_BLOCK) + i;

        key[i] = b <= end && table[b] >= 0 ? kv->base + (size_t)table[b] * kv->block_stride +
                                                 (size_t)t->kv_head * kv->head_stride
                                           : NULL;
    }
}

/* One split of a tile that is cut; whoever is last makes the output of the parts. */
static void attend_split(struct attend_args *a, const struct tile *t, int first,
                         const struct kernels *k)
{
    size_t size = (size_t)(a->n_tok * a->n_group) * ATTEND_PART(a->d_v);

    a->split = t->split;
    a->part = t->part + (size_t)t->split * size;
    /* What a window does not reach has no part. */
    if (t->split >= first) k->attend(a);
    if (atomic_fetch_sub(t->left, 1) > 1) return;
    atomic_store(t->left, t->n_split);
    a->part = t->part + (size_t)first * size;
    k->attend_merge(a, t->n_split - first);
}

void op_attend(struct worker *w, const struct layer *l)
{
    struct step *s = w->s;
    const struct kernels *k = &s->m->kernels;
    /* Tiles are taken as workers come free, the next one before the last is done, to fetch its
     * keys in time. */
    const uint8_t *key[KV_SPLIT / KV_BLOCK];
    int cold = 1;

    for (int i = worker_take(w, s->n_task), next; i >= 0; i = next, cold = 0) {
        const struct tile *t = &s->tile[i];
        struct attend_args a = tile_args(w, l, t);

        next = worker_take(w, s->n_task);
        if (next >= 0) first_keys(s, l, &s->tile[next], key);
        a.ahead = next >= 0 ? key : NULL;
        a.cold = cold;
        if (t->part) attend_split(&a, t, first_split(l, t), k);
        else k->attend(&a);
    }
    op_barrier(w);
}
