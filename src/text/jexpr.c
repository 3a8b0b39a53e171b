/* SPDX-License-Identifier: MIT */
/*
 * jexpr.c - the expression grammar of Jinja2, from weakest to strongest:
 *   if-else, or, and, not, comparisons and in, + -, ~, * / // %, **, sign,
 *   primary with what follows it (jpost.c).
 */
#include "text/jparse.h"

#include "text/jstr.h"

/* --- primaries --- */

struct jnode *jexpr_constant(struct jparse *p, struct jval v)
{
    struct jnode *n = jnode_new(p, JN_CONST);

    if (n) n->val = v;
    return n;
}

static struct jnode *parse_strings(struct jparse *p)
{
    struct jnode *n = jexpr_constant(p, p->tok.val);
    struct jbuf b;

    if (!n || p->tok.type != JTOK_STR) return NULL;
    jparse_next(p);
    if (p->tok.type != JTOK_STR) return n;
    jbuf_init(&b, p->r);
    jbuf_str(&b, n->val.s);
    for (; p->tok.type == JTOK_STR; jparse_next(p))
        jbuf_str(&b, p->tok.val.s);
    n->val = jbuf_done(&b);
    if (jval_is_err(n->val)) return NULL;
    jstr_len(n->val.s);
    return n;
}

static struct jnode *parse_name(struct jparse *p)
{
    static const struct {
        const char *name;
        struct jval v;
    } words[] = {
        { "true", { .type = J_BOOL, .b = true } },
        { "false", { .type = J_BOOL, .b = false } },
        { "True", { .type = J_BOOL, .b = true } },
        { "False", { .type = J_BOOL, .b = false } },
        { "none", { .type = J_NONE } },
        { "None", { .type = J_NONE } },
    };
    struct slice name = p->tok.text;
    struct jnode *n;

    for (size_t i = 0; i < COUNT(words); i++) {
        if (!slice_is(name, words[i].name)) continue;
        n = jexpr_constant(p, words[i].v);
        jparse_next(p);
        return n;
    }
    n = jnode_new(p, JN_NAME);
    if (!n || (n->sym = jparse_symbol(p, name)) < 0) return NULL;
    n->val = p->t->sym[n->sym];
    if (n->sym == p->t->sym_caller) p->uses |= JUSES_CALLER;
    if (n->sym == p->t->sym_kwargs) p->uses |= JUSES_KWARGS;
    if (n->sym == p->t->sym_varargs) p->uses |= JUSES_VARARGS;
    jparse_next(p);
    return n;
}

static struct jnode *parse_list(struct jparse *p)
{
    struct jnode *n = jnode_new(p, JN_LIST);

    jparse_next(p);
    while (n && p->tok.type != ']') {
        if (!jnode_add(p, n, jexpr_parse(p))) return NULL;
        if (p->tok.type != ']' && !jparse_expect(p, ',', "',' or ']'")) return NULL;
    }
    jparse_next(p);
    return n;
}

static struct jnode *parse_dict(struct jparse *p)
{
    struct jnode *n = jnode_new(p, JN_DICT);

    jparse_next(p);
    while (n && p->tok.type != '}') {
        if (!jnode_add(p, n, jexpr_parse(p)) || !jparse_expect(p, ':', "':'") ||
            !jnode_add(p, n, jexpr_parse(p)))
            return NULL;
        if (p->tok.type != '}' && !jparse_expect(p, ',', "',' or '}'")) return NULL;
    }
    jparse_next(p);
    return n;
}

static struct jnode *parse_parens(struct jparse *p)
{
    struct jnode *n;

    jparse_next(p);
    if (p->tok.type == ')') n = jnode_new(p, JN_TUPLE);
    else n = jexpr_parse_tuple(p, true, NULL);
    return n && jparse_expect(p, ')', "')'") ? n : NULL;
}

static struct jnode *parse_bracketed(struct jparse *p)
{
    struct jnode *n;

    if (!jparse_enter(p)) return NULL;
    if (p->tok.type == '(') n = parse_parens(p);
    else n = p->tok.type == '[' ? parse_list(p) : parse_dict(p);
    p->depth--;
    return n;
}

struct jnode *jexpr_parse_primary(struct jparse *p)
{
    struct jnode *n;

    switch (p->tok.type) {
    case JTOK_NAME:
        return parse_name(p);
    case JTOK_STR:
        return parse_strings(p);
    case JTOK_NUMBER:
        n = jexpr_constant(p, p->tok.val);
        jparse_next(p);
        return n;
    case '(':
    case '[':
    case '{':
        return parse_bracketed(p);
    default:
        return jparse_fail(p, "an expression was expected");
    }
}

/* --- operators --- */

/* Wraps n for postfix operators; a wrap without any is taken off again. */
static struct jnode *wrapped(struct jparse *p, struct jnode *n)
{
    struct jnode *w = n ? jnode_new(p, JN_POSTFIX) : NULL;

    return w && jnode_add(p, w, n) ? w : NULL;
}

static struct jnode *unwrapped(struct jnode *w)
{
    return w->n_post ? w : w->kid[0];
}

static struct jnode *parse_unary(struct jparse *p)
{
    struct jnode *n, *sign = NULL;

    for (; p->tok.type == '-' || p->tok.type == '+'; jparse_next(p)) {
        if (!sign && !(sign = jnode_new(p, JN_SIGN))) return NULL;
        sign->flag ^= p->tok.type == '-';
    }
    n = wrapped(p, jexpr_parse_primary(p));
    if (!n || !jpost_chain(p, n)) return NULL;
    if (sign) { /* filters come after the sign */
        if (!jnode_add(p, sign, unwrapped(n))) return NULL;
        n = wrapped(p, sign);
    }
    return n && jpost_tail(p, n) ? unwrapped(n) : NULL;
}

static int math_op(int type)
{
    static const struct {
        int type, op;
    } ops[] = { { '+', JOP_ADD },
                { '-', JOP_SUB },
                { '*', JOP_MUL },
                { '/', JOP_DIV },
                { JTOK_FLOORDIV, JOP_FLOORDIV },
                { '%', JOP_MOD },
                { JTOK_POW, JOP_POW } };

    for (size_t i = 0; i < COUNT(ops); i++)
        if (ops[i].type == type) return ops[i].op;
    return -1;
}

/* operand op operand op ...: one JN_CHAIN (or JN_COMPARE) */
static bool add_operand(struct jparse *p, struct jnode **chain, struct jnode *n, int op)
{
    enum jkind kind = op >= JOP_EQ ? JN_COMPARE : JN_CHAIN;
    struct jnode *first = *chain;
    size_t at;

    if (!n) return false;
    if (first->kind != kind || !first->flag) {
        *chain = jnode_new(p, kind);
        if (!*chain || !jnode_add(p, *chain, first)) return false;
        (*chain)->flag = true; /* open: this level's own */
    }
    at = (*chain)->n_kid;
    if ((at & (at - 1)) == 0) {
        uint8_t *ops = jrun_alloc(p->r, 2 * at);
        if (!ops) return false;
        if ((*chain)->ops) memcpy(ops, (*chain)->ops, at);
        (*chain)->ops = ops;
    }
    (*chain)->ops[at] = (uint8_t)op;
    return jnode_add(p, *chain, n);
}

static struct jnode *closed(struct jnode *n)
{
    if (n && (n->kind == JN_CHAIN || n->kind == JN_COMPARE)) n->flag = false;
    return n;
}

static struct jnode *parse_pow(struct jparse *p)
{
    struct jnode *n = parse_unary(p);

    while (n && p->tok.type == JTOK_POW) {
        jparse_next(p);
        if (!add_operand(p, &n, parse_unary(p), JOP_POW)) return NULL;
    }
    return closed(n);
}

static struct jnode *parse_math2(struct jparse *p)
{
    struct jnode *n = parse_pow(p);
    int op;

    while (n && (op = math_op(p->tok.type)) >= JOP_MUL && op < JOP_POW) {
        jparse_next(p);
        if (!add_operand(p, &n, parse_pow(p), op)) return NULL;
    }
    return closed(n);
}

static struct jnode *parse_concat(struct jparse *p)
{
    struct jnode *n = parse_math2(p), *all = NULL;

    while (n && p->tok.type == '~') {
        if (!all && (!(all = jnode_new(p, JN_CONCAT)) || !jnode_add(p, all, n))) return NULL;
        jparse_next(p);
        if (!jnode_add(p, all, parse_math2(p))) return NULL;
    }
    return all ? all : n;
}

static struct jnode *parse_math1(struct jparse *p)
{
    struct jnode *n = parse_concat(p);

    while (n && (p->tok.type == '+' || p->tok.type == '-')) {
        int op = math_op(p->tok.type);
        jparse_next(p);
        if (!add_operand(p, &n, parse_concat(p), op)) return NULL;
    }
    return closed(n);
}

static int compare_op(struct jparse *p)
{
    static const struct {
        int type, op;
    } ops[] = { { JTOK_EQ, JOP_EQ }, { JTOK_NE, JOP_NE }, { '<', JOP_LT },
                { JTOK_LE, JOP_LE }, { '>', JOP_GT },     { JTOK_GE, JOP_GE } };

    for (size_t i = 0; i < COUNT(ops); i++)
        if (ops[i].type == p->tok.type) return ops[i].op;
    if (jparse_is_name(&p->tok, "in")) return JOP_IN;
    if (!jparse_is_name(&p->tok, "not") || !jparse_is_name(jparse_look(p), "in")) return -1;
    jparse_next(p);
    return JOP_NOTIN;
}

static struct jnode *parse_compare(struct jparse *p)
{
    struct jnode *n = parse_math1(p);
    int op;

    while (n && (op = compare_op(p)) >= 0) {
        jparse_next(p);
        if (!add_operand(p, &n, parse_math1(p), op)) return NULL;
    }
    return closed(n);
}

static struct jnode *parse_not(struct jparse *p)
{
    struct jnode *n = NULL;

    for (; jparse_is_name(&p->tok, "not"); jparse_next(p)) {
        if (!n && !(n = jnode_new(p, JN_NOT))) return NULL;
        n->flag = !n->flag;
    }
    if (!n) return parse_compare(p);
    return jnode_add(p, n, parse_compare(p)) ? n : NULL;
}

static struct jnode *parse_and(struct jparse *p)
{
    struct jnode *n = parse_not(p), *all = NULL;

    while (n && jparse_is_name(&p->tok, "and")) {
        if (!all && (!(all = jnode_new(p, JN_AND)) || !jnode_add(p, all, n))) return NULL;
        jparse_next(p);
        if (!jnode_add(p, all, parse_not(p))) return NULL;
    }
    return all ? all : n;
}

struct jnode *jexpr_parse_no_cond(struct jparse *p)
{
    struct jnode *n = parse_and(p), *all = NULL;

    while (n && jparse_is_name(&p->tok, "or")) {
        if (!all && (!(all = jnode_new(p, JN_OR)) || !jnode_add(p, all, n))) return NULL;
        jparse_next(p);
        if (!jnode_add(p, all, parse_and(p))) return NULL;
    }
    return all ? all : n;
}

/*
 * `a if b else c if d else e` is a if b else (c if d else e): one flat node. A
 * condition without else, as in `a if b if c`, wraps what stands before it.
 */
static struct jnode *parse_cond(struct jparse *p)
{
    struct jnode *n = jexpr_parse_no_cond(p), *all = NULL;

    while (n && jparse_skip_name(p, "if")) {
        struct jnode *c = jexpr_parse_no_cond(p), *to = all;
        bool has_else = c && jparse_skip_name(p, "else");
        if (!c || ((!has_else || !all) && !(to = jnode_new(p, JN_COND)))) return NULL;
        if (!jnode_add(p, to, n) || !jnode_add(p, to, c)) return NULL;
        if (has_else) all = to;
        n = has_else ? jexpr_parse_no_cond(p) : to;
    }
    if (!n || !all) return n;
    return jnode_add(p, all, n) ? all : NULL;
}

struct jnode *jexpr_parse(struct jparse *p)
{
    struct junknown *mark = p->unknown;
    struct jnode *n;

    if (!jparse_enter(p)) return NULL;
    n = parse_cond(p);
    if (n && n->kind == JN_COND) jpost_settle(p, mark, false);
    p->depth--;
    return n;
}

static bool tuple_ends(const struct jparse *p, const char *end)
{
    return p->tok.type == JTOK_VAR_END || p->tok.type == JTOK_BLOCK_END || p->tok.type == ')' ||
           (end && jparse_is_name(&p->tok, end));
}

struct jnode *jexpr_parse_tuple(struct jparse *p, bool cond, const char *end)
{
    struct jnode *n, *all;

    if (tuple_ends(p, end)) return jparse_fail(p, "Expected an expression");
    n = cond ? jexpr_parse(p) : jexpr_parse_no_cond(p);
    if (!n || p->tok.type != ',') return n;
    all = jnode_new(p, JN_TUPLE);
    if (!all || !jnode_add(p, all, n)) return NULL;
    while (jparse_skip(p, ',')) {
        if (tuple_ends(p, end)) break;
        if (!jnode_add(p, all, cond ? jexpr_parse(p) : jexpr_parse_no_cond(p))) return NULL;
    }
    return all;
}

/* --- targets --- */

static struct jnode *parse_one_target(struct jparse *p, bool plain)
{
    struct jnode *n;

    if (p->tok.type == '(') {
        if (!jparse_enter(p)) return NULL;
        jparse_next(p);
        n = jexpr_parse_target(p, plain);
        p->depth--;
        return n && jparse_expect(p, ')', "')'") ? n : NULL;
    }
    if (p->tok.type != JTOK_NAME) return jparse_fail(p, "a name to assign to was expected");
    n = parse_name(p);
    if (n && n->kind != JN_NAME) return jparse_fail(p, "can't assign to 'const'");
    if (n && n->sym == p->t->sym_loop && p->fors)
        return jparse_fail(p, "Can't assign to special loop variable in for-loop target");
    if (!n || plain || p->tok.type != '.') return n;
    jparse_next(p);
    n->kind = JN_NSREF;
    n->val = jparse_str(p, p->tok.text);
    return jparse_expect(p, JTOK_NAME, "a name") && !p->r->failed ? n : NULL;
}

struct jnode *jexpr_parse_target(struct jparse *p, bool plain)
{
    struct jnode *n = parse_one_target(p, plain), *all;

    if (!n || p->tok.type != ',') return n;
    all = jnode_new(p, JN_TUPLE);
    if (!all || !jnode_add(p, all, n)) return NULL;
    while (jparse_skip(p, ',')) {
        if (p->tok.type == '=' || tuple_ends(p, NULL)) break;
        if (!jnode_add(p, all, parse_one_target(p, plain))) return NULL;
    }
    return all;
}
