/* SPDX-License-Identifier: MIT */
/*
 * gguf_parse.c - one pass over the structure of a GGUF file.
 *
 *     header    magic "GGUF", u32 version, u64 n_tensors, u64 n_kv
 *     n_kv x    string key, u32 type, value
 *     n_tensors string name, u32 n_dims, u64 dim[n_dims], u32 type, u64 offset
 *     padding to general.alignment, then tensor data; offsets count from there
 *
 * A string is a u64 length and its bytes; an array is a u32 element type, a u64
 * count and the elements. Rules of this file: a number from outside is compared
 * with what is left of the file before it sizes or moves anything, so every
 * claim costs bytes of the file, time and memory are linear in its size, and
 * nothing recurses. Strings may hold any bytes; names (of keys and tensors) are
 * valid UTF-8 without control characters, for they appear in messages.
 */
#include "format/gguf_file.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/le.h"
#include "base/limits.h"
#include "base/utf8.h"

/* The least a table entry takes in the file, with a name of one byte. */
enum {
    KV_MIN_BYTES = 8 + 1 + 4 + 1,
    TENSOR_MIN_BYTES = 8 + 1 + 4 + 8 + 4 + 8,
    HEADER_BYTES = 24,
    DEFAULT_ALIGN = 32,
    MIN_ALIGN = 8, /* by the specification */
};

const uint8_t gguf_type_bytes[GGUF_TYPE_COUNT] = {
    [GGUF_U8] = 1,  [GGUF_I8] = 1,   [GGUF_U16] = 2, [GGUF_I16] = 2, [GGUF_U32] = 4, [GGUF_I32] = 4,
    [GGUF_F32] = 4, [GGUF_BOOL] = 1, [GGUF_U64] = 8, [GGUF_I64] = 8, [GGUF_F64] = 8,
};

/* Where we are, and what to call it in a message. */
struct cursor {
    const struct gguf *g;
    size_t pos; /* <= g->n_bytes, always */
    char field[GGUF_NAME_SHOWN + 16];
    struct brrr_error *err;
};

static struct gguf_place here(const struct cursor *c, size_t at)
{
    return (struct gguf_place){ c->field, at };
}

static size_t left(const struct cursor *c)
{
    return c->g->n_bytes - c->pos;
}

static enum brrr_status cut(struct cursor *c, const char *what)
{
    return gguf_fail(c->g, c->err, BRRR_E_FORMAT, here(c, c->pos), "the file ends inside %s", what);
}

static enum brrr_status read_u32(struct cursor *c, const char *what, uint32_t *v)
{
    *v = 0;
    if (left(c) < 4) return cut(c, what);
    *v = le32(c->g->base + c->pos);
    c->pos += 4;
    return BRRR_OK;
}

static enum brrr_status read_u64(struct cursor *c, const char *what, uint64_t *v)
{
    *v = 0;
    if (left(c) < 8) return cut(c, what);
    *v = le64(c->g->base + c->pos);
    c->pos += 8;
    return BRRR_OK;
}

static enum brrr_status read_string(struct cursor *c, const char *what, size_t limit,
                                    struct slice *s)
{
    uint64_t n;
    size_t at = c->pos;
    enum brrr_status st = read_u64(c, what, &n);

    *s = (struct slice){ 0 };
    if (st != BRRR_OK) return st;
    if (n > left(c))
        return gguf_fail(c->g, c->err, BRRR_E_FORMAT, here(c, at),
                         "%s claims %llu bytes, the file has %zu left", what, (unsigned long long)n,
                         left(c));
    if (n > limit)
        return gguf_fail(c->g, c->err, BRRR_E_UNSUPPORTED, here(c, at),
                         "%s has %llu bytes, %zu is the limit", what, (unsigned long long)n, limit);
    *s = (struct slice){ (const char *)c->g->base + c->pos, (size_t)n };
    c->pos += (size_t)n;
    return BRRR_OK;
}

static enum brrr_status read_name(struct cursor *c, const char *what, size_t limit, struct slice *s)
{
    size_t at = c->pos;
    enum brrr_status st = read_string(c, what, limit, s);

    if (st != BRRR_OK) return st;
    if (s->n == 0) return gguf_fail(c->g, c->err, BRRR_E_FORMAT, here(c, at), "%s is empty", what);
    for (size_t i = 0; i < s->n;) {
        uint32_t cp;
        int len = utf8_next(s->p + i, s->n - i, &cp);
        if (len <= 0 || cp < 0x20 || (cp >= 0x7f && cp < 0xa0))
            return gguf_fail(c->g, c->err, BRRR_E_FORMAT, here(c, at + 8 + i),
                             "%s holds a control character or is not UTF-8", what);
        i += (size_t)len;
    }
    return BRRR_OK;
}

/* --- metadata --- */

/* The element type and count of an array; the elements are known to fit at their smallest. */
static enum brrr_status read_array_head(struct cursor *c, uint32_t *elem, uint64_t *n)
{
    size_t at = c->pos;
    enum brrr_status st = read_u32(c, "the type of an array", elem);

    if (st == BRRR_OK) st = read_u64(c, "the length of an array", n);
    if (st != BRRR_OK) return st;
    if (*elem >= GGUF_TYPE_COUNT)
        return gguf_fail(c->g, c->err, BRRR_E_FORMAT, here(c, at), "element type %u is unknown",
                         *elem);
    size_t min = *elem == GGUF_STRING ? 8 : *elem == GGUF_ARRAY ? 12 : gguf_type_bytes[*elem];
    if (*n > left(c) / min)
        return gguf_fail(c->g, c->err, BRRR_E_FORMAT, here(c, at + 4),
                         "an array claims %llu elements, the file has %zu bytes left",
                         (unsigned long long)*n, left(c));
    return BRRR_OK;
}

static enum brrr_status skip_elems(struct cursor *c, uint32_t elem, uint64_t n)
{
    struct slice s;
    enum brrr_status st = BRRR_OK;

    if (elem != GGUF_STRING) {
        c->pos += (size_t)n * gguf_type_bytes[elem]; /* fits: read_array_head() checked it */
        return BRRR_OK;
    }
    for (uint64_t i = 0; i < n && st == BRRR_OK; i++)
        st = read_string(c, "a string of an array", LIMIT_GGUF_STRING, &s);
    return st;
}

/* Arrays of arrays are walked with a stack of counts: todo[d] arrays are left at depth d. */
static enum brrr_status skip_array(struct cursor *c, struct gguf_kv *kv)
{
    uint64_t todo[LIMIT_GGUF_NEST], n;
    uint32_t elem;
    int depth = 0;
    enum brrr_status st = read_array_head(c, &elem, &n);

    if (st != BRRR_OK) return st;
    kv->elem = (enum gguf_type)elem;
    kv->n = n;
    kv->data = c->g->base + c->pos;
    for (;;) {
        if (elem == GGUF_ARRAY) {
            if (depth == LIMIT_GGUF_NEST)
                return gguf_fail(c->g, c->err, BRRR_E_UNSUPPORTED, here(c, c->pos),
                                 "arrays are nested more than %d deep", LIMIT_GGUF_NEST);
            todo[depth++] = n;
        } else {
            st = skip_elems(c, elem, n);
            if (st != BRRR_OK) return st;
        }
        while (depth > 0 && todo[depth - 1] == 0)
            depth--;
        if (depth == 0) return BRRR_OK;
        todo[depth - 1]--;
        st = read_array_head(c, &elem, &n);
        if (st != BRRR_OK) return st;
    }
}

static enum brrr_status read_kv(struct cursor *c, size_t i, struct gguf_kv *kv)
{
    uint32_t type;
    struct slice s;
    enum brrr_status st;

    snprintf(c->field, sizeof(c->field), "metadata entry %zu", i);
    st = read_name(c, "the key", LIMIT_GGUF_KEY, &kv->key);
    if (st != BRRR_OK) return st;
    slice_print(c->field, GGUF_NAME_SHOWN, kv->key);
    st = read_u32(c, "the type of the value", &type);
    if (st != BRRR_OK) return st;
    if (type >= GGUF_TYPE_COUNT)
        return gguf_fail(c->g, c->err, BRRR_E_FORMAT, here(c, c->pos - 4),
                         "value type %u is unknown", type);
    kv->type = kv->elem = (enum gguf_type)type;
    kv->n = 1;
    kv->off = c->pos;
    kv->data = c->g->base + c->pos;
    if (type == GGUF_ARRAY) return skip_array(c, kv);
    if (type == GGUF_STRING) return read_string(c, "the string", LIMIT_GGUF_STRING, &s);
    if (left(c) < gguf_type_bytes[type]) return cut(c, "the value");
    c->pos += gguf_type_bytes[type];
    return BRRR_OK;
}

/* --- tensors --- */

/* Shape and type: product and bytes must not overflow, rows must be whole blocks. */
static enum brrr_status check_shape(struct cursor *c, struct gguf_tensor *t, uint32_t type,
                                    size_t at_dim)
{
    int qt = qtype_from_gguf(type);
    size_t n = 1;

    if (qt < 0)
        return gguf_fail(c->g, c->err, BRRR_E_UNSUPPORTED, here(c, c->pos - 4),
                         "tensor type %u is unknown", type);
    t->type = (enum qtype)qt;
    for (int d = 0; d < t->n_dims; d++) {
        size_t at = at_dim + 8 * (size_t)d;
        if (t->dim[d] == 0 || t->dim[d] > INT64_MAX)
            return gguf_fail(c->g, c->err, BRRR_E_FORMAT, here(c, at), "dimension %d is %lld", d,
                             (long long)t->dim[d]);
        if (t->dim[d] > SIZE_MAX || !size_mul(&n, n, (size_t)t->dim[d]))
            return gguf_fail(c->g, c->err, BRRR_E_FORMAT, here(c, at),
                             "the product of the dimensions overflows");
    }
    const struct qtype_info *q = &qtypes[t->type];
    if (t->dim[0] % q->block != 0)
        return gguf_fail(c->g, c->err, BRRR_E_FORMAT, here(c, at_dim),
                         "rows of %llu are no multiple of %s's block of %u",
                         (unsigned long long)t->dim[0], q->name, q->block);
    if (!size_mul(&t->n_bytes, n / q->block, q->bytes))
        return gguf_fail(c->g, c->err, BRRR_E_FORMAT, here(c, at_dim),
                         "the size in bytes overflows");
    return BRRR_OK;
}

static enum brrr_status read_tensor(struct cursor *c, size_t i, struct gguf_tensor *t)
{
    char name[GGUF_NAME_SHOWN];
    uint32_t n_dims, type;
    enum brrr_status st;

    snprintf(c->field, sizeof(c->field), "tensor %zu", i);
    st = read_name(c, "the name", LIMIT_GGUF_NAME, &t->name);
    if (st != BRRR_OK) return st;
    snprintf(c->field, sizeof(c->field), "tensor %s", slice_print(name, sizeof(name), t->name));
    st = read_u32(c, "the number of dimensions", &n_dims);
    if (st != BRRR_OK) return st;
    if (n_dims == 0 || n_dims > COUNT(t->dim))
        return gguf_fail(c->g, c->err, BRRR_E_FORMAT, here(c, c->pos - 4),
                         "%u dimensions, 1 to %zu are possible", n_dims, COUNT(t->dim));
    t->n_dims = (int)n_dims;
    size_t at_dim = c->pos;
    for (size_t d = 0; d < COUNT(t->dim); d++) {
        t->dim[d] = 1;
        if (d >= n_dims) continue;
        st = read_u64(c, "the dimensions", &t->dim[d]);
        if (st != BRRR_OK) return st;
    }
    st = read_u32(c, "the tensor type", &type);
    if (st == BRRR_OK) st = check_shape(c, t, type, at_dim);
    if (st != BRRR_OK) return st;
    /* The offset counts from the start of the data, which is not known yet: place_tensors(). */
    t->data = c->g->base + c->pos;
    return read_u64(c, "the offset", &t->off);
}

/*
 * Turn relative offsets into places in the file. Until now t->data pointed at
 * the offset field, for the messages.
 */
static enum brrr_status place_tensors(struct gguf *g, struct cursor *c)
{
    for (size_t i = 0; i < g->n_tensors; i++) {
        struct gguf_tensor *t = &g->tensor[i];
        char name[GGUF_NAME_SHOWN];
        size_t room = g->n_bytes - g->data_off, at = (size_t)(t->data - g->base);

        snprintf(c->field, sizeof(c->field), "tensor %s", slice_print(name, sizeof(name), t->name));
        if (t->off % g->align != 0)
            return gguf_fail(g, c->err, BRRR_E_FORMAT, here(c, at),
                             "offset %llu is no multiple of the alignment %zu",
                             (unsigned long long)t->off, g->align);
        if (t->off > room || t->n_bytes > room - (size_t)t->off)
            return gguf_fail(g, c->err, BRRR_E_FORMAT, here(c, at),
                             "%zu bytes at offset %llu leave the file, which has %zu bytes of data",
                             t->n_bytes, (unsigned long long)t->off, room);
        t->off += g->data_off;
        t->data = g->base + t->off;
    }
    return BRRR_OK;
}

/* --- order: for the searches, and to find what is there twice --- */

int gguf_name_cmp(struct slice a, struct slice b)
{
    int c = memcmp(a.p, b.p, MIN(a.n, b.n));

    return c != 0 ? c : (a.n > b.n) - (a.n < b.n);
}

/* Equal names keep the order of the file, so that the later one is the duplicate. */
static int by_key(const void *a, const void *b, void *arg)
{
    const struct gguf *g = arg;
    uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
    int c = gguf_name_cmp(g->kv[i].key, g->kv[j].key);

    return c != 0 ? c : (i > j) - (i < j);
}

static int by_name(const void *a, const void *b, void *arg)
{
    const struct gguf *g = arg;
    uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
    int c = gguf_name_cmp(g->tensor[i].name, g->tensor[j].name);

    return c != 0 ? c : (i > j) - (i < j);
}

static int by_offset(const void *a, const void *b, void *arg)
{
    const struct gguf *g = arg;
    uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
    uint64_t x = g->tensor[i].off, y = g->tensor[j].off;

    return x != y ? (x > y) - (x < y) : (i > j) - (i < j);
}

static void order(struct gguf *g, uint32_t *idx, size_t n,
                  int (*cmp)(const void *, const void *, void *))
{
    for (size_t i = 0; i < n; i++)
        idx[i] = (uint32_t)i;
    qsort_r(idx, n, sizeof(*idx), cmp, g);
}

static struct gguf_place place_of(const struct gguf *g, const char *field, const char *p)
{
    return (struct gguf_place){ field, (uint64_t)((const uint8_t *)p - g->base) };
}

static enum brrr_status order_keys(struct gguf *g, struct brrr_error *err)
{
    char name[GGUF_NAME_SHOWN];

    order(g, g->kv_order, g->n_kv, by_key);
    for (size_t i = 1; i < g->n_kv; i++) {
        const struct gguf_kv *a = &g->kv[g->kv_order[i - 1]], *b = &g->kv[g->kv_order[i]];
        if (gguf_name_cmp(a->key, b->key) == 0)
            return gguf_fail(g, err, BRRR_E_FORMAT,
                             place_of(g, slice_print(name, sizeof(name), b->key), b->key.p),
                             "the key is there twice");
    }
    return BRRR_OK;
}

static enum brrr_status order_tensors(struct gguf *g, struct brrr_error *err)
{
    char a_name[GGUF_NAME_SHOWN], b_name[GGUF_NAME_SHOWN + 16];

    order(g, g->tensor_order, g->n_tensors, by_offset);
    for (size_t i = 1; i < g->n_tensors; i++) {
        const struct gguf_tensor *a = &g->tensor[g->tensor_order[i - 1]];
        const struct gguf_tensor *b = &g->tensor[g->tensor_order[i]];
        if (a->n_bytes <= b->off - a->off) continue;
        snprintf(b_name, sizeof(b_name), "tensor %s", slice_print(a_name, sizeof(a_name), b->name));
        return gguf_fail(g, err, BRRR_E_FORMAT, (struct gguf_place){ b_name, b->off },
                         "shares bytes with tensor %s",
                         slice_print(a_name, sizeof(a_name), a->name));
    }
    order(g, g->tensor_order, g->n_tensors, by_name);
    for (size_t i = 1; i < g->n_tensors; i++) {
        const struct gguf_tensor *a = &g->tensor[g->tensor_order[i - 1]];
        const struct gguf_tensor *b = &g->tensor[g->tensor_order[i]];
        if (gguf_name_cmp(a->name, b->name) != 0) continue;
        snprintf(b_name, sizeof(b_name), "tensor %s", slice_print(a_name, sizeof(a_name), b->name));
        return gguf_fail(g, err, BRRR_E_FORMAT, place_of(g, b_name, b->name.p), "is there twice");
    }
    return BRRR_OK;
}

/* --- the whole --- */

static enum brrr_status read_version(struct cursor *c, struct gguf *g)
{
    enum brrr_status st;

    if (g->n_bytes < 4 || memcmp(g->base, "GGUF", 4) != 0)
        return gguf_fail(g, c->err, BRRR_E_FORMAT, (struct gguf_place){ "magic", 0 },
                         "this is no GGUF file");
    c->pos = 4;
    st = read_u32(c, "the version", &g->version);
    if (st != BRRR_OK) return st;
    if (g->version == 2 || g->version == 3)
        return g->n_bytes < HEADER_BYTES ? cut(c, "the counts") : BRRR_OK;
    if (g->version == 0x02000000 || g->version == 0x03000000)
        return gguf_fail(g, c->err, BRRR_E_UNSUPPORTED, (struct gguf_place){ "version", 4 },
                         "%u with its bytes swapped: a big-endian file, convert it first",
                         g->version >> 24);
    return gguf_fail(g, c->err, BRRR_E_UNSUPPORTED, (struct gguf_place){ "version", 4 },
                     "%u; versions 2 and 3 are known", g->version);
}

/* The file must hold at least the smallest entries before the tables are allocated. */
static enum brrr_status read_count(struct cursor *c, const char *field, size_t min, size_t limit,
                                   size_t *n)
{
    uint64_t v;
    enum brrr_status st = read_u64(c, "the counts", &v);
    size_t room = c->g->n_bytes - HEADER_BYTES;

    *n = 0;
    if (st != BRRR_OK) return st;
    if (v > room / min)
        return gguf_fail(c->g, c->err, BRRR_E_FORMAT, (struct gguf_place){ field, c->pos - 8 },
                         "%llu entries, the file has room for %zu", (unsigned long long)v,
                         room / min);
    if (v > limit)
        return gguf_fail(c->g, c->err, BRRR_E_UNSUPPORTED, (struct gguf_place){ field, c->pos - 8 },
                         "%llu entries, %zu is the limit", (unsigned long long)v, limit);
    *n = (size_t)v;
    return BRRR_OK;
}

/* Sizes can not overflow: both counts are at most 2^20. */
static enum brrr_status alloc_tables(struct gguf *g, struct brrr_error *err)
{
    size_t kv_bytes = g->n_kv * sizeof(*g->kv), t_bytes = g->n_tensors * sizeof(*g->tensor);
    size_t n = kv_bytes + t_bytes + (g->n_kv + g->n_tensors) * sizeof(uint32_t);
    uint8_t *p = calloc(1, n ? n : 1);

    if (!p) return fail(err, BRRR_E_NOMEM, "%s: no memory for tables of %zu bytes", g->shown, n);
    g->kv = (struct gguf_kv *)p;
    g->tensor = (struct gguf_tensor *)(p + kv_bytes);
    g->kv_order = (uint32_t *)(p + kv_bytes + t_bytes);
    g->tensor_order = g->kv_order + g->n_kv;
    return BRRR_OK;
}
_Static_assert(LIMIT_GGUF_KV <= 1 << 20 && LIMIT_GGUF_TENSORS <= 1 << 20, "alloc_tables()");
_Static_assert(sizeof(struct gguf_kv) % 8 == 0, "the tensor table follows the metadata table");

static enum brrr_status find_data(struct gguf *g, size_t pos, struct brrr_error *err)
{
    int64_t align = DEFAULT_ALIGN;
    enum brrr_status st =
        gguf_int(g, "general.alignment", GGUF_OPTIONAL, MIN_ALIGN, 1 << 30, &align, err);

    if (st != BRRR_OK) return st;
    if ((align & (align - 1)) != 0)
        return gguf_fail(
            g, err, BRRR_E_FORMAT,
            (struct gguf_place){ "general.alignment", gguf_find(g, "general.alignment")->off },
            "%lld is no power of two", (long long)align);
    g->align = (size_t)align;
    size_t pad = (0 - pos) & (g->align - 1);
    if (g->n_tensors > 0 && pad > g->n_bytes - pos)
        return gguf_fail(g, err, BRRR_E_FORMAT, (struct gguf_place){ "tensor data", pos },
                         "the file ends before the data begins");
    g->data_off = pos + MIN(pad, g->n_bytes - pos);
    return BRRR_OK;
}

enum brrr_status gguf_parse(struct gguf *g, struct brrr_error *err)
{
    struct cursor c = { .g = g, .field = "header", .err = err };
    enum brrr_status st = read_version(&c, g);

    if (st == BRRR_OK)
        st = read_count(&c, "tensor count", TENSOR_MIN_BYTES, LIMIT_GGUF_TENSORS, &g->n_tensors);
    if (st == BRRR_OK) st = read_count(&c, "metadata count", KV_MIN_BYTES, LIMIT_GGUF_KV, &g->n_kv);
    if (st == BRRR_OK) st = alloc_tables(g, err);
    for (size_t i = 0; i < g->n_kv && st == BRRR_OK; i++)
        st = read_kv(&c, i, &g->kv[i]);
    if (st == BRRR_OK) st = order_keys(g, err);
    for (size_t i = 0; i < g->n_tensors && st == BRRR_OK; i++)
        st = read_tensor(&c, i, &g->tensor[i]);
    if (st == BRRR_OK) st = find_data(g, c.pos, err);
    if (st == BRRR_OK) st = place_tensors(g, &c);
    if (st == BRRR_OK) st = order_tensors(g, err);
    return st;
}
