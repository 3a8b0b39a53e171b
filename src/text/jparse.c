/* SPDX-License-Identifier: MIT */
/* jparse.c - tokens and statements (jparse.h), and the compilation of a template. */
#include "text/jparse.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "text/jstr.h"

/* --- tokens --- */

void jparse_next(struct jparse *p)
{
    if (p->tok.type == JTOK_ERROR) return;
    p->tok = p->has_ahead ? p->ahead : jlex_next(&p->lex);
    p->has_ahead = false;
}

const struct jtok *jparse_look(struct jparse *p)
{
    if (!p->has_ahead) p->ahead = jlex_next(&p->lex);
    p->has_ahead = true;
    return &p->ahead;
}

bool jparse_is_name(const struct jtok *t, const char *name)
{
    return t->type == JTOK_NAME && slice_is(t->text, name);
}

bool jparse_skip_name(struct jparse *p, const char *name)
{
    if (!jparse_is_name(&p->tok, name)) return false;
    jparse_next(p);
    return true;
}

bool jparse_skip(struct jparse *p, int type)
{
    if (p->tok.type != type) return false;
    jparse_next(p);
    return true;
}

void *jparse_fail(struct jparse *p, const char *fmt, ...)
{
    static const char *const words[] = { "end of template",          "text",
                                         "begin of print statement", "end of print statement",
                                         "begin of statement block", "end of statement block" };
    char text[160], got[64];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    p->r->line = p->tok.line;
    if (p->tok.type >= JTOK_EOF && p->tok.type <= JTOK_BLOCK_END)
        snprintf(got, sizeof(got), "%s", words[p->tok.type - JTOK_EOF]);
    else slice_print(got, sizeof(got), p->tok.text);
    jrun_fail(p->r, TEMPLATE_SYNTAX, "%s, got '%s'", text, got);
    return NULL;
}

bool jparse_expect(struct jparse *p, int type, const char *what)
{
    if (jparse_skip(p, type)) return true;
    jparse_fail(p, "expected %s", what);
    return false;
}

bool jparse_enter(struct jparse *p)
{
    if (++p->depth <= LIMIT_TEMPLATE_DEPTH) return true;
    p->r->line = p->tok.line;
    jrun_fail(p->r, TEMPLATE_LIMIT, "the template is nested deeper than %d levels",
              LIMIT_TEMPLATE_DEPTH);
    return false;
}

struct jval jparse_str(struct jparse *p, struct slice s)
{
    const struct jstr *str = jstr_new(p->r, s.p, s.n, JFROM_TEMPLATE);

    if (str) jstr_len(str);
    return jval_str(str);
}

int jparse_symbol(struct jparse *p, struct slice name)
{
    struct jval key = jparse_str(p, name), *have;
    struct template *t = p->t;

    if (jval_is_err(key)) return -1;
    have = jdict_find(p->r, p->symbols, key);
    if (p->r->failed) return -1;
    if (have) return (int)have->i;
    if (!jdict_set(p->r, p->symbols, key, jval_int((int64_t)t->n_sym))) return -1;
    if ((t->n_sym & (t->n_sym - 1)) == 0) {
        struct jval *sym = jrun_array(p->r, t->n_sym ? 2 * t->n_sym : 1, sizeof(*sym));
        if (!sym) return -1;
        if (t->n_sym) memcpy(sym, t->sym, t->n_sym * sizeof(*sym));
        t->sym = sym;
    }
    t->sym[t->n_sym] = key;
    return (int)t->n_sym++;
}

/* --- the tree --- */

struct jnode *jnode_new(struct jparse *p, enum jkind kind)
{
    struct jnode *n = jrun_alloc(p->r, sizeof(*n));

    if (!n) return NULL;
    n->kind = kind;
    n->line = p->tok.line;
    return n;
}

bool jnode_add(struct jparse *p, struct jnode *n, struct jnode *kid)
{
    size_t at = n->n_kid;

    if (p->r->failed) return false;
    if ((at & (at - 1)) == 0) {
        struct jnode **kids = jrun_array(p->r, at ? 2 * at : 1, sizeof(struct jnode *));
        if (!kids) return false;
        if (at) memcpy(kids, n->kid, at * sizeof(struct jnode *));
        n->kid = kids;
    }
    n->kid[n->n_kid++] = kid;
    return true;
}

/* --- statements --- */

static struct jnode *parse_body(struct jparse *p, const char *const *ends);

/* The body of a statement up to one of the tags `ends`, whose name is then the current token. */
static struct jnode *parse_block(struct jparse *p, const char *const *ends)
{
    struct jnode *body;

    jparse_skip(p, ':'); /* as in Python */
    if (!jparse_expect(p, JTOK_BLOCK_END, "end of statement block")) return NULL;
    body = parse_body(p, ends);
    if (!body || p->tok.type != JTOK_EOF) return body;
    return jparse_fail(p, "Unexpected end of template. Looking for the tag '%s'", ends[0]);
}

/* The same, and the end tag's name is skipped. */
static struct jnode *parse_last_block(struct jparse *p, const char *end)
{
    const char *const ends[] = { end, NULL };
    struct jnode *body = parse_block(p, ends);

    if (body) jparse_next(p);
    return body;
}

static struct jnode *parse_if(struct jparse *p)
{
    static const char *const ends[] = { "endif", "elif", "else", NULL };
    struct jnode *n = jnode_new(p, JS_IF);
    struct junknown *mark = p->unknown;

    do {
        jparse_next(p); /* if, elif */
        if (!n || !jnode_add(p, n, jexpr_parse_tuple(p, false, NULL)) ||
            !jnode_add(p, n, parse_block(p, ends)))
            return NULL;
    } while (jparse_is_name(&p->tok, "elif"));
    if (jparse_skip_name(p, "else")) {
        if (!jnode_add(p, n, parse_last_block(p, "endif"))) return NULL;
    } else jparse_next(p);
    jpost_settle(p, mark, false);
    return n;
}

static struct jnode *parse_for(struct jparse *p)
{
    static const char *const ends[] = { "endfor", "else", NULL };
    struct jnode *n = jnode_new(p, JS_FOR), *test = NULL, *other = NULL;
    struct junknown *mark;

    jparse_next(p);
    p->fors++;
    if (!n || !jnode_add(p, n, jexpr_parse_target(p, true))) return NULL;
    if (!jparse_skip_name(p, "in")) return jparse_fail(p, "expected 'in'");
    if (!jnode_add(p, n, jexpr_parse_tuple(p, false, "recursive"))) return NULL;
    mark = p->unknown;
    if (jparse_skip_name(p, "if") && !(test = jexpr_parse(p))) return NULL;
    if (!jnode_add(p, n, test)) return NULL;
    n->flag = jparse_skip_name(p, "recursive");
    p->loops++;
    if (!jnode_add(p, n, parse_block(p, ends))) return NULL;
    p->loops--;
    if (jparse_skip_name(p, "else")) other = parse_last_block(p, "endfor");
    else jparse_next(p);
    p->fors--;
    jpost_settle(p, mark, true);
    return jnode_add(p, n, other) ? n : NULL;
}

static struct jnode *parse_set(struct jparse *p)
{
    struct jnode *n = jnode_new(p, JS_SET);

    jparse_next(p);
    if (!n || !jnode_add(p, n, jexpr_parse_target(p, false))) return NULL;
    if (jparse_skip(p, '=')) return jnode_add(p, n, jexpr_parse_tuple(p, true, NULL)) ? n : NULL;
    n->kind = JS_SETBLOCK;
    struct junknown *mark = p->unknown;
    if (!jpost_filters(p, n, false)) return NULL;
    if (!jnode_add(p, n, parse_last_block(p, "endset"))) return NULL;
    jpost_settle(p, mark, true);
    return n;
}

static bool add_param(struct jparse *p, struct jsig *s, int sym, struct jnode *preset)
{
    size_t n = s->n;

    if (sym < 0 || !jrun_spend(p->r, n / 8)) return false;
    for (size_t i = 0; i < n; i++) {
        if (s->param[i] != sym) continue;
        jparse_fail(p, "duplicate argument in a macro's definition");
        return false;
    }
    if ((n & (n - 1)) == 0) {
        size_t cap = n ? 2 * n : 1;
        int *param = jrun_array(p->r, cap, sizeof(*param));
        struct jval *name = jrun_array(p->r, cap, sizeof(*name));
        struct jnode **presets = jrun_array(p->r, cap, sizeof(struct jnode *));
        if (!param || !name || !presets) return false;
        if (n) memcpy(param, s->param, n * sizeof(*param));
        if (n) memcpy(name, s->name, n * sizeof(*name));
        if (n) memcpy(presets, s->preset, n * sizeof(struct jnode *));
        s->param = param;
        s->name = name;
        s->preset = presets;
    }
    s->param[n] = sym;
    s->name[n] = p->t->sym[sym];
    s->preset[n] = preset;
    s->n++;
    return true;
}

/* (a, b=1, ...) */
static bool parse_signature(struct jparse *p, struct jsig *s)
{
    if (!jparse_expect(p, '(', "'('")) return false;
    while (p->tok.type != ')') {
        struct slice name = p->tok.text;
        struct jnode *preset = NULL;
        if (!jparse_expect(p, JTOK_NAME, "a name")) return false;
        if (jparse_skip(p, '=')) {
            if (!(preset = jexpr_parse(p))) return false;
        } else if (s->n && s->preset[s->n - 1]) {
            jparse_fail(p, "non-default argument follows default argument");
            return false;
        }
        if (!add_param(p, s, jparse_symbol(p, name), preset)) return false;
        if (p->tok.type != ')' && !jparse_expect(p, ',', "',' or ')'")) return false;
    }
    jparse_next(p);
    return true;
}

static struct jnode *macro_new(struct jparse *p)
{
    struct jnode *n = jnode_new(p, JS_MACRO);

    if (n) n->sig = jrun_alloc(p->r, sizeof(*n->sig));
    if (n) n->sym = -1;
    return n && n->sig ? n : NULL;
}

/* The body of a macro: notes which of caller, kwargs and varargs it mentions. */
static bool parse_macro_body(struct jparse *p, struct jnode *n, const char *end)
{
    unsigned outer = p->uses;
    int loops = p->loops;
    struct junknown *mark = p->unknown;

    p->uses = 0;
    p->loops = 0;
    if (!jnode_add(p, n, parse_last_block(p, end))) return false;
    p->loops = loops;
    n->sig->uses = p->uses;
    p->uses |= outer;
    jpost_settle(p, mark, true);
    for (size_t i = 0; i < n->sig->n; i++) {
        int sym = n->sig->param[i];
        if (sym == p->t->sym_kwargs) n->sig->uses &= ~(unsigned)JUSES_KWARGS;
        if (sym == p->t->sym_varargs) n->sig->uses &= ~(unsigned)JUSES_VARARGS;
        if (sym != p->t->sym_caller) continue;
        if (n->sig->uses & JUSES_CALLER && !n->sig->preset[i]) {
            jparse_fail(p, "the macro argument 'caller' needs a default");
            return false;
        }
        n->sig->uses &= ~(unsigned)JUSES_CALLER;
    }
    return true;
}

static struct jnode *parse_macro(struct jparse *p)
{
    struct jnode *n = macro_new(p);

    jparse_next(p);
    if (!n || p->tok.type != JTOK_NAME) return jparse_fail(p, "a macro needs a name");
    n->sym = jparse_symbol(p, p->tok.text);
    jparse_next(p);
    if (n->sym < 0 || !parse_signature(p, n->sig)) return NULL;
    return parse_macro_body(p, n, "endmacro") ? n : NULL;
}

static struct jnode *parse_call_block(struct jparse *p)
{
    struct jnode *n = jnode_new(p, JS_CALL), *call, *body = macro_new(p);

    jparse_next(p);
    if (!n || !body || (p->tok.type == '(' && !parse_signature(p, body->sig))) return NULL;
    call = jexpr_parse(p);
    if (!call) return NULL;
    if (call->kind != JN_POSTFIX || call->post[call->n_post - 1].kind != JPOST_CALL)
        return jparse_fail(p, "expected call");
    if (!jnode_add(p, n, call) || !parse_macro_body(p, body, "endcall")) return NULL;
    return jnode_add(p, n, body) ? n : NULL;
}

static struct jnode *parse_filter_block(struct jparse *p)
{
    struct jnode *n = jnode_new(p, JS_FILTER);
    struct junknown *mark = p->unknown;

    jparse_next(p);
    if (!n || !jpost_filters(p, n, true)) return NULL;
    if (!jnode_add(p, n, parse_last_block(p, "endfilter"))) return NULL;
    jpost_settle(p, mark, true);
    return n;
}

static struct jnode *parse_with(struct jparse *p)
{
    struct jnode *n = jnode_new(p, JS_WITH);

    jparse_next(p);
    while (n && p->tok.type != JTOK_BLOCK_END) {
        if (n->n_kid && !jparse_expect(p, ',', "','")) return NULL;
        if (!jnode_add(p, n, jexpr_parse_target(p, true)) || !jparse_expect(p, '=', "'='") ||
            !jnode_add(p, n, jexpr_parse(p)))
            return NULL;
    }
    struct junknown *mark = p->unknown;
    if (!n || !jnode_add(p, n, parse_last_block(p, "endwith"))) return NULL;
    jpost_settle(p, mark, true);
    return n;
}

static struct jnode *parse_generation(struct jparse *p)
{
    struct jnode *n = jnode_new(p, JS_SCOPE);
    struct junknown *mark = p->unknown;
    int loops = p->loops;

    jparse_next(p);
    p->loops = 0; /* jinja2 makes a function of it */
    if (!n || !jnode_add(p, n, parse_last_block(p, "endgeneration"))) return NULL;
    p->loops = loops;
    jpost_settle(p, mark, true);
    return n;
}

/* Escaping follows the template's own filters only; {% autoescape %} can only say "off". */
static struct jnode *parse_autoescape(struct jparse *p)
{
    struct jnode *n = jnode_new(p, JS_SCOPE), *how;

    jparse_next(p);
    how = jexpr_parse(p);
    if (!n || !how) return NULL;
    if (how->kind != JN_CONST || jval_truth(how->val))
        return jparse_fail(p, "autoescape is not supported");
    return jnode_add(p, n, parse_last_block(p, "endautoescape")) ? n : NULL;
}

static struct jnode *parse_named_block(struct jparse *p)
{
    struct jnode *n = jnode_new(p, JS_BLOCK);
    struct slice name;

    jparse_next(p);
    name = p->tok.text;
    if (!n || !jparse_expect(p, JTOK_NAME, "the name of the block")) return NULL;
    n->flag = jparse_skip_name(p, "scoped");
    jparse_skip_name(p, "required");
    if (!jnode_add(p, n, parse_last_block(p, "endblock"))) return NULL;
    if (p->tok.type == JTOK_NAME && p->tok.text.n == name.n &&
        memcmp(p->tok.text.p, name.p, name.n) == 0)
        jparse_next(p);
    return n;
}

static struct jnode *parse_print(struct jparse *p)
{
    struct jnode *n = jnode_new(p, JS_BODY);

    do {
        struct jnode *out;
        jparse_next(p);
        if (!n || !(out = jnode_new(p, JS_PRINT)) || !jnode_add(p, out, jexpr_parse(p)) ||
            !jnode_add(p, n, out))
            return NULL;
    } while (p->tok.type == ',');
    return n;
}

/* There is nothing to include, import or extend: fails when reached. */
static struct jnode *parse_refused(struct jparse *p)
{
    struct jnode *n = jnode_new(p, JS_REFUSED);

    if (n) n->val = jparse_str(p, p->tok.text);
    while (p->tok.type != JTOK_BLOCK_END && p->tok.type != JTOK_EOF && !p->r->failed)
        jparse_next(p);
    return n;
}

static struct jnode *parse_jump(struct jparse *p)
{
    bool is_break = jparse_is_name(&p->tok, "break");
    struct jnode *n = jnode_new(p, is_break ? JS_BREAK : JS_CONTINUE);

    if (p->loops == 0) return jparse_fail(p, "'break' and 'continue' need a loop around them");
    jparse_next(p);
    return n;
}

static const struct {
    const char *name;
    struct jnode *(*parse)(struct jparse *p);
} statements[] = {
    { "if", parse_if },
    { "for", parse_for },
    { "set", parse_set },
    { "macro", parse_macro },
    { "call", parse_call_block },
    { "filter", parse_filter_block },
    { "with", parse_with },
    { "generation", parse_generation },
    { "autoescape", parse_autoescape },
    { "block", parse_named_block },
    { "print", parse_print },
    { "break", parse_jump },
    { "continue", parse_jump },
    { "include", parse_refused },
    { "import", parse_refused },
    { "from", parse_refused },
    { "extends", parse_refused },
};

static struct jnode *parse_statement(struct jparse *p)
{
    char name[40];

    if (p->tok.type != JTOK_NAME) return jparse_fail(p, "tag name expected");
    for (size_t i = 0; i < COUNT(statements); i++) {
        struct jnode *n;
        if (!jparse_is_name(&p->tok, statements[i].name)) continue;
        if (!jparse_enter(p)) return NULL;
        n = statements[i].parse(p);
        p->depth--;
        return n;
    }
    slice_print(name, sizeof(name), p->tok.text);
    return jparse_fail(p, "Encountered unknown tag '%s'", name);
}

static struct jnode *leaf(struct jparse *p, enum jkind kind, struct jnode *kid)
{
    struct jnode *n = jnode_new(p, kind);

    if (!n || (kid && !jnode_add(p, n, kid))) return NULL;
    if (kind == JS_TEXT) n->val = p->tok.val;
    return n;
}

/* One piece of a body: text, {{ }} or {% %}. NULL without failure: a tag of `ends` was met. */
static struct jnode *parse_piece(struct jparse *p, const char *const *ends)
{
    struct jnode *n;

    if (p->tok.type == JTOK_DATA) {
        n = leaf(p, JS_TEXT, NULL);
        jparse_next(p);
        return n;
    }
    if (p->tok.type == JTOK_VAR_BEGIN) {
        jparse_next(p);
        n = jexpr_parse_tuple(p, true, NULL);
        if (n) n = leaf(p, JS_PRINT, n);
        return n && jparse_expect(p, JTOK_VAR_END, "end of print statement") ? n : NULL;
    }
    if (p->tok.type != JTOK_BLOCK_BEGIN) return jparse_fail(p, "text or a tag was expected");
    jparse_next(p);
    for (; ends && *ends; ends++)
        if (jparse_is_name(&p->tok, *ends)) return NULL;
    n = parse_statement(p);
    return n && jparse_expect(p, JTOK_BLOCK_END, "end of statement block") ? n : NULL;
}

static struct jnode *parse_body(struct jparse *p, const char *const *ends)
{
    struct jnode *body = jnode_new(p, JS_BODY);

    while (body && p->tok.type != JTOK_EOF) {
        struct jnode *n = parse_piece(p, ends);
        if (!n) return p->r->failed ? NULL : body;
        if (!jnode_add(p, body, n)) return NULL;
    }
    return body;
}

/* --- compilation --- */

static bool parse_template(struct jparse *p, const char *src, size_t n)
{
    struct template *t = p->t;

    if (!jlex_init(&p->lex, p->r, src, n)) return false;
    p->symbols = jdict_new(p->r, 16);
    if (!p->symbols) return false;
    t->sym_loop = jparse_symbol(p, (struct slice){ "loop", 4 });
    t->sym_caller = jparse_symbol(p, (struct slice){ "caller", 6 });
    t->sym_kwargs = jparse_symbol(p, (struct slice){ "kwargs", 6 });
    t->sym_varargs = jparse_symbol(p, (struct slice){ "varargs", 7 });
    if (p->r->failed) return false;
    jparse_next(p);
    t->body = parse_body(p, NULL);
    if (!t->body || p->r->failed) return false;
    if (p->unknown) {
        char name[64];
        struct slice s = { p->unknown->name.s->p, p->unknown->name.s->n };
        p->r->line = p->unknown->line;
        jrun_fail(p->r, TEMPLATE_SYNTAX, "No %s named '%s'.", p->unknown->kind,
                  slice_print(name, sizeof(name), s));
    }
    return !p->r->failed;
}

bool template_compile(struct template **out, const char *src, size_t n, struct template_error *err)
{
    struct jrun r = { .err = err, .steps = LIMIT_TEMPLATE_STEPS };
    struct jparse p = { .r = &r };

    *out = NULL;
    *err = (struct template_error){ 0 };
    jmem_init(&r.mem, LIMIT_TEMPLATE_MEMORY);
    p.t = jrun_alloc(&r, sizeof(*p.t));
    if (!p.t || !parse_template(&p, src, n)) {
        jmem_fini(&r.mem);
        return false;
    }
    p.t->mem = r.mem; /* the template lives in its own arena */
    *out = p.t;
    return true;
}

void template_free(struct template *t)
{
    if (!t) return;
    struct jmem mem = t->mem;
    jmem_fini(&mem);
}
