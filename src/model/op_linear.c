/* SPDX-License-Identifier: MIT */
/*
 * op_linear.c - norms and matrices: activations in, columns out.
 *
 * A matrix is shared out by groups of 16 output rows, the same groups to the
 * same worker in every step, so that a worker's share of the weights stays in its
 * caches. Activations of few rows are normalised and packed by every worker for
 * itself; of many rows, once, shared out by rows.
 */
#include "model/step.h"

void op_barrier(struct worker *w)
{
    pool_barrier(w->s->pool);
}

/* Which rows this worker prepares, and where: all of them privately, or a share of the shared ones.
 */
struct prep {
    float *h;
    void *q8;
    int lo, hi;
    bool shared;
};

static struct prep prepare(struct worker *w)
{
    struct step *s = w->s;
    int n = step_rows(w);
    struct prep p = { .h = w->own_h, .q8 = w->own_q8, .lo = 0, .hi = n };

    if (n <= OWN_ROWS) return p;
    p.shared = true;
    p.h = s->h;
    p.q8 = s->h_q8;
    worker_share(w, n, Q8_TILE, &p.lo, &p.hi);
    return p;
}

/* Pack rows src [T][k], if this model quantises activations, and join the workers if shared. */
static struct act finish(struct worker *w, struct prep *p, const float *src, int k)
{
    const struct model *m = w->s->m;
    struct act a = { .f32 = src };

    if (!m->precision_f32 && k % Q8_GROUP == 0) {
        if (p->lo < p->hi) m->kernels.q8_pack(p->q8, src, (size_t)k, step_rows(w), k, p->lo, p->hi);
        a.q8 = p->q8;
    }
    if (p->shared) op_barrier(w);
    return a;
}

struct act op_norm(struct worker *w, const float *x, const float *weight)
{
    const struct model *m = w->s->m;
    struct prep p = prepare(w);
    size_t d = (size_t)m->hp.d_model;

    for (int r = p.lo; r < p.hi; r++)
        m->kernels.rmsnorm(p.h + (size_t)r * d, x + (size_t)r * d, weight, (int)d, m->hp.eps);
    return finish(w, &p, p.h, (int)d);
}

struct act op_rows(struct worker *w, const float *src, int k)
{
    struct prep p = prepare(w);
    return finish(w, &p, src, k);
}

/* Where the columns of a product go: y [rows][ld]. */
struct dest {
    float *y;
    int ld, rows;
    bool add; /* y += */
};

/* This worker's share of the groups of y = a m^T; *lo and *hi get its columns. */
static void matmul(struct worker *w, struct dest d, struct act a, const struct matrix *m, int *lo,
                   int *hi)
{
    const struct kernels *k = &w->s->m->kernels;
    int g0, g1;

    worker_share(w, (m->n + R16 - 1) / R16, 1, &g0, &g1);
    *lo = g0 * R16;
    *hi = MIN(g1 * R16, m->n);
    if (g0 >= g1) return;
    struct matmul_args args = { .y = d.y,
                                .ld_y = (size_t)d.ld,
                                .w = m->w,
                                .m = d.rows,
                                .k = m->k,
                                .n = m->n,
                                .g0 = g0,
                                .g1 = g1,
                                .type = m->type,
                                .add = d.add,
                                .dequant = k->dequant[m->type],
                                .scratch = w->scratch };
    args.x = m->packed ? a.q8 : (const void *)a.f32;
    (m->packed ? k->matmul[m->type] : k->matmul_f32)(&args);
}

static void project(struct worker *w, struct dest d, struct act a, const struct matrix *m,
                    const float *bias)
{
    int lo, hi;

    matmul(w, d, a, m, &lo, &hi);
    for (int r = 0; bias && lo < hi && r < d.rows; r++)
        w->s->m->kernels.add(d.y + (size_t)r * (size_t)d.ld + lo, bias + lo, hi - lo);
}

void op_project(struct worker *w, float *y, struct act a, const struct matrix *m, const float *bias)
{
    project(w, (struct dest){ y, m->n, step_rows(w), false }, a, m, bias);
}

void op_qkv(struct worker *w, struct act a, const struct layer *l)
{
    struct step *s = w->s;

    op_project(w, s->q, a, &l->wq, l->bq);
    op_project(w, s->k, a, &l->wk, l->bk);
    op_project(w, s->v, a, &l->wv, l->bv);
    op_barrier(w);
}

void op_project_add(struct worker *w, struct act a, const struct matrix *m, const float *bias)
{
    project(w, (struct dest){ w->s->x, m->n, step_rows(w), true }, a, m, bias);
    op_barrier(w);
}

void op_project_norm_add(struct worker *w, struct act a, const struct matrix *m,
                         const float *weight)
{
    struct step *s = w->s;
    const struct kernels *k = &s->m->kernels;
    size_t d = (size_t)s->m->hp.d_model;
    int lo, hi;

    op_project(w, s->tmp, a, m, NULL);
    op_barrier(w);
    worker_share(w, step_rows(w), 1, &lo, &hi);
    for (int r = lo; r < hi; r++) {
        float *row = s->tmp + (size_t)r * d;
        k->rmsnorm(row, row, weight, (int)d, s->m->hp.eps);
        k->add(s->x + (size_t)r * d, row, (int)d);
    }
    op_barrier(w);
}

void op_gated(struct worker *w, struct act a, const struct layer *l, bool gelu)
{
    struct step *s = w->s;
    const struct kernels *k = &s->m->kernels;
    int ff = s->m->hp.d_ff, g0, g1;

    /* gate and up are shared out alike: a worker owns the same columns of both. */
    op_project(w, s->gate, a, &l->w_gate, l->b_gate);
    op_project(w, s->up, a, &l->w_up, l->b_up);
    worker_share(w, (ff + R16 - 1) / R16, 1, &g0, &g1);
    int lo = g0 * R16, hi = MIN(g1 * R16, ff);
    for (int r = 0; lo < hi && r < step_rows(w); r++) {
        float *gate = s->gate + (size_t)r * (size_t)ff + lo;
        const float *up = s->up + (size_t)r * (size_t)ff + lo;
        (gelu ? k->gelu_mul : k->silu_mul)(gate, gate, up, hi - lo);
    }
    op_barrier(w);
}

void op_logits(struct worker *w)
{
    struct step *s = w->s;
    const struct model *m = s->m;
    const struct matrix *head = &m->g.lm_head;
    size_t d = (size_t)m->hp.d_model;
    int n_out = s->b->n_out, lo, hi;

    /* The rows that need logits, normalised and gathered; few, so nobody minds the barrier. */
    worker_share(w, n_out, Q8_TILE, &lo, &hi);
    for (int i = lo; i < hi; i++)
        m->kernels.rmsnorm(s->h + (size_t)i * d, s->x + (size_t)s->b->out_row[i] * d, m->g.out_norm,
                           (int)d, m->hp.eps);
    struct act a = { .f32 = s->h };
    if (head->packed) {
        if (lo < hi) m->kernels.q8_pack(s->h_q8, s->h, d, n_out, (int)d, lo, hi);
        a.q8 = s->h_q8;
    }
    op_barrier(w);
    if (n_out == 0) return;
    matmul(w, (struct dest){ s->logits, head->n, n_out, false }, a, head, &lo, &hi);
    for (int i = 0; m->hp.softcap_final > 0 && lo < hi && i < n_out; i++)
        m->kernels.softcap(s->logits + (size_t)i * (size_t)head->n + lo, hi - lo,
                           m->hp.softcap_final);
}
