/* SPDX-License-Identifier: MIT */
/*
 * jparse.h - tokens to the tree of jast.h: what the parsers of statements
 * (jparse.c), expressions (jexpr.c) and postfix chains (jpost.c) share.
 *
 * Recursive descent; every level of nesting passes jparse_enter(), so the C
 * stack is bounded by LIMIT_TEMPLATE_DEPTH. A parse function that fails has
 * noted why in p->r and returns NULL or false.
 */
#ifndef TEXT_JPARSE_H
#define TEXT_JPARSE_H

#include "text/jast.h"
#include "text/jlex.h"

/* A filter or test that does not exist: an error of compilation, unless only an `if` leads there.
 */
struct junknown {
    struct junknown *next;
    bool hard;
    int line;
    const char *kind;
    struct jval name;
};

struct jparse {
    struct jrun *r; /* arena, error and fuel of the compilation */
    struct template *t;
    struct jlex lex;
    struct jtok tok, ahead;
    bool has_ahead;
    int depth;
    int fors;              /* loops around the current statement */
    int loops;             /* around the current statement, within its macro */
    struct jdict *symbols; /* name -> number */
    unsigned uses;         /* JUSES_*: special names mentioned so far */
    struct junknown *unknown;
};

/* --- tokens (jparse.c) --- */
void jparse_next(struct jparse *p);
const struct jtok *jparse_look(struct jparse *p); /* the token behind the current one */
bool jparse_is_name(const struct jtok *t, const char *name);
bool jparse_skip_name(struct jparse *p, const char *name);
bool jparse_skip(struct jparse *p, int type);
bool jparse_expect(struct jparse *p, int type, const char *what);
void *jparse_fail(struct jparse *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool jparse_enter(struct jparse *p);
int jparse_symbol(struct jparse *p, struct slice name); /* -1: failed */
struct jval jparse_str(struct jparse *p, struct slice s);

/* --- the tree (jparse.c) --- */
struct jnode *jnode_new(struct jparse *p, enum jkind kind);
bool jnode_add(struct jparse *p, struct jnode *n, struct jnode *kid); /* kid NULL: failed */

/* --- expressions (jexpr.c) --- */
struct jnode *jexpr_parse(struct jparse *p);         /* with `a if b else c` */
struct jnode *jexpr_parse_no_cond(struct jparse *p); /* without */
/* a, b, c: a tuple if there is a comma; ends at an end of tag, ')' or the name `end` (may be NULL).
 */
struct jnode *jexpr_parse_tuple(struct jparse *p, bool cond, const char *end);
/* What can be assigned to: names and tuples of names; unless `plain`, also namespace.attribute. */
struct jnode *jexpr_parse_target(struct jparse *p, bool plain);
struct jnode *jexpr_constant(struct jparse *p, struct jval v);
struct jnode *jexpr_parse_primary(struct jparse *p); /* a name, a literal, or in brackets */

/* --- what follows a primary (jpost.c): added to n, a JN_POSTFIX or a statement with filters --- */
bool jpost_chain(struct jparse *p, struct jnode *n); /* .name [item] (call) ... */
bool jpost_tail(struct jparse *p, struct jnode *n);  /* |filter, is test, (call) ... */
/* Filters only; `first`: without a '|' before the first. */
bool jpost_filters(struct jparse *p, struct jnode *n, bool first);
/* Unknown filters and tests noted since `mark` are fatal (hard), or only when reached. */
void jpost_settle(struct jparse *p, const struct junknown *mark, bool hard);

#endif
