/* SPDX-License-Identifier: MIT */
/*
 * tiny_model.h - small random models as GGUF files in memory, for the unit tests
 * of model and engine. Include it after base/status.h and <cmocka.h>. The weights come from a
 * seed.
 */
#ifndef TESTS_TINY_MODEL_H
#define TESTS_TINY_MODEL_H

#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"

enum { TINY_D = 64, TINY_FF = 96, TINY_HEADS = 4, TINY_KV = 2, TINY_DK = 16, TINY_VOCAB = 128 };

struct tiny {
    uint8_t *b;
    size_t n, cap;
    uint32_t seed;
    uint64_t off; /* of the next tensor's data */
};

/* What kind of model: the tests vary these. */
struct tiny_spec {
    const char *arch; /* "llama" or "gemma3" */
    int n_layer, window, ctx;
    enum qtype type; /* of the matrices */
};

static inline void tiny_put(struct tiny *t, const void *p, size_t n)
{
    if (t->n + n > t->cap) {
        t->cap = 2 * t->cap + n + 4096;
        t->b = realloc(t->b, t->cap);
        assert_non_null(t->b);
    }
    memcpy(t->b + t->n, p, n);
    t->n += n;
}

static inline void tiny_u32(struct tiny *t, uint32_t v)
{
    tiny_put(t, &v, 4);
}
static inline void tiny_u64(struct tiny *t, uint64_t v)
{
    tiny_put(t, &v, 8);
}

static inline void tiny_text(struct tiny *t, const char *s)
{
    tiny_u64(t, strlen(s));
    tiny_put(t, s, strlen(s));
}

static inline uint32_t tiny_random(struct tiny *t)
{
    t->seed = t->seed * 1664525u + 1013904223u;
    return t->seed >> 8;
}

static inline void tiny_key_u32(struct tiny *t, const char *arch, const char *key, uint32_t v)
{
    char name[96];

    snprintf(name, sizeof(name), "%s.%s", arch, key);
    tiny_text(t, name);
    tiny_u32(t, GGUF_U32);
    tiny_u32(t, v);
}

/* One row of the table of tensors; rows == 0: a vector. */
struct tiny_tensor {
    char name[64];
    int rows, cols;
    enum qtype type;
};

static inline size_t tiny_bytes(const struct tiny_tensor *x)
{
    size_t n = qtype_row_bytes(x->type, (size_t)x->cols) * (size_t)(x->rows ? x->rows : 1);
    return (n + 31) / 32 * 32;
}

static inline void tiny_info(struct tiny *t, const struct tiny_tensor *x)
{
    tiny_text(t, x->name);
    tiny_u32(t, x->rows ? 2 : 1);
    tiny_u64(t, (uint64_t)x->cols);
    if (x->rows) tiny_u64(t, (uint64_t)x->rows);
    tiny_u32(t, qtypes[x->type].gguf_id);
    tiny_u64(t, t->off);
    t->off += tiny_bytes(x);
}

/* Random data: f32 in +-0.25 (vectors around 1), quantised blocks with a small scale first. */
static inline void tiny_data(struct tiny *t, const struct tiny_tensor *x)
{
    size_t n = tiny_bytes(x), block = qtypes[x->type].bytes;
    uint8_t *p = malloc(n);

    assert_non_null(p);
    memset(p, 0, n);
    if (x->type == QT_F32) {
        for (size_t i = 0; i < n / 4; i++) {
            float v = ((float)(tiny_random(t) % 2001) - 1000) / 4000 + (x->rows ? 0 : 1);
            memcpy(p + 4 * i, &v, 4);
        }
    } else {
        for (size_t i = 0; i < n; i++)
            p[i] = (uint8_t)tiny_random(t);
        for (size_t i = 0; i + block <= n; i += block) {
            uint16_t d = f32_to_f16(x->type == QT_Q8_0 ? 0.002f : 0.03f);
            uint16_t m = f32_to_f16(-0.2f);
            memcpy(p + i, &d, 2);
            if (x->type == QT_Q4_1) memcpy(p + i + 2, &m, 2);
        }
    }
    tiny_put(t, p, n);
    free(p);
}

static inline int tiny_layer(struct tiny_tensor *x, const struct tiny_spec *s, int l)
{
    const struct {
        const char *name;
        int rows, cols;
        bool gemma_only;
    } rows[] = {
        { "attn_norm", 0, TINY_D, false },
        { "attn_q", TINY_HEADS * TINY_DK, TINY_D, false },
        { "attn_k", TINY_KV * TINY_DK, TINY_D, false },
        { "attn_v", TINY_KV * TINY_DK, TINY_D, false },
        { "attn_output", TINY_D, TINY_HEADS * TINY_DK, false },
        { "ffn_norm", 0, TINY_D, false },
        { "ffn_gate", TINY_FF, TINY_D, false },
        { "ffn_up", TINY_FF, TINY_D, false },
        { "ffn_down", TINY_D, TINY_FF, false },
        { "attn_q_norm", 0, TINY_DK, true },
        { "attn_k_norm", 0, TINY_DK, true },
        { "post_attention_norm", 0, TINY_D, true },
        { "post_ffw_norm", 0, TINY_D, true },
    };
    int n = 0;

    for (size_t i = 0; i < COUNT(rows); i++) {
        if (rows[i].gemma_only && strcmp(s->arch, "gemma3") != 0) continue;
        struct tiny_tensor *t = &x[n++];
        snprintf(t->name, sizeof(t->name), "blk.%d.%s.weight", l, rows[i].name);
        t->rows = rows[i].rows;
        t->cols = rows[i].cols;
        t->type = rows[i].rows ? s->type : QT_F32;
    }
    return n;
}

/* The whole file; *t owns it (free t->b). */
static inline void tiny_file(struct tiny *t, const struct tiny_spec *s)
{
    struct tiny_tensor x[128] = { { "token_embd.weight", TINY_VOCAB, TINY_D, s->type },
                                  { "output_norm.weight", 0, TINY_D, QT_F32 } };
    float eps = 1e-5f;
    int n = 2;
    char key[96];

    for (int l = 0; l < s->n_layer; l++)
        n += tiny_layer(x + n, s, l);
    *t = (struct tiny){ .seed = 7 };
    tiny_put(t, "GGUF", 4);
    tiny_u32(t, 3);
    tiny_u64(t, (uint64_t)n);
    tiny_u64(t, 11);
    tiny_text(t, "general.architecture");
    tiny_u32(t, GGUF_STRING);
    tiny_text(t, s->arch);
    tiny_key_u32(t, s->arch, "block_count", (uint32_t)s->n_layer);
    tiny_key_u32(t, s->arch, "embedding_length", TINY_D);
    tiny_key_u32(t, s->arch, "feed_forward_length", TINY_FF);
    tiny_key_u32(t, s->arch, "attention.head_count", TINY_HEADS);
    tiny_key_u32(t, s->arch, "attention.head_count_kv", TINY_KV);
    tiny_key_u32(t, s->arch, "attention.key_length", TINY_DK);
    tiny_key_u32(t, s->arch, "attention.value_length", TINY_DK);
    tiny_key_u32(t, s->arch, "context_length", (uint32_t)s->ctx);
    tiny_key_u32(t, s->arch, "attention.sliding_window", (uint32_t)s->window);
    snprintf(key, sizeof(key), "%s.attention.layer_norm_rms_epsilon", s->arch);
    tiny_text(t, key);
    tiny_u32(t, GGUF_F32);
    tiny_put(t, &eps, 4);
    for (int i = 0; i < n; i++)
        tiny_info(t, &x[i]);
    while (t->n % 32)
        tiny_put(t, "", 1);
    for (int i = 0; i < n; i++)
        tiny_data(t, &x[i]);
}

/* A model without tokenizer, as the engine takes it. */
static inline void tiny_open(struct brrr_model *m, struct tiny *t, const struct tiny_spec *s,
                             enum brrr_precision precision)
{
    struct model_opts mo = { .precision = precision };
    struct brrr_error err;
    struct pool *pool;

    tiny_file(t, s);
    *m = (struct brrr_model){ 0 };
    assert_int_equal(pool_new(&pool, 2, &err), BRRR_OK);
    if (gguf_open_memory(&m->file, t->b, t->n, "tiny", &err) ||
        model_load(&m->model, m->file, &mo, pool, &err))
        fail_msg("%s", err.text);
    pool_free(pool);
}

/* A request with nothing but a prompt and parameters. */
static inline enum brrr_status submit_ids(struct brrr_engine *e, const int32_t *prompt, size_t n,
                                          const struct gen_params *g, uint64_t *id,
                                          struct brrr_error *err)
{
    struct engine_request q = { .prompt = prompt, .n_prompt = n, .gen = g };

    return engine_submit(e, &q, id, err);
}

static inline void tiny_close(struct brrr_model *m, struct tiny *t)
{
    model_free(m->model);
    gguf_close(m->file);
    free(t->b);
}

#endif
