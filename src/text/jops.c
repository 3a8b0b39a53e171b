/* SPDX-License-Identifier: MIT */
/*
 * jops.c - the operators, with Python's rules: true division, floor division
 * and modulo that round down, integers of 64 bits (beyond: an error, where
 * Python would go on), sequences that add and repeat.
 */
#include <math.h>

#include "text/jeval.h"

static const char *const op_names[] = { "+",  "-", "*",  "/", "//", "%",  "** or pow()", "==",
                                        "!=", "<", "<=", ">", ">=", "in", "not in" };

static struct jval bad_operands(struct jrun *r, enum jop op, struct jval a, struct jval b)
{
    if (a.type == J_UNDEF) return jval_fail_undef(r, a);
    if (b.type == J_UNDEF) return jval_fail_undef(r, b);
    if (op == JOP_ADD && (a.type == J_STR || a.type == J_LIST || a.type == J_TUPLE))
        return jrun_fail(r, TEMPLATE_RUNTIME, "can only concatenate %s (not \"%s\") to %s",
                         jval_type_name(a), jval_type_name(b), jval_type_name(a));
    return jrun_fail(r, TEMPLATE_RUNTIME, "unsupported operand type(s) for %s: '%s' and '%s'",
                     op_names[op], jval_type_name(a), jval_type_name(b));
}

static struct jval too_large(struct jrun *r)
{
    return jrun_fail(r, TEMPLATE_LIMIT, "integers beyond 64 bits are not supported");
}

static struct jval by_zero(struct jrun *r)
{
    return jrun_fail(r, TEMPLATE_RUNTIME, "division by zero");
}

/* --- numbers --- */

static struct jval int_pow(struct jrun *r, int64_t a, int64_t b)
{
    int64_t y = 1;

    if (b < 0) {
        if (a == 0)
            return jrun_fail(r, TEMPLATE_RUNTIME, "0.0 cannot be raised to a negative power");
        return jval_float(pow((double)a, (double)b));
    }
    if (a == 0 || a == 1) return jval_int(b == 0 ? 1 : a);
    if (a == -1) return jval_int(b % 2 ? -1 : 1);
    for (; b > 0; b--)
        if (__builtin_mul_overflow(y, a, &y)) return too_large(r);
    return jval_int(y);
}

static struct jval int_op(struct jrun *r, enum jop op, int64_t a, int64_t b)
{
    int64_t y = 0;
    bool over = false;

    if (op >= JOP_DIV && op <= JOP_MOD && b == 0) return by_zero(r);
    switch (op) {
    case JOP_ADD:
        over = __builtin_add_overflow(a, b, &y);
        break;
    case JOP_SUB:
        over = __builtin_sub_overflow(a, b, &y);
        break;
    case JOP_MUL:
        over = __builtin_mul_overflow(a, b, &y);
        break;
    case JOP_DIV:
        return jval_float((double)a / (double)b);
    case JOP_FLOORDIV:
        if (a == INT64_MIN && b == -1) return too_large(r);
        y = a / b - (a % b != 0 && (a < 0) != (b < 0));
        break;
    case JOP_MOD:
        y = b == -1 ? 0 : a % b;
        if (y != 0 && (y < 0) != (b < 0)) y += b;
        break;
    default:
        return int_pow(r, a, b);
    }
    return over ? too_large(r) : jval_int(y);
}

static double float_mod(double a, double b)
{
    double m = fmod(a, b);

    if (m == 0) return copysign(0, b);
    return (b < 0) != (m < 0) ? m + b : m;
}

/* Python divides what is left without the remainder, and rounds to the nearest whole. */
static double float_floordiv(double a, double b)
{
    double div = (a - float_mod(a, b)) / b, whole;

    if (div == 0) return copysign(0, a / b);
    whole = floor(div);
    return div - whole > 0.5 ? whole + 1 : whole;
}

static struct jval float_op(struct jrun *r, enum jop op, double a, double b)
{
    if (op >= JOP_DIV && op <= JOP_MOD && b == 0) return by_zero(r);
    switch (op) {
    case JOP_ADD:
        return jval_float(a + b);
    case JOP_SUB:
        return jval_float(a - b);
    case JOP_MUL:
        return jval_float(a * b);
    case JOP_DIV:
        return jval_float(a / b);
    case JOP_FLOORDIV:
        return jval_float(float_floordiv(a, b));
    case JOP_MOD:
        return jval_float(float_mod(a, b));
    default:
        break;
    }
    double y = pow(a, b);
    if ((a == 0 && b < 0) || (isnan(y) && !isnan(a) && !isnan(b)) ||
        (isinf(y) && isfinite(a) && isfinite(b)))
        return jrun_fail(r, TEMPLATE_RUNTIME, "the power is not a real number");
    return jval_float(y);
}

/* --- sequences --- */

static struct jval list_add(struct jrun *r, struct jval a, struct jval b)
{
    struct jlist *l = jlist_new(r, a.l->n + b.l->n);

    if (!l) return jval_of(J_ERROR);
    if (a.l->n) memcpy(l->v, a.l->v, a.l->n * sizeof(*l->v));
    if (b.l->n) memcpy(l->v + a.l->n, b.l->v, b.l->n * sizeof(*l->v));
    l->n = a.l->n + b.l->n;
    return jval_list(a.type, l);
}

static struct jval repeat(struct jrun *r, struct jval a, int64_t times)
{
    struct jlist *l;
    size_t n;

    if (times < 0) times = 0;
    if (a.type == J_STR) return jstr_repeat(r, a.s, times);
    if (!size_mul(&n, a.l->n, (size_t)times)) return jrun_nomem(r);
    l = jlist_new(r, n);
    for (size_t i = 0; l && i < n; i++)
        l->v[l->n++] = a.l->v[i % a.l->n];
    return jval_list(a.type, l);
}

static bool is_seq(struct jval v)
{
    return v.type == J_STR || v.type == J_LIST || v.type == J_TUPLE;
}

struct jval jops_binary(struct jrun *r, enum jop op, struct jval a, struct jval b)
{
    int64_t i, j;
    double x, y;

    if (jval_as_int(a, &i) && jval_as_int(b, &j)) return int_op(r, op, i, j);
    if (jval_as_double(a, &x) && jval_as_double(b, &y)) return float_op(r, op, x, y);
    if (op == JOP_ADD && a.type == J_STR && b.type == J_STR) return jstr_concat(r, a.s, b.s);
    if (op == JOP_ADD && a.type == b.type && is_seq(a)) return list_add(r, a, b);
    if (op == JOP_MUL && is_seq(a) && jval_as_int(b, &j)) return repeat(r, a, j);
    if (op == JOP_MUL && is_seq(b) && jval_as_int(a, &i)) return repeat(r, b, i);
    if (op == JOP_MOD && a.type == J_STR) return jformat_percent(r, a.s, b);
    return bad_operands(r, op, a, b);
}

/* --- comparisons --- */

bool jops_in(struct jrun *r, struct jval a, struct jval b)
{
    const struct jlist *l;
    size_t i = 0, *at;

    if (b.type == J_STR) {
        if (a.type == J_STR) return jstr_find(r, b.s, a.s, 0, b.s->n) != SIZE_MAX;
        jrun_fail(r, TEMPLATE_RUNTIME, "'in <string>' requires string as left operand, not %s",
                  jval_type_name(a));
        return false;
    }
    if (b.type == J_DICT) return jdict_find(r, b.d, a) != NULL;
    if (b.type == J_VIEW && b.view->kind == JVIEW_KEYS)
        return jdict_find(r, (struct jdict *)b.view->d, a) != NULL;
    if (!jval_iterable(b)) {
        jrun_fail(r, TEMPLATE_RUNTIME, "argument of type '%s' is not iterable", jval_type_name(b));
        return false;
    }
    l = b.type == J_ITER ? b.iter->l : jval_items(r, b);
    at = b.type == J_ITER ? &b.iter->at : &i; /* a generator goes on behind what was found */
    while (l && *at < l->n && jrun_spend(r, 1))
        if (jval_equal(r, l->v[(*at)++], a)) return true;
    return false;
}

bool jops_compare(struct jrun *r, enum jop op, struct jval a, struct jval b)
{
    int c;

    switch (op) {
    case JOP_EQ:
        return jval_equal(r, a, b);
    case JOP_NE:
        return !jval_equal(r, a, b);
    case JOP_IN:
        return jops_in(r, a, b);
    case JOP_NOTIN:
        return !jops_in(r, a, b);
    default:
        c = jval_order(r, a, b, op_names[op]);
        if (c == 2) return false;
        if (op == JOP_LT) return c < 0;
        if (op == JOP_LE) return c <= 0;
        return op == JOP_GT ? c > 0 : c >= 0;
    }
}

struct jval jops_sign(struct jrun *r, struct jval v, bool minus)
{
    int64_t i;

    if (v.type == J_UNDEF) return jval_fail_undef(r, v);
    if (v.type == J_FLOAT) return jval_float(minus ? -v.f : v.f);
    if (!jval_as_int(v, &i))
        return jrun_fail(r, TEMPLATE_RUNTIME, "bad operand type for unary %c: '%s'",
                         minus ? '-' : '+', jval_type_name(v));
    if (minus && i == INT64_MIN) return too_large(r);
    return jval_int(minus ? -i : i);
}

/* --- slices --- */

struct bounds {
    int64_t start, stop, step;
    int64_t n; /* elements */
};

static bool index_of(struct jrun *r, struct jval v, int64_t preset, int64_t *out)
{
    *out = preset;
    if (v.type == J_NONE || jval_as_int(v, out)) return true;
    jrun_fail(r, TEMPLATE_RUNTIME, "slice indices must be integers or None");
    return false;
}

/* Python's slice.indices(n) */
static bool find_bounds(struct jrun *r, const struct jval part[3], int64_t n, struct bounds *b)
{
    int64_t start, stop, step;

    if (!index_of(r, part[2], 1, &step)) return false;
    if (step == 0) {
        jrun_fail(r, TEMPLATE_RUNTIME, "slice step cannot be zero");
        return false;
    }
    if (step == INT64_MIN) step = -INT64_MAX;
    int64_t low = step < 0 ? -1 : 0, high = step < 0 ? n - 1 : n;
    if (!index_of(r, part[0], step < 0 ? high : low, &start) ||
        !index_of(r, part[1], step < 0 ? low - n : high, &stop))
        return false;
    if (start < 0) start = MAX(start + n, low);
    if (stop < 0) stop = MAX(stop + n, low);
    start = MIN(start, high);
    stop = MIN(stop, high);
    b->start = start;
    b->stop = stop;
    b->step = step;
    if (step > 0) b->n = stop > start ? (stop - start - 1) / step + 1 : 0;
    else b->n = start > stop ? (start - stop - 1) / -step + 1 : 0;
    return true;
}

static struct jval slice_str(struct jrun *r, const struct jstr *s, struct bounds b)
{
    struct jbuf buf;
    uint32_t cp;

    if (b.step == 1) {
        size_t at = jstr_byte(s, (size_t)b.start);
        size_t end = b.n ? jstr_byte(s, (size_t)(b.start + b.n)) : at;
        if (!jrun_spend(r, s->n_char == s->n ? 0 : end / 8)) return jval_of(J_ERROR);
        return jval_str(jstr_part(r, s, at, end - at));
    }
    /* Offsets of all characters first: stepping through UTF-8 again and again would be quadratic.
     */
    size_t n = jstr_len(s), at = 0;
    size_t *off = jrun_array(r, n + 1, sizeof(*off));
    if (!off || !jrun_spend(r, n / 4 + (size_t)b.n)) return jval_of(J_ERROR);
    for (size_t i = 0; i < n; i++) {
        off[i] = at;
        at += jstr_decode(s->p + at, s->n - at, &cp);
    }
    off[n] = at;
    jbuf_init(&buf, r);
    for (int64_t i = 0; i < b.n; i++) {
        size_t k = (size_t)(b.start + i * b.step);
        jbuf_part(&buf, s, off[k], off[k + 1] - off[k]);
    }
    struct jval v = jbuf_done(&buf);
    return jval_is_err(v) ? v : jval_str(jstr_markup(r, v.s, s->markup));
}

static struct jval slice_list(struct jrun *r, struct jval v, struct bounds b)
{
    struct jlist *l = jlist_new(r, (size_t)b.n);

    for (int64_t i = 0; l && i < b.n; i++)
        l->v[l->n++] = v.l->v[b.start + i * b.step];
    return jval_list(v.type, l);
}

static struct jval slice_range(struct jrun *r, const struct jrange *g, struct bounds b)
{
    struct jrange *s = jrun_alloc(r, sizeof(*s));
    __int128 start = g->start + (__int128)b.start * g->step;
    __int128 stop = g->start + (__int128)b.stop * g->step, step = (__int128)g->step * b.step;

    if (!s) return jval_of(J_ERROR);
    s->start = (int64_t)start;
    s->stop = (int64_t)stop;
    s->step = (int64_t)step;
    s->n = (size_t)b.n;
    if (s->start != start || s->stop != stop || s->step != step) return too_large(r);
    return (struct jval){ .type = J_RANGE, .range = s };
}

struct jval jops_slice(struct jrun *r, struct jval v, const struct jval part[3])
{
    struct bounds b;

    if (v.type == J_UNDEF) return jval_fail_undef(r, v);
    if (!is_seq(v) && v.type != J_RANGE)
        return jrun_fail(r, TEMPLATE_RUNTIME, "'%s' object cannot be sliced", jval_type_name(v));
    if (v.type == J_STR && !jstr_count(r, v.s)) return jval_of(J_ERROR);
    if (!find_bounds(r, part, jval_len(v), &b)) return jval_of(J_ERROR);
    if (v.type == J_STR) return slice_str(r, v.s, b);
    return v.type == J_RANGE ? slice_range(r, v.range, b) : slice_list(r, v, b);
}
