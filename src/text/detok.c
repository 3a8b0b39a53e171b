/* SPDX-License-Identifier: MIT */
/*
 * detok.c - ids back to text, a token at a time (tokenizer.h).
 *
 * A token may hold part of a character; such bytes wait until the character is
 * whole or cannot be one any more, and then come out as it or as U+FFFD.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "text/encode.h"

/* Bytes that one call looks at: a token behind an unfinished character. */
static size_t bytes_in(const struct tokenizer *t)
{
    return t->vocab.longest + sizeof(((struct detok *)0)->tail);
}

/* In the worst case every byte becomes a U+FFFD. */
size_t detok_room(const struct tokenizer *t)
{
    return 3 * bytes_in(t);
}

bool detok_init(struct detok *d, const struct tokenizer *t, bool special)
{
    *d = (struct detok){ .t = t, .special = special };
    d->buf = malloc(detok_room(t) + bytes_in(t)); /* what comes out, and behind it what goes in */
    return d->buf != NULL;
}

void detok_reset(struct detok *d)
{
    d->started = false;
    d->n_tail = 0;
}

void detok_copy(struct detok *d, const struct detok *from)
{
    char *buf = d->buf;

    *d = *from;
    d->buf = buf;
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

/* Bytes tail + s as text; what is unfinished at the end becomes the new tail. */
static struct slice emit(struct detok *d, struct slice s, bool last)
{
    size_t n_in = (size_t)d->n_tail + s.n, n = 0, i = 0;
    char *in = d->buf + detok_room(d->t);

    assert(n_in <= bytes_in(d->t));
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
            memcpy(d->buf + n, in + i, (size_t)k);
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
    size_t len = 0, cap = 0;

    *out = (struct slice){ 0 };
    if (!detok_init(&d, t, special)) goto nomem;
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
