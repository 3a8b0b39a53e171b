/* SPDX-License-Identifier: MIT */
/*
 * jeval.h - running a compiled template: scopes, expressions, statements,
 * operators and the text of values.
 */
#ifndef TEXT_JEVAL_H
#define TEXT_JEVAL_H

#include "text/jast.h"
#include "text/jstr.h"

/* --- the whole (template.c): template_render() with a fuel of one's own --- */

bool jeval_render(const struct template *t, const struct template_input *in, int64_t steps,
                  struct template_text *out, struct template_error *err);

/* --- scopes (jexec.c) --- */

/*
 * Variables of one loop, macro call, block...; few, so searched in order. The
 * iterations of a loop share one, emptied in between: a macro that was defined
 * in there sees the current values, as a Python closure does.
 */
struct jslot {
    int sym;
    struct jval v;
};
struct jscope {
    struct jscope *parent; /* NULL: the outermost, jrun.root */
    struct jslot *slot;
    size_t n, cap;
};

struct jval jscope_get(struct jrun *r, int sym); /* J_MISSING: not set; J_ERROR: no fuel */
bool jscope_set(struct jrun *r, int sym, struct jval v);

/* --- expressions (jeval.c) --- */

struct jval jeval(struct jrun *r, const struct jnode *n);
struct jval jeval_attr(struct jrun *r, struct jval obj, struct jval name);
struct jval jeval_item(struct jrun *r, struct jval obj, struct jval key);
/* getattr(): methods and attributes, not items; J_MISSING: there is none. */
struct jval jeval_getattr(struct jrun *r, struct jval obj, struct jval name);
/* Call anything; the arguments are in c->pos and c->kw. */
struct jval jeval_call(struct jrun *r, struct jval fn, const struct jcall *c);
/* Bind the arguments to the row's parameters and call it. */
struct jval jeval_native(struct jrun *r, const struct jnative *f, struct jval self,
                         const struct jcall *c);
/* Arguments of a call in the source; `extra` (may be NULL) is added to the keywords. */
bool jeval_args(struct jrun *r, const struct jargs *a, const struct jkw *extra, struct jcall *c);
/* One postfix operator on v. */
struct jval jeval_post(struct jrun *r, const struct jpost *post, struct jval v,
                       const struct jkw *extra);

/* --- statements (jexec.c) --- */

bool jexec_template(struct jrun *r); /* into r->out */
struct jval jexec_macro(struct jrun *r, const struct jfunc *f, const struct jcall *c);
struct jval jexec_recurse(struct jrun *r, struct jloop *loop, struct jval items);

/* --- operators (jops.c) --- */

struct jval jops_binary(struct jrun *r, enum jop op, struct jval a, struct jval b);
bool jops_compare(struct jrun *r, enum jop op, struct jval a, struct jval b);
bool jops_in(struct jrun *r, struct jval a, struct jval b);
struct jval jops_sign(struct jrun *r, struct jval v, bool minus);
struct jval jops_slice(struct jrun *r, struct jval v, const struct jval part[3]);

/* --- the text of values (jtext.c, jjson.c) --- */

void jtext_put(struct jbuf *b, struct jval v);  /* str(v) */
void jtext_repr(struct jbuf *b, struct jval v); /* repr(v) */
struct jval jtext_str(struct jrun *r, struct jval v);
/* str(v), but a Markup stays one (markupsafe.soft_str). */
struct jval jtext_soft(struct jrun *r, struct jval v);
enum { JFLOAT_MAX = 32, JFLOAT_STEPS = 100 };    /* room, and the fuel it is worth */
int jtext_float(char out[JFLOAT_MAX], double f); /* repr of a float; the length */
/* Fuel of writing all digits in front of the point and so many behind it. */
size_t jtext_digits_steps(double f, int64_t digits);

struct jjson_opts {
    bool ascii, sort, pretty;
    const struct jstr *indent; /* of one level, when pretty */
    const struct jstr *item_sep, *key_sep;
};
struct jval jjson_dump(struct jrun *r, struct jval v, const struct jjson_opts *o);

/* --- formatting (jformat.c) --- */

struct jval jformat_percent(struct jrun *r, const struct jstr *fmt,
                            struct jval args); /* fmt % args */
struct jval jformat_braces(struct jrun *r, const struct jstr *fmt, const struct jcall *c);

/* --- helpers of filters, tests and methods (jargs.c) --- */

/* The argument as an integer / text; absent: the default. False: wrong type, noted. */
bool jarg_int(struct jrun *r, struct jval v, int64_t preset, int64_t *out);
const struct jstr *jarg_str(struct jrun *r, struct jval v, const char *preset);
bool jarg_bool(struct jval v, bool preset);
/* The text as a number, by Python's rules; false: it is none. */
bool jarg_parse_int(const struct jstr *s, int base, int64_t *out, bool *too_large);
bool jarg_parse_float(const struct jstr *s, double *out);
/* What an attribute= argument ("a.b.0", a number, none) selects in v; preset (or J_MISSING) where
 * it is undefined. */
struct jval jarg_path(struct jrun *r, struct jval v, struct jval path, struct jval preset);
/* Lower case for texts, v for the rest: sort keys. */
struct jval jarg_ignore_case(struct jrun *r, struct jval v);
/* Run the filter / test called `name` on v, with arguments from c->pos[skip] on. */
struct jval jarg_apply(struct jrun *r, const struct jnative *f, struct jval v,
                       const struct jcall *c, size_t skip);
/* Is the optional argument given and not none? */
static inline bool jarg_given(struct jval v)
{
    return v.type != J_MISSING && v.type != J_NONE;
}

/* Rows of the tables, ended by a row without name. */
extern const struct jnative jfilters_text[], jfilters_list[], jfilters_pick[];
extern const struct jnative jmethods_str[], jmethods_str_test[];

#endif
