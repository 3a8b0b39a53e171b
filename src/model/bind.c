/* SPDX-License-Identifier: MIT */
/* bind.c - see bind.h. */
#include "model/bind.h"

#include <stdio.h>

#include "base/limits.h"

static const struct arch *const archs[] = {
#define ARCH(name) &arch_##name,
#include "model/arch.def"
#undef ARCH
};

const struct arch *arch_find(struct slice name)
{
    for (size_t i = 0; i < COUNT(archs); i++)
        if (slice_is(name, archs[i]->name)) return archs[i];
    return NULL;
}

const char *arch_names(void)
{
    static char names[256];
    size_t n = 0;

    for (size_t i = 0; i < COUNT(archs) && n < sizeof(names); i++)
        n += (size_t)snprintf(names + n, sizeof(names) - n, "%s%s", i ? ", " : "", archs[i]->name);
    return names;
}

static int64_t dim_value(const struct hparams *h, enum dim d)
{
    switch (d) {
    case DIM_NONE:
        return 1;
    case DIM_MODEL:
        return h->d_model;
    case DIM_Q:
        return (int64_t)h->n_head * h->d_k;
    case DIM_K:
        return (int64_t)h->n_kv * h->d_k;
    case DIM_V:
        return (int64_t)h->n_kv * h->d_v;
    case DIM_ATT:
        return (int64_t)h->n_head * h->d_v;
    case DIM_FF:
        return h->d_ff;
    case DIM_VOCAB:
        return h->n_vocab;
    case DIM_HEAD:
        return h->d_k;
    case DIM_ROT_HALF:
        return h->n_rot / 2;
    }
    return 0;
}

/* Bytes of 16 rows as they will be packed; 0: they stay as they are. */
static size_t group_bytes(const struct binder *b, const struct gguf_tensor *t)
{
    int k = (int)t->dim[0];

    if (b->precision == BRRR_PRECISION_BF16) return bf16_group_bytes(k);
    if (b->precision == BRRR_PRECISION_F32 && !packed_wide(t->type)) return 0;
    return packed_group_bytes(t->type, k);
}

static enum brrr_status check_precision(const struct binder *b, const char *name,
                                        const struct gguf_tensor *t, struct brrr_error *err)
{
    if (b->precision != BRRR_PRECISION_BF16 || packed_wide(t->type)) return BRRR_OK;
    return fail(
        err, BRRR_E_UNSUPPORTED,
        "%s: tensor %s is of type %s, at byte %llu; precision bf16 is for matrices of BF16, "
        "F16 and F32 only",
        gguf_path(b->g), name, qtypes[t->type].name, (unsigned long long)t->off);
}

static enum brrr_status check_shape(const struct binder *b, const struct weight_rule *r,
                                    const char *name, const struct gguf_tensor *t,
                                    struct brrr_error *err)
{
    uint64_t rows = (uint64_t)dim_value(&b->plan.hp, r->rows);
    uint64_t cols = (uint64_t)dim_value(&b->plan.hp, r->cols);

    if (t->dim[0] != cols || t->dim[1] != rows || t->dim[2] != 1 || t->dim[3] != 1)
        return fail(err, BRRR_E_FORMAT,
                    "%s: tensor %s: %llux%llu expected, %llux%llu%s found, at byte %llu",
                    gguf_path(b->g), name, (unsigned long long)cols, (unsigned long long)rows,
                    (unsigned long long)t->dim[0], (unsigned long long)t->dim[1],
                    t->dim[2] == 1 && t->dim[3] == 1 ? "" : "x...", (unsigned long long)t->off);
    if (r->kind == WEIGHT_VECTOR && qtypes[t->type].block != 1)
        return fail(err, BRRR_E_UNSUPPORTED, "%s: tensor %s: a vector of type %s, at byte %llu",
                    gguf_path(b->g), name, qtypes[t->type].name, (unsigned long long)t->off);
    return BRRR_OK;
}

/* Add a matrix to the plan, or put it in the model: packed, or as it stands in the file. */
static void bind_matrix(struct binder *b, const struct gguf_tensor *t, struct matrix *dst)
{
    int k = (int)t->dim[0], n = (int)t->dim[1], n_group = (n + R16 - 1) / R16;
    size_t group = group_bytes(b, t);

    if (!group) b->plan.mapped_bytes += t->n_bytes;
    b->plan.packed_bytes += arena_round(group * (size_t)n_group);
    if (!b->model) return;
    *dst = (struct matrix){
        .w = t->data, .n = n, .k = k, .type = t->type, .group_bytes = group, .packed = group > 0
    };
    dst->bf16 = b->precision == BRRR_PRECISION_BF16;
    dst->wide = dst->packed && !dst->bf16 && packed_wide(t->type);
    b->model->reads_packed |= dst->packed && !dst->wide;
    b->model->k_max = MAX(b->model->k_max, k);
    if (b->last) b->last->next = dst;
    b->last = dst;
    if (!group) return;
    uint8_t *w = arena_take(&b->model->weights, group * (size_t)n_group);
    dst->w = w;
    b->job[b->n_job++] = (struct pack_job){ t, w, group, n, k, n_group };
}

static void bind_vector(struct binder *b, const struct gguf_tensor *t, const float **dst)
{
    size_t n = (size_t)t->dim[0];

    b->plan.packed_bytes += arena_round(n * sizeof(float));
    if (!b->model) return;
    float *v = arena_take(&b->model->weights, n * sizeof(float));
    b->model->kernels.dequant[t->type](v, t->data, n);
    *dst = v;
}

static enum brrr_status bind_rule(struct binder *b, const struct weight_rule *r, int layer,
                                  void *base, struct brrr_error *err)
{
    char name[128];
    enum brrr_status st;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(name, sizeof(name), r->gguf, layer);
#pragma GCC diagnostic pop
    const struct gguf_tensor *t = gguf_find_tensor(b->g, name);
    if (!t && r->optional) return BRRR_OK;
    if (!t)
        return fail(err, BRRR_E_FORMAT,
                    "%s: tensor %s is missing from the table of tensors (%s needs it)",
                    gguf_path(b->g), name, b->arch->name);
    if ((st = check_shape(b, r, name, t, err))) return st;
    b->plan.n_params += t->dim[0] * t->dim[1];
    void *dst = base ? (char *)base + r->off : NULL;
    if (r->kind == WEIGHT_MATRIX) {
        if ((st = check_precision(b, name, t, err))) return st;
        bind_matrix(b, t, dst);
    } else if (r->kind == WEIGHT_VECTOR) {
        bind_vector(b, t, dst);
    } else {
        b->plan.mapped_bytes += t->n_bytes;
        if (dst)
            *(struct matrix *)dst = (struct matrix){
                .w = t->data, .n = (int)t->dim[1], .k = (int)t->dim[0], .type = t->type
            };
    }
    return BRRR_OK;
}

/* Tied embeddings: the output matrix is the embedding once more, in the layout of a matrix. */
static enum brrr_status bind_tied(struct binder *b, struct brrr_error *err)
{
    enum brrr_status st;

    if (gguf_find_tensor(b->g, "output.weight")) return BRRR_OK;
    const struct gguf_tensor *t = gguf_find_tensor(b->g, "token_embd.weight");
    if ((st = check_precision(b, "token_embd.weight", t, err))) return st;
    bind_matrix(b, t, b->model ? &b->model->g.lm_head : NULL);
    /* As it stands in the file it was counted with the embedding. */
    if (!group_bytes(b, t)) b->plan.mapped_bytes -= t->n_bytes;
    return BRRR_OK;
}

static enum brrr_status walk(struct binder *b, struct brrr_error *err)
{
    struct globals *g = b->model ? &b->model->g : NULL;
    enum brrr_status st;

    for (int i = 0; i < b->arch->n_globals; i++)
        if ((st = bind_rule(b, &b->arch->globals[i], 0, g, err))) return st;
    if ((st = bind_tied(b, err))) return st;
    for (int l = 0; l < b->plan.hp.n_layer; l++)
        for (int i = 0; i < b->arch->n_layers; i++) {
            void *base = b->model ? &b->model->layer[l] : NULL;
            if ((st = bind_rule(b, &b->arch->layers[i], l, base, err))) return st;
        }
    return BRRR_OK;
}

/* The number of token ids is the number of rows of the embedding. */
static enum brrr_status read_vocab(struct binder *b, struct brrr_error *err)
{
    const struct gguf_tensor *t = gguf_find_tensor(b->g, "token_embd.weight");

    if (!t)
        return fail(err, BRRR_E_FORMAT, "%s: tensor token_embd.weight is missing%s",
                    gguf_path(b->g),
                    gguf_n_tensors(b->g) ? "" : ": the file has no tensors, only a vocabulary");
    if (t->dim[1] > LIMIT_VOCAB)
        return fail(err, BRRR_E_UNSUPPORTED,
                    "%s: tensor token_embd.weight has %llu rows; at most %d are supported",
                    gguf_path(b->g), (unsigned long long)t->dim[1], LIMIT_VOCAB);
    b->plan.hp.n_vocab = (int)t->dim[1];
    return BRRR_OK;
}

static enum brrr_status find_arch(struct binder *b, struct brrr_error *err)
{
    char shown[64];
    struct slice name = { 0 };
    enum brrr_status st = gguf_str(b->g, "general.architecture", GGUF_NEEDED, &name, err);

    if (st) return st;
    b->arch = arch_find(name);
    if (!b->arch)
        return fail(err, BRRR_E_UNSUPPORTED,
                    "%s: general.architecture is '%s', at byte %llu; supported are %s",
                    gguf_path(b->g), slice_print(shown, sizeof(shown), name),
                    (unsigned long long)gguf_find(b->g, "general.architecture")->off, arch_names());
    return BRRR_OK;
}

enum brrr_status bind_plan(struct binder *b, const struct gguf *g, enum brrr_precision precision,
                           struct brrr_error *err)
{
    enum brrr_status st;

    *b = (struct binder){ .g = g, .precision = precision };
    if ((unsigned)precision > BRRR_PRECISION_BF16)
        return fail(err, BRRR_E_UNSUPPORTED, "%s: precision %d is none of enum brrr_precision",
                    gguf_path(g), (int)precision);
    if ((st = find_arch(b, err))) return st;
    b->plan.arch = b->arch->name;
    if ((st = hparams_read(&b->plan.hp, g, b->arch->name, err))) return st;
    if (b->arch->hparams && (st = b->arch->hparams(&b->plan.hp, g, err))) return st;
    if ((st = read_vocab(b, err))) return st;
    if ((st = walk(b, err))) return st;
    if (b->plan.hp.rope[0].scaling == ROPE_LONG && !gguf_find_tensor(g, "rope_factors_long.weight"))
        return fail(
            err, BRRR_E_UNSUPPORTED,
            "%s: %s.rope.scaling.type is 'longrope', but tensor rope_factors_long.weight is "
            "missing",
            gguf_path(g), b->arch->name);
    return BRRR_OK;
}

enum brrr_status bind_model(struct binder *b, struct brrr_error *err)
{
    enum brrr_status st;

    b->n_job = 0;
    if ((st = walk(b, err))) return st;
    /* The table of an architecture has its matrices in the order of their use, but the output
     * matrix, which is last, before them: so the ring is closed. */
    b->last->next = &b->model->g.lm_head;
    return BRRR_OK;
}
