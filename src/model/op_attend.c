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

static void attend_tile(struct worker *w, const struct layer *l, const struct tile *t)
{
    struct step *s = w->s;
    const struct hparams *hp = &s->m->hp;
    const struct kv_layer *kv = &s->kv->layer[l->index];
    int group = hp->n_head / hp->n_kv;
    size_t ld_q = (size_t)hp->n_head * (size_t)hp->d_k,
           ld_out = (size_t)hp->n_head * (size_t)hp->d_v;
    const uint8_t *base = kv->base + (size_t)t->kv_head * kv->head_stride;
    struct attend_args a = {
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
    s->m->kernels.attend(&a);
}

void op_attend(struct worker *w, const struct layer *l)
{
    int i;

    /* Tiles are taken as workers come free. */
    while ((i = worker_take(w, w->s->n_task)) >= 0)
        attend_tile(w, l, &w->s->tile[i]);
    op_barrier(w);
}
