/* SPDX-License-Identifier: MIT */
/*
 * gguf_get.c - what is in an open GGUF file: searches and typed getters (gguf.h).
 *
 * gguf_parse() checked the structure, so offsets and lengths are trusted here;
 * values are not: each getter checks kind and range.
 */
#include "format/gguf_file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/f16.h"
#include "base/le.h"

static const char *const type_names[GGUF_TYPE_COUNT] = {
    [GGUF_U8] = "an u8",       [GGUF_I8] = "an i8",    [GGUF_U16] = "an u16",
    [GGUF_I16] = "an i16",     [GGUF_U32] = "an u32",  [GGUF_I32] = "an i32",
    [GGUF_F32] = "an f32",     [GGUF_BOOL] = "a bool", [GGUF_STRING] = "a string",
    [GGUF_ARRAY] = "an array", [GGUF_U64] = "an u64",  [GGUF_I64] = "an i64",
    [GGUF_F64] = "an f64",
};

const char *gguf_path(const struct gguf *g)
{
    return g->path;
}

size_t gguf_file_bytes(const struct gguf *g)
{
    return g->n_bytes;
}

uint32_t gguf_version(const struct gguf *g)
{
    return g->version;
}

size_t gguf_n_kv(const struct gguf *g)
{
    return g->n_kv;
}

const struct gguf_kv *gguf_kv_at(const struct gguf *g, size_t i)
{
    return i < g->n_kv ? &g->kv[i] : NULL;
}

size_t gguf_n_tensors(const struct gguf *g)
{
    return g->n_tensors;
}

const struct gguf_tensor *gguf_tensor_at(const struct gguf *g, size_t i)
{
    return i < g->n_tensors ? &g->tensor[i] : NULL;
}

const struct gguf_kv *gguf_find(const struct gguf *g, const char *key)
{
    struct slice want = { key, strlen(key) };
    size_t lo = 0, hi = g->n_kv;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        const struct gguf_kv *kv = &g->kv[g->kv_order[mid]];
        int c = gguf_name_cmp(want, kv->key);
        if (c == 0) return kv;
        if (c < 0) hi = mid;
        else lo = mid + 1;
    }
    return NULL;
}

const struct gguf_tensor *gguf_find_tensor(const struct gguf *g, const char *name)
{
    struct slice want = { name, strlen(name) };
    size_t lo = 0, hi = g->n_tensors;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        const struct gguf_tensor *t = &g->tensor[g->tensor_order[mid]];
        int c = gguf_name_cmp(want, t->name);
        if (c == 0) return t;
        if (c < 0) hi = mid;
        else lo = mid + 1;
    }
    return NULL;
}

/* --- typed getters --- */

/* A message about element i of kv. */
static enum brrr_status bad(const struct gguf *g, struct brrr_error *err, const struct gguf_kv *kv,
                            uint64_t i, const char *what)
{
    char key[GGUF_NAME_SHOWN];
    uint64_t at = kv->off;

    if (kv->type == GGUF_ARRAY) at = (uint64_t)(kv->data - g->base) + i * gguf_type_bytes[kv->elem];
    return gguf_fail(g, err, BRRR_E_FORMAT,
                     (struct gguf_place){ slice_print(key, sizeof(key), kv->key), at }, "%s", what);
}

static enum brrr_status wrong_kind(const struct gguf *g, struct brrr_error *err,
                                   const struct gguf_kv *kv, const char *wanted)
{
    char what[64];

    if (kv->type == GGUF_ARRAY)
        snprintf(what, sizeof(what), "is an array, each element %s, not %s", type_names[kv->elem],
                 wanted);
    else snprintf(what, sizeof(what), "is %s, not %s", type_names[kv->type], wanted);
    return bad(g, err, kv, 0, what);
}

static enum brrr_status absent(const struct gguf *g, struct brrr_error *err, const char *key,
                               enum gguf_need need)
{
    if (need == GGUF_OPTIONAL) return BRRR_OK;
    return fail(err, BRRR_E_FORMAT, "%s: %s: the key is missing", g->shown, key);
}

enum brrr_status gguf_elem_int(const struct gguf *g, const struct gguf_kv *kv, uint64_t i,
                               int64_t lo, int64_t hi, int64_t *out, struct brrr_error *err)
{
    const uint8_t *p = kv->data + i * gguf_type_bytes[kv->elem];
    char what[160];
    int64_t v;
    bool fits = true;

    switch (kv->elem) {
    case GGUF_U8:
    case GGUF_BOOL:
        v = *p;
        fits = kv->elem == GGUF_U8 || v <= 1;
        break;
    case GGUF_I8:
        v = (int8_t)*p;
        break;
    case GGUF_U16:
        v = le16(p);
        break;
    case GGUF_I16:
        v = (int16_t)le16(p);
        break;
    case GGUF_U32:
        v = le32(p);
        break;
    case GGUF_I32:
        v = (int32_t)le32(p);
        break;
    case GGUF_U64:
        fits = le64(p) <= INT64_MAX;
        v = (int64_t)le64(p);
        break;
    case GGUF_I64:
        v = (int64_t)le64(p);
        break;
    default:
        return wrong_kind(g, err, kv, "an integer");
    }
    if (fits && v >= lo && v <= hi) {
        *out = v;
        return BRRR_OK;
    }
    if (!fits) snprintf(what, sizeof(what), "the value is out of range");
    else
        snprintf(what, sizeof(what), "%lld is not in %lld..%lld", (long long)v, (long long)lo,
                 (long long)hi);
    return bad(g, err, kv, i, what);
}

enum brrr_status gguf_elem_float(const struct gguf *g, const struct gguf_kv *kv, uint64_t i,
                                 double *out, struct brrr_error *err)
{
    const uint8_t *p = kv->data + i * gguf_type_bytes[kv->elem];
    enum brrr_status st;
    int64_t n;
    double v;

    if (kv->elem == GGUF_F32) v = (double)f32_from_bits(le32(p));
    else if (kv->elem == GGUF_F64) {
        uint64_t u = le64(p);
        memcpy(&v, &u, sizeof(v));
    } else if (kv->elem == GGUF_STRING || kv->elem == GGUF_ARRAY) {
        return wrong_kind(g, err, kv, "a number");
    } else {
        st = gguf_elem_int(g, kv, i, INT64_MIN, INT64_MAX, &n, err);
        if (st != BRRR_OK) return st;
        v = (double)n;
    }
    if (!isfinite(v)) return bad(g, err, kv, i, isnan(v) ? "is not a number" : "is infinite");
    *out = v;
    return BRRR_OK;
}

enum brrr_status gguf_int(const struct gguf *g, const char *key, enum gguf_need need, int64_t lo,
                          int64_t hi, int64_t *out, struct brrr_error *err)
{
    const struct gguf_kv *kv = gguf_find(g, key);

    if (!kv) return absent(g, err, key, need);
    if (kv->type == GGUF_ARRAY) return wrong_kind(g, err, kv, "an integer");
    return gguf_elem_int(g, kv, 0, lo, hi, out, err);
}

enum brrr_status gguf_float(const struct gguf *g, const char *key, enum gguf_need need, double lo,
                            double hi, double *out, struct brrr_error *err)
{
    const struct gguf_kv *kv = gguf_find(g, key);
    char what[160];
    double v;

    if (!kv) return absent(g, err, key, need);
    if (kv->type == GGUF_ARRAY) return wrong_kind(g, err, kv, "a number");
    enum brrr_status st = gguf_elem_float(g, kv, 0, &v, err);
    if (st != BRRR_OK) return st;
    if (v < lo || v > hi) {
        snprintf(what, sizeof(what), "%g is not in %g..%g", v, lo, hi);
        return bad(g, err, kv, 0, what);
    }
    *out = v;
    return BRRR_OK;
}

enum brrr_status gguf_bool(const struct gguf *g, const char *key, enum gguf_need need, bool *out,
                           struct brrr_error *err)
{
    int64_t v = -1;
    enum brrr_status st = gguf_int(g, key, need, 0, 1, &v, err);

    if (v >= 0) *out = v != 0;
    return st;
}

static struct slice string_at(const uint8_t *p)
{
    return (struct slice){ (const char *)p + 8, (size_t)le64(p) };
}

enum brrr_status gguf_str(const struct gguf *g, const char *key, enum gguf_need need,
                          struct slice *out, struct brrr_error *err)
{
    const struct gguf_kv *kv = gguf_find(g, key);

    if (!kv) return absent(g, err, key, need);
    if (kv->type != GGUF_STRING) return wrong_kind(g, err, kv, "a string");
    *out = string_at(kv->data);
    return BRRR_OK;
}

enum brrr_status gguf_strings(const struct gguf *g, const char *key, enum gguf_need need,
                              struct slice **out, size_t *n, struct brrr_error *err)
{
    const struct gguf_kv *kv = gguf_find(g, key);

    *out = NULL;
    *n = 0;
    if (!kv) return absent(g, err, key, need);
    if (kv->type != GGUF_ARRAY || kv->elem != GGUF_STRING)
        return wrong_kind(g, err, kv, "an array of strings");
    struct slice *s = calloc(kv->n ? (size_t)kv->n : 1, sizeof(*s));
    if (!s)
        return fail(err, BRRR_E_NOMEM, "%s: %s: no memory for %zu strings", g->shown, key,
                    (size_t)kv->n);
    const uint8_t *p = kv->data;
    for (size_t i = 0; i < kv->n; i++) {
        s[i] = string_at(p);
        p += 8 + s[i].n;
    }
    *out = s;
    *n = (size_t)kv->n;
    return BRRR_OK;
}
