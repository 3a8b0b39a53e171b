/* SPDX-License-Identifier: MIT */
/*
 * jcase.c - upper, lower, title and the rest, character by character, so that
 * every byte keeps the origin of the character it was made from.
 *
 * Simple mappings are utf8proc's; the ones that give several characters and
 * occur in practice are in a table, as in Unicode's SpecialCasing.txt.
 */
#include <utf8proc.h>

#include "text/jstr.h"

static const struct special {
    uint32_t cp;
    const char *upper, *title;
} specials[] = {
    { 0xdf, "SS", "Ss" },     { 0x149, "\u02bcN", "\u02bcN" }, { 0x1f0, "J\u030c", "J\u030c" },
    { 0xfb00, "FF", "Ff" },   { 0xfb01, "FI", "Fi" },          { 0xfb02, "FL", "Fl" },
    { 0xfb03, "FFI", "Ffi" }, { 0xfb04, "FFL", "Ffl" },        { 0xfb05, "ST", "St" },
    { 0xfb06, "ST", "St" },
};

static bool is_cased(uint32_t cp)
{
    utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)cp);

    return c == UTF8PROC_CATEGORY_LU || c == UTF8PROC_CATEGORY_LL || c == UTF8PROC_CATEGORY_LT;
}

static const struct special *special(uint32_t cp)
{
    if (cp < 0xdf) return NULL;
    for (size_t i = 0; i < COUNT(specials); i++)
        if (specials[i].cp == cp) return &specials[i];
    return NULL;
}

static void put_lower(struct jbuf *b, const struct jstr *s, size_t at, size_t n, bool after_cased)
{
    enum jfrom from = jstr_from(s, at);
    uint32_t cp, next = 0;

    jstr_decode(s->p + at, n, &cp);
    if (cp == 0x130) { /* capital I with a dot: the dot stays */
        jbuf_puts(b, "i\u0307", from);
        return;
    }
    if (cp == 0x3a3) { /* sigma has a form for the end of words */
        if (at + n < s->n) jstr_decode(s->p + at + n, s->n - at - n, &next);
        jbuf_char(b, after_cased && !(next && is_cased(next)) ? 0x3c2 : 0x3c3, from);
        return;
    }
    jbuf_char(b, (uint32_t)utf8proc_tolower((utf8proc_int32_t)cp), from);
}

static void put_upper(struct jbuf *b, uint32_t cp, enum jfrom from, bool title)
{
    const struct special *sp = special(cp);

    if (sp) jbuf_puts(b, title ? sp->title : sp->upper, from);
    else if (title) jbuf_char(b, (uint32_t)utf8proc_totitle((utf8proc_int32_t)cp), from);
    else jbuf_char(b, (uint32_t)utf8proc_toupper((utf8proc_int32_t)cp), from);
}

/* Folding a character that has several capitals: those in small. */
static void put_folded(struct jbuf *b, const char *upper, enum jfrom from)
{
    uint32_t cp;

    for (size_t n; *upper; upper += n) {
        n = jstr_decode(upper, strlen(upper), &cp);
        jbuf_char(b, (uint32_t)utf8proc_tolower((utf8proc_int32_t)cp), from);
    }
}

static bool wants_upper(enum jcase how, uint32_t cp, bool first, bool after_cased)
{
    switch (how) {
    case JCASE_UPPER:
        return true;
    case JCASE_TITLE:
        return !after_cased;
    case JCASE_CAPITALIZE:
        return first;
    case JCASE_SWAP:
        return utf8proc_category((utf8proc_int32_t)cp) == UTF8PROC_CATEGORY_LL;
    default:
        return false;
    }
}

struct jval jstr_case(struct jrun *r, const struct jstr *s, enum jcase how)
{
    struct jbuf b;
    bool after_cased = false;

    jbuf_init(&b, r);
    for (size_t at = 0, n; at < s->n && jrun_spend(r, 2); at += n) {
        uint32_t cp;
        n = jstr_decode(s->p + at, s->n - at, &cp);
        if (cp >= 0xdc00 && cp < 0xdd00) jbuf_part(&b, s, at, n); /* a stray byte */
        else if (wants_upper(how, cp, at == 0, after_cased))
            put_upper(&b, cp, jstr_from(s, at), how == JCASE_TITLE || how == JCASE_CAPITALIZE);
        else if (how == JCASE_FOLD && special(cp))
            put_folded(&b, special(cp)->upper, jstr_from(s, at));
        else if (how == JCASE_SWAP &&
                 utf8proc_category((utf8proc_int32_t)cp) == UTF8PROC_CATEGORY_LT)
            jbuf_part(&b, s, at, n);
        else put_lower(&b, s, at, n, after_cased && how != JCASE_FOLD);
        after_cased = is_cased(cp);
    }
    struct jval v = jbuf_done(&b);
    return jval_is_err(v) ? v : jval_str(jstr_markup(r, v.s, s->markup));
}
