/* SPDX-License-Identifier: MIT */
/*
 * cost.c - see cost.h. The architecture's table of weights says which matrices there are, so a new
 * architecture is counted without an edit here.
 */
#include "model/cost.h"

#include "kernels/attend.h"
#include "model/arch.h"

static double matrix_macs(const struct matrix *m)
{
    return m->w ? (double)m->n * m->k : 0;
}

/* Packed groups are padded to 16 rows, and the padding is read too. */
static double matrix_bytes(const struct matrix *m)
{
    if (!m->w) return 0;
    if (!m->group_bytes) return (double)qtype_row_bytes(m->type, (size_t)m->k) * m->n;
    return (double)m->group_bytes * ((m->n + R16 - 1) / R16);
}

void model_cost(struct model_cost *c, const struct model *m, int kv_type)
{
    const struct hparams *hp = &m->hp;

    *c = (struct model_cost){ .window = hp->window };
    for (int l = 0; l < hp->n_layer; l++) {
        for (int i = 0; i < m->arch->n_layers; i++) {
            const struct weight_rule *r = &m->arch->layers[i];
            if (r->kind != WEIGHT_MATRIX) continue;
            const void *at = (const char *)&m->layer[l] + r->off;
            c->linear_macs += matrix_macs(at);
            c->layer_bytes += matrix_bytes(at);
        }
        enum kv_kind kind = model_kv_kind(hp, l);
        c->kv_bytes[kind] += (double)model_kv_block_bytes(hp, kv_type) / KV_BLOCK;
        c->attend_macs[kind] += (double)hp->n_head * (hp->d_k + hp->d_v);
    }
    c->head_macs = matrix_macs(&m->g.lm_head);
    c->head_bytes = matrix_bytes(&m->g.lm_head);
    c->embd_bytes = (double)qtype_row_bytes(m->g.embd.type, (size_t)m->g.embd.k);
}

/* Per position of each kind, times the positions that the kind sees. */
static double seen(const struct model_cost *c, const double *per_pos, int n_pos)
{
    int in_window = c->window ? MIN(n_pos, c->window) : n_pos;

    return per_pos[KV_FULL] * n_pos + per_pos[KV_WINDOW] * in_window;
}

double cost_kv_bytes(const struct model_cost *c, int n_pos)
{
    return seen(c, c->kv_bytes, n_pos);
}

double cost_attend_macs(const struct model_cost *c, int n_pos)
{
    return seen(c, c->attend_macs, n_pos);
}
