/* SPDX-License-Identifier: MIT */
/*
 * wordpiece.c - WordPiece (BERT and its embedding kin).
 *
 * Text is normalised as BERT's own tokenizer does it: control characters go,
 * accents go (NFD, then without marks), letters become small, words end at white
 * space, and every punctuation mark and Chinese character is a word. A word is
 * covered from the left by the longest pieces; if that fails it is unknown as
 * a whole. GGUF stores the pieces that begin a word with U+2581 in front and
 * the others without their "##".
 *
 * In three places the ids are those of llama.cpp, with which GGUF embedding
 * models are compared, and not those of Hugging Face: all marks are dropped
 * (there only Mn), of a decomposed character its first part is kept (of a
 * Hangul syllable, its leading consonant), and U+000B, U+000C and U+0085 end a
 * word (there they vanish). Words of any length are looked up.
 *
 * Source: the BERT reference tokenizer (Devlin and others, 2018).
 */
#include <stdlib.h>
#include <utf8proc.h>

#include "text/encode.h"
#include "base/utf8.h"
#include "text/unicode.h"

enum brrr_status wordpiece_open(struct tokenizer *t, const struct gguf *g, struct brrr_error *err)
{
    enum brrr_status st;

    t->lower = true;
    st = gguf_bool(g, "tokenizer.ggml.normalizer.lowercase", GGUF_OPTIONAL, &t->lower, err);
    t->strip = t->lower;
    if (st == BRRR_OK)
        st = gguf_bool(g, "tokenizer.ggml.normalizer.strip_accents", GGUF_OPTIONAL, &t->strip, err);
    if (st) return st;
    if (!trie_init(&t->words)) goto nomem;
    for (int32_t i = 0; i < t->vocab.n; i++) {
        if (!vocab_is_text(t->vocab.kind[i])) continue;
        if (!trie_add(&t->words, vocab_piece(&t->vocab, i), i)) goto nomem;
    }
    return BRRR_OK;
nomem:
    return fail(err, BRRR_E_NOMEM, "%s: no memory for a table of %d tokens", gguf_path(g),
                t->vocab.n);
}

/* The ids of one word, which begins with a space. */
static bool cover(struct encoder *e, const char *p, size_t n)
{
    const struct trie *w = &e->t->words;
    size_t first = e->out->n, at = 0;

    while (at < n) {
        size_t end = 0;
        int32_t id = -1;
        uint32_t node = 0;
        for (size_t i = at; i < n; i++) {
            node = trie_step(w, node, (unsigned char)p[i]);
            if (node == 0) break;
            if (w->value[node] < 0) continue;
            id = w->value[node];
            end = i + 1;
        }
        if (id < 0) {
            e->out->n = first;
            return e->t->unk < 0 || ids_push(e->out, e->t->unk) == BRRR_OK;
        }
        if (ids_push(e->out, id)) return false;
        at = end;
    }
    return true;
}

static bool is_chinese(uint32_t c)
{
    static const uint32_t range[][2] = {
        { 0x4e00, 0x9fff },   { 0x3400, 0x4dbf },   { 0x20000, 0x2a6df }, { 0x2a700, 0x2b73f },
        { 0x2b740, 0x2b81f }, { 0x2b920, 0x2ceaf }, { 0xf900, 0xfaff },   { 0x2f800, 0x2fa1f },
    };

    for (size_t i = 0; i < COUNT(range); i++)
        if (c >= range[i][0] && c <= range[i][1]) return true;
    return false;
}

static bool is_punctuation(uint32_t c, utf8proc_category_t k)
{
    if (c < 0x80)
        return (c > ' ' && c < '0') || (c > '9' && c < 'A') || (c > 'Z' && c < 'a') ||
               (c > 'z' && c < 0x7f);
    return k >= UTF8PROC_CATEGORY_PC && k <= UTF8PROC_CATEGORY_PO;
}

static bool is_mark(utf8proc_category_t k)
{
    return k == UTF8PROC_CATEGORY_MN || k == UTF8PROC_CATEGORY_MC || k == UTF8PROC_CATEGORY_ME;
}

static bool is_control(utf8proc_category_t k)
{
    return k == UTF8PROC_CATEGORY_CC || k == UTF8PROC_CATEGORY_CF || k == UTF8PROC_CATEGORY_CO;
}

/* The character without its accents. */
static uint32_t first_of_nfd(uint32_t c)
{
    utf8proc_int32_t part[8];
    int boundary = 0;

    if (c < 0x80) return c;
    utf8proc_ssize_t n = utf8proc_decompose_char((utf8proc_int32_t)c, part, COUNT(part),
                                                 UTF8PROC_DECOMPOSE, &boundary);
    return n < 1 ? c : (uint32_t)part[0];
}

static uint32_t lower(uint32_t c)
{
    if (c < 0x80) return c >= 'A' && c <= 'Z' ? c + 32 : c;
    return (uint32_t)utf8proc_tolower((utf8proc_int32_t)c);
}

static bool end_word(struct encoder *e)
{
    bool ok = e->n_norm <= 1 || cover(e, e->norm, e->n_norm);

    e->n_norm = 1;
    return ok;
}

/* Room for a fragment of n bytes: no character grows to more than four times its bytes. */
static bool reserve(struct encoder *e, size_t n)
{
    if (n > (UINT32_MAX - 16) / 4) return false;
    if (e->cap_norm >= 4 * n + 16) return true;
    char *p = realloc(e->norm, 4 * n + 16);
    if (!p) return false;
    e->norm = p;
    e->cap_norm = 4 * n + 16;
    return true;
}

static bool take_char(struct encoder *e, uint32_t c)
{
    const struct tokenizer *t = e->t;

    if (t->strip) c = first_of_nfd(c);
    if (uni_is_space(c)) return end_word(e);
    utf8proc_category_t k = utf8proc_category((utf8proc_int32_t)c);
    if (c == 0xfffd || is_control(k) || (t->strip && is_mark(k))) return true;
    bool alone = is_punctuation(c, k) || is_chinese(c);
    if (alone && !end_word(e)) return false;
    if (t->lower) c = lower(c);
    e->n_norm += (size_t)utf8_put(e->norm + e->n_norm, c);
    return !alone || end_word(e);
}

bool wordpiece_fragment(struct encoder *e, size_t off, size_t n)
{
    const char *p = e->text + off;

    if (!reserve(e, n)) return false;
    e->norm[0] = ' ';
    e->n_norm = 1;
    for (size_t i = 0; i < n;) {
        uint32_t c;
        int k = utf8_next(p + i, n - i, &c);
        i += k > 0 ? (size_t)k : 1;
        if (k > 0 && !take_char(e, c)) return false; /* other bytes: as U+FFFD, dropped */
    }
    return end_word(e);
}
