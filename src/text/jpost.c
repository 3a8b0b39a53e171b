/* SPDX-License-Identifier: MIT */
/*
 * jpost.c - what follows a primary expression: .name [item] [a:b:c] (call),
 * then |filters and is-tests. All of one chain lands in one JN_POSTFIX node.
 */
#include "text/jparse.h"

static bool add_keyword(struct jparse *p, struct jargs *a, struct slice name, struct jnode *value)
{
    size_t n = a->n_kw;

    if (!value) return false;
    if ((n & (n - 1)) == 0) { /* full at every power of two */
        struct jkwnode *kw = jrun_array(p->r, n ? 2 * n : 1, sizeof(*kw));
        if (!kw) return false;
        if (n) memcpy(kw, a->kw, n * sizeof(*kw));
        a->kw = kw;
    }
    a->kw[a->n_kw++] = (struct jkwnode){ jparse_str(p, name), value };
    return !p->r->failed;
}

static bool parse_argument(struct jparse *p, struct jargs *a, struct jnode *pos)
{
    struct slice name = p->tok.text;

    if (p->tok.type == '*' && !a->star && !a->star2) {
        jparse_next(p);
        return (a->star = jexpr_parse(p)) != NULL;
    }
    if (p->tok.type == JTOK_POW && !a->star2) {
        jparse_next(p);
        return (a->star2 = jexpr_parse(p)) != NULL;
    }
    if (p->tok.type == JTOK_NAME && jparse_look(p)->type == '=' && !a->star2) {
        jparse_next(p);
        jparse_next(p);
        return add_keyword(p, a, name, jexpr_parse(p));
    }
    if (a->star || a->star2 || a->n_kw) {
        jparse_fail(p, "invalid syntax for function call expression");
        return false;
    }
    return jnode_add(p, pos, jexpr_parse(p));
}

static bool parse_args(struct jparse *p, struct jargs *a)
{
    struct jnode *pos = jnode_new(p, JN_TUPLE);

    if (!pos || !jparse_enter(p)) return false;
    jparse_next(p);
    while (p->tok.type != ')') {
        if (!parse_argument(p, a, pos)) return false;
        if (p->tok.type != ')' && !jparse_expect(p, ',', "',' or ')'")) return false;
    }
    jparse_next(p);
    a->pos = pos->kid;
    a->n_pos = pos->n_kid;
    p->depth--;
    return true;
}

static struct jpost *add_post(struct jparse *p, struct jnode *n, enum jpost_kind kind)
{
    size_t at = n->n_post;

    if ((at & (at - 1)) == 0) {
        struct jpost *post = jrun_array(p->r, at ? 2 * at : 1, sizeof(*post));
        if (!post) return NULL;
        if (at) memcpy(post, n->post, at * sizeof(*post));
        n->post = post;
    }
    n->n_post++;
    n->post[at] = (struct jpost){ .kind = kind, .line = p->tok.line };
    return &n->post[at];
}

/* Is the end of a part of a slice here? */
static bool part_ends(const struct jparse *p)
{
    return p->tok.type == ':' || p->tok.type == ']' || p->tok.type == ',';
}

/* One subscript: an expression, or (returns true in *slice) a:b:c. */
static struct jnode *parse_subscript(struct jparse *p, struct jnode *part[3], bool *slice)
{
    part[0] = part[1] = part[2] = NULL;
    for (int i = 0; i < 3; i++) {
        if (!part_ends(p) && !(part[i] = jexpr_parse(p))) return NULL;
        if (p->tok.type != ':' || i == 2) break;
        *slice = true;
        jparse_next(p);
    }
    if (*slice || part[0]) return part[0];
    if (p->tok.type == ']') return jnode_new(p, JN_TUPLE); /* x[] asks for the empty tuple */
    return jparse_fail(p, "an expression was expected");
}

static bool parse_brackets(struct jparse *p, struct jnode *n)
{
    struct jnode *part[3], *tuple = NULL, *item;
    bool slice = false;
    int line = p->tok.line;

    if (!jparse_enter(p)) return false;
    jparse_next(p);
    item = parse_subscript(p, part, &slice);
    if (p->r->failed) return false;
    while (!slice && p->tok.type == ',') { /* x[a, b] has a tuple for its key */
        if (!tuple) {
            tuple = jnode_new(p, JN_TUPLE);
            if (!tuple || !jnode_add(p, tuple, item)) return false;
        }
        jparse_next(p);
        if (!jnode_add(p, tuple, jexpr_parse(p))) return false;
    }
    if (!jparse_expect(p, ']', "']'")) return false;
    p->depth--;
    struct jpost *post = add_post(p, n, slice ? JPOST_SLICE : JPOST_ITEM);
    if (!post) return false;
    post->line = line;
    post->item = tuple ? tuple : item;
    if (slice) memcpy(post->slice, part, sizeof(part));
    return true;
}

static bool parse_dot(struct jparse *p, struct jnode *n)
{
    struct jpost *post;

    jparse_next(p);
    if (p->tok.type == JTOK_NUMBER && p->tok.val.type == J_INT) {
        post = add_post(p, n, JPOST_ITEM);
        if (!post || !(post->item = jexpr_constant(p, p->tok.val))) return false;
    } else if (p->tok.type == JTOK_NAME) {
        post = add_post(p, n, JPOST_ATTR);
        if (!post) return false;
        post->name = jparse_str(p, p->tok.text);
    } else {
        jparse_fail(p, "expected name or number");
        return false;
    }
    jparse_next(p);
    return !p->r->failed;
}

static bool parse_call(struct jparse *p, struct jnode *n)
{
    struct jpost *post = add_post(p, n, JPOST_CALL);
    struct jargs args = { 0 };

    if (!post || !parse_args(p, &args)) return false;
    n->post[n->n_post - 1].args = args;
    return true;
}

bool jpost_chain(struct jparse *p, struct jnode *n)
{
    for (;;) {
        bool ok = true;
        if (p->tok.type == '.') ok = parse_dot(p, n);
        else if (p->tok.type == '[') ok = parse_brackets(p, n);
        else if (p->tok.type == '(') ok = parse_call(p, n);
        else return !p->r->failed;
        if (!ok) return false;
    }
}

/* name.name.name of a filter or test */
static bool parse_dotted(struct jparse *p, struct slice *name)
{
    *name = p->tok.text;
    if (!jparse_expect(p, JTOK_NAME, "a name")) return false;
    while (p->tok.type == '.') {
        jparse_next(p);
        struct slice part = p->tok.text;
        if (!jparse_expect(p, JTOK_NAME, "a name")) return false;
        name->n = (size_t)(part.p + part.n - name->p);
    }
    return true;
}

static bool note_unknown(struct jparse *p, const struct jpost *post, const char *kind)
{
    struct junknown *u;

    if (post->native) return true;
    u = jrun_alloc(p->r, sizeof(*u));
    if (!u) return false;
    *u = (struct junknown){ p->unknown, false, post->line, kind, post->name };
    p->unknown = u;
    return true;
}

void jpost_settle(struct jparse *p, const struct junknown *mark, bool hard)
{
    struct junknown **at = &p->unknown;

    while (*at != mark) {
        if (hard) (*at)->hard = true;
        if (!(*at)->hard) *at = (*at)->next;
        else at = &(*at)->next;
    }
}

static bool parse_filter(struct jparse *p, struct jnode *n)
{
    struct jpost *post = add_post(p, n, JPOST_FILTER);
    struct jargs args = { 0 };
    struct slice name;
    size_t at = n->n_post - 1;

    if (!post || !parse_dotted(p, &name)) return false;
    post->name = jparse_str(p, name);
    post->native = jfilter_find(name);
    if (p->r->failed || !note_unknown(p, post, "filter")) return false;
    if (p->tok.type == '(' && !parse_args(p, &args)) return false;
    n->post[at].args = args;
    return true;
}

bool jpost_filters(struct jparse *p, struct jnode *n, bool first)
{
    while (first || p->tok.type == '|') {
        if (!first) jparse_next(p);
        if (!parse_filter(p, n)) return false;
        first = false;
    }
    return true;
}

/* The argument of a test without parentheses: `x is divisibleby 3`. */
static bool parse_test_arg(struct jparse *p, struct jargs *a)
{
    struct jnode *wrap, *tuple;

    wrap = jnode_new(p, JN_POSTFIX);
    tuple = jnode_new(p, JN_TUPLE);
    if (!wrap || !tuple || !jnode_add(p, wrap, jexpr_parse_primary(p)) || !jpost_chain(p, wrap) ||
        !jnode_add(p, tuple, wrap))
        return false;
    a->pos = tuple->kid;
    a->n_pos = 1;
    return true;
}

static bool starts_test_arg(const struct jparse *p)
{
    const struct jtok *t = &p->tok;

    if (t->type == JTOK_NAME)
        return !jparse_is_name(t, "else") && !jparse_is_name(t, "or") && !jparse_is_name(t, "and");
    return t->type == JTOK_STR || t->type == JTOK_NUMBER || t->type == '[' || t->type == '{';
}

static bool parse_test(struct jparse *p, struct jnode *n)
{
    struct jpost *post = add_post(p, n, JPOST_TEST);
    struct jargs args = { 0 };
    struct slice name;
    size_t at = n->n_post - 1;

    jparse_next(p); /* is */
    if (!post) return false;
    post->negate = jparse_skip_name(p, "not");
    if (!parse_dotted(p, &name)) return false;
    post->name = jparse_str(p, name);
    post->native = jtest_find(name);
    if (p->r->failed || !note_unknown(p, post, "test")) return false;
    if (jparse_is_name(&p->tok, "is")) {
        jparse_fail(p, "You cannot chain multiple tests with is");
        return false;
    }
    if (p->tok.type == '(' ? !parse_args(p, &args)
                           : starts_test_arg(p) && !parse_test_arg(p, &args))
        return false;
    n->post[at].args = args;
    return true;
}

bool jpost_tail(struct jparse *p, struct jnode *n)
{
    for (;;) {
        bool ok = true;
        if (p->tok.type == '|') ok = jpost_filters(p, n, false);
        else if (jparse_is_name(&p->tok, "is")) ok = parse_test(p, n);
        else if (p->tok.type == '(') ok = parse_call(p, n);
        else return !p->r->failed;
        if (!ok) return false;
    }
}
