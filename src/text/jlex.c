/* SPDX-License-Identifier: MIT */
/* jlex.c - see jlex.h. Behaves like jinja2's lexer, written from its documentation and tests. */
#include "text/jlex.h"

#include <ctype.h>
#include <stdlib.h>
#include <utf8proc.h>

#include "base/utf8.h"
#include "text/jstr.h"

static struct jtok failed(struct jlex *lx, const char *what)
{
    lx->r->line = lx->line;
    jrun_fail(lx->r, TEMPLATE_SYNTAX, "%s", what);
    return (struct jtok){ .type = JTOK_ERROR, .line = lx->line };
}

bool jlex_init(struct jlex *lx, struct jrun *r, const char *src, size_t n)
{
    char *p;
    size_t m = 0;

    memset(lx, 0, sizeof(*lx));
    lx->r = r;
    lx->line = 1;
    r->line = 1;
    if (n > LIMIT_TEMPLATE_BYTES) {
        jrun_fail(r, TEMPLATE_LIMIT, "the template is larger than %d bytes", LIMIT_TEMPLATE_BYTES);
        return false;
    }
    p = jrun_alloc(r, n);
    if (!p) return false;
    for (size_t i = 0; i < n; i++) {
        if (src[i] == '\r' && i + 1 < n && src[i + 1] == '\n') continue;
        p[m++] = src[i] == '\r' ? '\n' : src[i];
    }
    if (m > 0 && p[m - 1] == '\n') m--;
    if (utf8_valid_run(p, m) < m) {
        failed(lx, "the template is not UTF-8");
        return false;
    }
    lx->src = p;
    lx->n = m;
    return true;
}

/* --- positions --- */

static bool looking_at(const struct jlex *lx, size_t at, const char *lit)
{
    size_t n = strlen(lit);
    return n <= lx->n - at && memcmp(lx->src + at, lit, n) == 0;
}

static size_t skip_space(const struct jlex *lx, size_t at)
{
    uint32_t cp;

    while (at < lx->n) {
        size_t n = jstr_decode(lx->src + at, lx->n - at, &cp);
        if (!jstr_space(cp)) break;
        at += n;
    }
    return at;
}

/* Move to `at`, counting the lines on the way. */
static void move_to(struct jlex *lx, size_t at)
{
    for (; lx->counted < at; lx->counted++)
        lx->line += lx->src[lx->counted] == '\n';
    lx->at = at;
}

/*
 * The end of a tag: an optional sign, then `close`. Returns the offset behind
 * it and what the sign and trim_blocks take away, or 0 when there is no end at `at`.
 */
static size_t tag_end(const struct jlex *lx, size_t at, const char *close, bool trim)
{
    if (looking_at(lx, at, close)) {
        at += 2;
        return at + (trim && at < lx->n && lx->src[at] == '\n');
    }
    if (at >= lx->n || !looking_at(lx, at + 1, close)) return 0;
    if (lx->src[at] == '-') return skip_space(lx, at + 3);
    return lx->src[at] == '+' && trim ? at + 3 : 0;
}

/* --- text --- */

/* {% raw %} at `at`: the offset behind it, or 0. */
static size_t raw_begin(const struct jlex *lx, size_t at)
{
    at += 2;
    if (at < lx->n && (lx->src[at] == '-' || lx->src[at] == '+')) at++;
    at = skip_space(lx, at);
    if (!looking_at(lx, at, "raw")) return 0;
    at = skip_space(lx, at + 3);
    if (looking_at(lx, at, "-%}")) return skip_space(lx, at + 3);
    return looking_at(lx, at, "%}") ? at + 2 : 0;
}

/* {% endraw %} at `at`: the offset behind it, or 0. */
static size_t raw_end(const struct jlex *lx, size_t at)
{
    at += 2;
    if (at < lx->n && (lx->src[at] == '-' || lx->src[at] == '+')) at++;
    at = skip_space(lx, at);
    if (!looking_at(lx, at, "endraw")) return 0;
    return tag_end(lx, skip_space(lx, at + 6), "%}", true);
}

/* Where the text [from, to) ends in front of a tag with this sign; `lstrip`: not an expression. */
static size_t text_end(const struct jlex *lx, size_t from, size_t to, char sign, bool lstrip)
{
    size_t at = to, line = from;

    if (sign == '+' || (sign != '-' && !lstrip)) return to;
    if (sign != '-') {
        for (size_t i = from; i < to; i++)
            if (lx->src[i] == '\n') line = i + 1;
        if (line == from && from > 0 && lx->src[from - 1] != '\n') return to;
        return skip_space(lx, line) >= to ? line : to;
    }
    while (at > from) {
        uint32_t cp;
        size_t n = jstr_decode_last(lx->src + from, at - from, &cp);
        if (!jstr_space(cp)) break;
        at -= n;
    }
    return at;
}

static struct jtok data_token(struct jlex *lx, size_t from, size_t to)
{
    struct jtok t = { .type = JTOK_DATA, .line = lx->line };
    const struct jstr *s = jstr_new(lx->r, lx->src + from, to - from, JFROM_TEMPLATE);

    if (s) jstr_len(s);
    t.val = jval_str(s);
    if (!s) t.type = JTOK_ERROR;
    return t;
}

/* The content of a raw block that starts at `from`. */
static struct jtok raw_token(struct jlex *lx, size_t from)
{
    for (size_t at = from; at + 1 < lx->n; at++) {
        size_t end = looking_at(lx, at, "{%") ? raw_end(lx, at) : 0;
        if (!end) continue;
        char sign = at + 2 < lx->n ? lx->src[at + 2] : 0;
        struct jtok t = data_token(lx, from, text_end(lx, from, at, sign, true));
        move_to(lx, end);
        return t;
    }
    if (from == lx->n) return data_token(lx, from, from);
    return failed(lx, "Missing end of raw directive");
}

static bool skip_comment(struct jlex *lx, size_t at)
{
    if (at == lx->n) return true; /* jinja2 does not mind when nothing follows */
    for (; at < lx->n; at++) {
        size_t end = tag_end(lx, at, "#}", true);
        if (!end) continue;
        move_to(lx, end);
        return true;
    }
    failed(lx, "Missing end of comment tag");
    return false;
}

/* The next {{, {% or {#, or the end. */
static size_t find_tag(const struct jlex *lx, size_t at)
{
    while (at < lx->n) {
        const char *p = memchr(lx->src + at, '{', lx->n - at);
        if (!p) break;
        at = (size_t)(p - lx->src);
        if (at + 1 < lx->n && memchr("{%#", lx->src[at + 1], 3)) return at;
        at++;
    }
    return lx->n;
}

/* Text up to the next tag; enters the tag. An empty text is not given. */
static struct jtok text_token(struct jlex *lx)
{
    for (;;) {
        size_t from = lx->at, tag = find_tag(lx, from);
        if (tag == lx->n) {
            struct jtok t = data_token(lx, from, tag);
            move_to(lx, tag);
            if (from == tag) t.type = JTOK_EOF;
            return t;
        }
        char kind = lx->src[tag + 1], sign = tag + 2 < lx->n ? lx->src[tag + 2] : 0;
        struct jtok t = data_token(lx, from, text_end(lx, from, tag, sign, kind != '{'));
        size_t raw = kind == '%' ? raw_begin(lx, tag) : 0;
        move_to(lx, tag + 2 + (sign == '-' || sign == '+'));
        if (raw) {
            /* The text in front goes first; coming back here, it is empty. */
            if (t.type == JTOK_ERROR || t.val.s->n > 0) {
                lx->at = tag;
                return t;
            }
            move_to(lx, raw);
            t = raw_token(lx, raw);
        } else if (kind == '#') {
            if (!skip_comment(lx, lx->at)) return (struct jtok){ .type = JTOK_ERROR };
        } else {
            lx->state = kind == '{' ? JLEX_VAR : JLEX_BLOCK;
            lx->pending = kind == '{' ? JTOK_VAR_BEGIN : JTOK_BLOCK_BEGIN;
            lx->n_open = 0;
        }
        if (t.type == JTOK_ERROR || t.val.s->n > 0) return t;
        if (lx->pending) {
            t.type = lx->pending;
            lx->pending = 0;
            return t;
        }
    }
}

/* --- strings --- */

/* Digits of an escape: `n` of them in this base, exactly unless octal; false: too few. */
static bool escape_digits(const char *p, size_t left, size_t n, int base, uint32_t *cp,
                          size_t *used)
{
    *cp = 0;
    for (*used = 0; *used < n && *used < left; ++*used) {
        int c = (unsigned char)p[*used];
        int d = isdigit(c) ? c - '0' : isxdigit(c) ? tolower(c) - 'a' + 10 : 99;
        if (d >= base) break;
        *cp = *cp * (uint32_t)base + (uint32_t)d;
    }
    return base == 8 ? *used > 0 : *used == n;
}

/* A numeric escape at p (behind the backslash); false: malformed. */
static bool numeric_escape(const char *p, size_t left, uint32_t *cp, size_t *used)
{
    uint32_t low;
    size_t more, digits = *p == 'x' ? 2 : *p == 'u' ? 4 : 8;

    if (isdigit((unsigned char)*p)) return escape_digits(p, left, 3, 8, cp, used);
    if (!escape_digits(p + 1, left - 1, digits, 16, cp, used)) return false;
    ++*used;
    /* Two escapes that are halves of one character. */
    if (*cp >= 0xd800 && *cp < 0xdc00 && left > *used + 2 && memcmp(p + *used, "\\u", 2) == 0 &&
        escape_digits(p + *used + 2, left - *used - 2, 4, 16, &low, &more) && low >= 0xdc00 &&
        low < 0xe000) {
        *cp = 0x10000 + ((*cp - 0xd800) << 10) + (low - 0xdc00);
        *used += 2 + more;
    }
    return *cp <= 0x10ffff;
}

/* The escape at p, behind the backslash: appends what it stands for; bytes used, 0: malformed. */
static size_t put_escape(struct jbuf *b, const char *p, size_t left)
{
    static const char from[] = "\\'\"abfnrtv", to[] = "\\'\"\a\b\f\n\r\t\v";
    const char *c = memchr(from, *p, sizeof(from) - 1);
    uint32_t cp;
    size_t used;

    if (c) {
        jbuf_put(b, &to[c - from], 1, JFROM_TEMPLATE);
        return 1;
    }
    if (*p == '\n') return 1;
    if (*p == 'N') return 0;
    if ((*p >= '0' && *p <= '7') || memchr("xuU", *p, 3)) {
        if (!numeric_escape(p, left, &cp, &used)) return 0;
        jbuf_char(b, cp, JFROM_TEMPLATE);
        return used;
    }
    jbuf_puts(b, "\\", JFROM_TEMPLATE); /* an unknown escape stays as it is */
    jbuf_put(b, p, 1, JFROM_TEMPLATE);
    return 1;
}

static struct jtok string_token(struct jlex *lx, struct jtok t)
{
    size_t from = lx->at + 1, end = from;
    char quote = lx->src[lx->at];
    struct jbuf b;

    while (end < lx->n && lx->src[end] != quote)
        end += lx->src[end] == '\\' ? 2 : 1;
    if (end >= lx->n) return failed(lx, "a string has no end");
    jbuf_init(&b, lx->r);
    for (size_t i = from; i < end; i++) {
        const char *esc = memchr(lx->src + i, '\\', end - i);
        size_t plain = esc ? (size_t)(esc - lx->src) : end;
        jbuf_put(&b, lx->src + i, plain - i, JFROM_TEMPLATE);
        i = plain;
        if (i == end) break;
        size_t used = put_escape(&b, lx->src + i + 1, end - i - 1);
        if (!used) return failed(lx, "malformed escape in a string");
        i += used;
    }
    t.type = JTOK_STR;
    t.val = jbuf_done(&b);
    if (jval_is_err(t.val)) t.type = JTOK_ERROR;
    else jstr_len(t.val.s);
    t.text = (struct slice){ lx->src + lx->at, end + 1 - lx->at };
    move_to(lx, end + 1);
    return t;
}

/* --- numbers, names, operators --- */

/* Digits with single underscores between them; the offset behind. */
static size_t digits(const struct jlex *lx, size_t at, int base)
{
    size_t from = at;

    while (at < lx->n) {
        int c = (unsigned char)lx->src[at];
        int skip = c == '_' && at > from && lx->src[at - 1] != '_' && at + 1 < lx->n;
        if (skip) c = (unsigned char)lx->src[at + 1];
        int d = isdigit(c) ? c - '0' : isxdigit(c) ? tolower(c) - 'a' + 10 : 99;
        if (d >= base) break;
        at += (size_t)skip + 1;
    }
    return at;
}

/* The offset behind a float at `at`, or 0 when it is an integer. */
static size_t float_end(const struct jlex *lx, size_t at)
{
    size_t whole = digits(lx, at, 10), end = whole;

    if (at > 0 && lx->src[at - 1] == '.') return 0;
    if (end + 1 < lx->n && lx->src[end] == '.' && isdigit((unsigned char)lx->src[end + 1]))
        end = digits(lx, end + 1, 10);
    if (end < lx->n && (lx->src[end] == 'e' || lx->src[end] == 'E')) {
        size_t e = end + 1;
        if (e < lx->n && (lx->src[e] == '+' || lx->src[e] == '-')) e++;
        if (e < lx->n && isdigit((unsigned char)lx->src[e])) end = digits(lx, e, 10);
    }
    return end > whole ? end : 0;
}

static struct jtok number_token(struct jlex *lx, struct jtok t)
{
    size_t from = lx->at, end = float_end(lx, from), n = 0;
    bool is_float = end > 0;
    int base = 10, mark = from + 1 < lx->n ? tolower((unsigned char)lx->src[from + 1]) : 0;
    char text[512], *tail;

    if (!is_float && lx->src[from] == '0' && (mark == 'x' || mark == 'o' || mark == 'b')) {
        int b = mark == 'x' ? 16 : mark == 'o' ? 8 : 2;
        size_t first = from + 2 + (from + 2 < lx->n && lx->src[from + 2] == '_');
        if (digits(lx, first, b) > first) {
            base = b;
            from = first;
        }
    }
    if (!is_float) end = digits(lx, from, base);
    /* 007 is 00 and then 7, which no rule allows */
    if (base == 10 && !is_float && lx->src[from] == '0') {
        for (end = from; end < lx->n && (lx->src[end] == '0' || lx->src[end] == '_'); end++)
            ;
    }
    for (size_t i = from; i < end && n < sizeof(text) - 1; i++)
        if (lx->src[i] != '_') text[n++] = lx->src[i];
    text[n] = 0;
    if (is_float) t.val = jval_float(strtod(text, NULL));
    else {
        unsigned long long v = strtoull(text, &tail, base);
        if (v > INT64_MAX || n == sizeof(text) - 1) {
            lx->r->line = lx->line;
            jrun_fail(lx->r, TEMPLATE_LIMIT, "integers beyond 64 bits are not supported");
            return (struct jtok){ .type = JTOK_ERROR };
        }
        t.val = jval_int((int64_t)v);
    }
    t.type = JTOK_NUMBER;
    t.text = (struct slice){ lx->src + lx->at, end - lx->at };
    move_to(lx, end);
    return t;
}

/* Bytes of the name character at `at`, or 0. */
static size_t name_char(const struct jlex *lx, size_t at)
{
    uint32_t cp;
    size_t n;

    if (at >= lx->n) return 0;
    n = jstr_decode(lx->src + at, lx->n - at, &cp);
    if (cp < 0x80) return isalnum((int)cp) || cp == '_' ? 1 : 0;
    utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)cp);
    return c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_NL ? n : 0;
}

static struct jtok operator_token(struct jlex *lx, struct jtok t)
{
    static const struct {
        char text[3];
        int type;
    } two[] = { { "**", JTOK_POW }, { "//", JTOK_FLOORDIV }, { "==", JTOK_EQ },
                { "!=", JTOK_NE },  { "<=", JTOK_LE },       { ">=", JTOK_GE } };
    char c = lx->src[lx->at];
    size_t n = 1;

    t.type = c;
    for (size_t i = 0; i < COUNT(two); i++) {
        if (!looking_at(lx, lx->at, two[i].text)) continue;
        t.type = two[i].type;
        n = 2;
    }
    if (n == 1 && (c == 0 || !strchr("+-/*%~[](){}><=.:|,;", c)))
        return failed(lx, "unexpected character");
    if (strchr("([{", c)) {
        if (lx->n_open >= (int)sizeof(lx->open)) {
            lx->r->line = lx->line;
            jrun_fail(lx->r, TEMPLATE_LIMIT, "brackets are nested too deeply");
            return (struct jtok){ .type = JTOK_ERROR };
        }
        lx->open[lx->n_open++] = c == '(' ? ')' : (char)(c + 2);
    } else if (strchr(")]}", c)) {
        if (lx->n_open == 0 || lx->open[--lx->n_open] != c)
            return failed(lx, "a closing bracket that nothing opened");
    }
    t.text = (struct slice){ lx->src + lx->at, n };
    move_to(lx, lx->at + n);
    return t;
}

struct jtok jlex_next(struct jlex *lx)
{
    struct jtok t = { .type = lx->pending, .line = lx->line };
    size_t end;

    lx->pending = 0;
    if (t.type) return t;
    if (lx->state == JLEX_TEXT) return text_token(lx);
    move_to(lx, skip_space(lx, lx->at));
    t.line = lx->line;
    if (lx->at >= lx->n) {
        t.type = JTOK_EOF;
        return t;
    }
    end = tag_end(lx, lx->at, lx->state == JLEX_VAR ? "}}" : "%}", lx->state == JLEX_BLOCK);
    if (end && lx->n_open == 0) {
        t.type = lx->state == JLEX_VAR ? JTOK_VAR_END : JTOK_BLOCK_END;
        lx->state = JLEX_TEXT;
        move_to(lx, end);
        return t;
    }
    char c = lx->src[lx->at];
    if (c == '"' || c == '\'') return string_token(lx, t);
    if (isdigit((unsigned char)c)) return number_token(lx, t);
    for (end = lx->at; name_char(lx, end);)
        end += name_char(lx, end);
    if (end == lx->at) return operator_token(lx, t);
    t.type = JTOK_NAME;
    t.text = (struct slice){ lx->src + lx->at, end - lx->at };
    move_to(lx, end);
    return t;
}
