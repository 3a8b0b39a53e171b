/* SPDX-License-Identifier: MIT */
/*
 * jformat.c - "..." % args and "...".format(args), for text and numbers.
 *
 * Both are brought to one struct spec. Literal parts keep the origin of the
 * format string, texts that are put in keep theirs.
 */
#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "text/jeval.h"

enum { WIDTH_MAX = 1 << 16, PREC_MAX = 100, DIGITS_MAX = 640 };

struct spec {
    struct jstr fill; /* one character */
    char align;       /* < > ^ = or 0: by type */
    char sign;        /* + - or space */
    bool alt;
    int64_t width, prec; /* -1: none */
    char group;          /* , _ or 0 */
    char type;           /* 0: by value */
};

static const struct jstr space = { .p = " ", .n = 1, .n_char = 1 };
static const struct jstr zero = { .p = "0", .n = 1, .n_char = 1 };

static struct spec plain_spec(void)
{
    return (struct spec){ .fill = space, .sign = '-', .width = -1, .prec = -1 };
}

static bool bad_spec(struct jrun *r, char c)
{
    jrun_fail(r, TEMPLATE_RUNTIME, "unsupported format character '%c'", isprint(c) ? c : '?');
    return false;
}

static bool check_sizes(struct jrun *r, const struct spec *s, bool text)
{
    if (s->width <= WIDTH_MAX && (text || s->prec <= PREC_MAX)) return true;
    jrun_fail(r, TEMPLATE_LIMIT, "a format wants more than %d columns or %d digits", WIDTH_MAX,
              PREC_MAX);
    return false;
}

/* --- one field --- */

/* `body` behind `head` (a sign, 0x), padded to the width; preset: the alignment without one. */
static void put_padded(struct jbuf *b, const struct spec *s, const char *head,
                       const struct jstr *body, char preset)
{
    int64_t pad = s->width - (int64_t)(strlen(head) + jstr_len(body)), left;
    char align = s->align ? s->align : preset;

    pad = MAX(pad, 0);
    left = align == '<' ? 0 : align == '^' ? pad / 2 : pad;
    if (align != '=') jbuf_times(b, &s->fill, left);
    jbuf_puts(b, head, JFROM_TEMPLATE);
    if (align == '=') jbuf_times(b, &s->fill, left);
    jbuf_str(b, body);
    jbuf_times(b, &s->fill, pad - left);
}

/* Thousands: a separator between groups of digits before the point. */
static void group_digits(char *s, char sep, size_t every)
{
    size_t n = strspn(s, "0123456789abcdefABCDEF"), extra = n ? (n - 1) / every : 0,
           len = strlen(s);

    for (size_t at = n; extra > 0; extra--) {
        at -= every;
        memmove(s + at + 1, s + at, len - at + 1);
        s[at] = sep;
        len++;
    }
}

static void put_digits(struct jbuf *b, const struct spec *s, bool minus, const char *prefix,
                       char *digits)
{
    char head[8];
    struct jstr body = { .p = digits, .n_char = SIZE_MAX };
    bool wide = s->type == 'x' || s->type == 'X' || s->type == 'o' || s->type == 'b';

    if (s->group) group_digits(digits, s->group, wide ? 4 : 3);
    body.n = strlen(digits);
    snprintf(head, sizeof(head), "%s%s",
             minus            ? "-"
             : s->sign == '-' ? ""
                              : (char[]){ s->sign, 0 },
             prefix);
    put_padded(b, s, head, &body, '>');
}

static bool put_int(struct jbuf *b, const struct spec *s, int64_t i)
{
    char d[DIGITS_MAX], num[72];
    uint64_t u = i < 0 ? 0 - (uint64_t)i : (uint64_t)i;
    const char *prefix = "";
    size_t n;

    if (s->type == 'x') snprintf(num, sizeof(num), "%" PRIx64, u);
    else if (s->type == 'X') snprintf(num, sizeof(num), "%" PRIX64, u);
    else if (s->type == 'o') snprintf(num, sizeof(num), "%" PRIo64, u);
    else snprintf(num, sizeof(num), "%" PRIu64, u);
    if (s->type == 'b') {
        int bits = u ? 64 - __builtin_clzll(u) : 1;
        for (int k = 0; k < bits; k++)
            num[k] = (char)('0' + (u >> (bits - 1 - k) & 1));
        num[bits] = 0;
    }
    if (s->alt)
        prefix = s->type == 'x'   ? "0x"
                 : s->type == 'X' ? "0X"
                 : s->type == 'o' ? "0o"
                 : s->type == 'b' ? "0b"
                                  : "";
    n = strlen(num);
    size_t pad = s->prec > (int64_t)n ? (size_t)s->prec - n : 0; /* %.5d */
    memset(d, '0', pad);
    memcpy(d + pad, num, n + 1);
    put_digits(b, s, i < 0, prefix, d);
    return true;
}

/* A float without a type: as repr() does, or with `prec` significant digits and a point. */
static void general(char *d, size_t cap, double f, int64_t prec)
{
    char e[JFLOAT_MAX];

    if (prec < 0) {
        jtext_float(e, f);
        snprintf(d, cap, "%s", e);
        return;
    }
    snprintf(d, cap, "%.*g", (int)(prec ? prec : 1), f);
    size_t n = strlen(d);
    if (!strpbrk(d, ".en")) snprintf(d + n, cap - n, ".0");
}

static bool put_float(struct jbuf *b, const struct spec *s, double f)
{
    char d[DIGITS_MAX], fmt[8];
    bool minus = signbit(f) && !isnan(f);
    int prec = s->prec < 0 ? 6 : (int)s->prec;

    f = fabs(f);
    if (!jrun_spend(b->r, JFLOAT_STEPS + jtext_digits_steps(f, prec))) return false;
    if (s->type == '%') snprintf(d, sizeof(d), "%.*f%%", prec, f * 100);
    else if (!s->type) general(d, sizeof(d), f, s->prec);
    else {
        snprintf(fmt, sizeof(fmt), s->alt ? "%%#.*%c" : "%%.*%c", s->type);
        snprintf(d, sizeof(d), fmt, prec, f);
    }
    if (!isfinite(f))
        snprintf(d, sizeof(d), isnan(f) ? "nan%s" : "inf%s", s->type == '%' ? "%" : "");
    if (!isfinite(f) && isupper((unsigned char)s->type))
        for (char *c = d; *c; c++)
            *c = (char)toupper((unsigned char)*c);
    put_digits(b, s, minus, "", d);
    return true;
}

static bool put_char(struct jbuf *b, const struct spec *s, struct jval v)
{
    struct jbuf c;
    int64_t i;

    jbuf_init(&c, b->r);
    if (v.type == J_STR && jstr_len(v.s) == 1) jbuf_str(&c, v.s);
    else if (jval_as_int(v, &i) && i >= 0 && i <= 0x10ffff)
        jbuf_char(&c, (uint32_t)i, JFROM_VARS); /* might be a piece of a special token */
    else {
        jrun_fail(b->r, TEMPLATE_RUNTIME, "%%c requires int or char");
        return false;
    }
    struct jval text = jbuf_done(&c);
    if (jval_is_err(text)) return false;
    put_padded(b, s, "", text.s, '>');
    return true;
}

/* str or repr of v, cut to the precision; escaped for a Markup format. (%a gives repr, too.) */
static bool put_text(struct jbuf *b, const struct spec *s, struct jval v, bool repr, bool markup)
{
    struct jrun *r = b->r;
    struct jbuf t;

    if (repr) {
        jbuf_init(&t, r);
        jtext_repr(&t, v);
        v = jbuf_done(&t);
    } else v = jtext_soft(r, v);
    if (!jval_is_err(v) && markup) v = jstr_escape(r, v.s);
    if (jval_is_err(v)) return false;
    const struct jstr *str = v.s;
    if (!jstr_count(r, str)) return false;
    if (s->prec >= 0) str = jstr_part(r, str, 0, jstr_byte(str, (size_t)s->prec));
    if (!str) return false;
    put_padded(b, s, "", str, '<');
    return true;
}

/* --- the % operator --- */

struct percent {
    struct jbuf b;
    const struct jstr *fmt;
    size_t at;
    struct jval args;
    size_t i_arg;
};

static char peek(const struct percent *p)
{
    return p->at < p->fmt->n ? p->fmt->p[p->at] : 0;
}

static struct jval next_arg(struct percent *p)
{
    if (p->args.type == J_TUPLE && p->i_arg < p->args.l->n) return p->args.l->v[p->i_arg++];
    if (p->args.type != J_TUPLE && p->i_arg++ == 0) return p->args;
    return jrun_fail(p->b.r, TEMPLATE_RUNTIME, "not enough arguments for format string");
}

/* %(key)s */
static struct jval keyed_arg(struct percent *p)
{
    const char *end = memchr(p->fmt->p + p->at, ')', p->fmt->n - p->at);
    const struct jstr *key;
    struct jval *found;

    if (!end) return jrun_fail(p->b.r, TEMPLATE_RUNTIME, "incomplete format key");
    if (p->args.type != J_DICT)
        return jrun_fail(p->b.r, TEMPLATE_RUNTIME, "format requires a mapping");
    size_t n = (size_t)(end - p->fmt->p) - p->at - 1;
    key = jstr_new(p->b.r, p->fmt->p + p->at + 1, n, JFROM_TEMPLATE);
    if (!key) return jval_of(J_ERROR);
    p->at += n + 2;
    found = jdict_find(p->b.r, p->args.d, jval_str(key));
    if (!found && !p->b.r->failed)
        return jrun_fail(p->b.r, TEMPLATE_RUNTIME, "the format names a key that is not there");
    return found ? *found : jval_of(J_ERROR);
}

static bool percent_number(struct percent *p, int64_t *out)
{
    *out = 0;
    if (peek(p) == '*') {
        p->at++;
        struct jval v = next_arg(p);
        if (!jval_is_err(v) && !jval_as_int(v, out))
            jrun_fail(p->b.r, TEMPLATE_RUNTIME, "* wants int");
        return !p->b.r->failed;
    }
    for (; isdigit((unsigned char)peek(p)); p->at++)
        *out = MIN(*out * 10 + (peek(p) - '0'), (int64_t)INT32_MAX);
    return true;
}

static void percent_flags(struct percent *p, struct spec *s)
{
    for (;; p->at++) {
        char c = peek(p);
        if (c == '-') s->align = '<';
        else if (c == '0') {
            s->fill = zero;
            if (!s->align) s->align = '=';
        } else if (c == '+' || (c == ' ' && s->sign == '-')) s->sign = c;
        else if (c == '#') s->alt = true;
        else if (c != ' ') break;
    }
    if (s->align == '<') s->fill = space;
}

static bool percent_value(struct percent *p, struct spec *s, struct jval v)
{
    double f;
    int64_t i;
    char c = s->type;

    if (c == 's' || c == 'r' || c == 'a') {
        s->fill = space;
        s->align = s->align == '<' ? '<' : '>';
        return put_text(&p->b, s, v, c != 's', p->fmt->markup);
    }
    if (c == 'c') return put_char(&p->b, s, v);
    if (strchr("diu", c)) {
        s->type = 'd';
        if (v.type == J_FLOAT && fabs(v.f) < 9e18) v = jval_int((int64_t)v.f);
    }
    if (strchr("diuoxX", c)) {
        if (jval_as_int(v, &i)) return put_int(&p->b, s, i);
        jrun_fail(p->b.r, TEMPLATE_RUNTIME, "%%%c format: a number is required, not %s", c,
                  jval_type_name(v));
        return false;
    }
    if (!strchr("eEfFgG", c)) return bad_spec(p->b.r, c);
    if (jval_as_double(v, &f)) return put_float(&p->b, s, f);
    jrun_fail(p->b.r, TEMPLATE_RUNTIME, "must be real number, not %s", jval_type_name(v));
    return false;
}

/* Behind a '%'. */
static bool percent_field(struct percent *p)
{
    struct spec s = plain_spec();
    struct jval v = jval_of(J_MISSING);

    if (peek(p) == '(') v = keyed_arg(p);
    if (jval_is_err(v)) return false;
    percent_flags(p, &s);
    if (!percent_number(p, &s.width)) return false;
    if (s.width < 0) {
        s.align = '<';
        s.width = s.width < -WIDTH_MAX ? WIDTH_MAX + 1 : -s.width;
    }
    if (peek(p) == '.') {
        p->at++;
        if (!percent_number(p, &s.prec)) return false;
        s.prec = MAX(s.prec, 0);
    }
    while (peek(p) && strchr("hlL", peek(p)))
        p->at++;
    s.type = peek(p);
    if (!s.type) {
        jrun_fail(p->b.r, TEMPLATE_RUNTIME, "incomplete format");
        return false;
    }
    p->at++;
    if (s.type == '%') {
        jbuf_part(&p->b, p->fmt, p->at - 1, 1);
        return true;
    }
    if (v.type == J_MISSING) v = next_arg(p);
    return !jval_is_err(v) && check_sizes(p->b.r, &s, strchr("sra", s.type) != NULL) &&
           percent_value(p, &s, v);
}

/* What Python takes for a mapping here (it has items) may be left unused. */
static bool is_mapping(struct jval v)
{
    return v.type == J_DICT || v.type == J_LIST || v.type == J_RANGE || v.type == J_UNDEF;
}

struct jval jformat_percent(struct jrun *r, const struct jstr *fmt, struct jval args)
{
    struct percent p = { .fmt = fmt, .args = args };

    jbuf_init(&p.b, r);
    while (p.at < fmt->n) {
        const char *c = memchr(fmt->p + p.at, '%', fmt->n - p.at);
        size_t to = c ? (size_t)(c - fmt->p) : fmt->n;
        jbuf_part(&p.b, fmt, p.at, to - p.at);
        p.at = to + 1;
        if (c && (!jrun_spend(r, 1) || !percent_field(&p))) return jval_of(J_ERROR);
    }
    bool left = args.type == J_TUPLE ? p.i_arg < args.l->n : p.i_arg == 0 && !is_mapping(args);
    if (left)
        return jrun_fail(r, TEMPLATE_RUNTIME,
                         "not all arguments converted during string formatting");
    struct jval v = jbuf_done(&p.b);
    return jval_is_err(v) ? v : jval_str(jstr_markup(r, v.s, fmt->markup));
}

/* --- str.format --- */

struct braces {
    struct jbuf b;
    const struct jstr *fmt;
    const struct jcall *c;
    size_t *i_auto; /* the next of the fields without a number */
};

static struct jval format_braces(struct jrun *r, const struct jstr *fmt, const struct jcall *c,
                                 size_t *i_auto);

/* [[fill]align][sign][#][0][width][,][.prec][type] */
static bool parse_spec(struct jrun *r, const struct jstr *t, struct spec *s)
{
    const char *p = t->p, *end = t->p + t->n;
    uint32_t cp;
    size_t n = t->n ? jstr_decode(p, t->n, &cp) : 0;

    if (n && p + n < end && memchr("<>^=", p[n], 4)) {
        s->fill = (struct jstr){ .p = p, .n = n, .from = jstr_from(t, 0), .n_char = 1 };
        p += n;
    }
    if (p < end && memchr("<>^=", *p, 4)) s->align = *p++;
    if (p < end && memchr("+- ", *p, 3)) s->sign = *p++;
    if (p < end && *p == '#') {
        s->alt = true;
        p++;
    }
    if (p < end && *p == '0' && !s->align) {
        s->fill = zero;
        s->align = '=';
        p++;
    }
    for (s->width = p < end && isdigit((unsigned char)*p) ? 0 : -1;
         p < end && isdigit((unsigned char)*p); p++)
        s->width = MIN(s->width * 10 + (*p - '0'), (int64_t)INT32_MAX);
    if (p < end && (*p == ',' || *p == '_')) s->group = *p++;
    if (p < end && *p == '.') {
        s->prec = 0;
        for (p++; p < end && isdigit((unsigned char)*p); p++)
            s->prec = MIN(s->prec * 10 + (*p - '0'), (int64_t)INT32_MAX);
    }
    if (p < end) s->type = *p++;
    if (p == end) return true;
    jrun_fail(r, TEMPLATE_RUNTIME, "Invalid format specifier");
    return false;
}

static bool put_spec(struct braces *f, const struct jstr *text, struct jval v)
{
    struct spec s = plain_spec();
    int64_t i;
    double d;
    bool number = jval_as_double(v, &d) && !(v.type == J_BOOL && text->n == 0);

    if (!parse_spec(f->b.r, text, &s)) return false;
    if (!number) {
        if (s.type && s.type != 's') return bad_spec(f->b.r, s.type);
        if (v.type != J_STR && text->n) {
            jrun_fail(f->b.r, TEMPLATE_RUNTIME, "unsupported format string passed to %s.__format__",
                      jval_type_name(v));
            return false;
        }
        return check_sizes(f->b.r, &s, true) && put_text(&f->b, &s, v, false, f->fmt->markup);
    }
    if (!check_sizes(f->b.r, &s, false)) return false;
    if (s.type == 'c') return put_char(&f->b, &s, v);
    if (jval_as_int(v, &i) && (!s.type || strchr("dboxXn", s.type))) return put_int(&f->b, &s, i);
    if (s.type == 'n') s.type = 'g';
    if (s.type && !strchr("eEfFgG%", s.type)) return bad_spec(f->b.r, s.type);
    return put_float(&f->b, &s, d);
}

/* Digits only, and small? */
static bool as_index(struct slice s, size_t *i)
{
    *i = 0;
    for (size_t k = 0; k < s.n; k++) {
        if (!isdigit((unsigned char)s.p[k]) || *i > 1000000) return false;
        *i = *i * 10 + (size_t)(s.p[k] - '0');
    }
    return s.n > 0;
}

static struct jval first_part(struct braces *f, struct slice name)
{
    size_t i = *f->i_auto;

    if (name.n == 0) ++*f->i_auto;
    if (name.n == 0 || as_index(name, &i)) {
        if (i < f->c->n_pos) return f->c->pos[i];
        return jrun_fail(f->b.r, TEMPLATE_RUNTIME,
                         "Replacement index %zu out of range for positional args tuple", i);
    }
    if (!jrun_spend(f->b.r, f->c->n_kw / 16)) return jval_of(J_ERROR);
    for (size_t k = 0; k < f->c->n_kw; k++)
        if (f->c->kw[k].name->n == name.n && memcmp(f->c->kw[k].name->p, name.p, name.n) == 0)
            return f->c->kw[k].v;
    return jrun_fail(f->b.r, TEMPLATE_RUNTIME, "the format names an argument that is not there");
}

/* name, name.attr, name[item] ... */
static struct jval field_value(struct braces *f, struct slice name)
{
    size_t n = 0, i;

    while (n < name.n && name.p[n] != '.' && name.p[n] != '[')
        n++;
    struct jval v = first_part(f, (struct slice){ name.p, n });
    while (!jval_is_err(v) && n < name.n && jrun_spend(f->b.r, 1)) {
        bool item = name.p[n] == '[';
        size_t from = ++n;
        while (n < name.n && (item ? name.p[n] != ']' : name.p[n] != '.' && name.p[n] != '['))
            n++;
        struct slice part = { name.p + from, n - from };
        n += item;
        if (item && as_index(part, &i)) {
            v = jeval_item(f->b.r, v, jval_int((int64_t)i));
            continue;
        }
        const struct jstr *key = jstr_new(f->b.r, part.p, part.n, JFROM_TEMPLATE);
        if (!key) return jval_of(J_ERROR);
        v = item ? jeval_item(f->b.r, v, jval_str(key)) : jeval_attr(f->b.r, v, jval_str(key));
    }
    return v;
}

/* {name!conversion:spec}: `field` is what stands in the braces. */
static bool put_field(struct braces *f, struct slice field)
{
    size_t end = 0, depth = 0;
    char conv = 0;
    struct jval v, spec;

    for (; end < field.n && (depth || (field.p[end] != ':' && field.p[end] != '!')); end++)
        depth += (size_t)(field.p[end] == '[') - (depth && field.p[end] == ']');
    v = field_value(f, (struct slice){ field.p, end });
    if (jval_is_err(v)) return false;
    if (end + 1 < field.n && field.p[end] == '!') {
        conv = field.p[end + 1];
        end += 2;
    }
    if (conv && !strchr("rsa", conv)) return bad_spec(f->b.r, conv);
    if (end < field.n && field.p[end] == ':') end++;
    /* The specification may have fields of its own. */
    const struct jstr *text =
        jstr_part(f->b.r, f->fmt, (size_t)(field.p + end - f->fmt->p), field.n - end);
    if (!text) return false;
    if (memchr(text->p, '{', text->n)) {
        if (!jrun_enter(f->b.r)) return false;
        spec = format_braces(f->b.r, text, f->c, f->i_auto);
        f->b.r->depth--;
        if (jval_is_err(spec)) return false;
        text = spec.s;
    }
    if (conv) {
        struct jbuf t;
        jbuf_init(&t, f->b.r);
        if (conv == 's') jtext_put(&t, v);
        else jtext_repr(&t, v);
        v = jbuf_done(&t);
        if (jval_is_err(v)) return false;
    }
    return put_spec(f, text, v);
}

/* The '}' that closes the field starting at `at`, or 0. */
static size_t field_end(const struct jstr *s, size_t at)
{
    int depth = 1;

    for (; at < s->n; at++) {
        if (s->p[at] == '{') depth++;
        if (s->p[at] == '}' && --depth == 0) return at;
    }
    return 0;
}

static struct jval format_braces(struct jrun *r, const struct jstr *fmt, const struct jcall *c,
                                 size_t *i_auto)
{
    struct braces f = { .fmt = fmt, .c = c, .i_auto = i_auto };
    size_t from = 0;

    jbuf_init(&f.b, r);
    if (!jrun_spend(r, fmt->n / 8)) return jval_of(J_ERROR);
    for (size_t at = 0; at < fmt->n; at++) {
        char ch = fmt->p[at];
        if (ch != '{' && ch != '}') continue;
        jbuf_part(&f.b, fmt, from, at - from);
        if (at + 1 < fmt->n && fmt->p[at + 1] == ch) {
            from = ++at; /* a doubled brace is one */
            continue;
        }
        size_t end = ch == '{' ? field_end(fmt, at + 1) : 0;
        if (!end)
            return jrun_fail(r, TEMPLATE_RUNTIME, "Single '%c' encountered in format string", ch);
        if (!jrun_spend(r, 1 + (end - at) / 16) ||
            !put_field(&f, (struct slice){ fmt->p + at + 1, end - at - 1 }))
            return jval_of(J_ERROR);
        at = end;
        from = end + 1;
    }
    jbuf_part(&f.b, fmt, MIN(from, fmt->n), fmt->n - MIN(from, fmt->n));
    struct jval v = jbuf_done(&f.b);
    return jval_is_err(v) ? v : jval_str(jstr_markup(r, v.s, fmt->markup));
}

struct jval jformat_braces(struct jrun *r, const struct jstr *fmt, const struct jcall *c)
{
    size_t i_auto = 0;

    return format_braces(r, fmt, c, &i_auto);
}
