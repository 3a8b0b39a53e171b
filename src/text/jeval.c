/* SPDX-License-Identifier: MIT */
/*
 * jeval.c - evaluates expressions: walks the tree, looks up names, attributes
 * and items, and calls filters, tests, methods and macros.
 *
 * Attributes follow Jinja2's sandbox: x.name is first a method of x's type,
 * then x["name"]; x["name"] the other way round; methods that would change
 * their object and names with two underscores are undefined.
 */
#include "text/jeval.h"

/* --- attributes --- */

static struct jval method_new(struct jrun *r, const struct jnative *f, struct jval self)
{
    struct jfunc *fn = jrun_alloc(r, sizeof(*fn));

    if (!fn) return jval_of(J_ERROR);
    fn->native = f;
    fn->self = self;
    return (struct jval){ .type = J_FUNC, .fn = fn };
}

static struct jval unsafe_undef(struct jrun *r, struct jval obj, struct jval name)
{
    struct jval v = jval_undef(r, obj, name);

    if (v.type == J_UNDEF) ((struct jundef *)v.u)->unsafe = true;
    return v;
}

static struct jval loop_attr(struct jrun *r, const struct jloop *l, const struct jstr *name)
{
    size_t n = l->items->n, i = l->index0;

    if (jstr_is(name, "index")) return jval_int((int64_t)i + 1);
    if (jstr_is(name, "index0")) return jval_int((int64_t)i);
    if (jstr_is(name, "revindex")) return jval_int((int64_t)(n - i));
    if (jstr_is(name, "revindex0")) return jval_int((int64_t)(n - i) - 1);
    if (jstr_is(name, "first")) return jval_bool(i == 0);
    if (jstr_is(name, "last")) return jval_bool(i + 1 >= n);
    if (jstr_is(name, "length")) return jval_int((int64_t)n);
    if (jstr_is(name, "depth")) return jval_int((int64_t)l->depth0 + 1);
    if (jstr_is(name, "depth0")) return jval_int((int64_t)l->depth0);
    if (jstr_is(name, "previtem"))
        return i == 0 ? jval_undef_hint(r, "there is no previous item") : l->items->v[i - 1];
    if (jstr_is(name, "nextitem"))
        return i + 1 >= n ? jval_undef_hint(r, "there is no next item") : l->items->v[i + 1];
    return jval_of(J_MISSING);
}

/* What Python's getattr() finds beside methods, or J_MISSING. */
static struct jval plain_attr(struct jrun *r, struct jval obj, const struct jval *name)
{
    const struct jstr *s = name->s;
    struct jval *found;

    switch (obj.type) {
    case J_NS:
        found = jdict_find(r, obj.d, *name);
        return found ? *found : jval_of(r->failed ? J_ERROR : J_MISSING);
    case J_LOOP:
        return loop_attr(r, obj.loop, s);
    case J_CYCLER:
        if (jstr_is(s, "current")) return obj.cycler->items->v[obj.cycler->at];
        break;
    case J_TUPLE:
        if (obj.l->grouped && jstr_is(s, "grouper")) return obj.l->v[0];
        if (obj.l->grouped && jstr_is(s, "list")) return obj.l->v[1];
        break;
    case J_RANGE:
        if (jstr_is(s, "start")) return jval_int(obj.range->start);
        if (jstr_is(s, "stop")) return jval_int(obj.range->stop);
        if (jstr_is(s, "step")) return jval_int(obj.range->step);
        break;
    case J_FUNC:
        if (obj.fn->macro && jstr_is(s, "name") && obj.fn->macro->sym >= 0)
            return r->t->sym[obj.fn->macro->sym];
        break;
    default:
        break;
    }
    return jval_of(J_MISSING);
}

struct jval jeval_getattr(struct jrun *r, struct jval obj, struct jval name)
{
    struct slice s = { name.s->p, name.s->n };
    struct jval v = plain_attr(r, obj, &name);
    const struct jnative *f;

    if (v.type != J_MISSING || obj.type == J_NS) return v;
    f = jmethod_find(obj, s);
    if (f) return method_new(r, f, obj);
    if (jmethod_mutates(obj, s)) return unsafe_undef(r, obj, name);
    if (s.n > 4 && memcmp(s.p, "__", 2) == 0 && memcmp(s.p + s.n - 2, "__", 2) == 0)
        return unsafe_undef(r, obj, name);
    return v;
}

/* obj[key] where Python would find something, else J_MISSING. */
static struct jval get_item(struct jrun *r, struct jval obj, struct jval key)
{
    struct jval *found;
    int64_t i, n;

    if (obj.type == J_DICT) {
        if (key.type == J_LIST || key.type == J_DICT) return jval_of(J_MISSING);
        found = jdict_find(r, obj.d, key);
        return found ? *found : jval_of(r->failed ? J_ERROR : J_MISSING);
    }
    if (obj.type != J_STR && obj.type != J_LIST && obj.type != J_TUPLE && obj.type != J_RANGE)
        return jval_of(J_MISSING);
    if (!jval_as_int(key, &i)) return jval_of(J_MISSING);
    if (obj.type == J_STR && !jstr_count(r, obj.s)) return jval_of(J_ERROR);
    n = jval_len(obj);
    if (i < 0) i += n;
    if (i < 0 || i >= n) return jval_of(J_MISSING);
    if (obj.type == J_RANGE) return jval_int(jrange_at(obj.range, (size_t)i));
    if (obj.type != J_STR) return obj.l->v[i];
    size_t at = jstr_byte(obj.s, (size_t)i), len = 0;
    uint32_t cp;
    if (!jrun_spend(r, obj.s->n_char == obj.s->n ? 0 : at / 8)) return jval_of(J_ERROR);
    len = jstr_decode(obj.s->p + at, obj.s->n - at, &cp);
    return jval_str(jstr_part(r, obj.s, at, len));
}

struct jval jeval_attr(struct jrun *r, struct jval obj, struct jval name)
{
    struct jval v;

    if (obj.type == J_UNDEF) return jval_fail_undef(r, obj);
    v = jeval_getattr(r, obj, name);
    if (v.type == J_MISSING) v = get_item(r, obj, name);
    return v.type == J_MISSING ? jval_undef(r, obj, name) : v;
}

struct jval jeval_item(struct jrun *r, struct jval obj, struct jval key)
{
    struct jval v;

    if (obj.type == J_UNDEF) return jval_fail_undef(r, obj);
    v = get_item(r, obj, key);
    if (v.type == J_MISSING && key.type == J_STR) v = jeval_getattr(r, obj, key);
    return v.type == J_MISSING ? jval_undef(r, obj, key) : v;
}

/* --- calls --- */

/* The next word of a row's parameters; *need: it ends in '!'. */
static struct slice next_param(const char **at, bool *need)
{
    struct slice s = { *at, strcspn(*at, " ") };

    *at += s.n;
    *at += **at == ' ';
    *need = s.n > 0 && s.p[s.n - 1] == '!';
    s.n -= *need;
    return s;
}

static const struct jval *find_kw(const struct jcall *c, struct slice name)
{
    for (size_t i = 0; i < c->n_kw; i++)
        if (c->kw[i].name->n == name.n && memcmp(c->kw[i].name->p, name.p, name.n) == 0)
            return &c->kw[i].v;
    return NULL;
}

static bool bind(struct jrun *r, const struct jnative *f, struct jcall *c)
{
    const char *at = f->params;
    size_t n = 0, n_kw = 0;
    bool need;

    for (; *at; n++) {
        struct slice name = next_param(&at, &need);
        const struct jval *kw = find_kw(c, name);
        n_kw += kw != NULL;
        if (n < c->n_pos && kw) {
            jrun_fail(r, TEMPLATE_RUNTIME, "%s() got multiple values for argument '%.*s'", f->name,
                      (int)name.n, name.p);
            return false;
        }
        c->v[n] = n < c->n_pos ? c->pos[n] : kw ? *kw : jval_of(J_MISSING);
        if (need && c->v[n].type == J_MISSING) {
            jrun_fail(r, TEMPLATE_RUNTIME, "%s() missing required argument '%.*s'", f->name,
                      (int)name.n, name.p);
            return false;
        }
    }
    if (c->n_pos <= n && n_kw == c->n_kw) return true;
    jrun_fail(r, TEMPLATE_RUNTIME,
              c->n_pos > n ? "%s() takes fewer arguments" : "%s() got an unexpected keyword",
              f->name);
    return false;
}

struct jval jeval_native(struct jrun *r, const struct jnative *f, struct jval self,
                         const struct jcall *c)
{
    struct jcall bound = *c;

    if (strcmp(f->params, "*") != 0 && !bind(r, f, &bound)) return jval_of(J_ERROR);
    return f->fn(r, self, &bound);
}

static struct jval call_joiner(struct jrun *r, struct jcycler *j)
{
    return j->at++ == 0 ? jstr_lit(r, "") : j->items->v[0];
}

struct jval jeval_call(struct jrun *r, struct jval fn, const struct jcall *c)
{
    switch (fn.type) {
    case J_ERROR:
        return fn;
    case J_UNDEF:
        return jval_fail_undef(r, fn);
    case J_JOINER:
        return call_joiner(r, fn.cycler);
    case J_LOOP:
        if (c->n_pos == 1 && c->n_kw == 0) return jexec_recurse(r, fn.loop, c->pos[0]);
        return jrun_fail(r, TEMPLATE_RUNTIME, "loop() takes one argument");
    case J_FUNC:
        if (fn.fn->macro) return jexec_macro(r, fn.fn, c);
        return jeval_native(r, fn.fn->native, fn.fn->self, c);
    default:
        return jrun_fail(r, TEMPLATE_RUNTIME, "'%s' object is not callable", jval_type_name(fn));
    }
}

/* *args behind the positional ones. */
static bool spread_pos(struct jrun *r, const struct jnode *star, struct jlist *pos)
{
    const struct jlist *more;
    struct jval v;

    if (!star) return true;
    v = jeval(r, star);
    if (jval_is_err(v) || !(more = jval_items(r, v))) return false;
    for (size_t i = 0; i < more->n; i++)
        if (!jrun_spend(r, 1) || !jlist_push(r, pos, more->v[i])) return false;
    return true;
}

/* Room for the keywords of a call, and the dict behind ** (or J_MISSING). */
static struct jkw *room_for_kw(struct jrun *r, const struct jargs *a, struct jval *star2)
{
    size_t n = a->n_kw + 1;

    *star2 = jval_of(J_MISSING);
    if (a->star2) {
        *star2 = jeval(r, a->star2);
        if (jval_is_err(*star2)) return NULL;
        if (star2->type != J_DICT) {
            jrun_fail(r, TEMPLATE_RUNTIME, "argument after ** must be a mapping");
            return NULL;
        }
        n += star2->d->n;
    }
    return jrun_array(r, n, sizeof(struct jkw));
}

static bool push_kw(struct jrun *r, struct jcall *c, struct jkw *kw, struct jkw one)
{
    if (jval_is_err(one.v)) return false;
    if (find_kw(c, (struct slice){ one.name->p, one.name->n })) {
        jrun_fail(r, TEMPLATE_RUNTIME, "keyword argument repeated");
        return false;
    }
    kw[c->n_kw++] = one;
    return jrun_spend(r, c->n_kw);
}

bool jeval_args(struct jrun *r, const struct jargs *a, const struct jkw *extra, struct jcall *c)
{
    struct jlist pos = { 0 };
    struct jval star2;
    struct jkw *kw;

    memset(c, 0, sizeof(*c));
    for (size_t i = 0; i < a->n_pos; i++)
        if (!jlist_push(r, &pos, jeval(r, a->pos[i]))) return false;
    if (!spread_pos(r, a->star, &pos)) return false;
    c->pos = pos.v;
    c->n_pos = pos.n;
    if (!a->n_kw && !a->star2 && !extra) return true;
    kw = room_for_kw(r, a, &star2);
    c->kw = kw;
    for (size_t i = 0; kw && i < a->n_kw; i++)
        if (!push_kw(r, c, kw, (struct jkw){ a->kw[i].name.s, jeval(r, a->kw[i].value) }))
            return false;
    for (size_t i = 0; kw && star2.type == J_DICT && i < star2.d->n; i++) {
        const struct jpair *e = &star2.d->e[i];
        if (e->k.type != J_STR) {
            jrun_fail(r, TEMPLATE_RUNTIME, "keywords must be strings");
            return false;
        }
        if (!push_kw(r, c, kw, (struct jkw){ e->k.s, e->v })) return false;
    }
    return kw && (!extra || push_kw(r, c, kw, *extra));
}

/* --- postfix operators --- */

static struct jval eval_slice(struct jrun *r, const struct jpost *post, struct jval v)
{
    struct jval part[3];

    for (int i = 0; i < 3; i++) {
        part[i] = post->slice[i] ? jeval(r, post->slice[i]) : jval_of(J_NONE);
        if (jval_is_err(part[i])) return part[i];
    }
    return jops_slice(r, v, part);
}

static struct jval eval_native(struct jrun *r, const struct jpost *post, struct jval v)
{
    struct jcall c;
    bool is_test = post->kind == JPOST_TEST;

    if (!post->native) {
        char name[64];
        slice_print(name, sizeof(name), (struct slice){ post->name.s->p, post->name.s->n });
        return jrun_fail(r, TEMPLATE_RUNTIME, "No %s named '%s'.", is_test ? "test" : "filter",
                         name);
    }
    if (!jeval_args(r, &post->args, NULL, &c)) return jval_of(J_ERROR);
    v = jeval_native(r, post->native, v, &c);
    if (jval_is_err(v) || !is_test) return v;
    return jval_bool(jval_truth(v) != post->negate);
}

struct jval jeval_post(struct jrun *r, const struct jpost *post, struct jval v,
                       const struct jkw *extra)
{
    struct jcall c;
    struct jval key;

    r->line = post->line;
    if (!jrun_spend(r, 1)) return jval_of(J_ERROR);
    switch (post->kind) {
    case JPOST_ATTR:
        return jeval_attr(r, v, post->name);
    case JPOST_ITEM:
        key = jeval(r, post->item);
        return jval_is_err(key) ? key : jeval_item(r, v, key);
    case JPOST_SLICE:
        return eval_slice(r, post, v);
    case JPOST_CALL:
        if (!jeval_args(r, &post->args, extra, &c)) return jval_of(J_ERROR);
        r->line = post->line;
        return jeval_call(r, v, &c);
    case JPOST_FILTER:
    case JPOST_TEST:
        return eval_native(r, post, v);
    }
    return jval_of(J_ERROR);
}

/* --- the other nodes --- */

static struct jval eval_chain(struct jrun *r, const struct jnode *n)
{
    struct jval v = jeval(r, n->kid[0]);

    for (size_t i = 1; !jval_is_err(v) && i < n->n_kid; i++) {
        struct jval b = jeval(r, n->kid[i]);
        if (jval_is_err(b)) return b;
        r->line = n->line;
        v = jops_binary(r, n->ops[i], v, b);
    }
    return v;
}

static struct jval eval_compare(struct jrun *r, const struct jnode *n)
{
    struct jval a = jeval(r, n->kid[0]);
    bool holds = true;

    for (size_t i = 1; holds && !jval_is_err(a) && i < n->n_kid; i++) {
        struct jval b = jeval(r, n->kid[i]);
        if (jval_is_err(b)) return b;
        r->line = n->line;
        holds = jops_compare(r, n->ops[i], a, b);
        if (r->failed) return jval_of(J_ERROR);
        a = b;
    }
    return jval_is_err(a) ? a : jval_bool(holds);
}

static struct jval eval_concat(struct jrun *r, const struct jnode *n)
{
    struct jbuf b;

    jbuf_init(&b, r);
    for (size_t i = 0; i < n->n_kid; i++) {
        struct jval v = jeval(r, n->kid[i]);
        if (jval_is_err(v)) return v;
        jtext_put(&b, v);
    }
    return jbuf_done(&b);
}

/* `and` stops at the first false operand, `or` at the first true one. */
static struct jval eval_logic(struct jrun *r, const struct jnode *n)
{
    struct jval v = jval_of(J_NONE);

    for (size_t i = 0; i < n->n_kid; i++) {
        v = jeval(r, n->kid[i]);
        if (jval_is_err(v) || jval_truth(v) == (n->kind == JN_OR)) break;
    }
    return v;
}

static struct jval eval_cond(struct jrun *r, const struct jnode *n)
{
    size_t i;

    for (i = 0; i + 1 < n->n_kid; i += 2) {
        struct jval c = jeval(r, n->kid[i + 1]);
        if (jval_is_err(c)) return c;
        if (jval_truth(c)) return jeval(r, n->kid[i]);
    }
    if (i < n->n_kid) return jeval(r, n->kid[i]);
    return jval_undef_hint(
        r, "the inline if-expression evaluated to false and no else section was defined.");
}

static struct jval eval_items(struct jrun *r, const struct jnode *n)
{
    struct jlist *l = jlist_new(r, n->n_kid);

    for (size_t i = 0; l && i < n->n_kid; i++)
        if (!jlist_push(r, l, jeval(r, n->kid[i]))) return jval_of(J_ERROR);
    return jval_list(n->kind == JN_LIST ? J_LIST : J_TUPLE, l);
}

static struct jval eval_dict(struct jrun *r, const struct jnode *n)
{
    struct jdict *d = jdict_new(r, n->n_kid / 2);

    for (size_t i = 0; d && i < n->n_kid; i += 2) {
        struct jval k = jeval(r, n->kid[i]);
        if (jval_is_err(k) || !jdict_set(r, d, k, jeval(r, n->kid[i + 1]))) return jval_of(J_ERROR);
    }
    return jval_dict(d);
}

static struct jval eval_name(struct jrun *r, const struct jnode *n)
{
    struct jval v = jscope_get(r, n->sym);

    return v.type == J_MISSING ? jval_undef(r, v, n->val) : v;
}

static struct jval eval_postfix(struct jrun *r, const struct jnode *n)
{
    struct jval v = jeval(r, n->kid[0]);

    for (size_t i = 0; !jval_is_err(v) && i < n->n_post; i++)
        v = jeval_post(r, &n->post[i], v, NULL);
    return v;
}

static struct jval eval_node(struct jrun *r, const struct jnode *n)
{
    struct jval v;

    switch (n->kind) {
    case JN_CHAIN:
        return eval_chain(r, n);
    case JN_CONCAT:
        return eval_concat(r, n);
    case JN_AND:
    case JN_OR:
        return eval_logic(r, n);
    case JN_COMPARE:
        return eval_compare(r, n);
    case JN_COND:
        return eval_cond(r, n);
    case JN_POSTFIX:
        return eval_postfix(r, n);
    case JN_LIST:
    case JN_TUPLE:
        return eval_items(r, n);
    case JN_DICT:
        return eval_dict(r, n);
    default: /* JN_NOT, JN_SIGN */
        v = jeval(r, n->kid[0]);
        if (jval_is_err(v)) return v;
        if (n->kind == JN_NOT) return jval_bool(jval_truth(v) != n->flag);
        r->line = n->line;
        return jops_sign(r, v, n->flag);
    }
}

struct jval jeval(struct jrun *r, const struct jnode *n)
{
    struct jval v;

    if (!jrun_spend(r, 2)) return jval_of(J_ERROR);
    if (n->kind == JN_CONST) return n->val;
    if (n->kind == JN_NAME) return eval_name(r, n);
    if (!jrun_enter(r)) return jval_of(J_ERROR);
    v = eval_node(r, n);
    r->depth--;
    return r->failed ? jval_of(J_ERROR) : v;
}
