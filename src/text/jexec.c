/* SPDX-License-Identifier: MIT */
/*
 * jexec.c - runs statements: scopes, loops, macros, blocks.
 *
 * Scoping is Jinja2's: `if` shares the scope around it; loop bodies, macros,
 * blocks, {% with %} and captured texts have their own, so what they set is
 * gone behind them. Text goes to r->out, which captures exchange.
 */
#include "text/jeval.h"

enum flow { FLOW_NEXT, FLOW_BREAK, FLOW_CONTINUE, FLOW_FAIL };

static enum flow exec_body(struct jrun *r, const struct jnode *n);

/* --- scopes --- */

struct jval jscope_get(struct jrun *r, int sym)
{
    for (const struct jscope *s = r->scope; s; s = s->parent) {
        if (!jrun_spend(r, s->n / 16)) return jval_of(J_ERROR);
        for (size_t i = 0; i < s->n; i++)
            if (s->slot[i].sym == sym) return s->slot[i].v;
    }
    return r->root[sym];
}

bool jscope_set(struct jrun *r, int sym, struct jval v)
{
    struct jscope *s = r->scope;

    if (jval_is_err(v)) return false;
    if (!s) {
        r->root[sym] = v;
        return true;
    }
    if (!jrun_spend(r, s->n / 16)) return false;
    for (size_t i = 0; i < s->n; i++) {
        if (s->slot[i].sym != sym) continue;
        s->slot[i].v = v;
        return true;
    }
    if (s->n == s->cap) {
        size_t cap = s->cap ? 2 * s->cap : 4;
        struct jslot *slot = jrun_array(r, cap, sizeof(*slot));
        if (!slot) return false;
        if (s->n) memcpy(slot, s->slot, s->n * sizeof(*slot));
        s->slot = slot;
        s->cap = cap;
    }
    s->slot[s->n++] = (struct jslot){ sym, v };
    return true;
}

static bool push_scope(struct jrun *r)
{
    struct jscope *s = jrun_alloc(r, sizeof(*s));

    if (!s) return false;
    s->parent = r->scope;
    r->scope = s;
    return true;
}

/* --- assignment --- */

static bool assign(struct jrun *r, const struct jnode *target, struct jval v);

static bool unpack(struct jrun *r, const struct jnode *target, struct jval v)
{
    const struct jlist *l = jval_items(r, v);

    if (!l) return false;
    if (l->n != target->n_kid) {
        jrun_fail(r, TEMPLATE_RUNTIME, "%s values to unpack (expected %zu)",
                  l->n > target->n_kid ? "too many" : "not enough", target->n_kid);
        return false;
    }
    for (size_t i = 0; i < l->n; i++)
        if (!assign(r, target->kid[i], l->v[i])) return false;
    return true;
}

static bool assign_attr(struct jrun *r, const struct jnode *target, struct jval v)
{
    struct jval ns = jscope_get(r, target->sym);

    if (jval_is_err(ns)) return false;
    if (ns.type != J_NS) {
        jrun_fail(r, TEMPLATE_RUNTIME, "cannot assign attribute on non-namespace object");
        return false;
    }
    if (target->val.s->n > 0 && target->val.s->p[0] == '_') {
        jrun_fail(r, TEMPLATE_RUNTIME, "a namespace stores no names with an underscore in front");
        return false;
    }
    return jdict_set(r, ns.d, target->val, v);
}

static bool assign(struct jrun *r, const struct jnode *target, struct jval v)
{
    bool ok;

    if (jval_is_err(v)) return false;
    if (target->kind == JN_NAME) return jscope_set(r, target->sym, v);
    if (target->kind == JN_NSREF) return assign_attr(r, target, v);
    if (!jrun_enter(r)) return false;
    ok = unpack(r, target, v);
    r->depth--;
    return ok;
}

/* --- captured text --- */

/* Run a body with its text going into *text. */
static enum flow capture(struct jrun *r, const struct jnode *body, struct jval *text)
{
    struct jbuf b, *out = r->out;
    enum flow f;

    jbuf_init(&b, r);
    r->out = &b;
    f = exec_body(r, body);
    r->out = out;
    *text = jbuf_done(&b);
    return jval_is_err(*text) ? FLOW_FAIL : f;
}

static enum flow capture_scoped(struct jrun *r, const struct jnode *body, struct jval *text)
{
    struct jscope *scope = r->scope;
    enum flow f = push_scope(r) ? capture(r, body, text) : FLOW_FAIL;

    r->scope = scope;
    return f;
}

static struct jval apply_filters(struct jrun *r, const struct jnode *n, struct jval v)
{
    for (size_t i = 0; !jval_is_err(v) && i < n->n_post; i++)
        v = jeval_post(r, &n->post[i], v, NULL);
    return v;
}

static bool print(struct jrun *r, struct jval v)
{
    if (!jval_is_err(v)) jtext_put(r->out, v);
    return !r->failed;
}

/* --- loops --- */

enum { FOR_TARGET, FOR_ITER, FOR_TEST, FOR_BODY, FOR_ELSE };

/* The items for which the loop's `if` holds. */
static const struct jlist *filtered(struct jrun *r, const struct jnode *n, const struct jlist *all)
{
    struct jlist *l = jlist_new(r, 0);

    if (!l || !push_scope(r)) return NULL;
    for (size_t i = 0; i < all->n; i++) {
        r->scope->n = 0;
        if (!assign(r, n->kid[FOR_TARGET], all->v[i])) return NULL;
        struct jval keep = jeval(r, n->kid[FOR_TEST]);
        if (jval_is_err(keep)) return NULL;
        if (jval_truth(keep) && !jlist_push(r, l, all->v[i])) return NULL;
    }
    r->scope = r->scope->parent;
    return l;
}

/* One after the other. *ran: some body went through to its end (jinja2's idea of "not empty"). */
static enum flow iterate(struct jrun *r, const struct jnode *n, struct jloop *loop, bool *ran)
{
    if (!push_scope(r)) return FLOW_FAIL;
    for (; loop->index0 < loop->items->n; loop->index0++) {
        r->scope->n = 0;
        if (!jrun_spend(r, 1) || !assign(r, n->kid[FOR_TARGET], loop->items->v[loop->index0]) ||
            !jscope_set(r, r->t->sym_loop, (struct jval){ .type = J_LOOP, .loop = loop }))
            return FLOW_FAIL;
        enum flow f = exec_body(r, n->kid[FOR_BODY]);
        if (f == FLOW_FAIL) return f;
        if (f == FLOW_BREAK) break;
        if (f == FLOW_NEXT) *ran = true;
    }
    return FLOW_NEXT;
}

static enum flow run_loop(struct jrun *r, const struct jnode *n, struct jval items, size_t depth0)
{
    struct jscope *scope = r->scope;
    struct jloop *loop = jrun_alloc(r, sizeof(*loop));
    bool ran = false;
    enum flow f;

    if (!loop || !(loop->items = jval_items(r, items))) return FLOW_FAIL;
    if (n->kid[FOR_TEST] && !(loop->items = filtered(r, n, loop->items))) return FLOW_FAIL;
    loop->depth0 = depth0;
    loop->recursive = n->flag ? n : NULL;
    loop->scope = scope;
    f = iterate(r, n, loop, &ran);
    r->scope = scope;
    if (f == FLOW_FAIL || ran || !n->kid[FOR_ELSE]) return f;
    if (!push_scope(r)) return FLOW_FAIL;
    f = exec_body(r, n->kid[FOR_ELSE]);
    r->scope = scope;
    return f;
}

static enum flow exec_for(struct jrun *r, const struct jnode *n)
{
    struct jval items = jeval(r, n->kid[FOR_ITER]);

    return jval_is_err(items) ? FLOW_FAIL : run_loop(r, n, items, 0);
}

/* Enter a macro or a recursion: bounded on its own, since its text is the author's nesting. */
static bool enter_call(struct jrun *r)
{
    if (++r->calls <= LIMIT_TEMPLATE_DEPTH) return jrun_enter(r);
    jrun_fail(r, TEMPLATE_LIMIT, "macros call each other more than %d levels deep",
              LIMIT_TEMPLATE_DEPTH);
    return false;
}

struct jval jexec_recurse(struct jrun *r, struct jloop *loop, struct jval items)
{
    struct jscope *scope = r->scope;
    struct jbuf b, *out = r->out;
    enum flow f;

    if (!loop->recursive)
        return jrun_fail(r, TEMPLATE_RUNTIME,
                         "The loop must have the 'recursive' marker to be called recursively.");
    if (!enter_call(r)) return jval_of(J_ERROR);
    jbuf_init(&b, r);
    r->out = &b;
    r->scope = loop->scope;
    f = run_loop(r, loop->recursive, items, loop->depth0 + 1);
    r->scope = scope;
    r->out = out;
    r->calls--;
    r->depth--;
    return f == FLOW_FAIL ? jval_of(J_ERROR) : jbuf_done(&b);
}

/* --- macros --- */

static int find_param(const struct jsig *s, const struct jstr *name)
{
    for (size_t i = 0; i < s->n; i++)
        if (jstr_equal(s->name[i].s, name)) return (int)i;
    return -1;
}

/* Keywords: parameters not given by position are set; the others are collected. */
static bool bind_keywords(struct jrun *r, const struct jsig *s, const struct jcall *c,
                          struct jdict *rest)
{
    for (size_t i = 0; i < c->n_kw; i++) {
        int at = find_param(s, c->kw[i].name);
        bool is_caller = jstr_is(c->kw[i].name, "caller") && s->uses & JUSES_CALLER;
        bool ok = true;
        if (at >= 0 && (size_t)at >= c->n_pos) ok = jscope_set(r, s->param[at], c->kw[i].v);
        else if (is_caller) ok = jscope_set(r, r->t->sym_caller, c->kw[i].v);
        else if (s->uses & JUSES_KWARGS)
            ok = jdict_set(r, rest, jval_str(c->kw[i].name), c->kw[i].v);
        else {
            char name[64];
            slice_print(name, sizeof(name), (struct slice){ c->kw[i].name->p, c->kw[i].name->n });
            jrun_fail(r, TEMPLATE_RUNTIME, "macro takes no keyword argument '%s'", name);
            ok = false;
        }
        if (!ok) return false;
    }
    return true;
}

static bool bind_varargs(struct jrun *r, const struct jsig *s, const struct jcall *c)
{
    struct jlist *rest;

    if (!(s->uses & JUSES_VARARGS)) {
        if (c->n_pos <= s->n) return true;
        jrun_fail(r, TEMPLATE_RUNTIME, "macro takes not more than %zu argument(s)", s->n);
        return false;
    }
    rest = jlist_new(r, 0);
    for (size_t i = s->n; rest && i < c->n_pos; i++)
        if (!jlist_push(r, rest, c->pos[i])) return false;
    return jscope_set(r, r->t->sym_varargs, jval_list(J_TUPLE, rest));
}

/* Parameters that were not given take their default, which sees those before it. */
static bool bind_presets(struct jrun *r, const struct jsig *s)
{
    for (size_t i = 0; i < s->n; i++) {
        struct jval v = r->scope->slot[i].v;
        if (v.type != J_MISSING) continue;
        if (s->preset[i]) v = jeval(r, s->preset[i]);
        else {
            v = jval_undef(r, v, s->name[i]);
            if (v.type == J_UNDEF) ((struct jundef *)v.u)->hint = "parameter was not provided";
        }
        if (!jscope_set(r, s->param[i], v)) return false;
    }
    return true;
}

static bool bind_macro(struct jrun *r, const struct jsig *s, const struct jcall *c)
{
    struct jdict *rest = jdict_new(r, 0);

    if (!rest) return false;
    for (size_t i = 0; i < s->n; i++) /* these are slots 0 .. n - 1 of the scope */
        if (!jscope_set(r, s->param[i], i < c->n_pos ? c->pos[i] : jval_of(J_MISSING)))
            return false;
    if (s->uses & JUSES_CALLER &&
        !jscope_set(r, r->t->sym_caller, jval_undef_hint(r, "No caller defined")))
        return false;
    if (!bind_keywords(r, s, c, rest) || !bind_varargs(r, s, c)) return false;
    if (s->uses & JUSES_KWARGS && !jscope_set(r, r->t->sym_kwargs, jval_dict(rest))) return false;
    return bind_presets(r, s);
}

struct jval jexec_macro(struct jrun *r, const struct jfunc *f, const struct jcall *c)
{
    struct jscope *scope = r->scope;
    struct jval text = jval_of(J_ERROR);

    if (!enter_call(r)) return text;
    r->scope = f->scope;
    if (push_scope(r) && bind_macro(r, f->macro->sig, c)) capture(r, f->macro->kid[0], &text);
    r->scope = scope;
    r->calls--;
    r->depth--;
    return text;
}

static struct jval macro_value(struct jrun *r, const struct jnode *n)
{
    struct jfunc *f = jrun_alloc(r, sizeof(*f));

    if (!f) return jval_of(J_ERROR);
    f->macro = n;
    f->scope = r->scope;
    return (struct jval){ .type = J_FUNC, .fn = f };
}

static bool exec_call(struct jrun *r, const struct jnode *n)
{
    static const struct jstr caller = { .p = "caller", .n = 6, .n_char = 6 };
    const struct jnode *call = n->kid[0];
    struct jkw extra = { &caller, macro_value(r, n->kid[1]) };
    struct jval v = jeval(r, call->kid[0]);

    if (jval_is_err(extra.v)) return false;
    for (size_t i = 0; !jval_is_err(v) && i < call->n_post; i++)
        v = jeval_post(r, &call->post[i], v, i + 1 == call->n_post ? &extra : NULL);
    return print(r, v);
}

/* --- the other statements --- */

static enum flow exec_if(struct jrun *r, const struct jnode *n)
{
    size_t i;

    for (i = 0; i + 1 < n->n_kid; i += 2) {
        struct jval c = jeval(r, n->kid[i]);
        if (jval_is_err(c)) return FLOW_FAIL;
        if (jval_truth(c)) return exec_body(r, n->kid[i + 1]);
    }
    return i < n->n_kid ? exec_body(r, n->kid[i]) : FLOW_NEXT;
}

static enum flow exec_capture(struct jrun *r, const struct jnode *n)
{
    bool is_set = n->kind == JS_SETBLOCK;
    struct jval text;
    enum flow f = capture_scoped(r, n->kid[n->n_kid - 1], &text);

    if (f != FLOW_NEXT) return f;
    text = apply_filters(r, n, text);
    if (is_set ? !assign(r, n->kid[0], text) : !print(r, text)) return FLOW_FAIL;
    return FLOW_NEXT;
}

/* A body in a new scope whose parent is `parent`. */
static enum flow exec_scoped(struct jrun *r, const struct jnode *body, struct jscope *parent)
{
    struct jscope *scope = r->scope;
    enum flow f;

    r->scope = parent;
    f = push_scope(r) ? exec_body(r, body) : FLOW_FAIL;
    r->scope = scope;
    return f;
}

static enum flow exec_with(struct jrun *r, const struct jnode *n)
{
    struct jscope *outer = r->scope, *inner;
    size_t last = n->n_kid - 1;
    enum flow f;

    if (!push_scope(r)) return FLOW_FAIL;
    inner = r->scope;
    for (size_t i = 0; i < last; i += 2) { /* values do not see each other */
        r->scope = outer;
        struct jval v = jeval(r, n->kid[i + 1]);
        r->scope = inner;
        if (!assign(r, n->kid[i], v)) return FLOW_FAIL;
    }
    f = exec_body(r, n->kid[last]);
    r->scope = outer;
    return f;
}

static bool exec_refused(struct jrun *r, const struct jnode *n)
{
    char name[32];

    slice_print(name, sizeof(name), (struct slice){ n->val.s->p, n->val.s->n });
    jrun_fail(r, TEMPLATE_RUNTIME, "{%% %s %%}: a chat template has no other templates", name);
    return false;
}

static enum flow flow_of(bool ok)
{
    return ok ? FLOW_NEXT : FLOW_FAIL;
}

static enum flow exec(struct jrun *r, const struct jnode *n)
{
    r->line = n->line;
    switch (n->kind) {
    case JS_TEXT:
        return flow_of(print(r, n->val));
    case JS_PRINT:
        return flow_of(print(r, jeval(r, n->kid[0])));
    case JS_IF:
        return exec_if(r, n);
    case JS_FOR:
        return exec_for(r, n);
    case JS_SET:
        return flow_of(assign(r, n->kid[0], jeval(r, n->kid[1])));
    case JS_SETBLOCK:
    case JS_FILTER:
        return exec_capture(r, n);
    case JS_MACRO:
        return flow_of(jscope_set(r, n->sym, macro_value(r, n)));
    case JS_CALL:
        return flow_of(exec_call(r, n));
    case JS_WITH:
        return exec_with(r, n);
    case JS_BLOCK:
        return exec_scoped(r, n->kid[0], n->flag ? r->scope : NULL);
    case JS_SCOPE:
        return exec_scoped(r, n->kid[0], r->scope);
    case JS_BREAK:
        return FLOW_BREAK;
    case JS_CONTINUE:
        return FLOW_CONTINUE;
    case JS_BODY:
        return exec_body(r, n);
    default:
        return flow_of(exec_refused(r, n));
    }
}

static enum flow exec_body(struct jrun *r, const struct jnode *n)
{
    enum flow f = FLOW_NEXT;

    if (!jrun_enter(r)) return FLOW_FAIL;
    for (size_t i = 0; f == FLOW_NEXT && i < n->n_kid; i++)
        f = jrun_spend(r, 2) ? exec(r, n->kid[i]) : FLOW_FAIL;
    r->depth--;
    return f;
}

bool jexec_template(struct jrun *r)
{
    return exec_body(r, r->t->body) != FLOW_FAIL && !r->failed;
}
