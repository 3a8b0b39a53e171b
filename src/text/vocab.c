/* SPDX-License-Identifier: MIT */
/*
 * vocab.c - see vocab.h.
 *
 * Two tokens may have the same piece (a normal one and a user-defined one, or
 * a broken file): the first normal one is found, then the first of any kind.
 */
#include "text/vocab.h"

#include <stdlib.h>
#include <sys/auxv.h>

#include "base/limits.h"
#include "base/utf8.h"
#include "text/hash.h"

#define U2581 "\xe2\x96\x81"

uint64_t hash_key(void)
{
    const void *p = (const void *)getauxval(AT_RANDOM); /* 16 random bytes from the kernel */
    uint64_t key = 0x2545f4914f6cdd1du;

    if (p) memcpy(&key, p, sizeof(key));
    return key | 1;
}

bool vocab_is_text(enum token_kind k)
{
    return k != TOKEN_CONTROL && k != TOKEN_UNKNOWN && k != TOKEN_BYTE;
}

/*
 * GPT-2's alphabet: the printable Latin-1 characters stand for themselves,
 * the other 68 bytes for U+0100 on, in order. Returns the byte, -1: none.
 */
static int byte_of(uint32_t cp)
{
    if ((cp >= 0x21 && cp <= 0x7e) || (cp >= 0xa1 && cp <= 0xac) || (cp >= 0xae && cp <= 0xff))
        return (int)cp;
    if (cp < 0x100 || cp > 0x143) return -1;
    uint32_t k = cp - 0x100; /* 0..32: bytes 0..32, 33..66: 127..160, 67: 173 */
    if (k <= 32) return (int)k;
    return k <= 66 ? (int)(127 + k - 33) : 173;
}

bool vocab_unmap_bytes(struct slice s, char *out, size_t *n_out)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n;) {
        uint32_t cp;
        int k = utf8_next(s.p + i, s.n - i, &cp);
        int b = k > 0 ? byte_of(cp) : -1;
        if (b < 0) return false;
        out[n++] = (char)b;
        i += (size_t)k;
    }
    *n_out = n;
    return true;
}

static int hex(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
}

/* The byte behind "<0x0A>"; -1: the name is something else. */
static int byte_name(struct slice s)
{
    if (s.n != 6 || memcmp(s.p, "<0x", 3) != 0 || s.p[5] != '>') return -1;
    int hi = hex(s.p[3]), lo = hex(s.p[4]);
    return hi < 0 || lo < 0 ? -1 : hi << 4 | lo;
}

size_t vocab_unmap_spaces(struct slice s, char *out)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n;) {
        if (s.n - i >= 3 && memcmp(s.p + i, U2581, 3) == 0) {
            out[n++] = ' ';
            i += 3;
        } else {
            out[n++] = s.p[i++];
        }
    }
    return n;
}

/* Write the piece of a token called s; returns its length, at most s.n. */
static size_t spell_piece(char *out, struct slice s, enum token_kind kind, enum vocab_spelling how)
{
    size_t n;
    int b = byte_name(s);

    if (kind == TOKEN_BYTE && b >= 0) {
        out[0] = (char)b;
        return 1;
    }
    if (kind != TOKEN_CONTROL && kind != TOKEN_UNKNOWN && kind != TOKEN_USER) {
        if (how == SPELL_SPACES) return vocab_unmap_spaces(s, out);
        if (vocab_unmap_bytes(s, out, &n)) return n;
    }
    if (s.n) memcpy(out, s.p, s.n);
    return s.n;
}

static enum brrr_status read_kinds(struct vocab *v, const struct gguf *g, struct brrr_error *err)
{
    const struct gguf_kv *kv = gguf_find(g, "tokenizer.ggml.token_type");

    for (int32_t i = 0; i < v->n; i++)
        v->kind[i] = TOKEN_NORMAL;
    if (!kv) return BRRR_OK;
    if (kv->n != (uint64_t)v->n)
        return fail(err, BRRR_E_FORMAT,
                    "%s: tokenizer.ggml.token_type has %llu entries, but there are %d tokens",
                    gguf_path(g), (unsigned long long)kv->n, v->n);
    for (int32_t i = 0; i < v->n; i++) {
        int64_t k;
        enum brrr_status st = gguf_elem_int(g, kv, (uint64_t)i, INT32_MIN, INT32_MAX, &k, err);
        if (st) return st;
        v->kind[i] = k > 0 && k < TOKEN_KINDS ? (uint8_t)k : TOKEN_UNDEFINED;
    }
    return BRRR_OK;
}

/* Enter id under its piece, unless the piece is there already. */
static void enter(struct vocab *v, int32_t id)
{
    struct slice s = vocab_piece(v, id);

    if (s.n == 0 || vocab_find(v, s.p, s.n) >= 0) return;
    uint64_t h = hash_bytes(v->key, s.p, s.n);
    size_t i = (size_t)h & v->mask;
    while (v->slot[i].id >= 0)
        i = (i + 1) & v->mask;
    v->slot[i] = (struct vocab_slot){ (uint32_t)(h >> 32), id };
    v->piece_max = MAX(v->piece_max, s.n);
}

static bool build_index(struct vocab *v)
{
    size_t n_slots = 16;

    while (n_slots < (size_t)v->n * 2)
        n_slots *= 2;
    v->slot = malloc(n_slots * sizeof(*v->slot));
    if (!v->slot) return false;
    v->mask = n_slots - 1;
    for (size_t i = 0; i < n_slots; i++)
        v->slot[i] = (struct vocab_slot){ 0, -1 };
    v->piece_max = v->n ? 1 : 0;
    for (int32_t i = 0; i < v->n; i++)
        if (v->kind[i] == TOKEN_NORMAL) enter(v, i);
    for (int32_t i = 0; i < v->n; i++)
        if (vocab_is_text(v->kind[i])) enter(v, i);
    return true;
}

/* Byte tokens by their kind first, then any token whose piece is that one byte. */
static void find_bytes(struct vocab *v)
{
    for (int b = 0; b < 256; b++) {
        char c = (char)b;
        v->byte[b] = vocab_find(v, &c, 1);
    }
    for (int32_t i = v->n - 1; i >= 0; i--) {
        struct slice s = vocab_piece(v, i);
        if (v->kind[i] == TOKEN_BYTE && s.n == 1) v->byte[(unsigned char)s.p[0]] = i;
    }
}

static enum brrr_status copy_pieces(struct vocab *v, const struct gguf *g, const struct slice *tok,
                                    enum vocab_spelling spell, struct brrr_error *err)
{
    size_t total = 0, at = 0;

    for (int32_t i = 0; i < v->n; i++) {
        if (tok[i].n > LIMIT_TOKEN_BYTES)
            return fail(err, BRRR_E_LIMIT, "%s: token %d has %zu bytes, more than %d", gguf_path(g),
                        i, tok[i].n, LIMIT_TOKEN_BYTES);
        if (!size_add(&total, total, tok[i].n) || total > UINT32_MAX)
            return fail(err, BRRR_E_LIMIT, "%s: the tokens have more than 4 GiB", gguf_path(g));
    }
    v->bytes = malloc(total + 1);
    if (!v->bytes)
        return fail(err, BRRR_E_NOMEM, "%s: no memory for %zu bytes of tokens", gguf_path(g),
                    total);
    for (int32_t i = 0; i < v->n; i++) {
        size_t n = spell_piece(v->bytes + at, tok[i], v->kind[i], spell);
        v->off[i] = (uint32_t)at;
        v->longest = MAX(v->longest, n);
        at += n;
    }
    v->off[v->n] = (uint32_t)at;
    return BRRR_OK;
}

enum brrr_status vocab_open(struct vocab *v, const struct gguf *g, enum vocab_spelling spell,
                            bool (*is_control)(struct slice name), struct brrr_error *err)
{
    struct slice *tok = NULL;
    size_t n;
    enum brrr_status st = gguf_strings(g, "tokenizer.ggml.tokens", GGUF_NEEDED, &tok, &n, err);

    *v = (struct vocab){ .key = hash_key() };
    if (st) return st;
    if (n == 0 || n > LIMIT_VOCAB) {
        st = fail(err, n ? BRRR_E_LIMIT : BRRR_E_FORMAT,
                  "%s: tokenizer.ggml.tokens has %zu entries, 1 to %d are possible", gguf_path(g),
                  n, LIMIT_VOCAB);
        goto error;
    }
    v->n = (int32_t)n;
    v->off = calloc(n + 1, sizeof(*v->off));
    v->kind = calloc(n, sizeof(*v->kind));
    if (!v->off || !v->kind) {
        st = fail(err, BRRR_E_NOMEM, "%s: no memory for %zu tokens", gguf_path(g), n);
        goto error;
    }
    if ((st = read_kinds(v, g, err)) != BRRR_OK) goto error;
    for (size_t i = 0; i < n; i++)
        if (is_control(tok[i])) v->kind[i] = TOKEN_CONTROL;
    if ((st = copy_pieces(v, g, tok, spell, err)) != BRRR_OK) goto error;
    if (!build_index(v)) {
        st = fail(err, BRRR_E_NOMEM, "%s: no memory for an index of %zu tokens", gguf_path(g), n);
        goto error;
    }
    find_bytes(v);
    free(tok);
    return BRRR_OK;

error:
    free(tok);
    vocab_close(v);
    return st;
}

void vocab_close(struct vocab *v)
{
    free(v->bytes);
    free(v->off);
    free(v->kind);
    free(v->slot);
    *v = (struct vocab){ 0 };
}

int32_t vocab_find(const struct vocab *v, const char *p, size_t n)
{
    uint64_t h = hash_bytes(v->key, p, n);
    uint32_t tag = (uint32_t)(h >> 32);

    for (size_t i = (size_t)h & v->mask; v->slot[i].id >= 0; i = (i + 1) & v->mask) {
        if (v->slot[i].tag != tag) continue;
        struct slice s = vocab_piece(v, v->slot[i].id);
        if (s.n == n && memcmp(s.p, p, n) == 0) return v->slot[i].id;
    }
    return -1;
}

int32_t vocab_find_name(const struct vocab *v, const char *name)
{
    for (int32_t i = 0; i < v->n; i++)
        if (slice_is(vocab_piece(v, i), name)) return i;
    return -1;
}
