/* SPDX-License-Identifier: MIT */
/*
 * jval.c - lists, dicts, truth, equality, order and iteration of values (jval.h).
 *
 * Dicts keep the order of insertion and are never changed once a template can
 * see them. Small ones are searched in order; larger ones get a hash table on
 * the first search. Probes cost fuel, so colliding keys only end the rendering.
 */
#include <math.h>

#include "text/jstr.h"

enum { SMALL_DICT = 8 };

struct jlist *jlist_new(struct jrun *r, size_t cap)
{
    struct jlist *l = jrun_alloc(r, sizeof(*l));

    if (!l || !jrun_spend(r, cap / 16)) return NULL;
    l->cap = cap;
    if (cap && !(l->v = jrun_array(r, cap, sizeof(*l->v)))) return NULL;
    return l;
}

bool jlist_push(struct jrun *r, struct jlist *l, struct jval v)
{
    if (jval_is_err(v)) return false;
    if (l->n == l->cap) {
        size_t cap = l->cap ? 2 * l->cap : 8;
        struct jval *p = jrun_array(r, cap, sizeof(*p));
        if (!p || !jrun_spend(r, cap / 16)) return false;
        if (l->n) memcpy(p, l->v, l->n * sizeof(*p));
        l->v = p;
        l->cap = cap;
    }
    l->v[l->n++] = v;
    return true;
}

struct jval jval_iter(struct jrun *r, struct jlist *l, const char *what)
{
    struct jiter *it = l ? jrun_alloc(r, sizeof(*it)) : NULL;

    if (!it) return jval_of(J_ERROR);
    it->l = l;
    it->what = what;
    return (struct jval){ .type = J_ITER, .iter = it };
}

struct jval jval_pair(struct jrun *r, struct jval a, struct jval b)
{
    struct jlist *l = jlist_new(r, 2);

    if (!l || !jlist_push(r, l, a) || !jlist_push(r, l, b)) return jval_of(J_ERROR);
    return jval_list(J_TUPLE, l);
}

static struct jval undef_new(struct jrun *r, struct jundef u)
{
    struct jundef *p = jrun_alloc(r, sizeof(*p));

    if (!p) return jval_of(J_ERROR);
    *p = u;
    return (struct jval){ .type = J_UNDEF, .u = p };
}

struct jval jval_undef(struct jrun *r, struct jval obj, struct jval name)
{
    return undef_new(r, (struct jundef){ .obj = obj, .name = name });
}

struct jval jval_undef_hint(struct jrun *r, const char *hint)
{
    return undef_new(r, (struct jundef){ .hint = hint });
}

struct jval jval_fail_undef(struct jrun *r, struct jval v)
{
    const struct jundef *u = v.u;
    char name[96] = "?";

    if (u->hint) return jrun_fail(r, TEMPLATE_RUNTIME, "%s", u->hint);
    if (u->name.type == J_STR)
        slice_print(name, sizeof(name), (struct slice){ u->name.s->p, u->name.s->n });
    else if (u->name.type == J_INT) snprintf(name, sizeof(name), "%lld", (long long)u->name.i);
    if (u->unsafe)
        return jrun_fail(r, TEMPLATE_RUNTIME, "access to attribute '%s' of '%s' object is unsafe.",
                         name, jval_type_name(u->obj));
    if (u->obj.type == J_MISSING) return jrun_fail(r, TEMPLATE_RUNTIME, "'%s' is undefined", name);
    if (u->name.type != J_STR)
        return jrun_fail(r, TEMPLATE_RUNTIME, "%s object has no element %s", jval_type_name(u->obj),
                         name);
    return jrun_fail(r, TEMPLATE_RUNTIME, "'%s object' has no attribute '%s'",
                     jval_type_name(u->obj), name);
}

/* --- dicts --- */

struct jdict *jdict_new(struct jrun *r, size_t cap)
{
    struct jdict *d = jrun_alloc(r, sizeof(*d));

    if (!d) return NULL;
    d->cap = cap;
    if (cap && !(d->e = jrun_array(r, cap, sizeof(*d->e)))) return NULL;
    return d;
}

static uint64_t mix(uint64_t h, uint64_t x)
{
    h = (h ^ x) * 0x9e3779b97f4a7c15u;
    return h ^ (h >> 32);
}

/* Equal keys have equal hashes: 1, 1.0 and true among them. */
static bool key_hash(struct jrun *r, struct jval k, uint64_t *h)
{
    double f;

    if (jval_as_double(k, &f)) {
        uint64_t bits;
        f += 0.0; /* no negative zero */
        memcpy(&bits, &f, sizeof(bits));
        *h = mix(*h, bits);
        return true;
    }
    *h = mix(*h, k.type);
    switch (k.type) {
    case J_STR:
        for (size_t i = 0; i < k.s->n; i++)
            *h = mix(*h, (unsigned char)k.s->p[i]);
        return jrun_spend(r, k.s->n / 16);
    case J_TUPLE: {
        bool ok = jrun_enter(r);
        for (size_t i = 0; ok && i < k.l->n; i++)
            ok = key_hash(r, k.l->v[i], h);
        r->depth--;
        return ok;
    }
    case J_LIST:
    case J_DICT:
        jrun_fail(r, TEMPLATE_RUNTIME, "unhashable type: '%s'", jval_type_name(k));
        return false;
    default:
        return true;
    }
}

static bool key_slot(struct jrun *r, const struct jdict *d, struct jval key, size_t *slot)
{
    uint64_t h = 0;

    if (!key_hash(r, key, &h)) return false;
    for (size_t i = h & (d->n_slot - 1);; i = (i + 1) & (d->n_slot - 1)) {
        if (!jrun_spend(r, 1)) return false;
        if (!d->slot[i] || jval_equal(r, d->e[d->slot[i] - 1].k, key)) {
            *slot = i;
            return !r->failed;
        }
    }
}

static bool dict_index(struct jrun *r, struct jdict *d)
{
    size_t n_slot = 32, at;

    while (n_slot < 2 * d->n + 2)
        n_slot *= 2;
    d->slot = jrun_array(r, n_slot, sizeof(*d->slot));
    if (!d->slot) return false;
    d->n_slot = n_slot;
    for (size_t i = 0; i < d->n; i++) {
        if (!key_slot(r, d, d->e[i].k, &at)) {
            d->slot = NULL;
            return false;
        }
        d->slot[at] = (uint32_t)i + 1;
    }
    return true;
}

struct jval *jdict_find(struct jrun *r, struct jdict *d, struct jval key)
{
    size_t at;
    uint64_t h = 0;

    if (d->n <= SMALL_DICT) {
        if (key.type != J_STR && !(key_hash(r, key, &h) && jrun_spend(r, 2 * d->n))) return NULL;
        for (size_t i = 0; i < d->n; i++)
            if (jval_equal(r, d->e[i].k, key)) return &d->e[i].v;
        return NULL;
    }
    if (!d->slot && !dict_index(r, d)) return NULL;
    if (!key_slot(r, d, key, &at) || !d->slot[at]) return NULL;
    return &d->e[d->slot[at] - 1].v;
}

bool jdict_set(struct jrun *r, struct jdict *d, struct jval key, struct jval v)
{
    struct jval *have;

    if (jval_is_err(key) || jval_is_err(v)) return false;
    have = jdict_find(r, d, key);
    if (r->failed) return false;
    if (have) {
        *have = v;
        return true;
    }
    if (d->n == d->cap) {
        size_t cap = d->cap ? 2 * d->cap : 4;
        struct jpair *e = jrun_array(r, cap, sizeof(*e));
        if (!e || !jrun_spend(r, cap / 8)) return false;
        if (d->n) memcpy(e, d->e, d->n * sizeof(*e));
        d->e = e;
        d->cap = cap;
    }
    d->e[d->n++] = (struct jpair){ key, v };
    if (d->slot && 2 * d->n > d->n_slot) d->slot = NULL;
    if (!d->slot) return d->n <= SMALL_DICT || dict_index(r, d);
    size_t at;
    if (!key_slot(r, d, key, &at)) return false;
    d->slot[at] = (uint32_t)d->n;
    return true;
}

/* --- properties --- */

const char *jval_type_name(struct jval v)
{
    static const char *const names[J_TYPE_COUNT] = {
        [J_ERROR] = "error",   [J_MISSING] = "missing", [J_UNDEF] = "Undefined",
        [J_NONE] = "NoneType", [J_BOOL] = "bool",       [J_INT] = "int",
        [J_FLOAT] = "float",   [J_STR] = "str",         [J_LIST] = "list",
        [J_TUPLE] = "tuple",   [J_DICT] = "dict",       [J_RANGE] = "range",
        [J_NS] = "Namespace",  [J_FUNC] = "function",   [J_LOOP] = "LoopContext",
        [J_CYCLER] = "Cycler", [J_JOINER] = "Joiner",
    };
    static const char *const views[] = { "dict_keys", "dict_values", "dict_items" };

    if (v.type == J_VIEW) return views[v.view->kind];
    if (v.type == J_ITER) return v.iter->what;
    if (v.type == J_STR && v.s->markup) return "Markup";
    return names[v.type];
}

bool jval_as_int(struct jval v, int64_t *out)
{
    if (v.type == J_BOOL) *out = v.b;
    else if (v.type == J_INT) *out = v.i;
    else return false;
    return true;
}

bool jval_as_double(struct jval v, double *out)
{
    int64_t i;

    if (v.type == J_FLOAT) *out = v.f;
    else if (jval_as_int(v, &i)) *out = (double)i;
    else return false;
    return true;
}

int64_t jval_len(struct jval v)
{
    switch (v.type) {
    case J_UNDEF:
        return 0;
    case J_STR:
        return (int64_t)jstr_len(v.s);
    case J_LIST:
    case J_TUPLE:
        return (int64_t)v.l->n;
    case J_DICT:
        return (int64_t)v.d->n;
    case J_RANGE:
        return (int64_t)v.range->n;
    case J_VIEW:
        return (int64_t)v.view->d->n;
    case J_LOOP:
        return (int64_t)v.loop->items->n;
    default:
        return -1;
    }
}

bool jval_truth(struct jval v)
{
    double f;

    switch (v.type) {
    case J_ERROR:
    case J_MISSING:
    case J_NONE:
        return false;
    case J_STR:
        return v.s->n > 0;
    default:
        if (jval_as_double(v, &f)) return f != 0;
        return jval_len(v) != 0;
    }
}

/* --- equality and order --- */

static bool equal_lists(struct jrun *r, const struct jlist *a, const struct jlist *b)
{
    bool eq = a->n == b->n;

    for (size_t i = 0; eq && i < a->n; i++)
        eq = jrun_spend(r, 1) && jval_equal(r, a->v[i], b->v[i]);
    return eq;
}

static bool equal_dicts(struct jrun *r, struct jdict *a, struct jdict *b)
{
    bool eq = a->n == b->n;

    for (size_t i = 0; eq && i < a->n; i++) {
        struct jval *v = jdict_find(r, b, a->e[i].k);
        eq = v && jrun_spend(r, 1) && jval_equal(r, a->e[i].v, *v);
    }
    return eq;
}

static bool equal_deep(struct jrun *r, struct jval a, struct jval b)
{
    bool eq = false;

    if (!jrun_enter(r)) return false;
    if (a.type == J_DICT) eq = equal_dicts(r, a.d, b.d);
    else eq = equal_lists(r, a.l, b.l);
    r->depth--;
    return eq;
}

bool jval_equal(struct jrun *r, struct jval a, struct jval b)
{
    double x, y;

    if (a.type == J_STR && b.type == J_STR)
        return a.s->n == b.s->n && jrun_spend(r, a.s->n / 64) && jstr_equal(a.s, b.s);
    if (jval_as_double(a, &x) && jval_as_double(b, &y)) {
        int64_t i, j;
        if (jval_as_int(a, &i) && jval_as_int(b, &j)) return i == j;
        return x == y;
    }
    if (a.type != b.type) return false;
    switch (a.type) {
    case J_UNDEF:
    case J_NONE:
        return true;
    case J_LIST:
    case J_TUPLE:
    case J_DICT:
        return equal_deep(r, a, b);
    case J_RANGE:
        return a.range->n == b.range->n &&
               (!a.range->n || (a.range->start == b.range->start &&
                                (a.range->n == 1 || a.range->step == b.range->step)));
    default:
        return a.s == b.s; /* the same object */
    }
}

static int order_lists(struct jrun *r, const struct jlist *a, const struct jlist *b, const char *op)
{
    int c = 0;

    if (!jrun_enter(r)) return 2;
    for (size_t i = 0; c == 0 && i < a->n && i < b->n; i++) {
        if (!jrun_spend(r, 1)) c = 2;
        else if (!jval_equal(r, a->v[i], b->v[i])) c = jval_order(r, a->v[i], b->v[i], op);
    }
    r->depth--;
    return c ? c : (a->n > b->n) - (a->n < b->n);
}

int jval_order(struct jrun *r, struct jval a, struct jval b, const char *op)
{
    int64_t i, j;
    double x, y;

    if (a.type == J_UNDEF || b.type == J_UNDEF) {
        jval_fail_undef(r, a.type == J_UNDEF ? a : b);
        return 2;
    }
    if (a.type == J_STR && b.type == J_STR)
        return jrun_spend(r, MIN(a.s->n, b.s->n) / 64) ? jstr_compare(a.s, b.s) : 2;
    if (jval_as_int(a, &i) && jval_as_int(b, &j)) return (i > j) - (i < j);
    if (jval_as_double(a, &x) && jval_as_double(b, &y)) {
        if (isnan(x) || isnan(y)) return 2;
        return (x > y) - (x < y);
    }
    if (a.type == b.type && (a.type == J_LIST || a.type == J_TUPLE))
        return order_lists(r, a.l, b.l, op);
    jrun_fail(r, TEMPLATE_RUNTIME, "'%s' not supported between instances of '%s' and '%s'", op,
              jval_type_name(a), jval_type_name(b));
    return 2;
}

bool jval_less(struct jrun *r, struct jval a, struct jval b)
{
    return jval_order(r, a, b, "<") == -1;
}

/* --- iteration --- */

bool jval_iterable(struct jval v)
{
    return v.type == J_UNDEF || v.type == J_ITER || v.type == J_STR ||
           (v.type != J_LOOP && jval_len(v) >= 0);
}

static const struct jlist *items_of_str(struct jrun *r, const struct jstr *s)
{
    struct jlist *l = jlist_new(r, jstr_len(s));

    for (size_t at = 0, n; l && at < s->n; at += n) {
        uint32_t cp;
        n = jstr_decode(s->p + at, s->n - at, &cp);
        const struct jstr *c = jstr_part(r, s, at, n);
        if (!c || !jrun_spend(r, 4) || !jlist_push(r, l, jval_str(jstr_markup(r, c, false))))
            return NULL;
    }
    return l;
}

static const struct jlist *items_of_dict(struct jrun *r, const struct jdict *d,
                                         enum jview_kind kind)
{
    struct jlist *l = jlist_new(r, d->n);

    for (size_t i = 0; l && i < d->n; i++) {
        struct jval v = d->e[i].k;
        if (kind == JVIEW_VALUES) v = d->e[i].v;
        if (kind == JVIEW_ITEMS) v = jval_pair(r, v, d->e[i].v);
        if (!jlist_push(r, l, v)) return NULL;
    }
    return l;
}

static const struct jlist *items_of_range(struct jrun *r, const struct jrange *g)
{
    struct jlist *l = jlist_new(r, g->n);

    for (size_t i = 0; l && i < g->n; i++)
        l->v[l->n++] = jval_int(jrange_at(g, i));
    return l;
}

static const struct jlist *items_of_iter(struct jrun *r, struct jiter *it)
{
    struct jlist *l;

    if (it->at == 0) {
        it->at = it->l->n;
        return it->l;
    }
    l = jlist_new(r, it->l->n - it->at);
    while (l && it->at < it->l->n)
        l->v[l->n++] = it->l->v[it->at++];
    return l;
}

const struct jlist *jval_items(struct jrun *r, struct jval v)
{
    switch (v.type) {
    case J_LIST:
    case J_TUPLE:
        return v.l;
    case J_DICT:
        return items_of_dict(r, v.d, JVIEW_KEYS);
    case J_VIEW:
        return items_of_dict(r, v.view->d, v.view->kind);
    case J_STR:
        return items_of_str(r, v.s);
    case J_RANGE:
        return items_of_range(r, v.range);
    case J_ITER:
        return items_of_iter(r, v.iter);
    case J_UNDEF:
        return jlist_new(r, 0);
    default:
        jrun_fail(r, TEMPLATE_RUNTIME, "'%s' object is not iterable", jval_type_name(v));
        return NULL;
    }
}

/* --- from JSON --- */

static struct jval object_from_json(struct jrun *r, const json_t *j, enum jfrom from)
{
    json_t *o = (json_t *)j; /* jansson's iterators take no const; nothing is changed */
    struct jdict *d = jdict_new(r, json_object_size(j));

    for (void *it = json_object_iter(o); d && it; it = json_object_iter_next(o, it)) {
        const char *key = json_object_iter_key(it);
        const struct jstr *k = jstr_new(r, key, json_object_iter_key_len(it), from);
        struct jval v = jval_from_json(r, json_object_iter_value(it), from);
        if (!k || jval_is_err(v)) return jval_of(J_ERROR);
        d->e[d->n++] = (struct jpair){ jval_str(k), v };
    }
    return jval_dict(d);
}

static struct jval array_from_json(struct jrun *r, const json_t *j, enum jfrom from)
{
    size_t n = json_array_size(j);
    struct jlist *l = jlist_new(r, n);

    for (size_t i = 0; l && i < n; i++)
        if (!jlist_push(r, l, jval_from_json(r, json_array_get(j, i), from)))
            return jval_of(J_ERROR);
    return jval_list(J_LIST, l);
}

static struct jval deep_from_json(struct jrun *r, const json_t *j, enum jfrom from)
{
    struct jval v;

    if (r->depth >= LIMIT_JSON_DEPTH)
        return jrun_fail(r, TEMPLATE_LIMIT, "the variables are nested deeper than %d levels",
                         LIMIT_JSON_DEPTH);
    r->depth++;
    v = json_is_object(j) ? object_from_json(r, j, from) : array_from_json(r, j, from);
    r->depth--;
    return v;
}

struct jval jval_from_json(struct jrun *r, const json_t *j, enum jfrom from)
{
    switch (json_typeof(j)) {
    case JSON_OBJECT:
    case JSON_ARRAY:
        return deep_from_json(r, j, from);
    case JSON_STRING:
        return jval_str(jstr_new(r, json_string_value(j), json_string_length(j), from));
    case JSON_INTEGER:
        return jval_int(json_integer_value(j));
    case JSON_REAL:
        return jval_float(json_real_value(j));
    case JSON_TRUE:
    case JSON_FALSE:
        return jval_bool(json_is_true(j));
    case JSON_NULL:
        break;
    }
    return jval_of(J_NONE);
}
