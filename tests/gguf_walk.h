/* SPDX-License-Identifier: MIT */
/*
 * gguf_walk.h - use everything an open GGUF file hands out: every key through
 * every getter, every string, the first and the last block of every tensor.
 * Shared by the fuzz target and the unit test. Aborts where a promise of
 * gguf.h is broken; a sanitizer sees the rest.
 */
#ifndef TESTS_GGUF_WALK_H
#define TESTS_GGUF_WALK_H

#include <math.h>
#include <stdlib.h>

#include "base/cpu.h"
#include "format/gguf.h"
#include "kernels/kernels.h"

static inline void walk_require(bool ok)
{
    if (!ok) abort();
}

/* Reads every byte; the result only keeps the compiler from dropping the loop. */
static inline unsigned walk_bytes(const void *p, size_t n)
{
    const volatile unsigned char *b = p;
    unsigned sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += b[i];
    return sum;
}

static inline void walk_key(const struct gguf *g, const struct gguf_kv *kv, const char *key)
{
    struct brrr_error err = { 0 };
    struct slice s = { 0 }, *strings;
    size_t n;
    int64_t v = 0;
    double x = 0;
    bool b = false;

    walk_require(gguf_find(g, key) == kv);
    if (gguf_str(g, key, GGUF_NEEDED, &s, &err) == BRRR_OK) walk_bytes(s.p, s.n);
    if (gguf_int(g, key, GGUF_NEEDED, -5, 5, &v, &err) == BRRR_OK) walk_require(v >= -5 && v <= 5);
    if (gguf_float(g, key, GGUF_NEEDED, 0, 1, &x, &err) == BRRR_OK) walk_require(x >= 0 && x <= 1);
    (void)gguf_bool(g, key, GGUF_NEEDED, &b, &err);
    if (gguf_strings(g, key, GGUF_NEEDED, &strings, &n, &err) == BRRR_OK) {
        walk_require(n == kv->n);
        for (size_t i = 0; i < n; i++)
            walk_bytes(strings[i].p, strings[i].n);
        free(strings);
    }
    for (uint64_t i = 0; i < kv->n; i++) {
        (void)gguf_elem_int(g, kv, i, INT64_MIN, INT64_MAX, &v, &err);
        if (gguf_elem_float(g, kv, i, &x, &err) == BRRR_OK) walk_require(isfinite(x));
        else if (kv->elem == GGUF_STRING || kv->elem == GGUF_ARRAY) break;
    }
    walk_require(memchr(err.text, '\n', sizeof(err.text)) == NULL);
}

static inline void walk_tensor(const struct gguf *g, const struct kernels *k,
                               const struct gguf_tensor *t, const char *name)
{
    float y[256];
    const struct qtype_info *q = &qtypes[t->type];
    size_t bytes = t->dim[0] * t->dim[1] * t->dim[2] * t->dim[3] / q->block * q->bytes;

    walk_require(gguf_find_tensor(g, name) == t);
    walk_require(t->n_dims >= 1 && t->n_dims <= 4 && bytes == t->n_bytes && bytes > 0);
    walk_require(t->off + t->n_bytes <= gguf_file_bytes(g) && t->dim[0] % q->block == 0);
    k->dequant[t->type](y, t->data, q->block);
    k->dequant[t->type](y, t->data + t->n_bytes - q->bytes, q->block);
}

static inline void walk(const struct gguf *g)
{
    struct kernels k;

    kernels_select(&k, cpu_features());
    walk_bytes(gguf_path(g), strlen(gguf_path(g)));
    for (size_t i = 0; i < gguf_n_kv(g); i++) {
        const struct gguf_kv *kv = gguf_kv_at(g, i);
        char *key = strndup(kv->key.p, kv->key.n);
        walk_require(key != NULL);
        walk_key(g, kv, key);
        free(key);
    }
    for (size_t i = 0; i < gguf_n_tensors(g); i++) {
        const struct gguf_tensor *t = gguf_tensor_at(g, i);
        char *name = strndup(t->name.p, t->name.n);
        walk_require(name != NULL);
        walk_tensor(g, &k, t, name);
        free(name);
    }
    walk_require(gguf_kv_at(g, gguf_n_kv(g)) == NULL);
    walk_require(gguf_tensor_at(g, gguf_n_tensors(g)) == NULL);
}

#endif
