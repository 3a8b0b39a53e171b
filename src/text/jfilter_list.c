/* SPDX-License-Identifier: MIT */
/*
 * jfilter_list.c - filters on numbers and on sequences as a whole: conversion,
 * first and last, sorting, grouping, batches. Those that pick elements by a
 * filter or test are in jfilter_pick.c.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "text/jeval.h"

/* --- numbers --- */

static struct jval f_abs(struct jrun *r, struct jval self, const struct jcall *c)
{
    int64_t i;

    (void)c;
    if (self.type == J_UNDEF) return jval_fail_undef(r, self);
    if (self.type == J_FLOAT) return jval_float(fabs(self.f));
    if (!jval_as_int(self, &i))
        return jrun_fail(r, TEMPLATE_RUNTIME, "bad operand type for abs(): '%s'",
                         jval_type_name(self));
    return i < 0 ? jops_sign(r, self, true) : jval_int(i);
}

/* Half-way cases go to the even neighbour, counted in decimal digits as printf() does. */
static struct jval round_common(struct jrun *r, struct jval v, int64_t digits)
{
    char s[512];
    int64_t i;

    if (jval_as_int(v, &i)) {
        int64_t unit = 1;
        if (digits >= 0) return jval_int(i);
        if (digits < -18) return jval_int(0);
        for (int64_t k = digits; k < 0; k++)
            unit *= 10;
        int64_t rest = i % unit, base = i - rest, twice = llabs(rest) * 2;
        bool up = twice > unit || (twice == unit && base / unit % 2);
        if (!up) return jval_int(base);
        return jops_binary(r, JOP_ADD, jval_int(base), jval_int(rest < 0 ? -unit : unit));
    }
    if (!isfinite(v.f) || digits > 300) return v;
    if (digits >= 0) {
        if (!jrun_spend(r, jtext_digits_steps(v.f, digits))) return jval_of(J_ERROR);
        snprintf(s, sizeof(s), "%.*f", (int)digits, v.f);
        return jval_float(strtod(s, NULL));
    }
    if (digits < -308) return jval_float(copysign(0, v.f));
    double unit = pow(10, (double)-digits), q = nearbyint(v.f / unit);
    return jval_float(q * unit);
}

static struct jval f_round(struct jrun *r, struct jval self, const struct jcall *c)
{
    const struct jstr *how = jarg_str(r, c->v[1], "common");
    int64_t digits;
    double f;

    if (!how || !jarg_int(r, c->v[0], 0, &digits)) return jval_of(J_ERROR);
    if (self.type == J_UNDEF) return jval_fail_undef(r, self);
    if (!jval_as_double(self, &f))
        return jrun_fail(r, TEMPLATE_RUNTIME, "type %s doesn't define __round__ method",
                         jval_type_name(self));
    if (jstr_is(how, "common")) return round_common(r, self, digits);
    double unit = pow(10, (double)digits);
    if (jstr_is(how, "ceil")) return jval_float(ceil(f * unit) / unit);
    if (jstr_is(how, "floor")) return jval_float(floor(f * unit) / unit);
    return jrun_fail(r, TEMPLATE_RUNTIME, "method must be common, ceil or floor");
}

static struct jval int_of_float(struct jrun *r, double f, struct jval preset)
{
    if (isnan(f) || isinf(f)) return preset;
    if (fabs(f) >= 0x1p63)
        return jrun_fail(r, TEMPLATE_LIMIT, "integers beyond 64 bits are not supported");
    return jval_int((int64_t)f);
}

static struct jval f_int(struct jrun *r, struct jval self, const struct jcall *c)
{
    struct jval preset = c->v[0].type == J_MISSING ? jval_int(0) : c->v[0];
    int64_t base, i;
    double f;
    bool large;

    if (!jarg_int(r, c->v[1], 10, &base)) return jval_of(J_ERROR);
    if (self.type == J_UNDEF) return jval_fail_undef(r, self);
    if (jval_as_int(self, &i)) return jval_int(i);
    if (self.type == J_FLOAT) return int_of_float(r, self.f, preset);
    if (self.type != J_STR) return preset;
    if (!jrun_spend(r, self.s->n / 16)) return jval_of(J_ERROR);
    if (jarg_parse_int(self.s, (int)MAX(MIN(base, 99), -1), &i, &large))
        return large ? int_of_float(r, 1e300, preset) : jval_int(i);
    return jarg_parse_float(self.s, &f) ? int_of_float(r, f, preset) : preset;
}

static struct jval f_float(struct jrun *r, struct jval self, const struct jcall *c)
{
    double f;

    if (self.type == J_UNDEF) return jval_fail_undef(r, self);
    if (jval_as_double(self, &f)) return jval_float(f);
    if (self.type == J_STR && !jrun_spend(r, self.s->n / 16)) return jval_of(J_ERROR);
    if (self.type == J_STR && jarg_parse_float(self.s, &f)) return jval_float(f);
    return c->v[0].type == J_MISSING ? jval_float(0) : c->v[0];
}

/* --- one value of a sequence --- */

static struct jval f_length(struct jrun *r, struct jval self, const struct jcall *c)
{
    int64_t n;

    (void)c;
    if (self.type == J_STR && !jstr_count(r, self.s)) return jval_of(J_ERROR);
    n = jval_len(self);
    if (n >= 0) return jval_int(n);
    return jrun_fail(r, TEMPLATE_RUNTIME, "object of type '%s' has no len()", jval_type_name(self));
}

static struct jval f_first(struct jrun *r, struct jval self, const struct jcall *c)
{
    const struct jlist *l;

    (void)c;
    if (self.type == J_STR && self.s->n) {
        self = jeval_item(r, self, jval_int(0));
        return jval_is_err(self) ? self : jval_str(jstr_markup(r, self.s, false));
    }
    if (self.type == J_ITER && self.iter->at < self.iter->l->n)
        return self.iter->l->v[self.iter->at++];
    l = jval_items(r, self);
    if (!l) return jval_of(J_ERROR);
    return l->n ? l->v[0] : jval_undef_hint(r, "No first item, sequence was empty.");
}

static struct jval f_last(struct jrun *r, struct jval self, const struct jcall *c)
{
    const struct jlist *l;

    (void)c;
    if (self.type == J_ITER || self.type == J_LOOP)
        return jrun_fail(r, TEMPLATE_RUNTIME, "'%s' object is not reversible",
                         jval_type_name(self));
    if (self.type == J_STR && self.s->n) return jeval_item(r, self, jval_int(-1));
    l = jval_items(r, self);
    if (!l) return jval_of(J_ERROR);
    return l->n ? l->v[l->n - 1] : jval_undef_hint(r, "No last item, sequence was empty.");
}

static struct jval f_random(struct jrun *r, struct jval self, const struct jcall *c)
{
    (void)self;
    (void)c;
    return jrun_fail(r, TEMPLATE_RUNTIME, "random: a prompt has no use for chance");
}

static struct jval extreme(struct jrun *r, struct jval self, const struct jcall *c, bool max)
{
    const struct jlist *l = jval_items(r, self);
    bool exact = jarg_bool(c->v[0], false);
    struct jval best = jval_of(J_MISSING), best_key = best;

    for (size_t i = 0; l && i < l->n; i++) {
        struct jval key = jarg_path(r, l->v[i], c->v[1], jval_of(J_MISSING));
        if (!jval_is_err(key) && !exact) key = jarg_ignore_case(r, key);
        if (jval_is_err(key) || !jrun_spend(r, 1)) return jval_of(J_ERROR);
        bool better = i == 0 || (max ? jval_less(r, best_key, key) : jval_less(r, key, best_key));
        if (r->failed) return jval_of(J_ERROR);
        if (!better) continue;
        best = l->v[i];
        best_key = key;
    }
    if (!l) return jval_of(J_ERROR);
    return l->n ? best : jval_undef_hint(r, "No aggregated item, sequence was empty.");
}

static struct jval f_min(struct jrun *r, struct jval self, const struct jcall *c)
{
    return extreme(r, self, c, false);
}

static struct jval f_max(struct jrun *r, struct jval self, const struct jcall *c)
{
    return extreme(r, self, c, true);
}

static struct jval f_sum(struct jrun *r, struct jval self, const struct jcall *c)
{
    const struct jlist *l = jval_items(r, self);
    struct jval sum = c->v[1].type == J_MISSING ? jval_int(0) : c->v[1];

    if (sum.type == J_STR) return jrun_fail(r, TEMPLATE_RUNTIME, "sum() can't sum strings");
    for (size_t i = 0; l && i < l->n && !jval_is_err(sum); i++) {
        struct jval v = jarg_path(r, l->v[i], c->v[0], jval_of(J_MISSING));
        if (jval_is_err(v) || !jrun_spend(r, 1)) return jval_of(J_ERROR);
        sum = jops_binary(r, JOP_ADD, sum, v);
    }
    return l ? sum : jval_of(J_ERROR);
}

static struct jval f_join(struct jrun *r, struct jval self, const struct jcall *c)
{
    const struct jlist *l = jval_items(r, self);
    struct jval sep = c->v[0].type == J_MISSING ? jstr_lit(r, "") : jtext_str(r, c->v[0]);
    struct jbuf b;

    if (!l || jval_is_err(sep)) return jval_of(J_ERROR);
    jbuf_init(&b, r);
    for (size_t i = 0; i < l->n && !b.bad && jrun_spend(r, 2); i++) {
        struct jval v = jarg_path(r, l->v[i], c->v[1], jval_of(J_MISSING));
        if (i) jbuf_str(&b, sep.s);
        jtext_put(&b, v);
    }
    return jbuf_done(&b);
}

static struct jval f_default(struct jrun *r, struct jval self, const struct jcall *c)
{
    if (self.type != J_UNDEF && !(jarg_bool(c->v[1], false) && !jval_truth(self))) return self;
    return c->v[0].type == J_MISSING ? jstr_lit(r, "") : c->v[0];
}

static struct jval f_attr(struct jrun *r, struct jval self, const struct jcall *c)
{
    struct jval v;

    if (!jarg_str(r, c->v[0], NULL)) return jval_of(J_ERROR);
    if (self.type == J_UNDEF) return jval_fail_undef(r, self);
    v = jeval_getattr(r, self, c->v[0]);
    return v.type == J_MISSING ? jval_undef(r, self, c->v[0]) : v;
}

/* --- sequences from sequences --- */

static struct jlist *copy_of(struct jrun *r, const struct jlist *l)
{
    struct jlist *n = l ? jlist_new(r, l->n) : NULL;

    if (!n) return NULL;
    if (l->n) memcpy(n->v, l->v, l->n * sizeof(*l->v));
    n->n = l->n;
    return n;
}

static struct jval f_list(struct jrun *r, struct jval self, const struct jcall *c)
{
    (void)c;
    return jval_list(J_LIST, copy_of(r, jval_items(r, self)));
}

static struct jval f_items(struct jrun *r, struct jval self, const struct jcall *c)
{
    struct jview view = { 0 };

    (void)c;
    if (self.type == J_UNDEF) return jval_iter(r, jlist_new(r, 0), "generator");
    if (self.type != J_DICT)
        return jrun_fail(r, TEMPLATE_RUNTIME, "Can only get item pairs from a mapping.");
    view = (struct jview){ self.d, JVIEW_ITEMS };
    self = (struct jval){ .type = J_VIEW, .view = &view };
    return jval_iter(r, (struct jlist *)jval_items(r, self), "generator");
}

static struct jval f_reverse(struct jrun *r, struct jval self, const struct jcall *c)
{
    static const struct jval whole[3] = { { .type = J_NONE },
                                          { .type = J_NONE },
                                          { .type = J_INT, .i = -1 } };
    struct jlist *l;

    (void)c;
    if (self.type == J_STR) return jops_slice(r, self, whole);
    if (!jval_iterable(self)) return jrun_fail(r, TEMPLATE_RUNTIME, "argument must be iterable");
    l = copy_of(r, jval_items(r, self));
    for (size_t i = 0; l && i < l->n / 2; i++) {
        struct jval t = l->v[i];
        l->v[i] = l->v[l->n - 1 - i];
        l->v[l->n - 1 - i] = t;
    }
    if (self.type == J_ITER) return jval_list(J_LIST, l);
    return jval_iter(r, l, "list_reverseiterator");
}

/* The key of sort: a list of the comma separated attributes, texts in lower case. Being a list
 * matters: Python compares its elements only where they differ, so that none and none will do. */
static struct jval sort_key(struct jrun *r, struct jval v, struct jval path, bool exact)
{
    struct jlist *keys = jlist_new(r, 1);
    size_t at = 0;
    bool more = true;

    while (keys && more) {
        struct jval part = path;
        more = false;
        if (path.type == J_STR) {
            const char *comma = memchr(path.s->p + at, ',', path.s->n - at);
            size_t n = comma ? (size_t)(comma - path.s->p) - at : path.s->n - at;
            part = jval_str(jstr_part(r, path.s, at, n));
            at += n + 1;
            more = comma != NULL;
        }
        if (jval_is_err(part)) return part;
        struct jval key = jarg_path(r, v, part, jval_of(J_MISSING));
        if (!jval_is_err(key) && !exact) key = jarg_ignore_case(r, key);
        if (!jlist_push(r, keys, key)) return jval_of(J_ERROR);
    }
    return jval_list(J_LIST, keys);
}

static struct jval f_sort(struct jrun *r, struct jval self, const struct jcall *c)
{
    const struct jlist *l = jval_items(r, self);
    struct jpair *e = l ? jrun_array(r, l->n, sizeof(*e)) : NULL;
    struct jlist *out = e ? jlist_new(r, l->n) : NULL;

    if (!out) return jval_of(J_ERROR);
    for (size_t i = 0; i < l->n; i++) {
        e[i] = (struct jpair){ sort_key(r, l->v[i], c->v[2], jarg_bool(c->v[1], false)), l->v[i] };
        if (jval_is_err(e[i].k)) return e[i].k;
    }
    if (!jsort_pairs(r, e, l->n, jarg_bool(c->v[0], false))) return jval_of(J_ERROR);
    for (size_t i = 0; i < l->n; i++)
        out->v[out->n++] = e[i].v;
    return jval_list(J_LIST, out);
}

static struct jval f_dictsort(struct jrun *r, struct jval self, const struct jcall *c)
{
    const struct jstr *by = jarg_str(r, c->v[1], "key");
    bool exact = jarg_bool(c->v[0], false), value = by && jstr_is(by, "value");
    struct jpair *e;
    struct jlist *out;

    if (!by) return jval_of(J_ERROR);
    if (self.type == J_UNDEF) return jval_fail_undef(r, self);
    if (self.type != J_DICT || (!value && !jstr_is(by, "key")))
        return jrun_fail(r, TEMPLATE_RUNTIME,
                         "dictsort sorts mappings, by either \"key\" or \"value\"");
    e = jrun_array(r, self.d->n, sizeof(*e));
    out = e ? jlist_new(r, self.d->n) : NULL;
    for (size_t i = 0; out && i < self.d->n; i++) {
        const struct jpair *p = &self.d->e[i];
        struct jval key = value ? p->v : p->k;
        if (!exact) key = jarg_ignore_case(r, key);
        e[i] = (struct jpair){ key, jval_pair(r, p->k, p->v) };
        if (jval_is_err(e[i].k) || jval_is_err(e[i].v)) return jval_of(J_ERROR);
    }
    if (!out || !jsort_pairs(r, e, self.d->n, jarg_bool(c->v[2], false))) return jval_of(J_ERROR);
    for (size_t i = 0; i < self.d->n; i++)
        out->v[out->n++] = e[i].v;
    return jval_list(J_LIST, out);
}

static struct jval f_unique(struct jrun *r, struct jval self, const struct jcall *c)
{
    const struct jlist *l = jval_items(r, self);
    struct jdict *seen = jdict_new(r, 0);
    struct jlist *out = l && seen ? jlist_new(r, 0) : NULL;

    for (size_t i = 0; out && i < l->n; i++) {
        struct jval key = jarg_path(r, l->v[i], c->v[1], jval_of(J_MISSING));
        if (!jval_is_err(key) && !jarg_bool(c->v[0], false)) key = jarg_ignore_case(r, key);
        if (jval_is_err(key)) return key;
        bool known = jdict_find(r, seen, key) != NULL;
        if (r->failed || (!known && !jdict_set(r, seen, key, jval_bool(true))))
            return jval_of(J_ERROR);
        if (!known && !jlist_push(r, out, l->v[i])) return jval_of(J_ERROR);
    }
    return jval_iter(r, out, "generator");
}

/* One group: (the attribute as the first member has it, its members). */
static struct jval group_of(struct jrun *r, const struct jpair *e, size_t n, const struct jcall *c)
{
    struct jlist *members = jlist_new(r, n);
    struct jval name, group;

    for (size_t i = 0; members && i < n; i++)
        members->v[members->n++] = e[i].v;
    name = jarg_path(r, e[0].v, c->v[0], c->v[1]);
    group = jval_list(J_LIST, members);
    if (jval_is_err(name) || jval_is_err(group)) return jval_of(J_ERROR);
    group = jval_pair(r, name, group);
    if (!jval_is_err(group)) group.l->grouped = true;
    return group;
}

static struct jval f_groupby(struct jrun *r, struct jval self, const struct jcall *c)
{
    const struct jlist *l = jval_items(r, self);
    struct jpair *e = l ? jrun_array(r, l->n, sizeof(*e)) : NULL;
    struct jlist *out = e ? jlist_new(r, 0) : NULL;

    for (size_t i = 0; out && i < l->n; i++) {
        struct jval key = jarg_path(r, l->v[i], c->v[0], c->v[1]);
        if (!jval_is_err(key) && !jarg_bool(c->v[2], false)) key = jarg_ignore_case(r, key);
        e[i] = (struct jpair){ key, l->v[i] };
        if (jval_is_err(key)) return key;
    }
    if (!out || !jsort_pairs(r, e, l->n, false)) return jval_of(J_ERROR);
    for (size_t at = 0, n; at < l->n; at += n) {
        for (n = 1; at + n < l->n && jval_equal(r, e[at].k, e[at + n].k);)
            n++;
        if (!jlist_push(r, out, group_of(r, e + at, n, c))) return jval_of(J_ERROR);
    }
    return jval_list(J_LIST, out);
}

static struct jval f_batch(struct jrun *r, struct jval self, const struct jcall *c)
{
    const struct jlist *l = jval_items(r, self);
    struct jlist *out = l ? jlist_new(r, 0) : NULL, *row = out ? jlist_new(r, 0) : NULL;
    int64_t size;

    if (!row || !jarg_int(r, c->v[0], 0, &size)) return jval_of(J_ERROR);
    for (size_t i = 0; i < l->n; i++) {
        if ((int64_t)row->n == size) {
            if (!jlist_push(r, out, jval_list(J_LIST, row)) || !(row = jlist_new(r, 0)))
                return jval_of(J_ERROR);
        }
        if (!jrun_spend(r, 1) || !jlist_push(r, row, l->v[i])) return jval_of(J_ERROR);
    }
    while (row->n && jarg_given(c->v[1]) && (int64_t)row->n < size)
        if (!jrun_spend(r, 1) || !jlist_push(r, row, c->v[1])) return jval_of(J_ERROR);
    if (row->n && !jlist_push(r, out, jval_list(J_LIST, row))) return jval_of(J_ERROR);
    return jval_iter(r, out, "generator");
}

static struct jval f_slice(struct jrun *r, struct jval self, const struct jcall *c)
{
    const struct jlist *l = jval_items(r, self);
    struct jlist *out = l ? jlist_new(r, 0) : NULL;
    int64_t slices;
    size_t at = 0;

    if (!out || !jarg_int(r, c->v[0], 0, &slices)) return jval_of(J_ERROR);
    if (slices == 0) return jrun_fail(r, TEMPLATE_RUNTIME, "slice: division by zero");
    for (int64_t i = 0; i < slices; i++) {
        size_t n = l->n / (size_t)slices, extra = l->n % (size_t)slices;
        bool longer = (size_t)i < extra;
        struct jlist *row = jlist_new(r, 0);
        for (size_t k = 0; row && k < n + longer; k++)
            if (!jlist_push(r, row, l->v[at++])) return jval_of(J_ERROR);
        if (!longer && jarg_given(c->v[1]) && row && !jlist_push(r, row, c->v[1]))
            return jval_of(J_ERROR);
        if (!jrun_spend(r, 1 + n) || !jlist_push(r, out, jval_list(J_LIST, row)))
            return jval_of(J_ERROR);
    }
    return jval_iter(r, out, "generator");
}

const struct jnative jfilters_list[] = {
    { "abs", "", f_abs },
    { "attr", "name!", f_attr },
    { "batch", "linecount! fill_with", f_batch },
    { "count", "", f_length },
    { "d", "default_value boolean", f_default },
    { "default", "default_value boolean", f_default },
    { "dictsort", "case_sensitive by reverse", f_dictsort },
    { "first", "", f_first },
    { "float", "default", f_float },
    { "groupby", "attribute! default case_sensitive", f_groupby },
    { "int", "default base", f_int },
    { "items", "", f_items },
    { "join", "d attribute", f_join },
    { "last", "", f_last },
    { "length", "", f_length },
    { "list", "", f_list },
    { "max", "case_sensitive attribute", f_max },
    { "min", "case_sensitive attribute", f_min },
    { "random", "", f_random },
    { "reverse", "", f_reverse },
    { "round", "precision method", f_round },
    { "slice", "slices! fill_with", f_slice },
    { "sort", "reverse case_sensitive attribute", f_sort },
    { "sum", "attribute start", f_sum },
    { "unique", "case_sensitive attribute", f_unique },
    { NULL, NULL, NULL },
};
