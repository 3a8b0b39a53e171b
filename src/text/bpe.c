/* SPDX-License-Identifier: MIT */
/*
 * bpe.c - byte-level BPE: pre-tokenise, then merge bytes by rank.
 *
 * Merges are stored as pairs of ids; strings are only looked at while the file
 * is opened. A merge whose sides or result are no tokens can never apply and
 * is passed over; the file's first rank of a pair counts.
 *
 * Gemma 4 and kin ("spaces") merge characters of real text with U+2581 for a
 * space, and fall back to <0xNN>.
 */
#include <stdlib.h>

#include "base/limits.h"
#include "base/utf8.h"
#include "text/encode.h"
#include "text/hash.h"

static size_t slot_of(const struct tokenizer *t, int32_t left, int32_t right)
{
    uint64_t pair = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;

    return (size_t)hash_u64(t->vocab.key, pair) & t->merges.mask;
}

bool bpe_pair(const struct encoder *e, struct part *a, const struct part *b)
{
    const struct merges *m = &e->t->merges;

    if (a->id < 0 || b->id < 0) return false;
    for (size_t i = slot_of(e->t, a->id, b->id); m->slot[i].left >= 0; i = (i + 1) & m->mask) {
        if (m->slot[i].left != a->id || m->slot[i].right != b->id) continue;
        a->prio = m->slot[i].rank;
        a->to = m->to[a->prio];
        return true;
    }
    return false;
}

static void add_merge(struct tokenizer *t, int32_t left, int32_t right, uint32_t rank)
{
    struct merges *m = &t->merges;
    size_t i = slot_of(t, left, right);

    for (; m->slot[i].left >= 0; i = (i + 1) & m->mask)
        if (m->slot[i].left == left && m->slot[i].right == right) return;
    m->slot[i] = (struct merge_slot){ left, right, rank };
}

/* Real text of one side of a merge, appended at out; false: not spelled in the alphabet. */
static bool spell(const struct tokenizer *t, struct slice s, char *out, size_t *n)
{
    if (!t->spaces) return vocab_unmap_bytes(s, out, n);
    *n = vocab_unmap_spaces(s, out);
    return true;
}

/* "left right", where the space may be the first character of left. */
static void read_merge(struct tokenizer *t, struct slice s, uint32_t rank, char *buf)
{
    const char *gap = s.n > 2 ? memchr(s.p + 1, ' ', s.n - 1) : NULL;
    size_t nl = 0, nr = 0;

    t->merges.to[rank] = -1;
    if (!gap || s.n > 2 * LIMIT_TOKEN_BYTES) return;
    struct slice l = { s.p, (size_t)(gap - s.p) }, r = { gap + 1, s.n - (size_t)(gap - s.p) - 1 };
    if (!spell(t, l, buf, &nl) || !spell(t, r, buf + nl, &nr) || nl == 0 || nr == 0) return;
    int32_t left = vocab_find(&t->vocab, buf, nl), right = vocab_find(&t->vocab, buf + nl, nr);
    int32_t to = vocab_find(&t->vocab, buf, nl + nr);
    if (left < 0 || right < 0 || to < 0) return;
    t->merges.to[rank] = to;
    add_merge(t, left, right, rank);
}

static enum brrr_status read_merges(struct tokenizer *t, const struct gguf *g,
                                    struct brrr_error *err)
{
    struct slice *s = NULL;
    size_t n = 0, n_slot = 16;
    char *buf = NULL;
    enum brrr_status st = gguf_strings(g, "tokenizer.ggml.merges", GGUF_NEEDED, &s, &n, err);

    if (st) return st;
    if (n > 4 * (size_t)LIMIT_VOCAB) {
        st = fail(err, BRRR_E_LIMIT, "%s: tokenizer.ggml.merges has %zu entries, more than %d",
                  gguf_path(g), n, 4 * LIMIT_VOCAB);
        goto done;
    }
    while (n_slot < n + n / 2 + 1)
        n_slot *= 2;
    t->merges.slot = malloc(n_slot * sizeof(*t->merges.slot));
    t->merges.to = malloc((n + 1) * sizeof(*t->merges.to));
    buf = malloc(2 * LIMIT_TOKEN_BYTES + 1);
    if (!t->merges.slot || !t->merges.to || !buf) {
        st = fail(err, BRRR_E_NOMEM, "%s: no memory for %zu merges", gguf_path(g), n);
        goto done;
    }
    t->merges.mask = n_slot - 1;
    t->merges.n = (uint32_t)n;
    for (size_t i = 0; i < n_slot; i++)
        t->merges.slot[i].left = -1;
    for (size_t i = 0; i < n; i++)
        read_merge(t, s[i], (uint32_t)i, buf);
done:
    free(buf);
    free(s);
    return st;
}

enum brrr_status bpe_open(struct tokenizer *t, const struct gguf *g, struct brrr_error *err)
{
    enum brrr_status st = read_merges(t, g, err);

    if (st == BRRR_OK && t->spaces) spm_find_cuts(t);
    return st;
}

void bpe_close(struct tokenizer *t)
{
    pretok_free(t->pretok);
    free(t->merges.slot);
    free(t->merges.to);
}

static bool take_word(void *arg, const char *p, size_t n)
{
    struct encoder *e = arg;

    return merge_word(e, (size_t)(p - e->text), n);
}

/* Words of well-formed text go through the regexes; other bytes are words of their own. */
static bool split_text(struct encoder *e, size_t off, size_t n)
{
    while (n > 0) {
        uint32_t cp;
        size_t good = utf8_valid_run(e->text + off, n), bad = 0;
        if (!pretok_split(e->run, e->text + off, good, take_word, e)) return false;
        off += good;
        n -= good;
        while (bad < n && utf8_next(e->text + off + bad, n - bad, &cp) <= 0)
            bad++;
        if (!merge_word(e, off, bad)) return false;
        off += bad;
        n -= bad;
    }
    return true;
}

/* On real text a newline is the only cut that the regexes make; spaces cut finer. */
static bool split_lines(struct encoder *e, size_t off, size_t n)
{
    const char *p = e->text + off;

    for (size_t i = 0; i < n;) {
        bool nl = p[i] == '\n';
        size_t from = i;
        while (i < n && (p[i] == '\n') == nl)
            i++;
        size_t at = e->n_norm;
        if (!spm_normalise(e, p + from, i - from)) return false;
        const char *text = e->text;
        e->text = e->norm;
        bool ok = nl ? merge_word(e, at, i - from) : spm_words(e, at);
        e->text = text;
        if (!ok) return false;
    }
    return true;
}

bool bpe_fragment(struct encoder *e, size_t off, size_t n)
{
    if (e->t->spaces) return split_lines(e, off, n);
    if (!e->run) e->run = pretok_run_new(e->t->pretok);
    return e->run && split_text(e, off, n);
}
