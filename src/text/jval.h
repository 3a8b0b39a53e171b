/* SPDX-License-Identifier: MIT */
/*
 * jval.h - the values of the template language, and the state of a rendering.
 *
 * A value is 16 bytes, passed by value; what it points to lives in the arena
 * of the rendering (or of the template, for literals) and is never changed,
 * except namespaces, loops, cyclers, joiners and one-shot iterators. Semantics
 * are those of the Python objects that Jinja2 templates see.
 *
 * Failure: a function that fails calls jrun_fail() once and returns a value of
 * type J_ERROR (or NULL, or false); callers pass it up.
 *
 * Threads: a struct jrun belongs to the one thread that renders.
 */
#ifndef TEXT_JVAL_H
#define TEXT_JVAL_H

#include <jansson.h>

#include "base/limits.h"
#include "text/jmem.h"
#include "text/template.h"

enum jtype {
    J_ERROR,   /* the rendering failed; see jrun.err              */
    J_MISSING, /* no value: an absent argument, an unset variable */
    J_UNDEF,
    J_NONE,
    J_BOOL,
    J_INT,
    J_FLOAT,
    J_STR,
    J_LIST,
    J_TUPLE,
    J_DICT,
    J_RANGE,
    J_VIEW, /* keys(), values() or items() of a dict  */
    J_ITER, /* a generator: can be walked through once */
    J_NS,
    J_FUNC,
    J_LOOP,
    J_CYCLER,
    J_JOINER,
    J_TYPE_COUNT
};

struct jval {
    enum jtype type;
    union {
        bool b;
        int64_t i;
        double f;
        const struct jstr *s;
        struct jlist *l;
        struct jdict *d; /* J_DICT, J_NS */
        const struct jrange *range;
        const struct jview *view;
        struct jiter *iter;
        const struct jundef *u;
        const struct jfunc *fn;
        struct jloop *loop;
        struct jcycler *cycler; /* J_CYCLER, J_JOINER */
    };
};

/* Where bytes come from. JFROM_DERIVED is for builders: punctuation of a repr or of JSON, which
 * becomes untrusted as soon as anything beside it is. */
enum jfrom { JFROM_TEMPLATE, JFROM_VARS, JFROM_DERIVED };

struct jstr {
    const char *p; /* UTF-8, no NUL at the end */
    size_t n;
    const uint8_t *origin; /* an enum jfrom for each byte; NULL: all are `from` */
    uint8_t from;
    bool markup;   /* markupsafe.Markup */
    size_t n_char; /* code points; SIZE_MAX: not counted yet */
};

struct jlist {
    struct jval *v;
    size_t n, cap;
    bool grouped; /* a tuple of groupby: .grouper and .list name its parts */
};

struct jpair {
    struct jval k, v;
};

struct jdict {
    struct jpair *e; /* in order of insertion */
    size_t n, cap;
    uint32_t *slot; /* open addressing; entry + 1; built when a large dict is searched */
    size_t n_slot;
};

struct jrange {
    int64_t start, stop, step;
    size_t n;
};

enum jview_kind { JVIEW_KEYS, JVIEW_VALUES, JVIEW_ITEMS };
struct jview {
    const struct jdict *d;
    enum jview_kind kind;
};

struct jiter {
    const struct jlist *l;
    size_t at;
    const char *what; /* its type's name in Python */
};

/* Why a value is undefined; worded only when it is used. */
struct jundef {
    const char *hint;      /* NULL: `name` is undefined, or obj has no attribute `name` */
    struct jval obj, name; /* obj: J_MISSING for plain variables */
    bool unsafe;           /* the sandbox hides it */
};

struct jscope;
struct jnode;
struct jnative;

/* What can be called: a function or bound method (native), a macro, a loop's recursion. */
struct jfunc {
    const struct jnative *native;
    struct jval self;          /* of a bound method */
    const struct jnode *macro; /* or NULL */
    struct jscope *scope;      /* the macro's surroundings */
};

struct jloop {
    const struct jlist *items;
    size_t index0, depth0;
    struct jlist *changed; /* the last arguments of changed() */
    const struct jnode *recursive;
    struct jscope *scope;
};

struct jcycler {
    const struct jlist *items; /* of a joiner: the separator */
    size_t at;
};

struct jbuf;

struct jrun {
    struct jmem mem;
    const struct template *t;
    struct template_error *err;
    bool failed;
    int line;      /* of the node being evaluated */
    int depth;     /* nodes entered and not left */
    int calls;     /* macros and recursive loops entered and not left */
    int64_t steps; /* left */
    int64_t now;
    struct jval *root;    /* variables of the outermost scope, by symbol */
    struct jscope *scope; /* innermost; NULL: the outermost */
    struct jbuf *out;
};

/* Note the failure (the first one counts) and return a J_ERROR. */
struct jval jrun_fail(struct jrun *r, enum template_kind kind, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
struct jval jrun_raise(struct jrun *r, const char *text, size_t n); /* raise_exception's message */
struct jval jrun_nomem(struct jrun *r);
/* Take n steps from the fuel; false, with the failure noted, when it is used up. */
bool jrun_spend(struct jrun *r, size_t n);
/* Arena memory; NULL with the failure noted. */
void *jrun_alloc(struct jrun *r, size_t n);
void *jrun_array(struct jrun *r, size_t n, size_t size);
/* One level of nesting deeper; false at the limit. Leave with r->depth--. */
bool jrun_enter(struct jrun *r);

static inline struct jval jval_of(enum jtype t)
{
    return (struct jval){ .type = t };
}
static inline struct jval jval_bool(bool b)
{
    return (struct jval){ .type = J_BOOL, .b = b };
}
static inline struct jval jval_int(int64_t i)
{
    return (struct jval){ .type = J_INT, .i = i };
}
static inline struct jval jval_float(double f)
{
    return (struct jval){ .type = J_FLOAT, .f = f };
}
static inline struct jval jval_str(const struct jstr *s)
{
    return s ? (struct jval){ .type = J_STR, .s = s } : jval_of(J_ERROR);
}
static inline struct jval jval_list(enum jtype t, struct jlist *l)
{
    return l ? (struct jval){ .type = t, .l = l } : jval_of(J_ERROR);
}
static inline struct jval jval_dict(struct jdict *d)
{
    return d ? (struct jval){ .type = J_DICT, .d = d } : jval_of(J_ERROR);
}
static inline bool jval_is_err(struct jval v)
{
    return v.type == J_ERROR;
}

struct jlist *jlist_new(struct jrun *r, size_t cap);
bool jlist_push(struct jrun *r, struct jlist *l, struct jval v);
struct jval jval_iter(struct jrun *r, struct jlist *l, const char *what); /* takes l */
struct jval jval_pair(struct jrun *r, struct jval a, struct jval b);      /* a tuple */
struct jval jval_undef(struct jrun *r, struct jval obj, struct jval name);
struct jval jval_undef_hint(struct jrun *r, const char *hint);

struct jdict *jdict_new(struct jrun *r, size_t cap);
/* The value's place, or NULL: absent, or (r->failed) the key cannot be hashed. */
struct jval *jdict_find(struct jrun *r, struct jdict *d, struct jval key);
bool jdict_set(struct jrun *r, struct jdict *d, struct jval key, struct jval v);

/* Python's type(v).__name__. */
const char *jval_type_name(struct jval v);
bool jval_truth(struct jval v);
/* == ; deep comparisons are bounded: check r->failed. */
bool jval_equal(struct jrun *r, struct jval a, struct jval b);
/* Python's < on the two; a type error is noted when they have no order. */
bool jval_less(struct jrun *r, struct jval a, struct jval b);
/* -1, 0 or 1 (2: not comparable, noted; `op` is for the message). */
int jval_order(struct jrun *r, struct jval a, struct jval b, const char *op);
/* Stable sort by the keys; false: failed. */
bool jsort_pairs(struct jrun *r, struct jpair *e, size_t n, bool reverse);
/* Everything that iter() gives, as a list (shared with v if v is one); NULL: not iterable. */
const struct jlist *jval_items(struct jrun *r, struct jval v);
bool jval_iterable(struct jval v);
/* len(), or -1 without noting a failure. */
int64_t jval_len(struct jval v);
/* True and the number for bool, int (and float: as_double only). */
bool jval_as_int(struct jval v, int64_t *out);
bool jval_as_double(struct jval v, double *out);
struct jval jval_from_json(struct jrun *r, const json_t *j, enum jfrom from);
/* "'x' is undefined" and its like. */
struct jval jval_fail_undef(struct jrun *r, struct jval v);
/* The element at i of a range. */
static inline int64_t jrange_at(const struct jrange *g, size_t i)
{
    return g->start + (int64_t)i * g->step;
}

#endif
