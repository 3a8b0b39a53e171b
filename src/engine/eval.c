/* SPDX-License-Identifier: MIT */
/* eval.c - see eval.h. */
#include "engine/eval.h"

#include <stdlib.h>

#include "engine/kvpool.h"

/* Rows of logits kept at once when every row is asked for. */
enum { OUT_ROWS = 64 };

struct eval {
    const struct brrr_model *m;
    struct engine_opts o;
    struct pool *pool;
    struct kvpool *kv;
    struct step *step;
    int32_t out_row[OUT_ROWS];
};

enum brrr_status eval_new(struct eval **out, const struct brrr_model *m,
                          const struct engine_opts *o, struct brrr_error *err)
{
    struct eval *v = calloc(1, sizeof(*v));
    enum brrr_status st;

    *out = NULL;
    if (!v) return fail(err, BRRR_E_NOMEM, "no memory to evaluate");
    v->m = m;
    v->o = *o;
    v->o.n_parallel = 1;
    if ((st = engine_opts_settle(&v->o, m, err))) goto error;
    struct kvpool_opts k = {
        .kv_type = v->o.kv_type, .ctx = v->o.ctx, .n_slot = 1, .chunk = v->o.chunk
    };
    if ((st = pool_new(&v->pool, v->o.n_threads, err))) goto error;
    if ((st = kvpool_new(&v->kv, &m->model->hp, &k, err))) goto error;
    struct step_opts so = { .max_row = v->o.chunk,
                            .max_out = MIN(v->o.chunk, OUT_ROWS),
                            .ctx = v->o.ctx,
                            .n_workers = v->o.n_threads,
                            .ahead = v->o.ahead };
    if ((st = step_new(&v->step, m->model, &so, err))) goto error;
    *out = v;
    return BRRR_OK;

error:
    eval_free(v);
    return st;
}

void eval_free(struct eval *v)
{
    if (!v) return;
    step_free(v->step);
    kvpool_free(v->kv);
    pool_free(v->pool);
    free(v);
}

static enum brrr_status check_ids(const struct eval *v, const int32_t *id, int n,
                                  struct brrr_error *err)
{
    int n_vocab = v->m->model->hp.n_vocab;

    if (n < 1) return fail(err, BRRR_E_FORMAT, "there are no ids");
    if (n > v->o.ctx)
        return fail(err, BRRR_E_LIMIT, "%d ids, the context holds %d (--ctx-size)", n, v->o.ctx);
    for (int i = 0; i < n; i++)
        if (id[i] < 0 || id[i] >= n_vocab)
            return fail(err, BRRR_E_FORMAT, "id %d is %d; ids are 0 to %d", i, id[i], n_vocab - 1);
    return BRRR_OK;
}

enum brrr_status eval_run(struct eval *v, const int32_t *id, int n, const struct eval_rows *rows,
                          struct brrr_error *err)
{
    size_t n_vocab = (size_t)v->m->model->hp.n_vocab;
    int chunk = rows->all ? MIN(v->o.chunk, OUT_ROWS) : v->o.chunk;
    enum brrr_status st = check_ids(v, id, n, err);
    bool go_on = true;

    if (st) return st;
    for (int at = 0; at < n && go_on; at += chunk) {
        struct batch_seq seq = { .n_row = MIN(chunk, n - at), .pos0 = at };
        struct batch b = {
            .n_row = seq.n_row, .n_seq = 1, .token = id + at, .seq = &seq, .out_row = v->out_row
        };
        bool last = at + seq.n_row == n;
        for (int r = rows->all ? 0 : seq.n_row - 1; (rows->all || last) && r < seq.n_row; r++)
            v->out_row[b.n_out++] = r;
        kvpool_extend(v->kv, 0, at, at + seq.n_row);
        const float *logits = step_run(v->step, v->pool, &b, kvpool_view(v->kv));
        for (int i = 0; i < b.n_out && go_on; i++)
            go_on = rows->take(rows->arg, at + v->out_row[i], logits + (size_t)i * n_vocab);
    }
    kvpool_release(v->kv, 0);
    return BRRR_OK;
}
