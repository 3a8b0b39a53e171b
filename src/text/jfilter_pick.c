/* SPDX-License-Identifier: MIT */
/*
 * jfilter_pick.c - map, select, reject, selectattr, rejectattr: filters that
 * run another filter or test on each element. They give one-shot iterators,
 * which are true even when nothing is in them, as generators are in Python.
 */
#include "text/jeval.h"

/* The filter or test that argument `at` names, or NULL. */
static const struct jnative *named(struct jrun *r, const struct jcall *c, size_t at, bool test)
{
    const struct jstr *name = jarg_str(r, c->pos[at], NULL);
    const struct jnative *f = NULL;
    char shown[64];

    if (!name) return NULL;
    struct slice s = { name->p, name->n };
    f = test ? jtest_find(s) : jfilter_find(s);
    if (!f)
        jrun_fail(r, TEMPLATE_RUNTIME, "No %s named '%s'.", test ? "test" : "filter",
                  slice_print(shown, sizeof(shown), s));
    return f;
}

static const struct jval *keyword(const struct jcall *c, const char *name)
{
    for (size_t i = 0; i < c->n_kw; i++)
        if (jstr_is(c->kw[i].name, name)) return &c->kw[i].v;
    return NULL;
}

static struct jval map_attribute(struct jrun *r, const struct jlist *l, const struct jcall *c)
{
    const struct jval *path = keyword(c, "attribute"), *preset = keyword(c, "default");
    struct jlist *out = jlist_new(r, l->n);

    if (c->n_kw > 1u + (preset != NULL))
        return jrun_fail(r, TEMPLATE_RUNTIME, "map: unexpected keyword argument");
    for (size_t i = 0; out && i < l->n; i++)
        if (!jrun_spend(r, 1) ||
            !jlist_push(r, out,
                        jarg_path(r, l->v[i], *path, preset ? *preset : jval_of(J_MISSING))))
            return jval_of(J_ERROR);
    return jval_iter(r, out, "generator");
}

static struct jval f_map(struct jrun *r, struct jval self, const struct jcall *c)
{
    const struct jlist *l =
        jval_truth(self) || self.type == J_ITER ? jval_items(r, self) : jlist_new(r, 0);
    const struct jnative *f;
    struct jlist *out;

    if (!l) return jval_of(J_ERROR);
    if (l->n == 0) return jval_iter(r, (struct jlist *)l, "generator");
    if (c->n_pos == 0 && keyword(c, "attribute")) return map_attribute(r, l, c);
    if (c->n_pos == 0) return jrun_fail(r, TEMPLATE_RUNTIME, "map requires a filter argument");
    f = named(r, c, 0, false);
    out = f ? jlist_new(r, l->n) : NULL;
    for (size_t i = 0; out && i < l->n; i++)
        if (!jlist_push(r, out, jarg_apply(r, f, l->v[i], c, 1))) return jval_of(J_ERROR);
    return jval_iter(r, out, "generator");
}

/* `attr`: the first argument is the attribute to test; then the test and its arguments. */
static struct jval pick(struct jrun *r, struct jval self, const struct jcall *c, bool attr,
                        bool keep)
{
    const struct jlist *l =
        jval_truth(self) || self.type == J_ITER ? jval_items(r, self) : jlist_new(r, 0);
    const struct jnative *test = NULL;
    struct jlist *out = l ? jlist_new(r, 0) : NULL;
    size_t off = attr;

    if (!out) return jval_of(J_ERROR);
    if (l->n && attr && c->n_pos == 0)
        return jrun_fail(r, TEMPLATE_RUNTIME, "Missing parameter for attribute name");
    if (l->n && c->n_pos > off && !(test = named(r, c, off, true))) return jval_of(J_ERROR);
    for (size_t i = 0; i < l->n; i++) {
        struct jval v = l->v[i];
        if (attr) v = jarg_path(r, v, c->pos[0], jval_of(J_MISSING));
        if (!jval_is_err(v) && test) v = jarg_apply(r, test, v, c, off + 1);
        if (jval_is_err(v) || !jrun_spend(r, 1)) return jval_of(J_ERROR);
        if (jval_truth(v) == keep && !jlist_push(r, out, l->v[i])) return jval_of(J_ERROR);
    }
    return jval_iter(r, out, "generator");
}

static struct jval f_select(struct jrun *r, struct jval self, const struct jcall *c)
{
    return pick(r, self, c, false, true);
}

static struct jval f_reject(struct jrun *r, struct jval self, const struct jcall *c)
{
    return pick(r, self, c, false, false);
}

static struct jval f_selectattr(struct jrun *r, struct jval self, const struct jcall *c)
{
    return pick(r, self, c, true, true);
}

static struct jval f_rejectattr(struct jrun *r, struct jval self, const struct jcall *c)
{
    return pick(r, self, c, true, false);
}

const struct jnative jfilters_pick[] = {
    { "map", "*", f_map },
    { "reject", "*", f_reject },
    { "rejectattr", "*", f_rejectattr },
    { "select", "*", f_select },
    { "selectattr", "*", f_selectattr },
    { NULL, NULL, NULL },
};

/* --- the tables together --- */

static const struct jnative *find_row(const struct jnative *rows, struct slice name)
{
    for (; rows->name; rows++)
        if (slice_is(name, rows->name)) return rows;
    return NULL;
}

const struct jnative *jfilter_find(struct slice name)
{
    const struct jnative *f = find_row(jfilters_text, name);

    if (!f) f = find_row(jfilters_list, name);
    return f ? f : find_row(jfilters_pick, name);
}
