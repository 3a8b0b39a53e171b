/* SPDX-License-Identifier: MIT */
/* inspect_json.c - `brrr inspect --json`, and metadata values as JSON (inspect.h). */
#include <stdlib.h>

#include "cmd/inspect.h"
#include "base/limits.h"
#include "text/tokenizer.h"

enum {
    SHOWN_ELEMS = 64,
    SHOWN_BYTES = 64 << 10,
    DUMP = JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(9),
};

static const char *const type_names[GGUF_TYPE_COUNT] = {
    [GGUF_U8] = "u8",         [GGUF_I8] = "i8",       [GGUF_U16] = "u16", [GGUF_I16] = "i16",
    [GGUF_U32] = "u32",       [GGUF_I32] = "i32",     [GGUF_F32] = "f32", [GGUF_BOOL] = "bool",
    [GGUF_STRING] = "string", [GGUF_ARRAY] = "array", [GGUF_U64] = "u64", [GGUF_I64] = "i64",
    [GGUF_F64] = "f64",
};

/* A string of the file; bytes beyond ASCII become '?' where it is not UTF-8. */
static json_t *text(struct slice s)
{
    json_t *v = json_stringn(s.p, s.n);

    if (v) return v;
    char *copy = malloc(s.n + 1);
    if (!copy) return NULL;
    for (size_t i = 0; i < s.n; i++)
        copy[i] = (unsigned char)s.p[i] < 0x80 ? s.p[i] : '?';
    v = json_stringn(copy, s.n);
    free(copy);
    return v;
}

static json_t *number(const struct gguf *g, const struct gguf_kv *kv, uint64_t i)
{
    int64_t n;
    double x;

    if (kv->elem == GGUF_F32 || kv->elem == GGUF_F64)
        return gguf_elem_float(g, kv, i, &x, NULL) == BRRR_OK ? json_real(x) : json_null();
    if (gguf_elem_int(g, kv, i, INT64_MIN, INT64_MAX, &n, NULL) != BRRR_OK) return json_null();
    return kv->elem == GGUF_BOOL ? json_boolean(n) : json_integer(n);
}

static json_t *summary(const char *type, uint64_t n)
{
    return json_pack("{s:s, s:I}", "type", type, "n", (json_int_t)n);
}

/* The key of kv as a C string for the getters, which take those; keys hold no NUL. */
static char *key_of(const struct gguf_kv *kv)
{
    return strndup(kv->key.p, kv->key.n);
}

static json_t *strings(const struct gguf *g, const struct gguf_kv *kv)
{
    struct slice *s = NULL;
    size_t n = 0;
    char *key = key_of(kv);
    json_t *v = json_array();

    if (key && gguf_strings(g, key, GGUF_NEEDED, &s, &n, NULL) == BRRR_OK)
        for (size_t i = 0; i < n; i++)
            json_array_append_new(v, text(s[i]));
    free(s);
    free(key);
    return v;
}

static json_t *string(const struct gguf *g, const struct gguf_kv *kv)
{
    struct slice s = { 0 };
    char *key = key_of(kv);

    if (key) gguf_str(g, key, GGUF_NEEDED, &s, NULL);
    free(key);
    return s.n > SHOWN_BYTES ? summary("string", s.n) : text(s);
}

json_t *inspect_value(const struct gguf *g, const struct gguf_kv *kv)
{
    if (kv->type == GGUF_STRING) return string(g, kv);
    if (kv->type != GGUF_ARRAY) return number(g, kv, 0);
    if (kv->n > SHOWN_ELEMS || kv->elem == GGUF_ARRAY) return summary(type_names[kv->elem], kv->n);
    if (kv->elem == GGUF_STRING) return strings(g, kv);
    json_t *v = json_array();
    for (uint64_t i = 0; i < kv->n; i++)
        json_array_append_new(v, number(g, kv, i));
    return v;
}

struct slice inspect_arch(const struct gguf *g)
{
    struct slice arch = { "", 0 };

    gguf_str(g, "general.architecture", GGUF_OPTIONAL, &arch, NULL);
    return arch;
}

uint64_t inspect_weights(const struct gguf *g)
{
    uint64_t n = 0;

    for (size_t i = 0; i < gguf_n_tensors(g); i++) {
        const struct gguf_tensor *t = gguf_tensor_at(g, i);
        n += t->n_bytes / qtypes[t->type].bytes * qtypes[t->type].block;
    }
    return n;
}

struct slice inspect_hyperparameter(struct slice key, struct slice arch)
{
    if (arch.n == 0 || key.n < arch.n + 2 || memcmp(key.p, arch.p, arch.n) != 0 ||
        key.p[arch.n] != '.')
        return (struct slice){ "", 0 };
    return (struct slice){ key.p + arch.n + 1, key.n - arch.n - 1 };
}

/* Print `v` and release it. */
static void dump(json_t *v)
{
    if (!v || json_dumpf(v, stdout, DUMP) != 0) fputs("null", stdout);
    json_decref(v);
}

static void member(const char *before, struct slice name, json_t *v)
{
    fputs(before, stdout);
    dump(text(name));
    putchar(':');
    dump(v);
}

static json_t *tensor(const struct gguf_tensor *t)
{
    json_t *shape = json_array();

    for (int d = 0; d < t->n_dims; d++)
        json_array_append_new(shape, json_integer((json_int_t)t->dim[d]));
    return json_pack("{s:o, s:o, s:s, s:I, s:I}", "name", text(t->name), "shape", shape, "type",
                     qtypes[t->type].name, "offset", (json_int_t)t->off, "bytes",
                     (json_int_t)t->n_bytes);
}

/* Metadata: the architecture's own keys without their prefix, or all the others. */
static void metadata(const struct gguf *g, bool own)
{
    struct slice arch = inspect_arch(g);
    const char *before = "";

    for (size_t i = 0; i < gguf_n_kv(g); i++) {
        const struct gguf_kv *kv = gguf_kv_at(g, i);
        struct slice name = inspect_hyperparameter(kv->key, arch);
        if ((name.n > 0) != own) continue;
        member(before, own ? name : kv->key, inspect_value(g, kv));
        before = ",";
    }
}

static void types(const struct gguf *g)
{
    size_t n[QT_COUNT] = { 0 }, bytes[QT_COUNT] = { 0 };
    const char *before = "";

    for (size_t i = 0; i < gguf_n_tensors(g); i++) {
        const struct gguf_tensor *t = gguf_tensor_at(g, i);
        n[t->type]++;
        bytes[t->type] += t->n_bytes;
    }
    for (int t = 0; t < QT_COUNT; t++) {
        if (n[t] == 0) continue;
        member(before, (struct slice){ qtypes[t].name, strlen(qtypes[t].name) },
               json_pack("{s:I, s:I}", "tensors", (json_int_t)n[t], "bytes", (json_int_t)bytes[t]));
        before = ",";
    }
}

/* The number of elements of an array, 0 if there is none under this key. */
static json_int_t length_of(const struct gguf *g, const char *key)
{
    const struct gguf_kv *kv = gguf_find(g, key);

    return kv && kv->type == GGUF_ARRAY ? (json_int_t)kv->n : 0;
}

static json_t *tokenizer(const struct gguf *g)
{
    static const struct {
        const char *name, *key;
    } rows[] = {
        { "model", "tokenizer.ggml.model" },
        { "pre", "tokenizer.ggml.pre" },
        { "bos", "tokenizer.ggml.bos_token_id" },
        { "eos", "tokenizer.ggml.eos_token_id" },
        { "add_bos", "tokenizer.ggml.add_bos_token" },
        { "add_eos", "tokenizer.ggml.add_eos_token" },
    };

    if (!tokenizer_present(g)) return json_null();
    json_t *v = json_object();
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct gguf_kv *kv = gguf_find(g, rows[i].key);
        if (kv) json_object_set_new(v, rows[i].name, inspect_value(g, kv));
    }
    json_object_set_new(v, "tokens", json_integer(length_of(g, "tokenizer.ggml.tokens")));
    json_object_set_new(v, "merges", json_integer(length_of(g, "tokenizer.ggml.merges")));
    json_object_set_new(v, "chat_template",
                        json_boolean(gguf_find(g, "tokenizer.chat_template") != NULL));
    return v;
}

size_t inspect_kv_bytes(const struct model_plan *plan, int kv_type, size_t n)
{
    const struct hparams *hp = &plan->hp;
    size_t kept = 0;

    for (int l = 0; l < hp->n_layer; l++)
        kept += model_kv_kind(hp, l) == KV_WINDOW ? MIN(n, (size_t)hp->window) : n;
    return kept * (model_kv_block_bytes(hp, kv_type) / KV_BLOCK);
}

/* {"f16": bytes of n tokens, ...} */
static json_t *kv_bytes(const struct model_plan *plan, size_t n)
{
    json_t *v = json_object();

    for (int t = 0; t < KV_TYPES; t++)
        json_object_set_new(v, kv_types[t].name,
                            json_integer((json_int_t)inspect_kv_bytes(plan, t, n)));
    return v;
}

/* What loading would take; weights that are not packed are read from the file's pages. */
static json_t *memory(const struct model_plan *plan)
{
    return json_pack("{s:I, s:I, s:o, s:o, s:i}", "packed_bytes", (json_int_t)plan->packed_bytes,
                     "mapped_bytes", (json_int_t)plan->mapped_bytes, "kv_bytes_per_token",
                     kv_bytes(plan, 1), "kv_bytes_context",
                     kv_bytes(plan, (size_t)plan->hp.ctx_max), "context", plan->hp.ctx_max);
}

bool inspect_json(const struct gguf *g, const struct model_plan *plan)
{
    const char *path = gguf_path(g);

    fputs("{\"file\":", stdout);
    dump(text((struct slice){ path, strlen(path) }));
    printf(",\"file_bytes\":%zu,\"gguf_version\":%u,\"architecture\":", gguf_file_bytes(g),
           gguf_version(g));
    dump(text(inspect_arch(g)));
    printf(",\"parameters\":%llu,\"hyperparameters\":{", (unsigned long long)inspect_weights(g));
    metadata(g, true);
    fputs("},\"tokenizer\":", stdout);
    dump(tokenizer(g));
    fputs(",\"memory\":", stdout);
    dump(memory(plan));
    fputs(",\"types\":{", stdout);
    types(g);
    fputs("},\"metadata\":{", stdout);
    metadata(g, false);
    fputs("},\"tensors\":[", stdout);
    for (size_t i = 0; i < gguf_n_tensors(g); i++) {
        if (i > 0) putchar(',');
        dump(tensor(gguf_tensor_at(g, i)));
    }
    puts("]}");
    return fflush(stdout) == 0 && !ferror(stdout);
}

bool inspect_json_tensor(const struct gguf_tensor *t)
{
    dump(tensor(t));
    putchar('\n');
    return fflush(stdout) == 0 && !ferror(stdout);
}
