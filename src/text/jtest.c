/* SPDX-License-Identifier: MIT */
/* jtest.c - the tests behind `is`; each gives a truth value. */
#include "text/jeval.h"

/* v % n == rest */
static struct jval modulo_is(struct jrun *r, struct jval v, struct jval n, int64_t rest)
{
    v = jops_binary(r, JOP_MOD, v, n);
    return jval_is_err(v) ? v : jval_bool(jval_equal(r, v, jval_int(rest)));
}

static struct jval t_odd(struct jrun *r, struct jval v, const struct jcall *c)
{
    (void)c;
    return modulo_is(r, v, jval_int(2), 1);
}

static struct jval t_even(struct jrun *r, struct jval v, const struct jcall *c)
{
    (void)c;
    return modulo_is(r, v, jval_int(2), 0);
}

static struct jval t_divisibleby(struct jrun *r, struct jval v, const struct jcall *c)
{
    return modulo_is(r, v, c->v[0], 0);
}

static struct jval t_defined(struct jrun *r, struct jval v, const struct jcall *c)
{
    (void)r;
    (void)c;
    return jval_bool(v.type != J_UNDEF);
}

static struct jval t_undefined(struct jrun *r, struct jval v, const struct jcall *c)
{
    (void)r;
    (void)c;
    return jval_bool(v.type == J_UNDEF);
}

static struct jval t_filter(struct jrun *r, struct jval v, const struct jcall *c)
{
    (void)r;
    (void)c;
    return jval_bool(v.type == J_STR && jfilter_find((struct slice){ v.s->p, v.s->n }));
}

static struct jval t_test(struct jrun *r, struct jval v, const struct jcall *c)
{
    (void)r;
    (void)c;
    return jval_bool(v.type == J_STR && jtest_find((struct slice){ v.s->p, v.s->n }));
}

static struct jval t_none(struct jrun *r, struct jval v, const struct jcall *c)
{
    (void)r;
    (void)c;
    return jval_bool(v.type == J_NONE);
}

static struct jval t_boolean(struct jrun *r, struct jval v, const struct jcall *c)
{
    (void)r;
    (void)c;
    return jval_bool(v.type == J_BOOL);
}

static struct jval t_true(struct jrun *r, struct jval v, const struct jcall *c)
{
    (void)r;
    (void)c;
    return jval_bool(v.type == J_BOOL && v.b);
}

static struct jval t_false(struct jrun *r, struct jval v, const struct jcall *c)
{
    (void)r;
    (void)c;
    return jval_bool(v.type == J_BOOL && !v.b);
}

static struct jval t_integer(struct jrun *r, struct jval v, const struct jcall *c)
{
    (void)r;
    (void)c;
    return jval_bool(v.type == J_INT);
}

static struct jval t_float(struct jrun *r, struct jval v, const struct jcall *c)
{
    (void)r;
    (void)c;
    return jval_bool(v.type == J_FLOAT);
}

static struct jval t_number(struct jrun *r, struct jval v, const struct jcall *c)
{
    double f;

    (void)r;
    (void)c;
    return jval_bool(jval_as_double(v, &f));
}

static struct jval t_string(struct jrun *r, struct jval v, const struct jcall *c)
{
    (void)r;
    (void)c;
    return jval_bool(v.type == J_STR);
}

static struct jval t_mapping(struct jrun *r, struct jval v, const struct jcall *c)
{
    (void)r;
    (void)c;
    return jval_bool(v.type == J_DICT);
}

/* What has a length and can be subscripted: dicts and undefined values too. */
static struct jval t_sequence(struct jrun *r, struct jval v, const struct jcall *c)
{
    (void)r;
    (void)c;
    return jval_bool(jval_len(v) >= 0 && v.type != J_VIEW && v.type != J_LOOP);
}

static struct jval t_iterable(struct jrun *r, struct jval v, const struct jcall *c)
{
    (void)r;
    (void)c;
    return jval_bool(jval_iterable(v) || v.type == J_LOOP);
}

static struct jval t_callable(struct jrun *r, struct jval v, const struct jcall *c)
{
    (void)r;
    (void)c;
    return jval_bool(v.type == J_FUNC || v.type == J_LOOP || v.type == J_JOINER ||
                     v.type == J_UNDEF);
}

static struct jval t_escaped(struct jrun *r, struct jval v, const struct jcall *c)
{
    (void)r;
    (void)c;
    return jval_bool(v.type == J_STR && v.s->markup);
}

/* `is` of Python: numbers and texts are values here, so equal ones are the same. */
static struct jval t_sameas(struct jrun *r, struct jval v, const struct jcall *c)
{
    struct jval w = c->v[0];

    if (v.type != w.type) return jval_bool(false);
    if (v.type <= J_STR) return jval_bool(jval_equal(r, v, w));
    return jval_bool(v.l == w.l);
}

static struct jval t_in(struct jrun *r, struct jval v, const struct jcall *c)
{
    bool in = jops_in(r, v, c->v[0]);

    return r->failed ? jval_of(J_ERROR) : jval_bool(in);
}

static struct jval compared(struct jrun *r, enum jop op, struct jval a, struct jval b)
{
    bool holds = jops_compare(r, op, a, b);

    return r->failed ? jval_of(J_ERROR) : jval_bool(holds);
}

static struct jval t_eq(struct jrun *r, struct jval v, const struct jcall *c)
{
    return compared(r, JOP_EQ, v, c->v[0]);
}

static struct jval t_ne(struct jrun *r, struct jval v, const struct jcall *c)
{
    return compared(r, JOP_NE, v, c->v[0]);
}

static struct jval t_lt(struct jrun *r, struct jval v, const struct jcall *c)
{
    return compared(r, JOP_LT, v, c->v[0]);
}

static struct jval t_le(struct jrun *r, struct jval v, const struct jcall *c)
{
    return compared(r, JOP_LE, v, c->v[0]);
}

static struct jval t_gt(struct jrun *r, struct jval v, const struct jcall *c)
{
    return compared(r, JOP_GT, v, c->v[0]);
}

static struct jval t_ge(struct jrun *r, struct jval v, const struct jcall *c)
{
    return compared(r, JOP_GE, v, c->v[0]);
}

/* str.islower() and isupper() are methods; the tests take any value's text. */
static struct jval case_test(struct jrun *r, struct jval v, const char *method)
{
    struct jcall none = { 0 };

    v = jtext_str(r, v);
    if (jval_is_err(v)) return v;
    return jeval_native(r, jmethod_find(v, (struct slice){ method, strlen(method) }), v, &none);
}

static struct jval t_lower(struct jrun *r, struct jval v, const struct jcall *c)
{
    (void)c;
    return case_test(r, v, "islower");
}

static struct jval t_upper(struct jrun *r, struct jval v, const struct jcall *c)
{
    (void)c;
    return case_test(r, v, "isupper");
}

static const struct jnative tests[] = {
    { "odd", "", t_odd },
    { "even", "", t_even },
    { "divisibleby", "num!", t_divisibleby },
    { "defined", "", t_defined },
    { "undefined", "", t_undefined },
    { "filter", "", t_filter },
    { "test", "", t_test },
    { "none", "", t_none },
    { "boolean", "", t_boolean },
    { "false", "", t_false },
    { "true", "", t_true },
    { "integer", "", t_integer },
    { "float", "", t_float },
    { "lower", "", t_lower },
    { "upper", "", t_upper },
    { "string", "", t_string },
    { "mapping", "", t_mapping },
    { "number", "", t_number },
    { "sequence", "", t_sequence },
    { "iterable", "", t_iterable },
    { "callable", "", t_callable },
    { "sameas", "other!", t_sameas },
    { "escaped", "", t_escaped },
    { "in", "seq!", t_in },
    { "==", "b!", t_eq },
    { "eq", "b!", t_eq },
    { "equalto", "b!", t_eq },
    { "!=", "b!", t_ne },
    { "ne", "b!", t_ne },
    { "<", "b!", t_lt },
    { "lt", "b!", t_lt },
    { "lessthan", "b!", t_lt },
    { "<=", "b!", t_le },
    { "le", "b!", t_le },
    { ">", "b!", t_gt },
    { "gt", "b!", t_gt },
    { "greaterthan", "b!", t_gt },
    { ">=", "b!", t_ge },
    { "ge", "b!", t_ge },
};

const struct jnative *jtest_find(struct slice name)
{
    for (size_t i = 0; i < COUNT(tests); i++)
        if (slice_is(name, tests[i].name)) return &tests[i];
    return NULL;
}
