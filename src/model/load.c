/* SPDX-License-Identifier: MIT */
/*
 * load.c - from a checked file to a model in memory (model.h).
 *
 * Every matrix with a packed layout is re-packed once, by all workers, 16 rows
 * at a time; a worker packs a contiguous share, so that the pages it touches
 * first are those it will read later. Then the mapped pages are given back.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/cpu.h"
#include "base/limits.h"
#include "model/bind.h"

enum brrr_status model_check(const struct gguf *g, enum brrr_precision precision,
                             struct model_plan *plan, struct brrr_error *err)
{
    struct binder b;
    enum brrr_status st = bind_plan(&b, g, precision, err);

    if (plan) *plan = st ? (struct model_plan){ 0 } : b.plan;
    return st;
}

enum { PAGE = 4096 };

/* The mapped pages that lie wholly inside a tensor are not needed any more. */
static void give_back(const struct gguf_tensor *t)
{
    uintptr_t lo = ((uintptr_t)t->data + PAGE - 1) & ~(uintptr_t)(PAGE - 1);
    uintptr_t hi = ((uintptr_t)t->data + t->n_bytes) & ~(uintptr_t)(PAGE - 1);

    if (lo < hi) madvise((void *)lo, hi - lo, MADV_DONTNEED);
}

struct packing {
    const struct kernels *kernels;
    const struct pack_job *job;
    int n_job;
    const struct model_opts *opts;
    size_t n_group;
    atomic_size_t done; /* groups */
};

static void pack_share(struct packing *p, const struct pack_job *j, int lo, int hi)
{
    size_t row = qtype_row_bytes(j->src->type, (size_t)j->k);
    pack_fn *const *packs =
        p->opts->precision == BRRR_PRECISION_BF16 ? p->kernels->pack_bf16 : p->kernels->pack;
    pack_fn *pack = packs[j->src->type];

    for (int g = lo; g < hi; g++)
        pack(j->dst + (size_t)g * j->group_bytes, j->src->data + (size_t)g * R16 * row,
             MIN(R16, j->n - g * R16), j->k);
    atomic_fetch_add(&p->done, (size_t)(hi - lo));
}

static void pack_program(void *arg, int worker, int n_workers)
{
    struct packing *p = arg;

    for (int i = 0; i < p->n_job; i++) {
        const struct pack_job *j = &p->job[i];
        int lo = (int)((int64_t)j->n_group * worker / n_workers);
        int hi = (int)((int64_t)j->n_group * (worker + 1) / n_workers);
        pack_share(p, j, lo, hi);
        if (worker == 0 && p->opts->progress)
            p->opts->progress(p->opts->progress_arg,
                              (double)atomic_load(&p->done) / (double)p->n_group);
    }
}

static void pack_all(const struct binder *b, const struct model_opts *opts, struct pool *pool)
{
    struct packing p = {
        .kernels = &b->model->kernels, .job = b->job, .n_job = b->n_job, .opts = opts
    };

    for (int i = 0; i < b->n_job; i++)
        p.n_group += (size_t)b->job[i].n_group;
    pool_run(pool, pack_program, &p);
    for (int i = 0; i < b->n_job && gguf_is_mapped(b->g); i++)
        give_back(b->job[i].src);
    if (opts->progress) opts->progress(opts->progress_arg, 1);
}

static void describe_layers(struct model *m)
{
    for (int i = 0; i < m->hp.n_layer; i++) {
        bool global = hparams_is_global(&m->hp, i);
        m->layer[i].index = i;
        m->layer[i].window = global ? 0 : m->hp.window;
        m->layer[i].rope = global ? 0 : 1;
    }
}

enum brrr_status model_load(struct model **out, const struct gguf *g, const struct model_opts *opts,
                            struct pool *pool, struct brrr_error *err)
{
    struct model *m = NULL;
    struct binder b;
    enum brrr_status st;

    *out = NULL;
    if ((st = bind_plan(&b, g, opts->precision, err))) return st;
    if (b.plan.packed_bytes > mem_available())
        return fail(err, BRRR_E_NOMEM, "%s: the weights need %zu MiB, %zu MiB are available",
                    gguf_path(g), b.plan.packed_bytes >> 20, mem_available() >> 20);
    st = BRRR_E_NOMEM;
    m = calloc(1, sizeof(*m));
    if (!m) goto nomem;
    m->layer = calloc((size_t)b.plan.hp.n_layer, sizeof(*m->layer));
    b.job = calloc((size_t)b.arch->n_layers * (size_t)b.plan.hp.n_layer + 2, sizeof(*b.job));
    if (!m->layer || !b.job) goto nomem;
    if ((st = arena_init(&m->weights, b.plan.packed_bytes, gguf_path(g), err))) goto error;
    m->arch = b.arch;
    m->file = g;
    m->hp = b.plan.hp;
    m->precision = opts->precision;
    kernels_select(&m->kernels, cpu_features());
    b.model = m;
    if ((st = bind_model(&b, err))) goto error;
    describe_layers(m);
    pack_all(&b, opts, pool);
    free(b.job);
    *out = m;
    return BRRR_OK;

nomem:
    fail(err, BRRR_E_NOMEM, "%s: no memory for the tables of the model", gguf_path(g));
error:
    free(b.job);
    model_free(m);
    return st;
}

void model_free(struct model *m)
{
    if (!m) return;
    arena_fini(&m->weights);
    free(m->layer);
    free(m);
}

const char *model_profile(const struct model *m)
{
    static const char *const names[] = {
        [BRRR_PRECISION_Q8] = "q8g32x", [BRRR_PRECISION_F32] = "f32", [BRRR_PRECISION_BF16] = "bf16"
    };

    return names[m->precision];
}

void model_profile_kv(const struct model *m, int kv_type, char *out, size_t n)
{
    snprintf(out, n, "%s/%s", model_profile(m), kv_types[kv_type].name);
}

enum kv_kind model_kv_kind(const struct hparams *hp, int layer)
{
    return hparams_is_global(hp, layer) ? KV_FULL : KV_WINDOW;
}

size_t model_kv_block_bytes(const struct hparams *hp, int kv_type)
{
    return (size_t)hp->n_kv * (kv_k_bytes(kv_type, hp->d_k) + kv_v_bytes(kv_type, hp->d_v));
}
