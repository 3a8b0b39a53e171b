/* SPDX-License-Identifier: MIT */
/*
 * jmethod_str.c - the methods of Python's str that search, cut and join. Those
 * that ask (isdigit, startswith...) are in jmethod_ask.c.
 */
#include "text/jeval.h"

static struct jval piece(struct jrun *r, const struct jstr *s, size_t from, size_t to)
{
    return jval_str(jstr_part(r, s, from, to - from));
}

/* --- case and blanks --- */

static struct jval m_upper(struct jrun *r, struct jval self, const struct jcall *c)
{
    (void)c;
    return jstr_case(r, self.s, JCASE_UPPER);
}

static struct jval m_lower(struct jrun *r, struct jval self, const struct jcall *c)
{
    (void)c;
    return jstr_case(r, self.s, JCASE_LOWER);
}

static struct jval m_title(struct jrun *r, struct jval self, const struct jcall *c)
{
    (void)c;
    return jstr_case(r, self.s, JCASE_TITLE);
}

static struct jval m_capitalize(struct jrun *r, struct jval self, const struct jcall *c)
{
    (void)c;
    return jstr_case(r, self.s, JCASE_CAPITALIZE);
}

static struct jval m_swapcase(struct jrun *r, struct jval self, const struct jcall *c)
{
    (void)c;
    return jstr_case(r, self.s, JCASE_SWAP);
}

static struct jval m_casefold(struct jrun *r, struct jval self, const struct jcall *c)
{
    (void)c;
    return jstr_case(r, self.s, JCASE_FOLD);
}

static struct jval strip(struct jrun *r, struct jval self, const struct jcall *c, int sides)
{
    const struct jstr *chars = NULL;

    if (jarg_given(c->v[0]) && !(chars = jarg_str(r, c->v[0], NULL))) return jval_of(J_ERROR);
    return jval_str(jstr_strip(r, self.s, chars, sides));
}

static struct jval m_strip(struct jrun *r, struct jval self, const struct jcall *c)
{
    return strip(r, self, c, 3);
}

static struct jval m_lstrip(struct jrun *r, struct jval self, const struct jcall *c)
{
    return strip(r, self, c, 1);
}

static struct jval m_rstrip(struct jrun *r, struct jval self, const struct jcall *c)
{
    return strip(r, self, c, 2);
}

static struct jval m_removeprefix(struct jrun *r, struct jval self, const struct jcall *c)
{
    const struct jstr *p = jarg_str(r, c->v[0], NULL), *s = self.s;

    if (!p || !jrun_spend(r, p->n / 64)) return jval_of(J_ERROR);
    bool has = p->n <= s->n && memcmp(s->p, p->p, p->n) == 0;
    return piece(r, s, has ? p->n : 0, s->n);
}

static struct jval m_removesuffix(struct jrun *r, struct jval self, const struct jcall *c)
{
    const struct jstr *p = jarg_str(r, c->v[0], NULL), *s = self.s;

    if (!p || !jrun_spend(r, p->n / 64)) return jval_of(J_ERROR);
    bool has = p->n <= s->n && memcmp(s->p + s->n - p->n, p->p, p->n) == 0;
    return piece(r, s, 0, has ? s->n - p->n : s->n);
}

/* --- splitting --- */

/* At blanks, from the left. */
static bool split_blank(struct jrun *r, const struct jstr *s, int64_t max, struct jlist *l)
{
    size_t at = 0, n;
    uint32_t cp;

    while (at < s->n && jrun_spend(r, 1)) {
        n = jstr_decode(s->p + at, s->n - at, &cp);
        if (jstr_space(cp)) {
            at += n;
            continue;
        }
        size_t end = at;
        if (max >= 0 && (int64_t)l->n >= max) /* the rest, blanks at its end included */
            return jlist_push(r, l, piece(r, s, at, s->n));
        while (end < s->n) {
            n = jstr_decode(s->p + end, s->n - end, &cp);
            if (jstr_space(cp)) break;
            end += n;
        }
        if (!jrun_spend(r, (end - at) / 3) || !jlist_push(r, l, piece(r, s, at, end))) return false;
        at = end;
    }
    return !r->failed;
}

/* At blanks, from the right; the pieces come in reverse. */
static bool rsplit_blank(struct jrun *r, const struct jstr *s, int64_t max, struct jlist *l)
{
    while (s && jrun_spend(r, 1)) {
        s = jstr_strip(r, s, NULL, 2);
        if (!s || s->n == 0) return s != NULL;
        if (max >= 0 && (int64_t)l->n >= max) return jlist_push(r, l, jval_str(s));
        size_t at = s->n;
        for (size_t n; at > 0; at -= n) {
            uint32_t cp;
            n = jstr_decode_last(s->p, at, &cp);
            if (jstr_space(cp)) break;
        }
        if (!jrun_spend(r, (s->n - at) / 2) || !jlist_push(r, l, piece(r, s, at, s->n)))
            return false;
        s = jstr_part(r, s, 0, at);
    }
    return false;
}

static bool split_at(struct jrun *r, const struct jstr *s, const struct jstr *sep, int64_t max,
                     struct jlist *l)
{
    size_t at = 0;

    while (max < 0 || (int64_t)l->n < max) {
        size_t hit = jstr_find(r, s, sep, at, s->n);
        if (hit == SIZE_MAX) break;
        if (!jrun_spend(r, 4) || !jlist_push(r, l, piece(r, s, at, hit))) return false;
        at = hit + sep->n;
    }
    return !r->failed && jlist_push(r, l, piece(r, s, at, s->n));
}

static bool rsplit_at(struct jrun *r, const struct jstr *s, const struct jstr *sep, int64_t max,
                      struct jlist *l)
{
    size_t end = s->n;

    while (max < 0 || (int64_t)l->n < max) {
        size_t hit = jstr_rfind(r, s, sep, 0, end);
        if (hit == SIZE_MAX) break;
        if (!jrun_spend(r, 1) || !jlist_push(r, l, piece(r, s, hit + sep->n, end))) return false;
        end = hit;
    }
    return !r->failed && jlist_push(r, l, piece(r, s, 0, end));
}

static struct jval split(struct jrun *r, struct jval self, const struct jcall *c, bool right)
{
    struct jlist *l = jlist_new(r, 0);
    const struct jstr *sep = NULL;
    int64_t max;
    bool ok;

    if (!l || !jarg_int(r, c->v[1], -1, &max)) return jval_of(J_ERROR);
    if (jarg_given(c->v[0])) {
        if (!(sep = jarg_str(r, c->v[0], NULL))) return jval_of(J_ERROR);
        if (sep->n == 0) return jrun_fail(r, TEMPLATE_RUNTIME, "empty separator");
        ok = right ? rsplit_at(r, self.s, sep, max, l) : split_at(r, self.s, sep, max, l);
    } else {
        ok = right ? rsplit_blank(r, self.s, max, l) : split_blank(r, self.s, max, l);
    }
    if (!ok) return jval_of(J_ERROR);
    for (size_t i = 0; right && i < l->n / 2; i++) {
        struct jval t = l->v[i];
        l->v[i] = l->v[l->n - 1 - i];
        l->v[l->n - 1 - i] = t;
    }
    return jval_list(J_LIST, l);
}

static struct jval m_split(struct jrun *r, struct jval self, const struct jcall *c)
{
    return split(r, self, c, false);
}

static struct jval m_rsplit(struct jrun *r, struct jval self, const struct jcall *c)
{
    return split(r, self, c, true);
}

static struct jval m_splitlines(struct jrun *r, struct jval self, const struct jcall *c)
{
    return jval_list(J_LIST, jstr_lines(r, self.s, jarg_bool(c->v[0], false)));
}

/* (in front, separator, behind); all of self and two empty texts when it is not there. */
static struct jval partition(struct jrun *r, struct jval self, const struct jcall *c, bool right)
{
    const struct jstr *sep = jarg_str(r, c->v[0], NULL), *s = self.s;
    struct jlist *l = jlist_new(r, 3);
    size_t hit;

    if (!sep || !l) return jval_of(J_ERROR);
    if (sep->n == 0) return jrun_fail(r, TEMPLATE_RUNTIME, "empty separator");
    hit = right ? jstr_rfind(r, s, sep, 0, s->n) : jstr_find(r, s, sep, 0, s->n);
    size_t a = hit, b = hit + sep->n;
    if (hit == SIZE_MAX) a = b = right ? 0 : s->n;
    if (!jrun_spend(r, s->n / 32) || !jlist_push(r, l, piece(r, s, 0, a)) ||
        !jlist_push(r, l, piece(r, s, a, b)) || !jlist_push(r, l, piece(r, s, b, s->n)))
        return jval_of(J_ERROR);
    return jval_list(J_TUPLE, l);
}

static struct jval m_partition(struct jrun *r, struct jval self, const struct jcall *c)
{
    return partition(r, self, c, false);
}

static struct jval m_rpartition(struct jrun *r, struct jval self, const struct jcall *c)
{
    return partition(r, self, c, true);
}

/* --- joining and replacing --- */

static struct jval m_join(struct jrun *r, struct jval self, const struct jcall *c)
{
    const struct jlist *l = jval_items(r, c->v[0]);
    struct jbuf b;

    if (!l) return jval_of(J_ERROR);
    jbuf_init(&b, r);
    for (size_t i = 0; i < l->n && jrun_spend(r, 1); i++) {
        struct jval v = l->v[i];
        if (self.s->markup) {
            v = jtext_soft(r, v);
            if (!jval_is_err(v)) v = jstr_escape(r, v.s);
        } else if (v.type != J_STR)
            return jrun_fail(r, TEMPLATE_RUNTIME,
                             "sequence item %zu: expected str instance, %s found", i,
                             jval_type_name(v));
        if (jval_is_err(v)) return v;
        if (i) jbuf_str(&b, self.s);
        jbuf_str(&b, v.s);
    }
    struct jval v = jbuf_done(&b);
    return jval_is_err(v) ? v : jval_str(jstr_markup(r, v.s, self.s->markup));
}

/* Between all characters, and at both ends. */
static void replace_empty(struct jbuf *b, const struct jstr *s, const struct jstr *to, int64_t max)
{
    size_t at = 0, n;
    uint32_t cp;

    for (int64_t done = 0; jrun_spend(b->r, 2); done++) {
        if (max >= 0 && done >= max) break;
        jbuf_str(b, to);
        if (at >= s->n) return;
        n = jstr_decode(s->p + at, s->n - at, &cp);
        jbuf_part(b, s, at, n);
        at += n;
    }
    jbuf_part(b, s, at, s->n - at);
}

static struct jval m_replace(struct jrun *r, struct jval self, const struct jcall *c)
{
    const struct jstr *from = jarg_str(r, c->v[0], NULL), *to = jarg_str(r, c->v[1], NULL),
                      *s = self.s;
    int64_t max;
    size_t at = 0;
    struct jbuf b;

    if (!from || !to || !jarg_int(r, c->v[2], -1, &max)) return jval_of(J_ERROR);
    if (s->markup) {
        struct jval v = jstr_escape(r, to);
        if (jval_is_err(v)) return v;
        to = v.s;
    }
    if (jstr_find(r, s, from, 0, s->n) == SIZE_MAX) return self;
    jbuf_init(&b, r);
    if (from->n == 0) replace_empty(&b, s, to, max);
    for (int64_t done = 0; from->n && (max < 0 || done < max) && jrun_spend(r, 1); done++) {
        size_t hit = jstr_find(r, s, from, at, s->n);
        if (hit == SIZE_MAX) break;
        jbuf_part(&b, s, at, hit - at);
        jbuf_str(&b, to);
        at = hit + from->n;
    }
    if (from->n) jbuf_part(&b, s, at, s->n - at);
    struct jval v = jbuf_done(&b);
    return jval_is_err(v) ? v : jval_str(jstr_markup(r, v.s, s->markup));
}

static struct jval m_format(struct jrun *r, struct jval self, const struct jcall *c)
{
    return jformat_braces(r, self.s, c);
}

static struct jval m_format_map(struct jrun *r, struct jval self, const struct jcall *c)
{
    struct jcall call = { 0 };
    struct jkw *kw;

    if (c->v[0].type != J_DICT)
        return jrun_fail(r, TEMPLATE_RUNTIME, "format_map() needs a mapping");
    kw = jrun_array(r, c->v[0].d->n, sizeof(*kw));
    for (size_t i = 0; kw && i < c->v[0].d->n; i++) {
        const struct jpair *e = &c->v[0].d->e[i];
        if (e->k.type == J_STR) kw[call.n_kw++] = (struct jkw){ e->k.s, e->v };
    }
    call.kw = kw;
    return kw ? jformat_braces(r, self.s, &call) : jval_of(J_ERROR);
}

/* --- padding --- */

/* left and right: how much of the padding goes where, in halves of it (2: all). */
static struct jval pad(struct jrun *r, struct jval self, const struct jcall *c, int left)
{
    const struct jstr *fill = jarg_str(r, c->v[1], " ");
    int64_t width, n, before;
    struct jbuf b;

    if (!fill || !jarg_int(r, c->v[0], 0, &width) || !jstr_count(r, fill) || !jstr_count(r, self.s))
        return jval_of(J_ERROR);
    if (jstr_len(fill) != 1)
        return jrun_fail(r, TEMPLATE_RUNTIME,
                         "The fill character must be exactly one character long");
    n = width - MIN(width, (int64_t)jstr_len(self.s));
    before = left == 1 ? n / 2 + (n & width & 1) : left ? n : 0;
    jbuf_init(&b, r);
    jbuf_times(&b, fill, before);
    jbuf_str(&b, self.s);
    jbuf_times(&b, fill, n - before);
    struct jval v = jbuf_done(&b);
    return jval_is_err(v) ? v : jval_str(jstr_markup(r, v.s, self.s->markup));
}

static struct jval m_center(struct jrun *r, struct jval self, const struct jcall *c)
{
    return pad(r, self, c, 1);
}

static struct jval m_ljust(struct jrun *r, struct jval self, const struct jcall *c)
{
    return pad(r, self, c, 0);
}

static struct jval m_rjust(struct jrun *r, struct jval self, const struct jcall *c)
{
    return pad(r, self, c, 2);
}

static struct jval m_zfill(struct jrun *r, struct jval self, const struct jcall *c)
{
    static const struct jstr zero = { .p = "0", .n = 1, .n_char = 1, .from = JFROM_DERIVED };
    size_t sign = self.s->n > 0 && (self.s->p[0] == '-' || self.s->p[0] == '+');
    int64_t width;
    struct jbuf b;

    if (!jarg_int(r, c->v[0], 0, &width) || !jstr_count(r, self.s)) return jval_of(J_ERROR);
    width -= MIN(width, (int64_t)jstr_len(self.s));
    jbuf_init(&b, r);
    jbuf_part(&b, self.s, 0, sign);
    jbuf_times(&b, &zero, width);
    jbuf_part(&b, self.s, sign, self.s->n - sign);
    struct jval v = jbuf_done(&b);
    return jval_is_err(v) ? v : jval_str(jstr_markup(r, v.s, self.s->markup));
}

static struct jval m_expandtabs(struct jrun *r, struct jval self, const struct jcall *c)
{
    static const struct jstr blank = { .p = " ", .n = 1, .n_char = 1, .from = JFROM_DERIVED };
    int64_t size, column = 0;
    struct jbuf b;

    if (!jarg_int(r, c->v[0], 8, &size)) return jval_of(J_ERROR);
    jbuf_init(&b, r);
    for (size_t at = 0, n; at < self.s->n && jrun_spend(r, 1); at += n) {
        uint32_t cp;
        n = jstr_decode(self.s->p + at, self.s->n - at, &cp);
        if (cp == '\t') {
            int64_t skip = size > 0 ? size - column % size : 0;
            jbuf_times(&b, &blank, skip);
            column += b.bad ? 0 : skip;
            continue;
        }
        jbuf_part(&b, self.s, at, n);
        column = cp == '\n' || cp == '\r' ? 0 : column + 1;
    }
    struct jval v = jbuf_done(&b);
    return jval_is_err(v) ? v : jval_str(jstr_markup(r, v.s, self.s->markup));
}

const struct jnative jmethods_str[] = {
    { "capitalize", "", m_capitalize },
    { "casefold", "", m_casefold },
    { "center", "width! fillchar", m_center },
    { "expandtabs", "tabsize", m_expandtabs },
    { "format", "*", m_format },
    { "format_map", "mapping!", m_format_map },
    { "join", "iterable!", m_join },
    { "ljust", "width! fillchar", m_ljust },
    { "lower", "", m_lower },
    { "lstrip", "chars", m_lstrip },
    { "partition", "sep!", m_partition },
    { "removeprefix", "prefix!", m_removeprefix },
    { "removesuffix", "suffix!", m_removesuffix },
    { "replace", "old! new! count", m_replace },
    { "rjust", "width! fillchar", m_rjust },
    { "rpartition", "sep!", m_rpartition },
    { "rsplit", "sep maxsplit", m_rsplit },
    { "rstrip", "chars", m_rstrip },
    { "split", "sep maxsplit", m_split },
    { "splitlines", "keepends", m_splitlines },
    { "strip", "chars", m_strip },
    { "swapcase", "", m_swapcase },
    { "title", "", m_title },
    { "upper", "", m_upper },
    { "zfill", "width!", m_zfill },
    { NULL, NULL, NULL },
};
