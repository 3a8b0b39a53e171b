/* SPDX-License-Identifier: MIT */
/*
 * jjson.c - Python's json.dumps(), as the tojson filter of chat templates
 * calls it: separators ", " and ": ", no HTML escapes, optional indent,
 * sort_keys and ensure_ascii.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "text/jeval.h"

struct dump {
    struct jbuf b;
    const struct jjson_opts *o;
    size_t level;
};

static void dump_value(struct dump *d, struct jval v);

static void put_unicode(struct dump *d, uint32_t cp, enum jfrom from)
{
    char s[16];

    if (cp < 0x10000) snprintf(s, sizeof(s), "\\u%04x", cp);
    else snprintf(s, sizeof(s), "\\u%04x\\u%04x", 0xd7c0 + (cp >> 10), 0xdc00 | (cp & 0x3ff));
    jbuf_puts(&d->b, s, from);
}

static void dump_str(struct dump *d, const struct jstr *s)
{
    static const char plain[] = "\"\\\n\r\t\f\b", named[] = "\"\\nrtfb";
    size_t from = 0, n;

    if (!jrun_spend(d->b.r, s->n / 3)) return;
    jbuf_puts(&d->b, "\"", JFROM_DERIVED);
    for (size_t at = 0; at < s->n; at += n) {
        uint32_t cp;
        n = jstr_decode(s->p + at, s->n - at, &cp);
        const char *c = cp < 0x80 ? memchr(plain, (int)cp, sizeof(plain) - 1) : NULL;
        if (!c && cp >= 0x20 && (cp < 0x7f || !d->o->ascii)) continue;
        if (!jrun_spend(d->b.r, 6)) return;
        jbuf_part(&d->b, s, from, at - from);
        from = at + n;
        if (!c) {
            put_unicode(d, cp, jstr_from(s, at));
            continue;
        }
        jbuf_put(&d->b, "\\", 1, jstr_from(s, at));
        jbuf_put(&d->b, &named[c - plain], 1, jstr_from(s, at));
    }
    jbuf_part(&d->b, s, from, s->n - from);
    jbuf_puts(&d->b, "\"", JFROM_DERIVED);
}

static void dump_float(struct dump *d, double f)
{
    char s[JFLOAT_MAX];

    if (!jrun_spend(d->b.r, JFLOAT_STEPS)) return;
    jtext_float(s, f);
    if (isnan(f)) snprintf(s, sizeof(s), "NaN");
    if (isinf(f)) snprintf(s, sizeof(s), f < 0 ? "-Infinity" : "Infinity");
    jbuf_puts(&d->b, s, JFROM_DERIVED);
}

static void new_line(struct dump *d)
{
    if (!d->o->pretty) return;
    jbuf_puts(&d->b, "\n", JFROM_DERIVED);
    jbuf_times(&d->b, d->o->indent, (int64_t)d->level);
}

/* Between elements: the separator is followed by a new line when pretty. */
static void next_item(struct dump *d, bool first)
{
    if (!first) jbuf_str(&d->b, d->o->item_sep);
    new_line(d);
}

static void dump_list(struct dump *d, const struct jlist *l)
{
    jbuf_puts(&d->b, "[", JFROM_DERIVED);
    d->level++;
    for (size_t i = 0; i < l->n && !d->b.bad; i++) {
        next_item(d, i == 0);
        dump_value(d, l->v[i]);
    }
    d->level--;
    if (l->n) new_line(d);
    jbuf_puts(&d->b, "]", JFROM_DERIVED);
}

/* Keys become strings: numbers, true, false and null as JSON writes them. */
static void dump_key(struct dump *d, struct jval k)
{
    bool quote = k.type != J_STR;

    if (k.type != J_STR && k.type != J_INT && k.type != J_FLOAT && k.type != J_BOOL &&
        k.type != J_NONE) {
        jrun_fail(d->b.r, TEMPLATE_RUNTIME, "keys must be str, int, float, bool or None, not %s",
                  jval_type_name(k));
        return;
    }
    if (quote) jbuf_puts(&d->b, "\"", JFROM_DERIVED);
    dump_value(d, k);
    if (quote) jbuf_puts(&d->b, "\"", JFROM_DERIVED);
}

static const struct jpair *sorted_pairs(struct jrun *r, const struct jdict *dict)
{
    struct jpair *e = jrun_array(r, dict->n, sizeof(*e));

    if (!e || !dict->n) return e;
    memcpy(e, dict->e, dict->n * sizeof(*e));
    return jsort_pairs(r, e, dict->n, false) ? e : NULL;
}

static void dump_dict(struct dump *d, const struct jdict *dict)
{
    const struct jpair *e = d->o->sort ? sorted_pairs(d->b.r, dict) : dict->e;

    jbuf_puts(&d->b, "{", JFROM_DERIVED);
    d->level++;
    for (size_t i = 0; i < dict->n && e && !d->b.r->failed; i++) {
        next_item(d, i == 0);
        dump_key(d, e[i].k);
        jbuf_str(&d->b, d->o->key_sep);
        dump_value(d, e[i].v);
    }
    d->level--;
    if (dict->n) new_line(d);
    jbuf_puts(&d->b, "}", JFROM_DERIVED);
}

static void dump_deep(struct dump *d, struct jval v)
{
    if (!jrun_enter(d->b.r)) return;
    if (v.type == J_DICT) dump_dict(d, v.d);
    else dump_list(d, v.l);
    d->b.r->depth--;
}

static void dump_value(struct dump *d, struct jval v)
{
    char s[24];

    if (d->b.bad || !jrun_spend(d->b.r, 4)) return;
    switch (v.type) {
    case J_NONE:
        jbuf_puts(&d->b, "null", JFROM_DERIVED);
        break;
    case J_BOOL:
        jbuf_puts(&d->b, v.b ? "true" : "false", JFROM_DERIVED);
        break;
    case J_INT:
        snprintf(s, sizeof(s), "%" PRId64, v.i);
        jbuf_puts(&d->b, s, JFROM_DERIVED);
        break;
    case J_FLOAT:
        dump_float(d, v.f);
        break;
    case J_STR:
        dump_str(d, v.s);
        break;
    case J_LIST:
    case J_TUPLE:
    case J_DICT:
        dump_deep(d, v);
        break;
    default:
        jrun_fail(d->b.r, TEMPLATE_RUNTIME, "Object of type %s is not JSON serializable",
                  jval_type_name(v));
    }
}

struct jval jjson_dump(struct jrun *r, struct jval v, const struct jjson_opts *o)
{
    struct dump d = { .o = o };

    jbuf_init(&d.b, r);
    dump_value(&d, v);
    return jbuf_done(&d.b);
}
