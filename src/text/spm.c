/* SPDX-License-Identifier: MIT */
/*
 * spm.c - SentencePiece-style tokenizers (Llama 2, Gemma): no pre-tokenizer;
 * characters are joined as long as the joined text is a token, the highest
 * score first; what is no token at all falls back to bytes.
 *
 * The text is one word by definition. It is still cut in front of a space that
 * follows something else, because almost no piece has a space inside: nothing
 * could merge across such a place, so the result is the same and words become
 * short enough to be remembered. Bytes after which some piece does go on with
 * a space are exempt (Gemma: '>', because of ">\u2581</").
 */
#include <stdlib.h>

#include "text/encode.h"

/* Scores as numbers that sort the same way, the highest first; never UINT32_MAX. */
static uint32_t priority(double score)
{
    float f = (float)score + 0.0f; /* no negative zero */
    uint32_t u;

    memcpy(&u, &f, sizeof(u));
    u = u >> 31 ? ~u : u | 0x80000000u;
    return MIN(~u, UINT32_MAX - 1);
}

bool spm_pair(const struct encoder *e, struct part *a, const struct part *b)
{
    const struct tokenizer *t = e->t;
    size_t n = b->end - a->off;

    if (n > t->vocab.piece_max) return false;
    a->to = vocab_find(&t->vocab, e->text + a->off, n);
    if (a->to < 0) return false;
    a->prio = t->prio[a->to];
    return true;
}

static enum brrr_status read_scores(struct tokenizer *t, const struct gguf *g,
                                    struct brrr_error *err)
{
    const struct gguf_kv *kv = gguf_find(g, "tokenizer.ggml.scores");
    int32_t n = t->vocab.n;

    t->prio = calloc((size_t)n, sizeof(*t->prio));
    if (!t->prio) return fail(err, BRRR_E_NOMEM, "%s: no memory for %d scores", gguf_path(g), n);
    if (!kv) return fail(err, BRRR_E_FORMAT, "%s: tokenizer.ggml.scores is missing", gguf_path(g));
    if (kv->n != (uint64_t)n)
        return fail(err, BRRR_E_FORMAT,
                    "%s: tokenizer.ggml.scores has %llu entries, but there are %d tokens",
                    gguf_path(g), (unsigned long long)kv->n, n);
    for (int32_t i = 0; i < n; i++) {
        double s;
        enum brrr_status st = gguf_elem_float(g, kv, (uint64_t)i, &s, err);
        if (st) return st;
        t->prio[i] = priority(s);
    }
    return BRRR_OK;
}

void spm_find_cuts(struct tokenizer *t)
{
    for (int32_t i = 0; i < t->vocab.n; i++) {
        struct slice s = vocab_piece(&t->vocab, i);
        if (!vocab_is_text(t->vocab.kind[i])) continue;
        for (size_t k = 1; k < s.n; k++)
            if (s.p[k] == ' ' && s.p[k - 1] != ' ')
                t->no_cut_after[(unsigned char)s.p[k - 1]] = true;
    }
}

enum brrr_status spm_open(struct tokenizer *t, const struct gguf *g, struct brrr_error *err)
{
    spm_find_cuts(t);
    return read_scores(t, g, err);
}

static bool reserve_norm(struct encoder *e, size_t more)
{
    size_t want;

    if (!size_add(&want, e->n_norm, more) || want > UINT32_MAX) return false;
    if (want <= e->cap_norm) return true;
    /* Room for the whole text at once: most of it will come. */
    size_t cap = MAX(want + want / 2, e->n_text + 64);
    char *p = realloc(e->norm, cap);
    if (!p) return false;
    e->norm = p;
    e->cap_norm = cap;
    return true;
}

bool spm_normalise(struct encoder *e, const char *p, size_t n)
{
    if (!reserve_norm(e, n)) return false;
    char *out = e->norm + e->n_norm;
    const char *end = p + n;
    while (p < end) {
        const char *mark = memchr(p, 0xe2, (size_t)(end - p));
        size_t k = (size_t)((mark ? mark : end) - p);
        memcpy(out, p, k);
        out += k;
        p += k;
        if (!mark) break;
        bool space = end - p >= 3 && p[1] == '\x96' && p[2] == '\x81';
        *out++ = space ? ' ' : *p;
        p += space ? 3 : 1;
    }
    e->n_norm = (size_t)(out - e->norm);
    return true;
}

bool spm_words(struct encoder *e, size_t off)
{
    const char *p = e->norm;
    size_t from = off, n = e->n_norm;

    for (size_t i = off + 1; i < n; i++) {
        if (p[i] != ' ' || p[i - 1] == ' ') continue;
        if (e->t->no_cut_after[(unsigned char)p[i - 1]]) continue;
        if (!merge_word(e, from, i - from)) return false;
        from = i;
    }
    return merge_word(e, from, n - from);
}

bool spm_fragment(struct encoder *e, size_t off, size_t n)
{
    const char *text = e->text;
    size_t at = e->n_norm;

    if (e->t->space_prefix && !spm_normalise(e, " ", 1)) return false;
    if (!spm_normalise(e, text + off, n)) return false;
    e->text = e->norm;
    bool ok = spm_words(e, at);
    e->text = text;
    return ok;
}
