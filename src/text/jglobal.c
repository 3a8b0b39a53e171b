/* SPDX-License-Identifier: MIT */
/*
 * jglobal.c - the functions that every template sees: range, dict, namespace,
 * cycler, joiner, and transformers' raise_exception and strftime_now.
 */
#include <locale.h>
#include <time.h>

#include "text/jeval.h"

/* Jinja2's sandbox has the same bound. */
enum { RANGE_MAX = 100000 };

static struct jval g_range(struct jrun *r, struct jval self, const struct jcall *c)
{
    struct jrange *g = jrun_alloc(r, sizeof(*g));
    bool one = c->v[1].type == J_MISSING;
    __int128 span, step, n;

    (void)self;
    if (!g || !jarg_int(r, one ? jval_of(J_MISSING) : c->v[0], 0, &g->start) ||
        !jarg_int(r, c->v[one ? 0 : 1], 0, &g->stop) || !jarg_int(r, c->v[2], 1, &g->step))
        return jval_of(J_ERROR);
    if (g->step == 0) return jrun_fail(r, TEMPLATE_RUNTIME, "range() arg 3 must not be zero");
    span = (__int128)g->stop - g->start;
    step = g->step;
    if (step < 0) {
        span = -span;
        step = -step;
    }
    n = span > 0 ? (span + step - 1) / step : 0;
    if (n > RANGE_MAX)
        return jrun_fail(r, TEMPLATE_LIMIT,
                         "Range too big. The sandbox blocks ranges larger than MAX_RANGE (%d).",
                         RANGE_MAX);
    g->n = (size_t)n;
    return (struct jval){ .type = J_RANGE, .range = g };
}

static bool add_pairs(struct jrun *r, struct jdict *d, struct jval from)
{
    const struct jlist *l, *pair;

    if (from.type == J_DICT) {
        for (size_t i = 0; i < from.d->n; i++)
            if (!jrun_spend(r, 1) || !jdict_set(r, d, from.d->e[i].k, from.d->e[i].v)) return false;
        return true;
    }
    l = jval_items(r, from);
    for (size_t i = 0; l && i < l->n; i++) {
        if (!(pair = jval_items(r, l->v[i]))) return false;
        if (pair->n != 2) {
            jrun_fail(r, TEMPLATE_RUNTIME, "dict() needs pairs");
            return false;
        }
        if (!jrun_spend(r, 1) || !jdict_set(r, d, pair->v[0], pair->v[1])) return false;
    }
    return l != NULL;
}

static struct jval g_dict(struct jrun *r, struct jval self, const struct jcall *c)
{
    struct jdict *d = jdict_new(r, c->n_kw);

    (void)self;
    if (!d) return jval_of(J_ERROR);
    if (c->n_pos > 1) return jrun_fail(r, TEMPLATE_RUNTIME, "dict expected at most 1 argument");
    if (c->n_pos && !add_pairs(r, d, c->pos[0])) return jval_of(J_ERROR);
    for (size_t i = 0; i < c->n_kw; i++)
        if (!jdict_set(r, d, jval_str(c->kw[i].name), c->kw[i].v)) return jval_of(J_ERROR);
    return jval_dict(d);
}

static struct jval g_namespace(struct jrun *r, struct jval self, const struct jcall *c)
{
    struct jval v = g_dict(r, self, c);

    if (jval_is_err(v)) return v;
    for (size_t i = 0; i < v.d->n; i++) {
        struct jval k = v.d->e[i].k;
        if (k.type == J_STR && k.s->n && k.s->p[0] == '_')
            return jrun_fail(r, TEMPLATE_RUNTIME,
                             "a namespace stores no names with an underscore in front");
    }
    v.type = J_NS;
    return v;
}

static struct jval cycler_new(struct jrun *r, enum jtype type, const struct jval *v, size_t n)
{
    struct jcycler *k = jrun_alloc(r, sizeof(*k));
    struct jlist *l = k ? jlist_new(r, n) : NULL;

    for (size_t i = 0; l && i < n; i++)
        l->v[l->n++] = v[i];
    if (!l) return jval_of(J_ERROR);
    k->items = l;
    return (struct jval){ .type = type, .cycler = k };
}

static struct jval g_cycler(struct jrun *r, struct jval self, const struct jcall *c)
{
    (void)self;
    if (c->n_pos == 0 || c->n_kw)
        return jrun_fail(r, TEMPLATE_RUNTIME, "at least one item has to be provided");
    return cycler_new(r, J_CYCLER, c->pos, c->n_pos);
}

static struct jval g_joiner(struct jrun *r, struct jval self, const struct jcall *c)
{
    struct jval sep = c->v[0].type == J_MISSING ? jstr_lit(r, ", ") : c->v[0];

    (void)self;
    return jval_is_err(sep) ? sep : cycler_new(r, J_JOINER, &sep, 1);
}

static struct jval g_lipsum(struct jrun *r, struct jval self, const struct jcall *c)
{
    (void)self;
    (void)c;
    return jrun_fail(r, TEMPLATE_RUNTIME, "lipsum: a prompt has no use for filler text");
}

static struct jval g_raise(struct jrun *r, struct jval self, const struct jcall *c)
{
    struct jval text = jtext_str(r, c->v[0]);

    (void)self;
    return jval_is_err(text) ? text : jrun_raise(r, text.s->p, text.s->n);
}

/* One conversion (`spec` is "%" flags letter); false: the year is out of range and the like. */
static void put_time(struct jbuf *b, const char *spec, const struct tm *tm, locale_t c_locale)
{
    char out[128];
    char letter = spec[strlen(spec) - 1];

    if (letter == 'f') jbuf_puts(b, "000000", JFROM_TEMPLATE);
    else if (letter != 'z' && letter != 'Z') /* Python's clock without a zone has none */
        jbuf_put(b, out, strftime_l(out, sizeof(out), spec, tm, c_locale), JFROM_TEMPLATE);
}

static struct jval g_strftime(struct jrun *r, struct jval self, const struct jcall *c)
{
    const struct jstr *fmt = jarg_str(r, c->v[0], NULL);
    time_t now = (time_t)r->now;
    struct jbuf b;
    struct tm tm;
    locale_t loc;

    (void)self;
    if (!fmt) return jval_of(J_ERROR);
    if (!gmtime_r(&now, &tm)) return jrun_fail(r, TEMPLATE_RUNTIME, "the clock is out of range");
    loc = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!loc) return jrun_nomem(r);
    jbuf_init(&b, r);
    for (size_t i = 0; i < fmt->n && jrun_spend(r, 1); i++) {
        char spec[8] = "%";
        size_t n = 1;
        if (fmt->p[i] != '%' || i + 1 == fmt->n) {
            jbuf_part(&b, fmt, i, 1);
            continue;
        }
        while (i + n + 1 < fmt->n && n < 4 && memchr("-_0^#EO", fmt->p[i + n], 7)) {
            spec[n] = fmt->p[i + n];
            n++;
        }
        spec[n] = fmt->p[i + n];
        bool letter = (spec[n] | 32) >= 'a' && (spec[n] | 32) <= 'z';
        if (!jrun_spend(r, 32)) break;
        if (letter || spec[n] == '%') put_time(&b, spec, &tm, loc);
        else jbuf_part(&b, fmt, i, n + 1);
        i += n;
    }
    freelocale(loc);
    return jbuf_done(&b);
}

static const struct jnative globals[] = {
    { "range", "start! stop step", g_range },
    { "dict", "*", g_dict },
    { "namespace", "*", g_namespace },
    { "cycler", "*", g_cycler },
    { "joiner", "sep", g_joiner },
    { "lipsum", "*", g_lipsum },
    { "raise_exception", "message!", g_raise },
    { "strftime_now", "format!", g_strftime },
};

const struct jnative *jglobal_find(struct slice name)
{
    for (size_t i = 0; i < COUNT(globals); i++)
        if (slice_is(name, globals[i].name)) return &globals[i];
    return NULL;
}
