/* SPDX-License-Identifier: MIT */
/* jstr.c - strings with origins and their builder (jstr.h); case mapping is in jcase.c. */
#include "text/jstr.h"

#include "base/utf8.h"

/* --- the builder --- */

void jbuf_init(struct jbuf *b, struct jrun *r)
{
    memset(b, 0, sizeof(*b));
    b->r = r;
}

static bool grow(struct jbuf *b, size_t n)
{
    size_t need, cap = b->cap ? b->cap : 32;

    if (b->bad || b->r->failed || !jrun_spend(b->r, n / 64)) goto error;
    if (!size_add(&need, b->n, n) || need > LIMIT_TEMPLATE_OUTPUT) {
        jrun_fail(b->r, TEMPLATE_LIMIT, "a text grows over %d MiB", LIMIT_TEMPLATE_OUTPUT >> 20);
        goto error;
    }
    if (need <= b->cap) return true;
    while (cap < need)
        cap *= 2;
    char *p = jrun_alloc(b->r, cap);
    uint8_t *o = p && b->origin ? jrun_alloc(b->r, cap) : NULL;
    if (!p || (b->origin && !o)) goto error;
    if (b->n) memcpy(p, b->p, b->n);
    if (b->n && o) memcpy(o, b->origin, b->n);
    b->p = p;
    b->origin = o;
    b->cap = cap;
    return true;

error:
    b->bad = true;
    return false;
}

/* From here on each byte has its own origin. */
static bool split_origin(struct jbuf *b)
{
    if (b->origin) return true;
    b->origin = jrun_alloc(b->r, b->cap);
    if (b->origin) memset(b->origin, b->from, b->n);
    else b->bad = true;
    return !b->bad;
}

void jbuf_put(struct jbuf *b, const char *p, size_t n, enum jfrom from)
{
    if (n == 0 || !grow(b, n)) return;
    if (b->n == 0 && !b->origin) b->from = (uint8_t)from;
    if (b->from != from && !split_origin(b)) return;
    memcpy(b->p + b->n, p, n);
    if (b->origin) memset(b->origin + b->n, from, n);
    b->seen |= (uint8_t)(1u << from);
    b->n += n;
}

void jbuf_puts(struct jbuf *b, const char *lit, enum jfrom from)
{
    jbuf_put(b, lit, strlen(lit), from);
}

void jbuf_char(struct jbuf *b, uint32_t cp, enum jfrom from)
{
    char c[4];

    jbuf_put(b, c, jstr_encode(cp, c), from);
}

void jbuf_part(struct jbuf *b, const struct jstr *s, size_t at, size_t n)
{
    if (!s->origin || n == 0) {
        jbuf_put(b, s->p + at, n, s->from);
        return;
    }
    if (!grow(b, n) || !split_origin(b)) return;
    memcpy(b->p + b->n, s->p + at, n);
    memcpy(b->origin + b->n, s->origin + at, n);
    b->seen |= 1u << JFROM_TEMPLATE | 1u << JFROM_VARS;
    b->n += n;
}

void jbuf_str(struct jbuf *b, const struct jstr *s)
{
    jbuf_part(b, s, 0, s->n);
}

void jbuf_times(struct jbuf *b, const struct jstr *s, int64_t times)
{
    for (int64_t i = 0; i < times && s->n && !b->bad && jrun_spend(b->r, 1); i++)
        jbuf_str(b, s);
}

struct jval jbuf_done(struct jbuf *b)
{
    struct jstr *s;
    uint8_t derived = b->seen & 1u << JFROM_VARS ? JFROM_VARS : JFROM_TEMPLATE;
    bool mixed = b->seen & 1u << JFROM_VARS && b->seen & 1u << JFROM_TEMPLATE;

    if (b->bad || b->r->failed) return jval_of(J_ERROR);
    s = jrun_alloc(b->r, sizeof(*s));
    if (!s) return jval_of(J_ERROR);
    *s = (struct jstr){ .p = b->p ? b->p : "", .n = b->n, .from = derived, .n_char = SIZE_MAX };
    if (!mixed || !b->origin) return jval_str(s);
    s->origin = b->origin;
    for (size_t i = 0; b->seen & 1u << JFROM_DERIVED && i < b->n; i++)
        if (b->origin[i] == JFROM_DERIVED) b->origin[i] = derived;
    return jval_str(s);
}

/* --- making strings --- */

const struct jstr *jstr_new(struct jrun *r, const char *p, size_t n, enum jfrom from)
{
    struct jstr *s = jrun_alloc(r, sizeof(*s));

    if (s) *s = (struct jstr){ .p = p, .n = n, .from = (uint8_t)from, .n_char = SIZE_MAX };
    return s;
}

struct jval jstr_lit(struct jrun *r, const char *lit)
{
    return jval_str(jstr_new(r, lit, strlen(lit), JFROM_TEMPLATE));
}

const struct jstr *jstr_part(struct jrun *r, const struct jstr *s, size_t at, size_t n)
{
    struct jstr *t;

    if (at == 0 && n == s->n) return s;
    t = jrun_alloc(r, sizeof(*t));
    if (!t) return NULL;
    *t = *s;
    t->p += at;
    t->n = n;
    t->n_char = s->n_char == s->n ? n : SIZE_MAX;
    if (t->origin) t->origin += at;
    return t;
}

const struct jstr *jstr_markup(struct jrun *r, const struct jstr *s, bool markup)
{
    struct jstr *t;

    if (!s || s->markup == markup) return s;
    t = jrun_alloc(r, sizeof(*t));
    if (!t) return NULL;
    *t = *s;
    t->markup = markup;
    return t;
}

struct jval jstr_escape(struct jrun *r, const struct jstr *s)
{
    static const char *const named[] = {
        ['&'] = "&amp;", ['<'] = "&lt;", ['>'] = "&gt;", ['"'] = "&#34;", ['\''] = "&#39;"
    };
    struct jbuf b;
    size_t from = 0;

    if (s->markup) return jval_str(s);
    if (!jrun_spend(r, s->n / 8)) return jval_of(J_ERROR);
    jbuf_init(&b, r);
    for (size_t i = 0; i < s->n; i++) {
        unsigned char c = (unsigned char)s->p[i];
        if (c >= COUNT(named) || !named[c]) continue;
        if (!jrun_spend(r, 4)) return jval_of(J_ERROR);
        jbuf_part(&b, s, from, i - from);
        jbuf_puts(&b, named[c], jstr_from(s, i));
        from = i + 1;
    }
    jbuf_part(&b, s, from, s->n - from);
    struct jval v = jbuf_done(&b);
    return jval_is_err(v) ? v : jval_str(jstr_markup(r, v.s, true));
}

/* Python's a + b; a Markup on either side escapes the other. */
struct jval jstr_concat(struct jrun *r, const struct jstr *a, const struct jstr *b)
{
    struct jbuf buf;
    bool markup = a->markup || b->markup;

    if (markup) {
        struct jval x = jstr_escape(r, a), y = jstr_escape(r, b);
        if (jval_is_err(x) || jval_is_err(y)) return jval_of(J_ERROR);
        a = x.s;
        b = y.s;
    }
    jbuf_init(&buf, r);
    jbuf_str(&buf, a);
    jbuf_str(&buf, b);
    struct jval v = jbuf_done(&buf);
    return jval_is_err(v) ? v : jval_str(jstr_markup(r, v.s, markup));
}

struct jval jstr_repeat(struct jrun *r, const struct jstr *s, int64_t times)
{
    struct jbuf b;

    jbuf_init(&b, r);
    jbuf_times(&b, s, times);
    struct jval v = jbuf_done(&b);
    return jval_is_err(v) ? v : jval_str(jstr_markup(r, v.s, s->markup));
}

enum jfrom jstr_from_all(const struct jstr *s, size_t at, size_t n)
{
    if (!s->origin) return s->from;
    return memchr(s->origin + at, JFROM_VARS, n) ? JFROM_VARS : JFROM_TEMPLATE;
}

/* --- characters --- */

size_t jstr_decode(const char *p, size_t n, uint32_t *cp)
{
    int len = utf8_next(p, n, cp);

    if (len > 0) return (size_t)len;
    *cp = 0xdc00u | (unsigned char)p[0]; /* a stray byte */
    return 1;
}

size_t jstr_decode_last(const char *p, size_t n, uint32_t *cp)
{
    int len = utf8_last(p, n, cp);

    if (len > 0) return (size_t)len;
    *cp = 0xdc00u | (unsigned char)p[n - 1];
    return 1;
}

size_t jstr_encode(uint32_t cp, char out[4])
{
    if (cp > 0x10ffff || (cp >= 0xd800 && cp < 0xe000)) cp = 0xfffd;
    return (size_t)utf8_put(out, cp);
}

size_t jstr_chars(const char *p, size_t n)
{
    size_t count = 0;
    uint32_t cp;

    for (size_t at = 0; at < n; count++)
        at += jstr_decode(p + at, n - at, &cp);
    return count;
}

size_t jstr_len(const struct jstr *s)
{
    /* The count is remembered; literals have it from compilation, so templates stay immutable. */
    if (s->n_char == SIZE_MAX) ((struct jstr *)s)->n_char = jstr_chars(s->p, s->n);
    return s->n_char;
}

bool jstr_count(struct jrun *r, const struct jstr *s)
{
    return s->n_char != SIZE_MAX || (jrun_spend(r, s->n / 8) && jstr_len(s) <= s->n);
}

size_t jstr_byte(const struct jstr *s, size_t i_char)
{
    size_t at = 0;
    uint32_t cp;

    if (i_char >= jstr_len(s)) return s->n;
    if (s->n_char == s->n) return i_char;
    while (i_char--)
        at += jstr_decode(s->p + at, s->n - at, &cp);
    return at;
}

/* --- comparing and searching --- */

bool jstr_equal(const struct jstr *a, const struct jstr *b)
{
    return a->n == b->n && memcmp(a->p, b->p, a->n) == 0;
}

/* The order of UTF-8 bytes is the order of code points. */
int jstr_compare(const struct jstr *a, const struct jstr *b)
{
    int c = memcmp(a->p, b->p, MIN(a->n, b->n));

    if (c == 0) return (a->n > b->n) - (a->n < b->n);
    return c < 0 ? -1 : 1;
}

bool jstr_is(const struct jstr *s, const char *lit)
{
    return slice_is((struct slice){ s->p, s->n }, lit);
}

/* What memmem() takes: it prepares a long needle, and looks again and again at what resembles a
 * short one. */
size_t jstr_find(struct jrun *r, const struct jstr *s, const struct jstr *needle, size_t from,
                 size_t to)
{
    const char *hit;

    if (from > to) return SIZE_MAX;
    hit = memmem(s->p + from, to - from, needle->p, needle->n);
    size_t at = hit ? (size_t)(hit - s->p) : SIZE_MAX, seen = (hit ? at : to) - from;
    size_t work = 2 + needle->n / 8 + seen / 16 * (1 + MIN(needle->n, 32) / 4);
    return jrun_spend(r, work) ? at : SIZE_MAX;
}

size_t jstr_rfind(struct jrun *r, const struct jstr *s, const struct jstr *needle, size_t from,
                  size_t to)
{
    if (from > to || needle->n > to - from) return SIZE_MAX;
    if (needle->n == 0) return to;
    for (size_t at = to - needle->n + 1; at-- > from;) {
        if (s->p[at] != needle->p[0]) continue;
        if (!jrun_spend(r, 1 + needle->n / 64)) break;
        if (memcmp(s->p + at, needle->p, needle->n) != 0) continue;
        return jrun_spend(r, (to - at) / 8) ? at : SIZE_MAX;
    }
    jrun_spend(r, (to - from) / 8);
    return SIZE_MAX;
}

bool jstr_space(uint32_t c)
{
    return (c >= 9 && c <= 13) || (c >= 0x1c && c <= 0x20) || c == 0x85 || c == 0xa0 ||
           c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 ||
           c == 0x202f || c == 0x205f || c == 0x3000;
}

/* Is this character one to strip? */
static bool strips(const char *p, size_t n, uint32_t cp, const struct jstr *chars)
{
    if (!chars) return jstr_space(cp);
    return memmem(chars->p, chars->n, p, n) != NULL;
}

const struct jstr *jstr_strip(struct jrun *r, const struct jstr *s, const struct jstr *chars,
                              int sides)
{
    size_t at = 0, end = s->n, n;
    uint32_t cp;
    size_t work = chars ? 2 + chars->n / 16 : 0;

    while (sides & 1 && at < end) {
        n = jstr_decode(s->p + at, end - at, &cp);
        if (!strips(s->p + at, n, cp, chars)) break;
        at += n;
        if (!jrun_spend(r, work)) return NULL;
    }
    while (sides & 2 && end > at) {
        n = jstr_decode_last(s->p + at, end - at, &cp);
        if (!strips(s->p + end - n, n, cp, chars)) break;
        end -= n;
        if (!jrun_spend(r, work)) return NULL;
    }
    return jrun_spend(r, (s->n - (end - at)) / 2) ? jstr_part(r, s, at, end - at) : NULL;
}

/* Bytes of the line break that starts at p, or 0. */
static size_t line_break(const char *p, size_t n)
{
    uint32_t cp;
    size_t len = jstr_decode(p, n, &cp);

    if (cp == '\r' && n > 1 && p[1] == '\n') return 2;
    if ((cp >= 10 && cp <= 13) || (cp >= 0x1c && cp <= 0x1e) || cp == 0x85 || cp == 0x2028 ||
        cp == 0x2029)
        return len;
    return 0;
}

struct jlist *jstr_lines(struct jrun *r, const struct jstr *s, bool keep)
{
    struct jlist *l = jlist_new(r, 0);
    size_t from = 0;

    if (!l || !jrun_spend(r, s->n / 5)) return NULL;
    for (size_t at = 0; at < s->n;) {
        size_t brk = line_break(s->p + at, s->n - at);
        if (!brk) {
            at++;
            continue;
        }
        const struct jstr *line = jstr_part(r, s, from, at - from + (keep ? brk : 0));
        if (!jlist_push(r, l, jval_str(line))) return NULL;
        at += brk;
        from = at;
    }
    if (from < s->n && !jlist_push(r, l, jval_str(jstr_part(r, s, from, s->n - from)))) return NULL;
    return l;
}
