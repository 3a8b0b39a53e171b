/* SPDX-License-Identifier: MIT */
/*
 * jast.h - the tree of a compiled template, and the rows of the tables of
 * filters, tests, methods and functions.
 *
 * Chains (a + b + c, a and b and c, x.y[0](z)|f, a if b else c if d else e)
 * are flat: one node with many operands. So the depth of the tree is the
 * nesting that its author wrote, and walking it by recursion is bounded.
 *
 * The tree belongs to the template's arena and is immutable once compiled.
 */
#ifndef TEXT_JAST_H
#define TEXT_JAST_H

#include "text/jval.h"

enum jkind {
    /* expressions */
    JN_CONST,   /* val                                                         */
    JN_NAME,    /* sym; val: the name                                          */
    JN_CHAIN,   /* kid[0] ops[1] kid[1] ops[2] kid[2] ...: arithmetic, from the left */
    JN_CONCAT,  /* kid ~ kid ~ ...                                             */
    JN_AND,     /* kid and kid and ...                                         */
    JN_OR,      /* kid or kid or ...                                           */
    JN_NOT,     /* kid[0]; flag: an odd number of nots                         */
    JN_COMPARE, /* kid[0] ops[1] kid[1] ...: all must hold                     */
    JN_COND,    /* value, condition, value, condition, ..., value or nothing   */
    JN_SIGN,    /* kid[0]; flag: minus                                         */
    JN_POSTFIX, /* kid[0], then post[] in order                                */
    JN_LIST,    /* kid...                                                      */
    JN_TUPLE,   /* kid...; as a target too                                     */
    JN_DICT,    /* key, value, key, value, ...                                 */
    JN_NSREF,   /* target only: attribute val of the namespace sym             */
    /* statements */
    JS_BODY,     /* statements                                                  */
    JS_TEXT,     /* val                                                         */
    JS_PRINT,    /* kid[0]                                                      */
    JS_IF,       /* condition, body, condition, body, ..., else body or nothing */
    JS_FOR,      /* target, iterable, test?, body, else body?; flag: recursive  */
    JS_SET,      /* target, value                                               */
    JS_SETBLOCK, /* target, body; post: filters                                 */
    JS_MACRO,    /* sym (-1: a call block's body), sig, kid[0] body             */
    JS_CALL,     /* call expression, JS_MACRO                                   */
    JS_FILTER,   /* post: filters; body                                         */
    JS_WITH,     /* target, value, target, value, ..., body                     */
    JS_BLOCK,    /* body, sees the outermost scope only                         */
    JS_SCOPE,    /* body in a scope of its own                                  */
    JS_BREAK,
    JS_CONTINUE,
    JS_REFUSED, /* val: why (include, import, extends)                          */
};

enum jop {
    JOP_ADD,
    JOP_SUB,
    JOP_MUL,
    JOP_DIV,
    JOP_FLOORDIV,
    JOP_MOD,
    JOP_POW,
    JOP_EQ,
    JOP_NE,
    JOP_LT,
    JOP_LE,
    JOP_GT,
    JOP_GE,
    JOP_IN,
    JOP_NOTIN,
};

struct jkwnode {
    struct jval name; /* J_STR */
    struct jnode *value;
};

struct jargs {
    struct jnode **pos;
    size_t n_pos;
    struct jkwnode *kw;
    size_t n_kw;
    struct jnode *star, *star2; /* *args, **kwargs; or NULL */
};

enum jpost_kind { JPOST_ATTR, JPOST_ITEM, JPOST_SLICE, JPOST_CALL, JPOST_FILTER, JPOST_TEST };

struct jpost {
    enum jpost_kind kind;
    int line;
    bool negate;                  /* is not */
    struct jval name;             /* of the attribute, filter or test */
    const struct jnative *native; /* filter or test; NULL: unknown, fails when reached */
    struct jargs args;
    struct jnode *item;     /* [item] */
    struct jnode *slice[3]; /* [a:b:c]; each may be NULL */
};

/* Macros that mention these take them. */
enum { JUSES_CALLER = 1, JUSES_KWARGS = 2, JUSES_VARARGS = 4 };

struct jsig {
    int *param; /* symbols */
    struct jval *name;
    struct jnode **preset; /* default values; NULL: none */
    size_t n;
    unsigned uses;
};

struct jnode {
    enum jkind kind;
    bool flag;
    int line;
    int sym;
    struct jval val;
    struct jnode **kid;
    size_t n_kid;
    uint8_t *ops; /* enum jop; ops[0] is unused */
    struct jpost *post;
    size_t n_post;
    struct jsig *sig;
};

struct template
{
    struct jmem mem;
    struct jnode *body;
    struct jval *sym; /* names, J_STR */
    size_t n_sym;
    int sym_loop, sym_caller, sym_kwargs, sym_varargs;
};

/* --- what templates can call --- */

enum { JPARAMS_MAX = 6 };

struct jkw {
    const struct jstr *name;
    struct jval v;
};

/* A call: the arguments as given, and bound to the row's parameters (J_MISSING: not given). */
struct jcall {
    const struct jval *pos;
    size_t n_pos;
    const struct jkw *kw;
    size_t n_kw;
    struct jval v[JPARAMS_MAX];
};

typedef struct jval jnative_fn(struct jrun *r, struct jval self, const struct jcall *c);

/*
 * One row: `params` are the names of the parameters, separated by spaces, with
 * '!' behind those that must be given; "*": the function looks at pos and kw itself.
 */
struct jnative {
    const char *name, *params;
    jnative_fn *fn;
};

const struct jnative *jfilter_find(struct slice name);
const struct jnative *jtest_find(struct slice name);
const struct jnative *jglobal_find(struct slice name);
/* The method of v's type, or NULL. */
const struct jnative *jmethod_find(struct jval v, struct slice name);
/* Is this a method that would change v? */
bool jmethod_mutates(struct jval v, struct slice name);

#endif
