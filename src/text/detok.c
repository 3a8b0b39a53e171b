/* SPDX-License-Identifier: MIT */
/*
 * detok.c - ids back to text, a token at a time (tokenizer.h).
 *
 * A token may hold part of a character; such bytes wait until the character is
 * whole or cannot be one any more, and then come out as it or as U+FFFD.
 */
#include <stdlib.h>

#include "text/encode.h"
#include "text/unicode.h"

void detok_init(struct detok *d, const struct tokenizer *t, bool special)
{
    *d = (struct detok){ .t = t, .special = special };
}

void detok_fini(struct detok *d)
{
    free(d->buf);
    *d = (struct detok){ 0 };
}

/* What the token adds to the text; nothing for special tokens that are not shown. */
static struct slice piece_of(struct detok *d, int32_t id)
{
    const struct tokenizer *t = d->t;
    struct slice s = { 0 };

    if (id < 0 || id >= t->vocab.n) return s;
    enum token_kind k = t->vocab.kind[id];
    bool named = k == TOKEN_CONTROL || k == TOKEN_UNKNOWN;
    if (named && !d->special) return s;
    s = vocab_piece(&t->vocab, id);
    /* The space that encoding put in front of the text. */
    bool strips = t->family == FAMILY_WORDPIECE || t->space_prefix;
    if (strips && !named && !d->started && s.n > 0) {
        d->started = true;
        if (s.p[0] == ' ') {
            s.p++;
            s.n--;
        }
    }
    return s;
}

static bool reserve(struct detok *d, size_t n)
{
    if (n <= d->cap) return true;
    char *p = realloc(d->buf, 2 * n);
    if (!p) return false;
    d->buf = p;
    d->cap = 2 * n;
    return true;
}

/* Bytes tail + s as text; what is unfinished at the end becomes the new tail. */
static struct slice emit(struct detok *d, struct slice s, bool last)
{
    size_t n_in = (size_t)d->n_tail + s.n, n = 0, i = 0;
    static const struct slice nothing = { "", 0 };

    /* In the worst case every byte becomes a U+FFFD; the bytes themselves stand behind that. */
    if (n_in == 0 || !reserve(d, 4 * n_in)) return nothing;
    char *in = d->buf + 3 * n_in;
    memcpy(in, d->tail, (size_t)d->n_tail);
    if (s.n) memcpy(in + d->n_tail, s.p, s.n);
    d->n_tail = 0;
    while (i < n_in) {
        uint32_t cp;
        int k = utf8_next(in + i, n_in - i, &cp);
        if (k == 0 && !last) {
            d->n_tail = (int)(n_in - i);
            memcpy(d->tail, in + i, n_in - i);
            break;
        }
        if (k > 0) {
            memmove(d->buf + n, in + i, (size_t)k);
            n += (size_t)k;
            i += (size_t)k;
        } else {
            memcpy(d->buf + n, "\xef\xbf\xbd", 3);
            n += 3;
            i = k == 0 ? n_in : i + (size_t)-k;
        }
    }
    return (struct slice){ d->buf, n };
}

struct slice detok_push(struct detok *d, int32_t id)
{
    return emit(d, piece_of(d, id), false);
}

struct slice detok_flush(struct detok *d)
{
    return emit(d, (struct slice){ 0 }, true);
}

enum brrr_status tokenizer_decode(const struct tokenizer *t, const int32_t *id, size_t n,
                                  bool special, struct slice *out, struct brrr_error *err)
{
    struct detok d;
    char *buf = NULL;
    size_t len = 0, cap = 0, longest = 0;

    *out = (struct slice){ 0 };
    detok_init(&d, t, special);
    for (size_t i = 0; i < n; i++)
        longest = MAX(longest, tokenizer_piece(t, id[i]).n);
    /* From here on detok_push() needs no memory. */
    cap = 4 * (longest + sizeof(d.tail));
    if (!reserve(&d, cap)) goto nomem;
    cap = 0;
    for (size_t i = 0; i <= n; i++) {
        struct slice s = i < n ? detok_push(&d, id[i]) : detok_flush(&d);
        if (len + s.n + 1 > cap) {
            cap = 2 * (len + s.n) + 64;
            char *p = realloc(buf, cap);
            if (!p) goto nomem;
            buf = p;
        }
        memcpy(buf + len, s.p, s.n);
        len += s.n;
    }
    buf[len] = 0;
    detok_fini(&d);
    *out = (struct slice){ buf, len };
    return BRRR_OK;
nomem:
    free(buf);
    detok_fini(&d);
    return fail(err, BRRR_E_NOMEM, "no memory for %zu bytes of text", cap);
}
