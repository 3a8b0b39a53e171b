/* SPDX-License-Identifier: MIT */
/*
 * op_linear.c - norms and matrices: activations in, columns out.
 *
 * A matrix is shared out by groups of 16 output rows: with few rows the same groups
 * to the same worker in every step, so that a worker's share of the weights stays in
 * its caches; with many, in pieces taken as workers come free.
 * Activations of few rows are normalised and packed by every worker for itself; of many
 * rows, once, shared out by rows.
 */
#include "model/step.h"

void op_barrier(struct worker *w)
{
    pool_barrier(w->s->pool);
}

enum {
    /* From so many rows on a worker takes pieces of a matrix as it comes free: one that is
     * delayed takes fewer. Below, every worker has the same share in every step: columns of
     * activations, which it adds to in each layer, stay with one core. */
    PIECES_FROM = 48,
    PIECE_GROUPS = 3,                 /* as many as a kernel multiplies side by side       */
    GROUPS_OF_BLOCK = Q8_GROUP / R16, /* groups whose outputs share a scale when packed    */
    GATED_GROUPS = 6,                 /* both: PIECE_GROUPS and GROUPS_OF_BLOCK divide it  */
    FLOAT_GROUPS = 12, /* both, of float weights: their kernel turns rows of x at every call */
};

/* True if rows of k activations are packed for the matrices that take them. */
static bool packs(const struct model *m, int k)
{
    return m->reads_packed && (m->precision == BRRR_PRECISION_BF16 || k % Q8_GROUP == 0);
}

static void pack(const struct model *m, const struct q8_pack_args *a)
{
    (m->precision == BRRR_PRECISION_BF16 ? m->kernels.bf16_pack : m->kernels.q8_pack)(a);
}

/* Which rows this worker prepares, and where: all of them privately, or a share of the shared ones.
 */
struct prep {
    float *h;
    void *packed;
    int lo, hi;
    bool shared;
};

static struct prep prepare(struct worker *w)
{
    struct step *s = w->s;
    int n = step_rows(w);
    struct prep p = { .h = w->own_h, .packed = w->own_packed, .lo = 0, .hi = n };

    if (n <= OWN_ROWS) return p;
    p.shared = true;
    p.h = s->h;
    p.packed = s->h_packed;
    worker_share(w, n, Q8_TILE, &p.lo, &p.hi);
    return p;
}

/* Pack rows src [T][k], if this model reads them so, and join the workers if shared. */
static struct act finish(struct worker *w, struct prep *p, const float *src, int k)
{
    const struct model *m = w->s->m;
    struct act a = { .f32 = src };

    if (packs(m, k)) {
        struct q8_pack_args args = {
            p->packed, src, (size_t)k, step_rows(w), k, p->lo, p->hi, 0, k
        };
        pack(m, &args);
        a.packed = p->packed;
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

/* y [rows][m->n] (+)= a m^T + bias */
struct product {
    float *y;
    const struct matrix *m;
    const float *bias; /* may be NULL */
    int rows;
    bool add; /* y += */
};

static int n_groups(const struct matrix *m)
{
    return (m->n + R16 - 1) / R16;
}

/* Where group g of the matrix lies; NULL if it is not packed. */
static const void *weights(const struct matrix *m, int g)
{
    return m->group_bytes ? (const uint8_t *)m->w + (size_t)g * m->group_bytes : NULL;
}

/* The first group of this worker's share of the matrix that comes after m. */
static const void *after(const struct worker *w, const struct matrix *m)
{
    int g0, g1;

    worker_share(w, n_groups(m->next), 1, &g0, &g1);
    return weights(m->next, g0);
}

/* Groups [g0, g1) of a matrix, and the weights that this worker multiplies with after them. */
struct range {
    int g0, g1;
    const void *next;
};

/* The columns of a range of groups; p->m is not empty. */
static void multiply(struct worker *w, const struct product *p, struct act a, struct range r)
{
    const struct kernels *k = &w->s->m->kernels;
    const struct matrix *m = p->m;
    int lo = r.g0 * R16, hi = MIN(r.g1 * R16, m->n);
    struct matmul_args args = { .y = p->y,
                                .ld_y = (size_t)m->n,
                                .w = m->w,
                                .x = m->packed && !m->wide ? a.packed : (const void *)a.f32,
                                .m = p->rows,
                                .k = m->k,
                                .n = m->n,
                                .g0 = r.g0,
                                .g1 = r.g1,
                                .type = m->type,
                                .add = p->add,
                                .ahead = w->s->o.ahead,
                                .dequant = k->dequant[m->type],
                                .next = r.next,
                                .scratch = w->scratch };

    if (r.g0 >= r.g1) return;
    (m->bf16 ? k->matmul_bf16 : m->packed ? k->matmul[m->type] : k->matmul_f32)(&args);
    for (int i = 0; p->bias && i < p->rows; i++)
        k->add(p->y + (size_t)i * (size_t)m->n + lo, p->bias + lo, hi - lo);
}

/* Groups in a piece of this matrix, and the number of its pieces. */
static int piece_groups(const struct matrix *m)
{
    return m->wide ? FLOAT_GROUPS : PIECE_GROUPS;
}

static int n_pieces(const struct matrix *m)
{
    return (n_groups(m) + piece_groups(m) - 1) / piece_groups(m);
}

/* True if work that comes in so many pieces is better taken piece by piece than shared out. */
static bool by_pieces(const struct worker *w, int pieces)
{
    return step_rows(w) >= PIECES_FROM && pieces >= 2 * w->n;
}

/* Piece i of the products: which one it belongs to, and its first group there. */
static const struct product *piece(const struct product *p, int i, int *g0)
{
    for (; i >= n_pieces(p->m); p++)
        i -= n_pieces(p->m);
    *g0 = i * piece_groups(p->m);
    return p;
}

/* All of n products of the same activations; a barrier must follow. */
static void multiply_all(struct worker *w, struct act a, const struct product *p, int n)
{
    int pieces = 0, g0, g1;

    for (int j = 0; j < n; j++)
        pieces += n_pieces(p[j].m);
    if (!by_pieces(w, pieces)) {
        for (int j = 0; j < n; j++) {
            worker_share(w, n_groups(p[j].m), 1, &g0, &g1);
            multiply(w, &p[j], a, (struct range){ g0, g1, after(w, p[j].m) });
        }
        return;
    }
    for (int i = worker_take(w, pieces), then; i >= 0; i = then) {
        const struct product *q = piece(p, i, &g0), *r;
        then = worker_take(w, pieces);
        r = then < 0 ? NULL : piece(p, then, &g1);
        const void *next = r ? weights(r->m, g1) : after(w, p[n - 1].m);
        multiply(w, q, a, (struct range){ g0, MIN(g0 + piece_groups(q->m), n_groups(q->m)), next });
    }
}

void op_qkv(struct worker *w, struct act a, const struct layer *l)
{
    struct step *s = w->s;
    int rows = step_rows(w);
    struct product p[] = { { s->q, &l->wq, l->bq, rows, false },
                           { s->k, &l->wk, l->bk, rows, false },
                           { s->v, &l->wv, l->bv, rows, false } };

    multiply_all(w, a, p, COUNT(p));
    op_barrier(w);
}

void op_project_add(struct worker *w, struct act a, const struct matrix *m, const float *bias)
{
    struct product p = { w->s->x, m, bias, step_rows(w), true };

    multiply_all(w, a, &p, 1);
    op_barrier(w);
}

void op_project_norm_add(struct worker *w, struct act a, const struct matrix *m,
                         const float *weight)
{
    struct step *s = w->s;
    const struct kernels *k = &s->m->kernels;
    struct product p = { s->tmp, m, NULL, step_rows(w), false };
    size_t d = (size_t)s->m->hp.d_model;
    int lo, hi;

    multiply_all(w, a, &p, 1);
    op_barrier(w);
    worker_share(w, step_rows(w), 1, &lo, &hi);
    for (int r = lo; r < hi; r++) {
        float *row = s->tmp + (size_t)r * d;
        k->rmsnorm(row, row, weight, (int)d, s->m->hp.eps);
        k->add(s->x + (size_t)r * d, row, (int)d);
    }
    op_barrier(w);
}

/* Columns of groups [g0, g1) of the gated feed-forward: both products, then what is made of them, a
 * tile of rows at a time, so that it is packed while it is in the cache. */
static void gated_columns(struct worker *w, struct act a, const struct layer *l, bool gelu,
                          struct range r)
{
    struct step *s = w->s;
    const struct kernels *k = &s->m->kernels;
    int ff = s->m->hp.d_ff, lo = r.g0 * R16, hi = MIN(r.g1 * R16, ff), rows = step_rows(w);
    struct product gate = { s->gate, &l->w_gate, l->b_gate, rows, false };
    struct product up = { s->up, &l->w_up, l->b_up, rows, false };
    struct q8_pack_args args = { s->ff_packed, s->gate, (size_t)ff, rows, ff, 0, 0, lo, hi };

    multiply(w, &gate, a, (struct range){ r.g0, r.g1, weights(&l->w_up, r.g0) });
    multiply(w, &up, a, r);
    for (int r0 = 0; lo < hi && r0 < rows; r0 += Q8_TILE) {
        int r1 = MIN(r0 + Q8_TILE, rows);
        for (int i = r0; i < r1; i++) {
            float *row = s->gate + (size_t)i * (size_t)ff + lo;
            (gelu ? k->gelu_mul : k->silu_mul)(row, row, s->up + (size_t)i * (size_t)ff + lo,
                                               hi - lo);
        }
        args.m0 = r0, args.m1 = r1;
        if (packs(s->m, ff)) pack(s->m, &args);
    }
}

struct act op_gated(struct worker *w, struct act a, const struct layer *l, bool gelu)
{
    struct step *s = w->s;
    int n = n_groups(&l->w_gate), size = l->w_gate.wide ? FLOAT_GROUPS : GATED_GROUPS;
    int pieces = (n + size - 1) / size, g0, g1;
    const void *last = after(w, &l->w_up);

    if (!by_pieces(w, pieces)) {
        worker_share(w, n, GROUPS_OF_BLOCK, &g0, &g1);
        gated_columns(w, a, l, gelu, (struct range){ g0, g1, last });
    } else {
        for (int i = worker_take(w, pieces), then; i >= 0; i = then) {
            then = worker_take(w, pieces);
            const void *next = then < 0 ? last : weights(&l->w_gate, then * size);
            gated_columns(w, a, l, gelu, (struct range){ i * size, MIN((i + 1) * size, n), next });
        }
    }
    op_barrier(w);
    return (struct act){ s->gate, packs(s->m, s->m->hp.d_ff) ? s->ff_packed : NULL };
}

void op_hidden(struct worker *w)
{
    struct step *s = w->s;
    const struct model *m = s->m;
    size_t d = (size_t)m->hp.d_model;
    int lo, hi;

    worker_share(w, s->b->n_hidden, 1, &lo, &hi);
    for (int i = lo; i < hi; i++)
        m->kernels.rmsnorm(s->tmp + (size_t)i * d, s->x + (size_t)s->b->hidden_row[i] * d,
                           m->g.out_norm, (int)d, m->hp.eps);
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
    if (head->packed && !head->wide) {
        struct q8_pack_args args = { s->h_packed, s->h, d, n_out, (int)d, lo, hi, 0, (int)d };
        pack(m, &args);
        a.packed = s->h_packed;
    }
    op_barrier(w);
    if (n_out == 0) return;
    struct product p = { s->logits, head, NULL, n_out, false };
    worker_share(w, n_groups(head), 1, &lo, &hi);
    multiply(w, &p, a, (struct range){ lo, hi, after(w, head) });
    lo *= R16, hi = MIN(hi * R16, head->n);
    for (int i = 0; m->hp.softcap_final > 0 && lo < hi && i < n_out; i++)
        m->kernels.softcap(s->logits + (size_t)i * (size_t)head->n + lo, hi - lo,
                           m->hp.softcap_final);
}
