/* SPDX-License-Identifier: MIT */
/* jargs.c - what filters, tests and methods share: reading their arguments (jeval.h). */
#include <errno.h>
#include <stdio.h>
#include <ctype.h>
#include <stdlib.h>

#include "text/jeval.h"

bool jarg_int(struct jrun *r, struct jval v, int64_t preset, int64_t *out)
{
    *out = preset;
    if (v.type == J_MISSING || jval_as_int(v, out)) return true;
    if (v.type == J_UNDEF) jval_fail_undef(r, v);
    jrun_fail(r, TEMPLATE_RUNTIME, "'%s' object cannot be interpreted as an integer",
              jval_type_name(v));
    return false;
}

const struct jstr *jarg_str(struct jrun *r, struct jval v, const char *preset)
{
    if (v.type == J_MISSING && preset) return jstr_new(r, preset, strlen(preset), JFROM_DERIVED);
    if (v.type == J_STR) return v.s;
    if (v.type == J_UNDEF) jval_fail_undef(r, v);
    jrun_fail(r, TEMPLATE_RUNTIME, "a text was expected, not '%s'", jval_type_name(v));
    return NULL;
}

bool jarg_bool(struct jval v, bool preset)
{
    return v.type == J_MISSING ? preset : jval_truth(v);
}

/* Copies the number in s without blanks around it and underscores between digits. */
static bool number_text(const struct jstr *s, char *out, size_t cap)
{
    size_t n = 0, at = 0, end = s->n;

    while (at < end && isspace((unsigned char)s->p[at]))
        at++;
    while (end > at && isspace((unsigned char)s->p[end - 1]))
        end--;
    for (; at < end; at++) {
        if (s->p[at] == '_') {
            if (n == 0 || !isalnum((unsigned char)s->p[at - 1]) || at + 1 == end ||
                !isalnum((unsigned char)s->p[at + 1]))
                return false;
            continue;
        }
        if (n + 1 == cap || !isgraph((unsigned char)s->p[at])) return false;
        out[n++] = s->p[at];
    }
    out[n] = 0;
    return n > 0;
}

bool jarg_parse_int(const struct jstr *s, int base, int64_t *out, bool *too_large)
{
    char text[256], *p = text, *end;
    bool minus;

    *too_large = false;
    if (base != 0 && (base < 2 || base > 36)) return false;
    if (!number_text(s, text, sizeof(text))) return false;
    minus = *p == '-';
    p += *p == '-' || *p == '+';
    if (*p == '0' && p[1] && strchr("xXoObB", p[1])) {
        int c = tolower((unsigned char)p[1]), named = c == 'x' ? 16 : c == 'o' ? 8 : 2;
        if (base == 0) base = named;
        if (base == named) p += 2;
    } else if (base == 0) base = 10;
    if (!isalnum((unsigned char)*p)) return false;
    errno = 0;
    unsigned long long v = strtoull(p, &end, base);
    if (*end || end == p) return false;
    if (errno || v > (unsigned long long)INT64_MAX + minus) {
        *too_large = true;
        return true;
    }
    *out = (int64_t)(minus ? 0 - v : v);
    return true;
}

bool jarg_parse_float(const struct jstr *s, double *out)
{
    char text[512], *p = text, *end;

    if (!number_text(s, text, sizeof(text))) return false;
    p += *p == '-' || *p == '+';
    if (*p == '0' && (p[1] == 'x' || p[1] == 'X')) return false; /* C's hexadecimal floats */
    if (!isdigit((unsigned char)*p) && *p != '.' && strcasecmp(p, "inf") != 0 &&
        strcasecmp(p, "infinity") != 0 && strcasecmp(p, "nan") != 0)
        return false;
    *out = strtod(text, &end);
    return *end == 0;
}

/* One step of a path: a number if it has only digits. */
static struct jval path_key(struct jrun *r, const struct jstr *path, size_t at, size_t n)
{
    const struct jstr *part = jstr_part(r, path, at, n);
    int64_t i;
    bool large, digits = n > 0;

    if (!part) return jval_of(J_ERROR);
    for (size_t k = 0; digits && k < n; k++)
        digits = isdigit((unsigned char)part->p[k]);
    if (digits && jarg_parse_int(part, 10, &i, &large) && !large) return jval_int(i);
    return jval_str(part);
}

struct jval jarg_path(struct jrun *r, struct jval v, struct jval path, struct jval preset)
{
    if (!jarg_given(path)) return v;
    if (path.type != J_STR) {
        v = jeval_item(r, v, path);
        return v.type == J_UNDEF && jarg_given(preset) ? preset : v;
    }
    for (size_t at = 0; at <= path.s->n && !jval_is_err(v);) {
        const char *dot = memchr(path.s->p + at, '.', path.s->n - at);
        size_t n = dot ? (size_t)(dot - path.s->p) - at : path.s->n - at;
        struct jval key = path_key(r, path.s, at, n);
        if (jval_is_err(key) || !jrun_spend(r, 4 + n / 16)) return jval_of(J_ERROR);
        v = jeval_item(r, v, key);
        if (v.type == J_UNDEF && jarg_given(preset)) v = preset;
        at += n + 1;
    }
    return v;
}

struct jval jarg_ignore_case(struct jrun *r, struct jval v)
{
    return v.type == J_STR ? jstr_case(r, v.s, JCASE_LOWER) : v;
}

struct jval jarg_apply(struct jrun *r, const struct jnative *f, struct jval v,
                       const struct jcall *c, size_t skip)
{
    struct jcall rest = { .kw = c->kw, .n_kw = c->n_kw };

    if (c->n_pos > skip) {
        rest.pos = c->pos + skip;
        rest.n_pos = c->n_pos - skip;
    }
    return jrun_spend(r, 4) ? jeval_native(r, f, v, &rest) : jval_of(J_ERROR);
}
