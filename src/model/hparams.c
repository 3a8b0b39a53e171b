/* SPDX-License-Identifier: MIT */
/*
 * hparams.c - see hparams.h. One table gives the key, the field, the range and
 * whether the key is needed; rules that join several numbers come after it.
 */
#include "model/hparams.h"

#include <math.h>
#include <stdio.h>

#include "base/limits.h"
#include "format/gguf.h"

const char *hparams_key(char *buf, const char *arch, const char *key)
{
    snprintf(buf, 128, "%s.%s", arch, key);
    return buf;
}

/* clang-format off */
static const struct int_rule {
    const char *key;
    size_t off;
    enum gguf_need need;
    int64_t lo, hi;
} int_rules[] = {
    { "block_count",              offsetof(struct hparams, n_layer), GGUF_NEEDED,   1, LIMIT_LAYERS },
    { "embedding_length",         offsetof(struct hparams, d_model), GGUF_NEEDED,   1, LIMIT_WIDTH },
    { "feed_forward_length",      offsetof(struct hparams, d_ff),    GGUF_NEEDED,   1, LIMIT_WIDTH },
    { "attention.head_count",     offsetof(struct hparams, n_head),  GGUF_NEEDED,   1, LIMIT_HEADS },
    { "attention.head_count_kv",  offsetof(struct hparams, n_kv),    GGUF_OPTIONAL, 1, LIMIT_HEADS },
    { "attention.key_length",     offsetof(struct hparams, d_k),     GGUF_OPTIONAL, 1, LIMIT_HEAD_DIM },
    { "attention.value_length",   offsetof(struct hparams, d_v),     GGUF_OPTIONAL, 1, LIMIT_HEAD_DIM },
    { "rope.dimension_count",     offsetof(struct hparams, n_rot),   GGUF_OPTIONAL, 2, LIMIT_HEAD_DIM },
    { "context_length",           offsetof(struct hparams, ctx_max), GGUF_NEEDED,   1, LIMIT_CTX },
    { "attention.sliding_window", offsetof(struct hparams, window),  GGUF_OPTIONAL, 0, LIMIT_CTX },
};

static const struct float_rule {
    const char *key;
    size_t off;
    double lo, hi;
} rope_rules[] = {
    { "rope.freq_base",                       offsetof(struct rope, base),        1e-3, 1e15 },
    { "rope.scaling.factor",                  offsetof(struct rope, factor),      1e-3, 1e6 },
    { "rope.scaling.original_context_length", offsetof(struct rope, orig_ctx),    1,    LIMIT_CTX },
    { "rope.scaling.yarn_beta_fast",          offsetof(struct rope, beta_fast),   1e-6, 1e6 },
    { "rope.scaling.yarn_beta_slow",          offsetof(struct rope, beta_slow),   1e-6, 1e6 },
};
/* clang-format on */

static enum brrr_status read_ints(struct hparams *h, const struct gguf *g, const char *arch,
                                  struct brrr_error *err)
{
    char key[128];

    for (size_t i = 0; i < COUNT(int_rules); i++) {
        const struct int_rule *r = &int_rules[i];
        int *field = (int *)((char *)h + r->off);
        int64_t v = *field;
        enum brrr_status st =
            gguf_int(g, hparams_key(key, arch, r->key), r->need, r->lo, r->hi, &v, err);
        if (st) return st;
        *field = (int)v;
    }
    return BRRR_OK;
}

static enum brrr_status read_scaling_type(struct rope *r, const struct gguf *g, const char *arch,
                                          struct brrr_error *err)
{
    static const char *const names[] = { "none", "linear", "yarn", "longrope" };
    char key[128], shown[64];
    struct slice s = { 0 };
    enum brrr_status st =
        gguf_str(g, hparams_key(key, arch, "rope.scaling.type"), GGUF_OPTIONAL, &s, err);

    if (st || !s.p) return st;
    for (size_t i = 0; i < COUNT(names); i++)
        if (slice_is(s, names[i])) {
            r->scaling = (enum rope_scaling)i;
            return BRRR_OK;
        }
    return fail(err, BRRR_E_UNSUPPORTED,
                "%s: %s is '%s'; known are none, linear, yarn, longrope, "
                "at byte %llu",
                gguf_path(g), key, slice_print(shown, sizeof(shown), s),
                (unsigned long long)gguf_find(g, key)->off);
}

static enum brrr_status read_rope(struct hparams *h, const struct gguf *g, const char *arch,
                                  struct brrr_error *err)
{
    char key[128];
    double attn = 1, old_linear = 1;
    struct rope *r = &h->rope[0];
    enum brrr_status st;

    *r = (struct rope){ .base = 10000,
                        .factor = 1,
                        .orig_ctx = h->ctx_max,
                        .beta_fast = 32,
                        .beta_slow = 1,
                        .attn_factor = 1 };
    if ((st = read_scaling_type(r, g, arch, err))) return st;
    for (size_t i = 0; i < COUNT(rope_rules); i++) {
        const struct float_rule *f = &rope_rules[i];
        st = gguf_float(g, hparams_key(key, arch, f->key), GGUF_OPTIONAL, f->lo, f->hi,
                        (double *)((char *)r + f->off), err);
        if (st) return st;
    }
    /* Files of 2023 have the linear factor under its own key. */
    st = gguf_float(g, hparams_key(key, arch, "rope.scale_linear"), GGUF_OPTIONAL, 1e-3, 1e6,
                    &old_linear, err);
    if (st) return st;
    if (r->scaling == ROPE_NONE && old_linear != 1) {
        r->scaling = ROPE_LINEAR;
        r->factor = old_linear;
    }
    st = gguf_float(g, hparams_key(key, arch, "rope.scaling.attn_factor"), GGUF_OPTIONAL, 1e-3, 1e3,
                    &attn, err);
    if (st) return st;
    r->attn_factor = attn;
    /* YaRN, section 3.4: attention is sharpened by 0.1 ln(factor) + 1. */
    if (r->scaling == ROPE_YARN && r->factor > 1) r->attn_factor *= 0.1 * log(r->factor) + 1;
    if (r->scaling == ROPE_NONE) r->factor = 1;
    h->rope[1] = *r;
    return BRRR_OK;
}

/* Where a key's value is in the file, for messages; 0 if it is absent. */
static unsigned long long key_off(const struct gguf *g, const char *arch, const char *name)
{
    char key[128];
    const struct gguf_kv *kv = gguf_find(g, hparams_key(key, arch, name));

    return kv ? kv->off : 0;
}

/* Rules between the numbers. */
static enum brrr_status check_shape(struct hparams *h, const struct gguf *g, const char *arch,
                                    struct brrr_error *err)
{
    const char *path = gguf_path(g);

    if (h->n_kv > h->n_head || h->n_head % h->n_kv)
        return fail(err, BRRR_E_FORMAT,
                    "%s: %s.attention.head_count_kv = %d does not divide head_count = %d, "
                    "at byte %llu",
                    path, arch, h->n_kv, h->n_head, key_off(g, arch, "attention.head_count_kv"));
    if (h->d_k <= 0 || h->d_v <= 0)
        return fail(
            err, BRRR_E_FORMAT,
            "%s: %s.embedding_length = %d is not a multiple of head_count = %d, at byte %llu", path,
            arch, h->d_model, h->n_head, key_off(g, arch, "embedding_length"));
    if (h->d_k > LIMIT_HEAD_DIM || h->d_v > LIMIT_HEAD_DIM)
        return fail(err, BRRR_E_UNSUPPORTED, "%s: a head is %d wide; at most %d is supported", path,
                    MAX(h->d_k, h->d_v), LIMIT_HEAD_DIM);
    if (h->n_rot % 2 || h->n_rot > h->d_k)
        return fail(err, BRRR_E_FORMAT,
                    "%s: %s.rope.dimension_count = %d must be even and at most the head width %d, "
                    "at byte %llu",
                    path, arch, h->n_rot, h->d_k, key_off(g, arch, "rope.dimension_count"));
    if ((int64_t)h->n_head * MAX(h->d_k, h->d_v) > LIMIT_WIDTH)
        return fail(err, BRRR_E_UNSUPPORTED, "%s: %d heads of %d are wider than %d", path,
                    h->n_head, MAX(h->d_k, h->d_v), LIMIT_WIDTH);
    return BRRR_OK;
}

enum brrr_status hparams_read(struct hparams *h, const struct gguf *g, const char *arch,
                              struct brrr_error *err)
{
    char key[128];
    double eps = 1e-5, scale = 0;
    enum brrr_status st;

    *h = (struct hparams){ .embd_scale = 1 };
    if ((st = read_ints(h, g, arch, err))) return st;
    if (h->n_kv == 0) h->n_kv = h->n_head;
    int derived = h->d_model % h->n_head ? 0 : h->d_model / h->n_head;
    if (h->d_k == 0) h->d_k = derived;
    if (h->d_v == 0) h->d_v = derived;
    if (h->n_rot == 0) h->n_rot = h->d_k;
    if ((st = check_shape(h, g, arch, err))) return st;
    if ((st = read_rope(h, g, arch, err))) return st;
    st = gguf_float(g, hparams_key(key, arch, "attention.layer_norm_rms_epsilon"), GGUF_NEEDED, 0,
                    1, &eps, err);
    if (st) return st;
    st = gguf_float(g, hparams_key(key, arch, "attention.scale"), GGUF_OPTIONAL, 1e-6, 1e3, &scale,
                    err);
    if (st) return st;
    h->eps = (float)eps;
    h->attn_scale = scale > 0 ? (float)scale : (float)(1 / sqrt(h->d_k));
    return BRRR_OK;
}
