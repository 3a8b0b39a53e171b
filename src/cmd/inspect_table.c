/* SPDX-License-Identifier: MIT */
/*
 * inspect_table.c - `brrr inspect` for people (inspect.h).
 *
 * Layers repeat: tensors "blk.7.attn_q.weight" of one type and shape are one
 * row "blk.*.attn_q.weight" with a count, at the place of the first of them.
 */
#include <stdlib.h>

#include "base/limits.h"
#include "cmd/inspect.h"
#include "text/tokenizer.h"

enum { GROUP_MAX = 1 << 17 }; /* tensors that are grouped; no model has more */

/* A tensor, or several that look the same. */
struct row {
    const struct gguf_tensor *t;
    struct slice head, tail; /* the name around the number of its layer; tail.n = 0: no number */
    size_t n;
};

static const char *human_bytes(char buf[16], uint64_t n)
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
    double x = (double)n;
    size_t u = 0;

    while (x >= 1000 && u + 1 < COUNT(units)) {
        x /= 1024;
        u++;
    }
    snprintf(buf, 16, u == 0 ? "%.0f %s" : "%.1f %s", x, units[u]);
    return buf;
}

static const char *human_count(char buf[16], uint64_t n)
{
    double x = (double)n;

    if (x < 1e4) snprintf(buf, 16, "%.0f", x);
    else if (x < 1e6) snprintf(buf, 16, "%.1f thousand", x / 1e3);
    else if (x < 1e9) snprintf(buf, 16, "%.1f million", x / 1e6);
    else snprintf(buf, 16, "%.2f billion", x / 1e9);
    return buf;
}

/* Split "blk.12.x" into "blk." and ".x". */
static struct row split_name(const struct gguf_tensor *t)
{
    struct slice s = t->name;
    size_t i = 4;

    if (s.n > 4 && memcmp(s.p, "blk.", 4) == 0)
        while (i < s.n && s.p[i] >= '0' && s.p[i] <= '9')
            i++;
    if (i == 4 || i == s.n) return (struct row){ .t = t, .head = s };
    return (struct row){ .t = t, .head = { s.p, 4 }, .tail = { s.p + i, s.n - i } };
}

static int slice_cmp(struct slice a, struct slice b)
{
    int c = memcmp(a.p, b.p, MIN(a.n, b.n));

    return c != 0 ? c : (a.n > b.n) - (a.n < b.n);
}

static int look_cmp(const struct row *a, const struct row *b)
{
    int c = slice_cmp(a->head, b->head);

    if (c == 0 && (a->tail.n == 0 || b->tail.n == 0)) c = (a->tail.n > 0) - (b->tail.n > 0);
    else if (c == 0) c = slice_cmp(a->tail, b->tail);
    if (c == 0) c = (a->t->type > b->t->type) - (a->t->type < b->t->type);
    return c != 0 ? c : memcmp(a->t->dim, b->t->dim, sizeof(a->t->dim));
}

/* The tensors of a file lie in one table, so their addresses are its order. */
static int by_look(const void *pa, const void *pb)
{
    const struct row *a = pa, *b = pb;
    int c = look_cmp(a, b);

    return c != 0 ? c : (a->t > b->t) - (a->t < b->t);
}

static int by_place(const void *pa, const void *pb)
{
    const struct row *a = pa, *b = pb;

    return (a->t > b->t) - (a->t < b->t);
}

/* One row per look, in the order of the file; *n rows, the caller frees. NULL: no memory. */
static struct row *group(const struct gguf *g, size_t *n)
{
    size_t n_tensors = gguf_n_tensors(g);
    struct row *rows = calloc(n_tensors ? n_tensors : 1, sizeof(*rows));

    *n = 0;
    if (!rows) return NULL;
    for (size_t i = 0; i < n_tensors; i++)
        rows[i] = split_name(gguf_tensor_at(g, i));
    qsort(rows, n_tensors, sizeof(*rows), by_look);
    for (size_t i = 0; i < n_tensors; i++) {
        if (*n == 0 || look_cmp(&rows[*n - 1], &rows[i]) != 0) rows[(*n)++] = rows[i];
        rows[*n - 1].n++;
    }
    qsort(rows, *n, sizeof(*rows), by_place);
    return rows;
}

static void print_row(const struct row *r)
{
    char name[LIMIT_GGUF_NAME + 8], tail[LIMIT_GGUF_NAME + 1], shape[96], bytes[16], times[24] = "";
    size_t used = 0;

    slice_print(name, sizeof(name), r->n > 1 ? r->head : r->t->name);
    if (r->n > 1) {
        size_t n = strlen(name);
        snprintf(name + n, sizeof(name) - n, "*%s", slice_print(tail, sizeof(tail), r->tail));
        snprintf(times, sizeof(times), "%zu x", r->n);
    }
    for (int d = 0; d < r->t->n_dims; d++)
        used += (size_t)snprintf(shape + used, sizeof(shape) - used, d ? " x %llu" : "%llu",
                                 (unsigned long long)r->t->dim[d]);
    printf("  %-36s %6s %-18s %-8s %10s\n", name, times, shape, qtypes[r->t->type].name,
           human_bytes(bytes, r->t->n_bytes * r->n));
}

/* Text of the file on one line of a terminal. */
static void print_value(json_t *v)
{
    char line[72];
    char *s =
        v ? json_dumps(v, JSON_ENCODE_ANY | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(6)) : NULL;
    struct slice all = { s ? s : "?", s ? strlen(s) : 1 };

    slice_print(line, sizeof(line), all);
    printf("%s%s\n", line, all.n >= sizeof(line) ? "..." : "");
    free(s);
    json_decref(v);
}

static void print_key(const struct gguf *g, const char *label, const char *key)
{
    const struct gguf_kv *kv = gguf_find(g, key);

    if (!kv) return;
    printf("  %-36s ", label);
    print_value(inspect_value(g, kv));
}

static void print_hyperparameters(const struct gguf *g)
{
    struct slice arch = inspect_arch(g);
    char name[64];

    puts("hyperparameters");
    for (size_t i = 0; i < gguf_n_kv(g); i++) {
        const struct gguf_kv *kv = gguf_kv_at(g, i);
        struct slice s = inspect_hyperparameter(kv->key, arch);
        if (s.n == 0) continue;
        printf("  %-36s ", slice_print(name, sizeof(name), s));
        print_value(inspect_value(g, kv));
    }
}

static void print_tokenizer(const struct gguf *g)
{
    const struct gguf_kv *tokens = gguf_find(g, "tokenizer.ggml.tokens");

    if (!tokenizer_present(g)) {
        puts("tokenizer\n  none");
        return;
    }
    puts("tokenizer");
    print_key(g, "model", "tokenizer.ggml.model");
    print_key(g, "pre-tokenizer", "tokenizer.ggml.pre");
    if (tokens) printf("  %-36s %llu\n", "tokens", (unsigned long long)tokens->n);
    print_key(g, "bos", "tokenizer.ggml.bos_token_id");
    print_key(g, "eos", "tokenizer.ggml.eos_token_id");
    printf("  %-36s %s\n", "chat template", gguf_find(g, "tokenizer.chat_template") ? "yes" : "no");
}

static void print_types(const struct gguf *g)
{
    size_t n[QT_COUNT] = { 0 }, bytes[QT_COUNT] = { 0 };
    char buf[16];

    for (size_t i = 0; i < gguf_n_tensors(g); i++) {
        const struct gguf_tensor *t = gguf_tensor_at(g, i);
        n[t->type]++;
        bytes[t->type] += t->n_bytes;
    }
    puts("types");
    for (int t = 0; t < QT_COUNT; t++)
        if (n[t] > 0)
            printf("  %-36s %zu tensor%s, %s\n", qtypes[t].name, n[t], n[t] == 1 ? "" : "s",
                   human_bytes(buf, bytes[t]));
}

static void print_memory(const struct model_plan *plan)
{
    char buf[16], all[16];

    puts("memory");
    printf("  %-36s %s\n", "weights, packed", human_bytes(buf, plan->packed_bytes));
    printf("  %-36s %s\n", "weights, read from the file", human_bytes(buf, plan->mapped_bytes));
    printf("KV cache %42s %13s\n", "each token", "whole context");
    for (int t = 0; t < KV_TYPES; t++)
        printf("  %-36s %12s %13s\n", kv_types[t].name,
               human_bytes(buf, inspect_kv_bytes(plan, t, 1)),
               human_bytes(all, inspect_kv_bytes(plan, t, (size_t)plan->hp.ctx_max)));
}

void inspect_table(const struct gguf *g, const struct model_plan *plan, bool all)
{
    char name[256], bytes[16], count[16];
    const char *path = gguf_path(g);
    size_t n = 0;

    printf("%s\n", slice_print(name, sizeof(name), (struct slice){ path, strlen(path) }));
    printf("  %-36s GGUF version %u, %s\n", "file", gguf_version(g),
           human_bytes(bytes, gguf_file_bytes(g)));
    print_key(g, "name", "general.name");
    print_key(g, "architecture", "general.architecture");
    print_key(g, "licence", "general.license");
    printf("  %-36s %s in %zu tensors\n", "parameters", human_count(count, inspect_weights(g)),
           gguf_n_tensors(g));
    print_hyperparameters(g);
    print_tokenizer(g);
    print_memory(plan);
    print_types(g);
    puts("tensors (row length first)");
    struct row *rows = all || gguf_n_tensors(g) > GROUP_MAX ? NULL : group(g, &n);
    for (size_t i = 0; i < n; i++)
        print_row(&rows[i]);
    for (size_t i = 0; !rows && i < gguf_n_tensors(g); i++)
        inspect_table_tensor(gguf_tensor_at(g, i));
    free(rows);
}

void inspect_table_tensor(const struct gguf_tensor *t)
{
    print_row(&(struct row){ .t = t, .head = t->name, .n = 1 });
}
