/* SPDX-License-Identifier: MIT */
/*
 * jfilter_text.c - filters that make texts: case, escaping, layout, JSON.
 *
 * Each works on self as jinja2's filter of the same name does on its value;
 * what it takes over from a text keeps its origin.
 */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <utf8proc.h>

#include "text/jeval.h"

static struct jval finish(struct jbuf *b, bool markup)
{
    struct jval v = jbuf_done(b);

    return jval_is_err(v) ? v : jval_str(jstr_markup(b->r, v.s, markup));
}

static struct jval cased(struct jrun *r, struct jval self, enum jcase how)
{
    self = jtext_soft(r, self);
    return jval_is_err(self) ? self : jstr_case(r, self.s, how);
}

static struct jval f_upper(struct jrun *r, struct jval self, const struct jcall *c)
{
    (void)c;
    return cased(r, self, JCASE_UPPER);
}

static struct jval f_lower(struct jrun *r, struct jval self, const struct jcall *c)
{
    (void)c;
    return cased(r, self, JCASE_LOWER);
}

static struct jval f_capitalize(struct jrun *r, struct jval self, const struct jcall *c)
{
    (void)c;
    return cased(r, self, JCASE_CAPITALIZE);
}

static bool starts_word(uint32_t cp)
{
    return jstr_space(cp) || (cp && cp < 0x80 && strchr("-({[<", (int)cp));
}

/* The end of the word (or of what separates words) that starts at `at`. */
static size_t word_end(const struct jstr *s, size_t at, size_t *first)
{
    uint32_t cp;
    bool word;

    *first = jstr_decode(s->p + at, s->n - at, &cp);
    word = !starts_word(cp);
    for (at += *first; at < s->n;) {
        size_t n = jstr_decode(s->p + at, s->n - at, &cp);
        if (word == starts_word(cp)) break;
        at += n;
    }
    return at;
}

/* Unlike str.title(), words start only behind blanks, - and opening brackets. */
static struct jval f_title(struct jrun *r, struct jval self, const struct jcall *c)
{
    struct jbuf b;

    (void)c;
    self = jtext_soft(r, self);
    if (jval_is_err(self)) return self;
    jbuf_init(&b, r);
    for (size_t at = 0, first, end; at < self.s->n && jrun_spend(r, 16); at = end) {
        end = word_end(self.s, at, &first);
        const struct jstr *head = jstr_part(r, self.s, at, first);
        const struct jstr *tail = jstr_part(r, self.s, at + first, end - at - first);
        if (!head || !tail) return jval_of(J_ERROR);
        struct jval x = jstr_case(r, head, JCASE_UPPER), y = jstr_case(r, tail, JCASE_LOWER);
        if (jval_is_err(x) || jval_is_err(y)) return jval_of(J_ERROR);
        jbuf_str(&b, x.s);
        jbuf_str(&b, y.s);
    }
    return finish(&b, false);
}

static struct jval f_trim(struct jrun *r, struct jval self, const struct jcall *c)
{
    const struct jstr *chars = NULL;

    self = jtext_soft(r, self);
    if (jarg_given(c->v[0]) && !(chars = jarg_str(r, c->v[0], NULL))) return jval_of(J_ERROR);
    return jval_is_err(self) ? self : jval_str(jstr_strip(r, self.s, chars, 3));
}

static struct jval f_string(struct jrun *r, struct jval self, const struct jcall *c)
{
    (void)c;
    return jtext_soft(r, self);
}

static struct jval f_safe(struct jrun *r, struct jval self, const struct jcall *c)
{
    (void)c;
    self = jtext_soft(r, self);
    return jval_is_err(self) ? self : jval_str(jstr_markup(r, self.s, true));
}

static struct jval f_escape(struct jrun *r, struct jval self, const struct jcall *c)
{
    (void)c;
    self = jtext_soft(r, self);
    return jval_is_err(self) ? self : jstr_escape(r, self.s);
}

static struct jval f_forceescape(struct jrun *r, struct jval self, const struct jcall *c)
{
    self = jtext_str(r, self);
    return jval_is_err(self) ? self : f_escape(r, self, c);
}

static struct jval f_replace(struct jrun *r, struct jval self, const struct jcall *c)
{
    struct jval arg[3];
    struct jcall call = { .pos = arg, .n_pos = 3 };

    self = jtext_str(r, self);
    arg[0] = jtext_str(r, c->v[0]);
    arg[1] = jtext_str(r, c->v[1]);
    arg[2] = jarg_given(c->v[2]) ? c->v[2] : jval_int(-1);
    for (int i = 0; i < 2; i++)
        if (jval_is_err(arg[i])) return arg[i];
    if (jval_is_err(self)) return self;
    return jeval_native(r, jmethod_find(self, (struct slice){ "replace", 7 }), self, &call);
}

static struct jval f_center(struct jrun *r, struct jval self, const struct jcall *c)
{
    struct jval width = c->v[0].type == J_MISSING ? jval_int(80) : c->v[0];
    struct jcall call = { .pos = &width, .n_pos = 1 };

    self = jtext_soft(r, self);
    if (jval_is_err(self)) return self;
    return jeval_native(r, jmethod_find(self, (struct slice){ "center", 6 }), self, &call);
}

static struct jval f_format(struct jrun *r, struct jval self, const struct jcall *c)
{
    struct jval args;

    self = jtext_soft(r, self);
    if (jval_is_err(self)) return self;
    if (c->n_pos && c->n_kw)
        return jrun_fail(r, TEMPLATE_RUNTIME,
                         "can't handle positional and keyword arguments at the same time");
    if (c->n_kw) {
        args = jval_dict(jdict_new(r, c->n_kw));
        for (size_t i = 0; i < c->n_kw && !jval_is_err(args); i++)
            if (!jdict_set(r, args.d, jval_str(c->kw[i].name), c->kw[i].v)) return jval_of(J_ERROR);
    } else {
        args = jval_list(J_TUPLE, jlist_new(r, c->n_pos));
        for (size_t i = 0; i < c->n_pos && !jval_is_err(args); i++)
            args.l->v[args.l->n++] = c->pos[i];
    }
    return jval_is_err(args) ? args : jformat_percent(r, self.s, args);
}

/* --- layout --- */

/* A width in blanks, or the text itself. */
static struct jval indention(struct jrun *r, struct jval width)
{
    static const struct jstr blank = { .p = " ", .n = 1, .n_char = 1, .from = JFROM_DERIVED };
    int64_t n;

    if (width.type == J_STR) return width;
    if (!jarg_int(r, width, 4, &n)) return jval_of(J_ERROR);
    struct jval v = jstr_repeat(r, &blank, n);
    if (!jval_is_err(v)) ((struct jstr *)v.s)->from = JFROM_DERIVED; /* new, nobody else has it */
    return v;
}

static struct jval f_indent(struct jrun *r, struct jval self, const struct jcall *c)
{
    struct jval width = indention(r, c->v[0]), text;
    bool first = jarg_bool(c->v[1], false), blank = jarg_bool(c->v[2], false);
    const struct jstr *s = jarg_str(r, self, NULL);
    struct jlist *lines;
    struct jbuf b;

    if (jval_is_err(width) || !s) return jval_of(J_ERROR);
    jbuf_init(&b, r);
    jbuf_str(&b, s);
    jbuf_puts(&b, "\n", JFROM_DERIVED); /* so that a last empty line counts */
    text = jbuf_done(&b);
    lines = jval_is_err(text) ? NULL : jstr_lines(r, text.s, false);
    if (!lines) return jval_of(J_ERROR);
    jbuf_init(&b, r);
    if (first) jbuf_str(&b, width.s);
    for (size_t i = 0; i < lines->n; i++) {
        const struct jstr *line = lines->v[i].s;
        if (i) jbuf_puts(&b, "\n", JFROM_DERIVED);
        if (i && (blank || line->n)) jbuf_str(&b, width.s);
        jbuf_str(&b, line);
    }
    return finish(&b, s->markup);
}

static struct jval f_truncate(struct jrun *r, struct jval self, const struct jcall *c)
{
    const struct jstr *s, *end = jarg_str(r, c->v[2], "...");
    int64_t length, leeway, n;
    size_t cut;
    struct jbuf b;

    if (!end || !jstr_count(r, end) || (self.type == J_STR && !jstr_count(r, self.s)) ||
        !jarg_int(r, c->v[0], 255, &length) ||
        !jarg_int(r, jarg_given(c->v[3]) ? c->v[3] : jval_of(J_MISSING), 5, &leeway))
        return jval_of(J_ERROR);
    if (length < (int64_t)jstr_len(end) || leeway < 0)
        return jrun_fail(r, TEMPLATE_RUNTIME, "truncate: the length is too small");
    n = jval_len(self);
    if (n >= 0 && n - leeway <= length) return self;
    if (!(s = jarg_str(r, self, NULL))) return jval_of(J_ERROR);
    cut = jstr_byte(s, (size_t)length - jstr_len(end));
    if (!jrun_spend(r, cut / 8)) return jval_of(J_ERROR);
    if (!jarg_bool(c->v[1], false)) { /* back to the end of a word */
        const char *sp = memrchr(s->p, ' ', cut);
        if (sp) cut = (size_t)(sp - s->p);
    }
    jbuf_init(&b, r);
    jbuf_part(&b, s, 0, cut);
    jbuf_str(&b, end);
    return finish(&b, s->markup);
}

struct wrap {
    struct jbuf b;
    const struct jstr *s, *nl;
    int64_t width, used; /* columns */
    bool break_words, hyphens;
};

/* The piece at `at`: blanks, or a word up to a blank or behind a hyphen between letters. */
static size_t piece_end(const struct wrap *w, size_t at)
{
    const struct jstr *s = w->s;
    bool blank = s->p[at] == ' ';
    size_t end = at + 1;

    for (; end < s->n && (s->p[end] == ' ') == blank; end++)
        if (w->hyphens && s->p[end - 1] == '-' && end - at > 1 &&
            isalpha((unsigned char)s->p[end - 2]) && isalpha((unsigned char)s->p[end]))
            break;
    return end;
}

/* A word longer than a line: as much of it as fits on this one. */
static size_t wrap_long(struct wrap *w, size_t at, size_t end)
{
    int64_t left = MAX(w->width - w->used, 1);
    const struct jstr *rest = jstr_part(w->b.r, w->s, at, end - at);
    size_t take = rest ? jstr_byte(rest, (size_t)left) : end - at;

    jbuf_part(&w->b, w->s, at, take);
    w->used += (int64_t)jstr_chars(w->s->p + at, take);
    return at + take;
}

/* One paragraph, broken at blanks and hyphens; blanks at the ends of lines go. */
static void wrap_line(struct wrap *w)
{
    const struct jstr *s = w->s;
    size_t gap = 0; /* bytes of blanks in front of the next word, not yet written */

    w->used = 0;
    for (size_t at = 0, end; at < s->n && !w->b.bad; at = end) {
        end = piece_end(w, at);
        if (!jrun_spend(w->b.r, 2 + (end - at) / 2)) return;
        int64_t n = (int64_t)jstr_chars(s->p + at, end - at), col = w->used + (int64_t)gap;
        if (s->p[at] == ' ') {
            gap = at == 0 || w->used ? end - at : 0;
            continue;
        }
        bool cut = n > w->width && w->break_words;
        if (col && (cut ? col >= w->width : col + n > w->width)) {
            jbuf_str(&w->b, w->nl);
            w->used = 0;
        } else {
            jbuf_part(&w->b, s, at - gap, gap);
            w->used = col;
        }
        gap = 0;
        if (cut) end = wrap_long(w, at, end);
        else {
            jbuf_part(&w->b, s, at, end - at);
            w->used += n;
        }
    }
}

static struct jval f_wordwrap(struct jrun *r, struct jval self, const struct jcall *c)
{
    const struct jstr *s = jarg_str(r, self, NULL);
    struct jlist *lines = s ? jstr_lines(r, s, false) : NULL;
    struct wrap w = { .break_words = jarg_bool(c->v[1], true),
                      .hyphens = jarg_bool(c->v[3], true) };

    w.nl = jarg_str(r, jarg_given(c->v[2]) ? c->v[2] : jval_of(J_MISSING), "\n");
    if (!lines || !w.nl || !jarg_int(r, c->v[0], 79, &w.width)) return jval_of(J_ERROR);
    if (w.width <= 0) return jrun_fail(r, TEMPLATE_RUNTIME, "invalid width (must be > 0)");
    jbuf_init(&w.b, r);
    for (size_t i = 0; i < lines->n; i++) {
        if (i) jbuf_str(&w.b, w.nl);
        w.s = lines->v[i].s;
        wrap_line(&w);
    }
    return jbuf_done(&w.b);
}

static struct jval f_wordcount(struct jrun *r, struct jval self, const struct jcall *c)
{
    int64_t words = 0;
    bool inside = false;

    (void)c;
    self = jtext_soft(r, self);
    if (jval_is_err(self)) return self;
    for (size_t at = 0, n; at < self.s->n && jrun_spend(r, 1); at += n) {
        uint32_t cp;
        n = jstr_decode(self.s->p + at, self.s->n - at, &cp);
        utf8proc_category_t k = utf8proc_category((utf8proc_int32_t)cp);
        bool word = cp == '_' || (k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LO) ||
                    (k >= UTF8PROC_CATEGORY_ND && k <= UTF8PROC_CATEGORY_NO);
        words += word && !inside;
        inside = word;
    }
    return jval_int(words);
}

/* --- markup --- */

/* Removes what stands between `open` and `close`, both included. */
static struct jval cut_out(struct jrun *r, const struct jstr *s, const char *open,
                           const char *close)
{
    struct jstr a = { .p = open, .n = strlen(open) }, z = { .p = close, .n = strlen(close) };
    struct jbuf b;
    size_t at = 0;

    jbuf_init(&b, r);
    for (;;) {
        size_t from = jstr_find(r, s, &a, at, s->n);
        size_t to = from == SIZE_MAX ? from : jstr_find(r, s, &z, from, s->n);
        if (to == SIZE_MAX) break;
        jbuf_part(&b, s, at, from - at);
        at = to + z.n;
    }
    jbuf_part(&b, s, at, s->n - at);
    return jbuf_done(&b);
}

/* The character that an entity at p stands for; bytes used, 0: none. */
static size_t entity(const char *p, size_t n, uint32_t *cp)
{
    static const struct {
        const char *name;
        uint32_t cp;
    } names[] = { { "&amp;", '&' },  { "&lt;", '<' },    { "&gt;", '>' },
                  { "&quot;", '"' }, { "&apos;", '\'' }, { "&nbsp;", 0xa0 } };
    size_t i = 2;

    for (size_t k = 0; k < COUNT(names); k++) {
        size_t len = strlen(names[k].name);
        *cp = names[k].cp;
        if (len <= n && memcmp(p, names[k].name, len) == 0) return len;
    }
    if (n < 4 || p[1] != '#') return 0;
    bool hex = p[2] == 'x' || p[2] == 'X';
    for (i += hex, *cp = 0; i < n && isxdigit((unsigned char)p[i]) && *cp < 0x110000; i++) {
        uint32_t d = isdigit((unsigned char)p[i]) ? (uint32_t)(p[i] - '0')
                                                  : (uint32_t)(tolower(p[i]) - 'a' + 10);
        *cp = *cp * (hex ? 16 : 10) + d;
    }
    return i < n && p[i] == ';' ? i + 1 : 0;
}

static struct jval f_striptags(struct jrun *r, struct jval self, const struct jcall *c)
{
    struct jval s = jtext_str(r, self);
    bool gap = false;
    struct jbuf b;

    (void)c;
    if (!jval_is_err(s)) s = cut_out(r, s.s, "<!--", "-->");
    if (!jval_is_err(s)) s = cut_out(r, s.s, "<", ">");
    if (jval_is_err(s)) return s;
    jbuf_init(&b, r);
    for (size_t at = 0, n; at < s.s->n && jrun_spend(r, 2); at += n) {
        uint32_t cp, named;
        n = jstr_decode(s.s->p + at, s.s->n - at, &cp);
        size_t len = cp == '&' ? entity(s.s->p + at, s.s->n - at, &named) : 0;
        if (jstr_space(cp)) {
            gap = true;
            continue;
        }
        if (gap && b.n) jbuf_puts(&b, " ", jstr_from(s.s, at));
        gap = false;
        if (len) jbuf_char(&b, named, jstr_from_all(s.s, at, len));
        else jbuf_part(&b, s.s, at, n);
        if (len) n = len;
    }
    return jbuf_done(&b);
}

static bool xml_attr(struct jbuf *b, const struct jpair *e)
{
    struct jval key = e->k, value = e->v;

    if (value.type == J_NONE || value.type == J_UNDEF) return true;
    if (key.type != J_STR) {
        jrun_fail(b->r, TEMPLATE_RUNTIME, "attribute names must be text");
        return false;
    }
    for (size_t i = 0; i < key.s->n; i++) {
        if (!isspace((unsigned char)key.s->p[i]) && !memchr("/>=", key.s->p[i], 3)) continue;
        jrun_fail(b->r, TEMPLATE_RUNTIME, "Invalid character in attribute name");
        return false;
    }
    key = jstr_escape(b->r, key.s);
    value = jtext_soft(b->r, value);
    if (!jval_is_err(value)) value = jstr_escape(b->r, value.s);
    if (jval_is_err(key) || jval_is_err(value)) return false;
    if (b->n) jbuf_puts(b, " ", JFROM_DERIVED);
    jbuf_str(b, key.s);
    jbuf_puts(b, "=\"", JFROM_DERIVED);
    jbuf_str(b, value.s);
    jbuf_puts(b, "\"", JFROM_DERIVED);
    return true;
}

static struct jval f_xmlattr(struct jrun *r, struct jval self, const struct jcall *c)
{
    struct jbuf b, out;

    if (self.type == J_UNDEF) return jval_fail_undef(r, self);
    if (self.type != J_DICT) return jrun_fail(r, TEMPLATE_RUNTIME, "xmlattr needs a mapping");
    jbuf_init(&b, r);
    for (size_t i = 0; i < self.d->n; i++)
        if (!xml_attr(&b, &self.d->e[i])) return jval_of(J_ERROR);
    struct jval v = jbuf_done(&b);
    if (jval_is_err(v) || v.s->n == 0 || !jarg_bool(c->v[0], true)) return v;
    jbuf_init(&out, r);
    jbuf_puts(&out, " ", JFROM_DERIVED);
    jbuf_str(&out, v.s);
    return jbuf_done(&out);
}

/* --- addresses, numbers, JSON --- */

static bool quote(struct jbuf *b, struct jval v, bool query)
{
    static const char hex[] = "0123456789ABCDEF";

    v = jtext_soft(b->r, v);
    if (jval_is_err(v) || !jrun_spend(b->r, v.s->n)) return false;
    for (size_t i = 0; i < v.s->n; i++) {
        unsigned char ch = (unsigned char)v.s->p[i];
        bool plain = ch < 0x80 && (isalnum(ch) || strchr("_.-~", ch)) && ch;
        char coded[3] = { '%', hex[ch >> 4], hex[ch & 15] };
        if (plain || (ch == '/' && !query)) jbuf_part(b, v.s, i, 1);
        else if (ch == ' ' && query) jbuf_put(b, "+", 1, jstr_from(v.s, i));
        else jbuf_put(b, coded, 3, jstr_from(v.s, i));
    }
    return !b->r->failed;
}

static struct jval f_urlencode(struct jrun *r, struct jval self, const struct jcall *c)
{
    const struct jlist *l;
    struct jbuf b;

    (void)c;
    jbuf_init(&b, r);
    if (self.type == J_STR || !jval_iterable(self))
        return quote(&b, self, false) ? jbuf_done(&b) : jval_of(J_ERROR);
    if (self.type == J_DICT) {
        struct jview *view = jrun_alloc(r, sizeof(*view));
        if (!view) return jval_of(J_ERROR);
        *view = (struct jview){ self.d, JVIEW_ITEMS };
        self = (struct jval){ .type = J_VIEW, .view = view };
    }
    l = jval_items(r, self);
    for (size_t i = 0; l && i < l->n; i++) {
        const struct jlist *pair = jval_items(r, l->v[i]);
        if (!pair || pair->n != 2)
            return jrun_fail(r, TEMPLATE_RUNTIME, "urlencode needs pairs of name and value");
        if (i) jbuf_puts(&b, "&", JFROM_DERIVED);
        if (!quote(&b, pair->v[0], true)) return jval_of(J_ERROR);
        jbuf_puts(&b, "=", JFROM_DERIVED);
        if (!quote(&b, pair->v[1], true)) return jval_of(J_ERROR);
    }
    return jbuf_done(&b);
}

static struct jval f_filesizeformat(struct jrun *r, struct jval self, const struct jcall *c)
{
    static const char letters[] = "kMGTPEZY", binary[] = "KMGTPEZY";
    bool two = jarg_bool(c->v[0], false);
    double f, base = two ? 1024 : 1000, unit = base * base;
    char s[400];
    size_t i = 0;
    struct jbuf b;

    if (self.type == J_STR && !jrun_spend(r, self.s->n / 16)) return jval_of(J_ERROR);
    if (!jval_as_double(self, &f) && !(self.type == J_STR && jarg_parse_float(self.s, &f)))
        return jrun_fail(r, TEMPLATE_RUNTIME, "filesizeformat needs a number");
    if (!jrun_spend(r, jtext_digits_steps(f, 1))) return jval_of(J_ERROR);
    while (!(f < unit) && i < sizeof(letters) - 2) {
        unit *= base;
        i++;
    }
    if (f == 1) snprintf(s, sizeof(s), "1 Byte");
    else if (f < base) snprintf(s, sizeof(s), "%.0f Bytes", trunc(f));
    else
        snprintf(s, sizeof(s), "%.1f %c%s", base * f / unit, (two ? binary : letters)[i],
                 two ? "iB" : "B");
    jbuf_init(&b, r);
    jbuf_puts(&b, s, JFROM_TEMPLATE);
    return jbuf_done(&b);
}

static struct jval f_pprint(struct jrun *r, struct jval self, const struct jcall *c)
{
    struct jbuf b;

    (void)c;
    jbuf_init(&b, r);
    jtext_repr(&b, self);
    return jbuf_done(&b);
}

/* separators=(item, key) */
static bool read_separators(struct jrun *r, struct jval v, struct jjson_opts *o)
{
    const struct jlist *l;

    o->item_sep = jstr_new(r, ", ", o->pretty ? 1 : 2, JFROM_DERIVED);
    o->key_sep = jstr_new(r, ": ", 2, JFROM_DERIVED);
    if (!jarg_given(v)) return o->item_sep && o->key_sep;
    l = jval_items(r, v);
    if (l && l->n == 2) {
        o->item_sep = jarg_str(r, l->v[0], NULL);
        o->key_sep = jarg_str(r, l->v[1], NULL);
    } else jrun_fail(r, TEMPLATE_RUNTIME, "separators must be a pair of texts");
    return !r->failed;
}

static struct jval f_tojson(struct jrun *r, struct jval self, const struct jcall *c)
{
    struct jjson_opts o = { .ascii = jarg_bool(c->v[0], false),
                            .pretty = jarg_given(c->v[1]),
                            .sort = jarg_bool(c->v[3], false) };
    struct jval in = jval_of(J_NONE);

    if (o.pretty) in = indention(r, c->v[1]);
    if (jval_is_err(in) || !read_separators(r, c->v[2], &o)) return jval_of(J_ERROR);
    if (o.pretty) o.indent = in.s;
    return jjson_dump(r, self, &o);
}

const struct jnative jfilters_text[] = {
    { "capitalize", "", f_capitalize },
    { "center", "width", f_center },
    { "e", "", f_escape },
    { "escape", "", f_escape },
    { "filesizeformat", "binary", f_filesizeformat },
    { "forceescape", "", f_forceescape },
    { "format", "*", f_format },
    { "indent", "width first blank", f_indent },
    { "lower", "", f_lower },
    { "pprint", "", f_pprint },
    { "replace", "old! new! count", f_replace },
    { "safe", "", f_safe },
    { "string", "", f_string },
    { "striptags", "", f_striptags },
    { "title", "", f_title },
    { "tojson", "ensure_ascii indent separators sort_keys", f_tojson },
    { "trim", "chars", f_trim },
    { "truncate", "length killwords end leeway", f_truncate },
    { "upper", "", f_upper },
    { "urlencode", "", f_urlencode },
    { "wordcount", "", f_wordcount },
    { "wordwrap", "width break_long_words wrapstring break_on_hyphens", f_wordwrap },
    { "xmlattr", "autospace", f_xmlattr },
    { NULL, NULL, NULL },
};
