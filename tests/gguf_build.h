/* SPDX-License-Identifier: MIT */
/*
 * gguf_build.h - GGUF files put together in memory, for the unit tests of the
 * reader. Include it after <cmocka.h> and format/gguf.h.
 */
#ifndef TESTS_GGUF_BUILD_H
#define TESTS_GGUF_BUILD_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct file {
    uint8_t b[1 << 16];
    size_t n;
};

static inline void put(struct file *f, const void *p, size_t n)
{
    assert_true(f->n + n <= sizeof(f->b));
    memcpy(f->b + f->n, p, n);
    f->n += n;
}

static inline void put32(struct file *f, uint32_t v)
{
    put(f, &v, 4);
}

static inline void put64(struct file *f, uint64_t v)
{
    put(f, &v, 8);
}

static inline void put_text(struct file *f, const char *s)
{
    put64(f, strlen(s));
    put(f, s, strlen(s));
}

static inline void put_key(struct file *f, const char *key, enum gguf_type type)
{
    put_text(f, key);
    put32(f, type);
}

static inline void put_array(struct file *f, enum gguf_type elem, uint64_t n)
{
    put32(f, elem);
    put64(f, n);
}

static inline void put_tensor(struct file *f, const char *name, uint64_t d0, uint64_t d1,
                              uint32_t type)
{
    put_text(f, name);
    put32(f, 2);
    put64(f, d0);
    put64(f, d1);
    put32(f, type);
}

static inline void put_header(struct file *f, uint32_t version, uint64_t n_tensors, uint64_t n_kv)
{
    f->n = 0;
    put(f, "GGUF", 4);
    put32(f, version);
    put64(f, n_tensors);
    put64(f, n_kv);
}

static inline void pad(struct file *f, size_t align)
{
    while (f->n % align != 0)
        put(f, "", 1);
}

static inline void put_scalars(struct file *f)
{
    float pi = 3.25f;
    double small = 1e-5;

    put_key(f, "a.u8", GGUF_U8);
    put(f, "\xc8", 1);
    put_key(f, "a.i8", GGUF_I8);
    put(f, "\xfd", 1);
    put_key(f, "a.u16", GGUF_U16);
    put(f, "\xff\xff", 2);
    put_key(f, "a.i16", GGUF_I16);
    put(f, "\xfe\xff", 2);
    put_key(f, "a.u32", GGUF_U32);
    put32(f, 0x80000000u);
    put_key(f, "a.i32", GGUF_I32);
    put32(f, 0xffffffffu);
    put_key(f, "a.f32", GGUF_F32);
    put(f, &pi, 4);
    put_key(f, "a.bool", GGUF_BOOL);
    put(f, "\1", 1);
    put_key(f, "a.str", GGUF_STRING);
    put_text(f, "hello");
    put_key(f, "a.u64", GGUF_U64);
    put64(f, UINT64_MAX);
    put_key(f, "a.i64", GGUF_I64);
    put64(f, (uint64_t)INT64_MIN);
    put_key(f, "a.f64", GGUF_F64);
    put(f, &small, 8);
}

enum { N_SCALARS = 12, N_ARRAYS = 5, N_KV = N_SCALARS + N_ARRAYS };

static inline void put_arrays(struct file *f)
{
    float x[3] = { 1, NAN, INFINITY };

    put_key(f, "b.strings", GGUF_ARRAY);
    put_array(f, GGUF_STRING, 3);
    put_text(f, "");
    put_text(f, "two");
    put_text(f, "\xff");
    put_key(f, "b.floats", GGUF_ARRAY);
    put_array(f, GGUF_F32, 3);
    put(f, x, sizeof(x));
    put_key(f, "b.ints", GGUF_ARRAY);
    put_array(f, GGUF_I32, 2);
    put32(f, 7);
    put32(f, 0xfffffff9u);
    put_key(f, "b.empty", GGUF_ARRAY);
    put_array(f, GGUF_U64, 0);
    put_key(f, "b.nested", GGUF_ARRAY);
    put_array(f, GGUF_ARRAY, 2);
    put_array(f, GGUF_ARRAY, 1);
    put_array(f, GGUF_U8, 3);
    put(f, "abc", 3);
    put_array(f, GGUF_STRING, 1);
    put_text(f, "x");
}

/* Every kind of value, and three tensors: 64 F32, two blocks of Q4_0, one of Q6_K. */
static inline void sound(struct file *f, uint32_t version)
{
    put_header(f, version, 3, N_KV);
    put_scalars(f);
    put_arrays(f);
    put_tensor(f, "norm", 64, 1, 0);
    put64(f, 0);
    put_tensor(f, "blk.0.w", 32, 2, 2);
    put64(f, 256);
    put_tensor(f, "blk.1.w", 256, 1, 14);
    put64(f, 320);
    pad(f, 32);
    for (int i = 0; i < 320 + 210; i++)
        put(f, &(uint8_t){ (uint8_t)(i * 7) }, 1);
}

static inline size_t sound_header_bytes(void)
{
    struct file f;

    sound(&f, 3);
    return f.n - 320 - 210;
}

/* Open a private copy that ends where its allocation ends. */
static inline enum brrr_status open_copy(struct gguf **g, uint8_t **copy, const struct file *f,
                                         struct brrr_error *err)
{
    *copy = malloc(f->n ? f->n : 1);
    assert_non_null(*copy);
    memcpy(*copy, f->b, f->n);
    return gguf_open_memory(g, *copy, f->n, "m.gguf", err);
}

static inline struct gguf *open_sound(struct file *f, uint8_t **copy)
{
    struct brrr_error err = { 0 };
    struct gguf *g;

    sound(f, 3);
    if (open_copy(&g, copy, f, &err) != BRRR_OK) fail_msg("%s", err.text);
    return g;
}

static inline void close_copy(struct gguf *g, uint8_t *copy)
{
    gguf_close(g);
    free(copy);
}

#endif
