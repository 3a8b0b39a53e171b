/* SPDX-License-Identifier: MIT */
/*
 * jtext.c - values as text: Python's str() and repr().
 *
 * Origins: the bytes of strings keep theirs; what str() and repr() add around
 * them is derived (jstr.h). Numbers, booleans and none alone count as the
 * template's, since no special token is made of them.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <utf8proc.h>

#include "text/jeval.h"

/* Shortest digits that read back as the same number; "1e+16" beyond 16 digits, as Python does. */
int jtext_float(char out[JFLOAT_MAX], double f)
{
    char sci[40];
    int digits = 0, exp;

    if (isnan(f)) return snprintf(out, JFLOAT_MAX, "nan");
    if (isinf(f)) return snprintf(out, JFLOAT_MAX, f < 0 ? "-inf" : "inf");
    do
        snprintf(sci, sizeof(sci), "%.*e", digits, f);
    while (strtod(sci, NULL) != f && ++digits < 17);
    exp = atoi(strchr(sci, 'e') + 1);
    if (exp < -4 || exp >= 16) {
        char *e = strchr(sci, 'e');
        return snprintf(out, JFLOAT_MAX, "%.*se%c%02d", (int)(e - sci), sci, exp < 0 ? '-' : '+',
                        abs(exp));
    }
    return snprintf(out, JFLOAT_MAX, "%.*f", MAX(digits - exp, 1), f);
}

size_t jtext_digits_steps(double f, int64_t digits)
{
    int e = 0;

    if (isfinite(f)) frexp(f, &e);
    return (size_t)(50 + abs(e) / 2 + MAX(digits, 0));
}

static void put_number(struct jbuf *b, struct jval v, enum jfrom from)
{
    char s[JFLOAT_MAX];

    if (!jrun_spend(b->r, v.type == J_FLOAT ? JFLOAT_STEPS : 5)) return;
    if (v.type == J_FLOAT) jtext_float(s, v.f);
    else snprintf(s, sizeof(s), "%" PRId64, v.i);
    jbuf_puts(b, s, from);
}

static bool printable(uint32_t cp)
{
    utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)cp);

    if (cp < 0x7f) return cp >= 0x20;
    return !(c == UTF8PROC_CATEGORY_CN || c >= UTF8PROC_CATEGORY_ZS);
}

static void put_escaped(struct jbuf *b, uint32_t cp, enum jfrom from)
{
    char s[16];

    if (cp == '\n') snprintf(s, sizeof(s), "\\n");
    else if (cp == '\r') snprintf(s, sizeof(s), "\\r");
    else if (cp == '\t') snprintf(s, sizeof(s), "\\t");
    else if (cp < 0x100) snprintf(s, sizeof(s), "\\x%02x", cp);
    else snprintf(s, sizeof(s), cp < 0x10000 ? "\\u%04x" : "\\U%08x", cp);
    jbuf_puts(b, s, from);
}

static void repr_str(struct jbuf *b, const struct jstr *s)
{
    bool twice = memchr(s->p, '\'', s->n) && !memchr(s->p, '"', s->n);
    char quote = twice ? '"' : '\'';
    size_t from = 0, n;

    if (!jrun_spend(b->r, s->n / 2)) return;
    if (s->markup) jbuf_puts(b, "Markup(", JFROM_DERIVED);
    jbuf_put(b, &quote, 1, JFROM_DERIVED);
    for (size_t at = 0; at < s->n; at += n) {
        uint32_t cp;
        n = jstr_decode(s->p + at, s->n - at, &cp);
        bool slash = cp == '\\' || cp == (unsigned char)quote;
        if (!slash && printable(cp)) continue;
        if (!jrun_spend(b->r, 6)) return;
        jbuf_part(b, s, from, at - from);
        from = slash ? at : at + n;
        if (slash) jbuf_put(b, "\\", 1, jstr_from(s, at));
        else put_escaped(b, cp, jstr_from(s, at));
    }
    jbuf_part(b, s, from, s->n - from);
    jbuf_put(b, &quote, 1, JFROM_DERIVED);
    if (s->markup) jbuf_puts(b, ")", JFROM_DERIVED);
}

static void repr_items(struct jbuf *b, const struct jlist *l)
{
    for (size_t i = 0; i < l->n && !b->bad; i++) {
        if (i) jbuf_puts(b, ", ", JFROM_DERIVED);
        jtext_repr(b, l->v[i]);
    }
}

static void repr_dict(struct jbuf *b, const struct jdict *d)
{
    jbuf_puts(b, "{", JFROM_DERIVED);
    for (size_t i = 0; i < d->n && !b->bad; i++) {
        if (i) jbuf_puts(b, ", ", JFROM_DERIVED);
        jtext_repr(b, d->e[i].k);
        jbuf_puts(b, ": ", JFROM_DERIVED);
        jtext_repr(b, d->e[i].v);
    }
    jbuf_puts(b, "}", JFROM_DERIVED);
}

static void repr_view(struct jbuf *b, struct jval v)
{
    const struct jlist *l = jval_items(b->r, v);

    jbuf_puts(b, jval_type_name(v), JFROM_DERIVED);
    jbuf_puts(b, "([", JFROM_DERIVED);
    if (l) repr_items(b, l);
    jbuf_puts(b, "])", JFROM_DERIVED);
}

static void repr_range(struct jbuf *b, const struct jrange *g)
{
    char s[96];

    snprintf(s, sizeof(s),
             g->step == 1 ? "range(%" PRId64 ", %" PRId64 ")"
                          : "range(%" PRId64 ", %" PRId64 ", %" PRId64 ")",
             g->start, g->stop, g->step);
    jbuf_puts(b, s, JFROM_DERIVED);
}

static void repr_object(struct jbuf *b, struct jval v)
{
    char s[64];

    snprintf(s, sizeof(s), "<%s object>", jval_type_name(v));
    if (v.type == J_LOOP)
        snprintf(s, sizeof(s), "<LoopContext %zu/%zu>", v.loop->index0 + 1, v.loop->items->n);
    if (v.type == J_FUNC && v.fn->macro && v.fn->macro->sym >= 0) {
        jbuf_puts(b, "<Macro ", JFROM_DERIVED);
        jtext_repr(b, b->r->t->sym[v.fn->macro->sym]);
        snprintf(s, sizeof(s), ">");
    }
    jbuf_puts(b, s, JFROM_DERIVED);
}

static void repr_deep(struct jbuf *b, struct jval v)
{
    switch (v.type) {
    case J_LIST:
        jbuf_puts(b, "[", JFROM_DERIVED);
        repr_items(b, v.l);
        jbuf_puts(b, "]", JFROM_DERIVED);
        break;
    case J_TUPLE:
        jbuf_puts(b, "(", JFROM_DERIVED);
        repr_items(b, v.l);
        jbuf_puts(b, v.l->n == 1 ? ",)" : ")", JFROM_DERIVED);
        break;
    case J_DICT:
        repr_dict(b, v.d);
        break;
    case J_NS:
        jbuf_puts(b, "<Namespace ", JFROM_DERIVED);
        repr_dict(b, v.d);
        jbuf_puts(b, ">", JFROM_DERIVED);
        break;
    case J_VIEW:
        repr_view(b, v);
        break;
    default:
        repr_object(b, v);
        break;
    }
}

void jtext_repr(struct jbuf *b, struct jval v)
{
    if (b->bad || !jrun_spend(b->r, 4)) return;
    switch (v.type) {
    case J_UNDEF:
        jbuf_puts(b, "Undefined", JFROM_DERIVED);
        return;
    case J_NONE:
        jbuf_puts(b, "None", JFROM_DERIVED);
        return;
    case J_BOOL:
        jbuf_puts(b, v.b ? "True" : "False", JFROM_DERIVED);
        return;
    case J_INT:
    case J_FLOAT:
        put_number(b, v, JFROM_DERIVED);
        return;
    case J_STR:
        repr_str(b, v.s);
        return;
    case J_RANGE:
        repr_range(b, v.range);
        return;
    default:
        break;
    }
    if (!jrun_enter(b->r)) return;
    repr_deep(b, v);
    b->r->depth--;
}

/* Containers go through a buffer of their own, so that "derived" looks at them alone. */
void jtext_put(struct jbuf *b, struct jval v)
{
    struct jval s;

    switch (v.type) {
    case J_ERROR:
    case J_MISSING:
    case J_UNDEF:
        return;
    case J_STR:
        jbuf_str(b, v.s);
        return;
    case J_NONE:
        jbuf_puts(b, "None", JFROM_TEMPLATE);
        return;
    case J_BOOL:
        jbuf_puts(b, v.b ? "True" : "False", JFROM_TEMPLATE);
        return;
    case J_INT:
    case J_FLOAT:
        put_number(b, v, JFROM_TEMPLATE);
        return;
    default:
        s = jtext_str(b->r, v);
        if (!jval_is_err(s)) jbuf_str(b, s.s);
    }
}

struct jval jtext_str(struct jrun *r, struct jval v)
{
    struct jbuf b;

    if (v.type == J_STR) return jval_str(jstr_markup(r, v.s, false));
    jbuf_init(&b, r);
    if (v.type < J_STR) jtext_put(&b, v);
    else jtext_repr(&b, v);
    return jbuf_done(&b);
}

struct jval jtext_soft(struct jrun *r, struct jval v)
{
    return v.type == J_STR ? v : jtext_str(r, v);
}
