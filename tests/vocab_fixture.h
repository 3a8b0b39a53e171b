/* SPDX-License-Identifier: MIT */
/*
 * vocab_fixture.h - vocabularies put together as GGUF bytes, for the unit tests and
 * the fuzz target of the tokenizer; vocab_samples.h has some. Metadata only.
 *
 * Start from a zeroed struct vf, call vf_begin(), put keys, take vf->b[0, n)
 * after vf_end(), and free vf->b.
 */
#ifndef TESTS_VOCAB_FIXTURE_H
#define TESTS_VOCAB_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format/gguf.h"

struct vf {
    uint8_t *b;
    size_t n, cap;
    uint64_t n_kv;
};

static inline void vf_put(struct vf *f, const void *p, size_t n)
{
    if (f->n + n > f->cap) {
        f->cap = 2 * (f->n + n) + 4096;
        f->b = realloc(f->b, f->cap);
        if (!f->b) abort();
    }
    memcpy(f->b + f->n, p, n);
    f->n += n;
}

static inline void vf_put32(struct vf *f, uint32_t v)
{
    vf_put(f, &v, 4);
}

static inline void vf_put64(struct vf *f, uint64_t v)
{
    vf_put(f, &v, 8);
}

static inline void vf_text(struct vf *f, const char *p, size_t n)
{
    vf_put64(f, n);
    vf_put(f, p, n);
}

static inline void vf_begin(struct vf *f)
{
    f->n = 0;
    f->n_kv = 0;
    vf_put(f, "GGUF", 4);
    vf_put32(f, 3);
    vf_put64(f, 0);
    vf_put64(f, 0);
}

static inline void vf_end(struct vf *f)
{
    memcpy(f->b + 16, &f->n_kv, 8);
}

static inline void vf_key(struct vf *f, const char *key, enum gguf_type type)
{
    vf_text(f, key, strlen(key));
    vf_put32(f, type);
    f->n_kv++;
}

static inline void vf_str(struct vf *f, const char *key, const char *value)
{
    vf_key(f, key, GGUF_STRING);
    vf_text(f, value, strlen(value));
}

static inline void vf_u32(struct vf *f, const char *key, uint32_t v)
{
    vf_key(f, key, GGUF_U32);
    vf_put32(f, v);
}

static inline void vf_bool(struct vf *f, const char *key, bool v)
{
    vf_key(f, key, GGUF_BOOL);
    vf_put(f, v ? "\1" : "\0", 1);
}

/* A vocabulary being put together: at most VF_TOKENS tokens of VF_TEXT bytes. */
enum { VF_TOKENS = 1024, VF_TEXT = 64 };
struct vf_vocab {
    char text[VF_TOKENS][VF_TEXT];
    int32_t kind[VF_TOKENS];
    float score[VF_TOKENS];
    int n;
    char merge[VF_TOKENS][2 * VF_TEXT];
    int n_merge;
};

/* dst = left + gap + right, which may lie in the same vocabulary. */
static inline void vf_join(char *dst, size_t cap, const char *left, const char *gap,
                           const char *right)
{
    size_t l = strlen(left), g = strlen(gap), r = strlen(right);

    if (l + g + r >= cap) abort();
    memmove(dst, left, l);
    memmove(dst + l, gap, g);
    memmove(dst + l + g, right, r);
    dst[l + g + r] = 0;
}

static inline int vf_token(struct vf_vocab *v, const char *text, int kind)
{
    if (v->n >= VF_TOKENS) abort();
    vf_join(v->text[v->n], VF_TEXT, text, "", "");
    v->kind[v->n] = kind;
    v->score[v->n] = (float)-v->n;
    return v->n++;
}

static inline void vf_merge(struct vf_vocab *v, const char *left, const char *right)
{
    if (v->n_merge >= VF_TOKENS) abort();
    vf_join(v->merge[v->n_merge++], 2 * VF_TEXT, left, " ", right);
}

/* GPT-2's alphabet in the order of the bytes; written from its definition, as a check of ours. */
static inline void vf_byte_tokens(struct vf_vocab *v)
{
    uint32_t other = 0x100;

    for (uint32_t b = 0; b < 256; b++) {
        bool plain = (b >= '!' && b <= '~') || (b >= 0xa1 && b <= 0xac) || b >= 0xae;
        uint32_t c = plain ? b : other++;
        char s[3] = { (char)c, 0, 0 };
        if (c >= 0x80) {
            s[0] = (char)(0xc0 | c >> 6);
            s[1] = (char)(0x80 | (c & 0x3f));
        }
        vf_token(v, s, 1);
    }
}

static inline void vf_arrays(struct vf *f, const struct vf_vocab *v)
{
    vf_key(f, "tokenizer.ggml.tokens", GGUF_ARRAY);
    vf_put32(f, GGUF_STRING);
    vf_put64(f, (uint64_t)v->n);
    for (int i = 0; i < v->n; i++)
        vf_text(f, v->text[i], strlen(v->text[i]));
    vf_key(f, "tokenizer.ggml.token_type", GGUF_ARRAY);
    vf_put32(f, GGUF_I32);
    vf_put64(f, (uint64_t)v->n);
    vf_put(f, v->kind, (size_t)v->n * 4);
    vf_key(f, "tokenizer.ggml.scores", GGUF_ARRAY);
    vf_put32(f, GGUF_F32);
    vf_put64(f, (uint64_t)v->n);
    vf_put(f, v->score, (size_t)v->n * 4);
    vf_key(f, "tokenizer.ggml.merges", GGUF_ARRAY);
    vf_put32(f, GGUF_STRING);
    vf_put64(f, (uint64_t)v->n_merge);
    for (int i = 0; i < v->n_merge; i++)
        vf_text(f, v->merge[i], strlen(v->merge[i]));
}

#endif
