/* SPDX-License-Identifier: MIT */
/*
 * jmethod_ask.c - methods that answer a question about a text (find, count,
 * startswith, isdigit...), the methods of the other types, and the search for
 * a method by type and name.
 */
#include <utf8proc.h>

#include "text/jeval.h"

/* --- positions in texts --- */

/* The optional arguments start and end, as byte offsets; false: wrong type. */
static bool span(struct jrun *r, const struct jstr *s, const struct jcall *c, size_t out[2])
{
    int64_t n, at[2];

    out[0] = 0;
    out[1] = s->n;
    if (!jarg_given(c->v[1]) && !jarg_given(c->v[2])) return true;
    if (!jstr_count(r, s)) return false;
    n = (int64_t)jstr_len(s);
    for (int i = 0; i < 2; i++) {
        struct jval v = jarg_given(c->v[1 + i]) ? c->v[1 + i] : jval_of(J_MISSING);
        if (!jarg_int(r, v, i ? n : 0, &at[i])) return false;
        if (at[i] < 0) at[i] = MAX(at[i] + n, 0);
    }
    out[0] =
        at[0] > n ? s->n + 1 : jstr_byte(s, (size_t)at[0]); /* behind the end nothing is found */
    out[1] = jstr_byte(s, (size_t)MIN(at[1], n));
    return jrun_spend(r, s->n / 64);
}

enum { FIND_LAST = 1, FIND_OR_FAIL = 2 };

static struct jval find(struct jrun *r, struct jval self, const struct jcall *c, int how)
{
    const struct jstr *what = jarg_str(r, c->v[0], NULL);
    size_t at[2], hit;

    if (!what || !span(r, self.s, c, at) || !jrun_spend(r, self.s->n / 16)) return jval_of(J_ERROR);
    hit = how & FIND_LAST ? jstr_rfind(r, self.s, what, at[0], at[1])
                          : jstr_find(r, self.s, what, at[0], at[1]);
    if (hit != SIZE_MAX) return jval_int((int64_t)jstr_chars(self.s->p, hit));
    return how & FIND_OR_FAIL ? jrun_fail(r, TEMPLATE_RUNTIME, "substring not found")
                              : jval_int(-1);
}

static struct jval m_find(struct jrun *r, struct jval self, const struct jcall *c)
{
    return find(r, self, c, 0);
}

static struct jval m_rfind(struct jrun *r, struct jval self, const struct jcall *c)
{
    return find(r, self, c, FIND_LAST);
}

static struct jval m_index(struct jrun *r, struct jval self, const struct jcall *c)
{
    return find(r, self, c, FIND_OR_FAIL);
}

static struct jval m_rindex(struct jrun *r, struct jval self, const struct jcall *c)
{
    return find(r, self, c, FIND_LAST | FIND_OR_FAIL);
}

static struct jval m_count(struct jrun *r, struct jval self, const struct jcall *c)
{
    const struct jstr *what = jarg_str(r, c->v[0], NULL);
    size_t at[2], hit;
    int64_t n = 0;

    if (!what || !span(r, self.s, c, at) || !jrun_spend(r, self.s->n / 32)) return jval_of(J_ERROR);
    if (what->n == 0)
        return jval_int(at[0] > at[1] ? 0
                                      : (int64_t)jstr_chars(self.s->p + at[0], at[1] - at[0]) + 1);
    for (; (hit = jstr_find(r, self.s, what, at[0], at[1])) != SIZE_MAX && jrun_spend(r, 1); n++)
        at[0] = hit + what->n;
    return jval_int(n);
}

static bool affix(const struct jstr *s, const struct jstr *a, const size_t at[2], bool end)
{
    if (at[0] > at[1] || a->n > at[1] - at[0]) return false;
    return memcmp(s->p + (end ? at[1] - a->n : at[0]), a->p, a->n) == 0;
}

/* The argument may be a tuple of texts: any of them. */
static struct jval affixed(struct jrun *r, struct jval self, const struct jcall *c, bool end)
{
    struct jval arg = c->v[0];
    const struct jlist one = { .v = &arg, .n = 1 }, *l = arg.type == J_TUPLE ? arg.l : &one;
    size_t at[2];

    if (!span(r, self.s, c, at)) return jval_of(J_ERROR);
    for (size_t i = 0; i < l->n && jrun_spend(r, 1); i++) {
        const struct jstr *a = jarg_str(r, l->v[i], NULL);
        if (!a || !jrun_spend(r, a->n / 64)) return jval_of(J_ERROR);
        if (affix(self.s, a, at, end)) return jval_bool(true);
    }
    return r->failed ? jval_of(J_ERROR) : jval_bool(false);
}

static struct jval m_startswith(struct jrun *r, struct jval self, const struct jcall *c)
{
    return affixed(r, self, c, false);
}

static struct jval m_endswith(struct jrun *r, struct jval self, const struct jcall *c)
{
    return affixed(r, self, c, true);
}

/* --- kinds of characters --- */

static bool is_letter(uint32_t cp)
{
    utf8proc_category_t k = utf8proc_category((utf8proc_int32_t)cp);
    return k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LO;
}

static bool is_decimal(uint32_t cp)
{
    return utf8proc_category((utf8proc_int32_t)cp) == UTF8PROC_CATEGORY_ND;
}

/* Superscripts and the like are digits, but no decimals. */
static bool is_digit(uint32_t cp)
{
    return is_decimal(cp) || cp == 0xb2 || cp == 0xb3 || cp == 0xb9 || cp == 0x2070 ||
           (cp >= 0x2074 && cp <= 0x2079) || (cp >= 0x2080 && cp <= 0x2089) ||
           (cp >= 0x2460 && cp <= 0x2468);
}

static bool is_numeric(uint32_t cp)
{
    utf8proc_category_t k = utf8proc_category((utf8proc_int32_t)cp);
    return k >= UTF8PROC_CATEGORY_ND && k <= UTF8PROC_CATEGORY_NO;
}

static bool is_alnum(uint32_t cp)
{
    return is_letter(cp) || is_numeric(cp);
}

static bool is_ascii(uint32_t cp)
{
    return cp < 0x80;
}

static bool is_printable(uint32_t cp)
{
    utf8proc_category_t k = utf8proc_category((utf8proc_int32_t)cp);
    return cp == ' ' || (k > UTF8PROC_CATEGORY_CN && k < UTF8PROC_CATEGORY_ZS);
}

/* All characters are of the kind, and there is one (`empty`: the answer when there is none). */
static struct jval all_are(struct jrun *r, const struct jstr *s, bool (*is)(uint32_t), bool empty)
{
    bool all = empty || s->n > 0;

    for (size_t at = 0; all && at < s->n && jrun_spend(r, 1);) {
        uint32_t cp;
        at += jstr_decode(s->p + at, s->n - at, &cp);
        all = is(cp);
    }
    return r->failed ? jval_of(J_ERROR) : jval_bool(all);
}

static struct jval m_isalpha(struct jrun *r, struct jval self, const struct jcall *c)
{
    (void)c;
    return all_are(r, self.s, is_letter, false);
}

static struct jval m_isdecimal(struct jrun *r, struct jval self, const struct jcall *c)
{
    (void)c;
    return all_are(r, self.s, is_decimal, false);
}

static struct jval m_isdigit(struct jrun *r, struct jval self, const struct jcall *c)
{
    (void)c;
    return all_are(r, self.s, is_digit, false);
}

static struct jval m_isnumeric(struct jrun *r, struct jval self, const struct jcall *c)
{
    (void)c;
    return all_are(r, self.s, is_numeric, false);
}

static struct jval m_isalnum(struct jrun *r, struct jval self, const struct jcall *c)
{
    (void)c;
    return all_are(r, self.s, is_alnum, false);
}

static struct jval m_isascii(struct jrun *r, struct jval self, const struct jcall *c)
{
    (void)c;
    return all_are(r, self.s, is_ascii, true);
}

static struct jval m_isprintable(struct jrun *r, struct jval self, const struct jcall *c)
{
    (void)c;
    return all_are(r, self.s, is_printable, true);
}

static struct jval m_isspace(struct jrun *r, struct jval self, const struct jcall *c)
{
    (void)c;
    return all_are(r, self.s, jstr_space, false);
}

/* Counts of upper, lower and title case letters; islower() and the like ask for their presence. */
static void count_case(struct jrun *r, const struct jstr *s, size_t *upper, size_t *lower)
{
    *upper = *lower = 0;
    for (size_t at = 0; at < s->n && jrun_spend(r, 1);) {
        uint32_t cp;
        at += jstr_decode(s->p + at, s->n - at, &cp);
        utf8proc_category_t k = utf8proc_category((utf8proc_int32_t)cp);
        *upper += k == UTF8PROC_CATEGORY_LU || k == UTF8PROC_CATEGORY_LT;
        *lower += k == UTF8PROC_CATEGORY_LL;
    }
}

static struct jval m_islower(struct jrun *r, struct jval self, const struct jcall *c)
{
    size_t upper, lower;

    (void)c;
    count_case(r, self.s, &upper, &lower);
    return r->failed ? jval_of(J_ERROR) : jval_bool(lower && !upper);
}

static struct jval m_isupper(struct jrun *r, struct jval self, const struct jcall *c)
{
    size_t upper, lower;

    (void)c;
    count_case(r, self.s, &upper, &lower);
    return r->failed ? jval_of(J_ERROR) : jval_bool(upper && !lower);
}

static struct jval m_istitle(struct jrun *r, struct jval self, const struct jcall *c)
{
    struct jval title = jstr_case(r, self.s, JCASE_TITLE);
    size_t upper, lower;

    (void)c;
    if (jval_is_err(title)) return title;
    count_case(r, self.s, &upper, &lower);
    return jval_bool(upper && jstr_equal(title.s, self.s));
}

static struct jval m_isidentifier(struct jrun *r, struct jval self, const struct jcall *c)
{
    const struct jstr *s = self.s;
    bool ok = s->n > 0;

    (void)c;
    for (size_t at = 0, n; ok && at < s->n && jrun_spend(r, 1); at += n) {
        uint32_t cp;
        n = jstr_decode(s->p + at, s->n - at, &cp);
        ok = is_letter(cp) || cp == '_' || (at > 0 && is_decimal(cp));
    }
    return jval_bool(ok);
}

const struct jnative jmethods_str_test[] = {
    { "count", "sub! start end", m_count },
    { "endswith", "suffix! start end", m_endswith },
    { "find", "sub! start end", m_find },
    { "index", "sub! start end", m_index },
    { "isalnum", "", m_isalnum },
    { "isalpha", "", m_isalpha },
    { "isascii", "", m_isascii },
    { "isdecimal", "", m_isdecimal },
    { "isdigit", "", m_isdigit },
    { "isidentifier", "", m_isidentifier },
    { "islower", "", m_islower },
    { "isnumeric", "", m_isnumeric },
    { "isprintable", "", m_isprintable },
    { "isspace", "", m_isspace },
    { "istitle", "", m_istitle },
    { "isupper", "", m_isupper },
    { "rfind", "sub! start end", m_rfind },
    { "rindex", "sub! start end", m_rindex },
    { "startswith", "prefix! start end", m_startswith },
    { NULL, NULL, NULL },
};

/* --- dicts --- */

static struct jval view_of(struct jrun *r, struct jval self, enum jview_kind kind)
{
    struct jview *v = jrun_alloc(r, sizeof(*v));

    if (!v) return jval_of(J_ERROR);
    *v = (struct jview){ self.d, kind };
    return (struct jval){ .type = J_VIEW, .view = v };
}

static struct jval m_items(struct jrun *r, struct jval self, const struct jcall *c)
{
    (void)c;
    return view_of(r, self, JVIEW_ITEMS);
}

static struct jval m_keys(struct jrun *r, struct jval self, const struct jcall *c)
{
    (void)c;
    return view_of(r, self, JVIEW_KEYS);
}

static struct jval m_values(struct jrun *r, struct jval self, const struct jcall *c)
{
    (void)c;
    return view_of(r, self, JVIEW_VALUES);
}

static struct jval m_get(struct jrun *r, struct jval self, const struct jcall *c)
{
    struct jval *found = jdict_find(r, self.d, c->v[0]);

    if (r->failed) return jval_of(J_ERROR);
    if (found) return *found;
    return c->v[1].type == J_MISSING ? jval_of(J_NONE) : c->v[1];
}

/* Nothing in a template can change it, so it is its own copy. */
static struct jval m_copy(struct jrun *r, struct jval self, const struct jcall *c)
{
    (void)r;
    (void)c;
    return self;
}

/* --- lists, tuples, ranges --- */

static struct jval m_list_index(struct jrun *r, struct jval self, const struct jcall *c)
{
    const struct jlist *l = jval_items(r, self);
    int64_t start, stop, n = jval_len(self);

    if (!l || !jarg_int(r, c->v[1], 0, &start) || !jarg_int(r, c->v[2], n, &stop))
        return jval_of(J_ERROR);
    start = MAX(start < 0 ? start + n : start, 0);
    stop = MIN(stop < 0 ? stop + n : stop, n);
    for (int64_t i = start; i < stop && jrun_spend(r, 1); i++)
        if (jval_equal(r, l->v[i], c->v[0])) return jval_int(i);
    return jrun_fail(r, TEMPLATE_RUNTIME, "the value is not in the list");
}

static struct jval m_list_count(struct jrun *r, struct jval self, const struct jcall *c)
{
    const struct jlist *l = jval_items(r, self);
    int64_t n = 0;

    for (size_t i = 0; l && i < l->n && jrun_spend(r, 1); i++)
        n += jval_equal(r, l->v[i], c->v[0]);
    return l && !r->failed ? jval_int(n) : jval_of(J_ERROR);
}

/* --- numbers --- */

static struct jval m_is_integer(struct jrun *r, struct jval self, const struct jcall *c)
{
    (void)r;
    (void)c;
    return jval_bool(self.f == __builtin_trunc(self.f) && !__builtin_isinf(self.f));
}

/* --- loops, cyclers, joiners --- */

static struct jval m_cycle(struct jrun *r, struct jval self, const struct jcall *c)
{
    if (c->n_pos == 0) return jrun_fail(r, TEMPLATE_RUNTIME, "no items for cycling given");
    return c->pos[self.loop->index0 % c->n_pos];
}

static struct jval m_changed(struct jrun *r, struct jval self, const struct jcall *c)
{
    struct jlist *now = jlist_new(r, c->n_pos), *before = self.loop->changed;
    bool same = before && before->n == c->n_pos;

    if (!now) return jval_of(J_ERROR);
    for (size_t i = 0; i < c->n_pos; i++) {
        now->v[now->n++] = c->pos[i];
        same = same && jval_equal(r, before->v[i], c->pos[i]);
    }
    if (!same) self.loop->changed = now;
    return r->failed ? jval_of(J_ERROR) : jval_bool(!same);
}

static struct jval m_next(struct jrun *r, struct jval self, const struct jcall *c)
{
    struct jcycler *k = self.cycler;
    struct jval v = k->items->v[k->at];

    (void)r;
    (void)c;
    k->at = (k->at + 1) % k->items->n;
    return v;
}

static struct jval m_reset(struct jrun *r, struct jval self, const struct jcall *c)
{
    (void)r;
    (void)c;
    self.cycler->at = 0;
    return jval_of(J_NONE);
}

static const struct {
    enum jtype type;
    struct jnative row;
} methods[] = {
    { J_DICT, { "get", "key! default", m_get } },
    { J_DICT, { "items", "", m_items } },
    { J_DICT, { "keys", "", m_keys } },
    { J_DICT, { "values", "", m_values } },
    { J_DICT, { "copy", "", m_copy } },
    { J_LIST, { "index", "value! start stop", m_list_index } },
    { J_LIST, { "count", "value!", m_list_count } },
    { J_LIST, { "copy", "", m_copy } },
    { J_TUPLE, { "index", "value! start stop", m_list_index } },
    { J_TUPLE, { "count", "value!", m_list_count } },
    { J_RANGE, { "index", "value! start stop", m_list_index } },
    { J_RANGE, { "count", "value!", m_list_count } },
    { J_FLOAT, { "is_integer", "", m_is_integer } },
    { J_LOOP, { "cycle", "*", m_cycle } },
    { J_LOOP, { "changed", "*", m_changed } },
    { J_CYCLER, { "next", "", m_next } },
    { J_CYCLER, { "reset", "", m_reset } },
};

static const struct jnative *find_row(const struct jnative *rows, struct slice name)
{
    for (; rows->name; rows++)
        if (slice_is(name, rows->name)) return rows;
    return NULL;
}

const struct jnative *jmethod_find(struct jval v, struct slice name)
{
    const struct jnative *f;

    if (v.type == J_STR) {
        f = find_row(jmethods_str, name);
        return f ? f : find_row(jmethods_str_test, name);
    }
    for (size_t i = 0; i < COUNT(methods); i++)
        if (methods[i].type == v.type && slice_is(name, methods[i].row.name))
            return &methods[i].row;
    return NULL;
}

bool jmethod_mutates(struct jval v, struct slice name)
{
    static const char *const of_list[] = { "append", "clear", "pop",    "reverse",
                                           "insert", "sort",  "extend", "remove" };
    static const char *const of_dict[] = { "clear", "pop", "popitem", "setdefault", "update" };

    for (size_t i = 0; v.type == J_LIST && i < COUNT(of_list); i++)
        if (slice_is(name, of_list[i])) return true;
    for (size_t i = 0; v.type == J_DICT && i < COUNT(of_dict); i++)
        if (slice_is(name, of_dict[i])) return true;
    return false;
}
