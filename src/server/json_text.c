/* SPDX-License-Identifier: MIT */
/* json_text.c - see json_text.h. */
#include "server/json_text.h"

#include <stdlib.h>

#include "base/limits.h"

struct growing {
    char *p;
    size_t n, cap;
};

static int add(struct growing *g, const char *p, size_t n)
{
    size_t cap = g->cap ? g->cap : 256;
    char *q;

    if (n == 0) return 0;
    while (cap < g->n + n)
        cap *= 2;
    if (cap > g->cap) {
        if (!(q = realloc(g->p, cap))) return -1;
        g->p = q;
        g->cap = cap;
    }
    memcpy(g->p + g->n, p, n);
    g->n += n;
    return 0;
}

/* Ends of lines beyond ASCII, in UTF-8; n is how many bytes they have, 0 for what is none. */
static size_t line_end(const char *p, size_t left, const char **escape)
{
    if (left >= 2 && memcmp(p, "\xc2\x85", 2) == 0) return *escape = "\\u0085", 2;
    if (left >= 3 && memcmp(p, "\xe2\x80\xa8", 3) == 0) return *escape = "\\u2028", 3;
    if (left >= 3 && memcmp(p, "\xe2\x80\xa9", 3) == 0) return *escape = "\\u2029", 3;
    return 0;
}

/* jansson hands over whole characters. */
static int put(const char *p, size_t n, void *arg)
{
    const char *escape;
    size_t from = 0, k;

    for (size_t i = 0; i < n;) {
        if (((unsigned char)p[i] != 0xc2 && (unsigned char)p[i] != 0xe2) ||
            (k = line_end(p + i, n - i, &escape)) == 0) {
            i++;
            continue;
        }
        if (add(arg, p + from, i - from) || add(arg, escape, 6)) return -1;
        i += k;
        from = i;
    }
    return add(arg, p + from, n - from);
}

bool json_text(struct slice *out, json_t *v, const char *before, const char *after)
{
    struct growing g = { 0 };
    bool ok = v && add(&g, before, strlen(before)) == 0 &&
              json_dump_callback(v, put, &g,
                                 JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(9)) == 0 &&
              add(&g, after, strlen(after)) == 0;

    json_decref(v);
    if (!ok) {
        free(g.p);
        g = (struct growing){ 0 };
    }
    *out = (struct slice){ g.p, g.n };
    return ok;
}

/* Does any bracket open deeper than LIMIT_JSON_DEPTH? The parser would recurse that far. */
static bool too_deep(struct slice text)
{
    bool in_string = false;
    int depth = 0;

    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (c == '"') in_string = !in_string;
        else if (c == '\\' && in_string) i++;
        else if (!in_string && (c == '[' || c == '{') && ++depth > LIMIT_JSON_DEPTH) return true;
        else if (!in_string && (c == ']' || c == '}')) depth--;
    }
    return false;
}

json_t *json_body(struct slice body, struct problem *p)
{
    json_error_t je;
    json_t *v = NULL;

    if (body.n == 0) problem(p, PROBLEM_INVALID, NULL, "the body is empty: send a JSON object");
    else if (too_deep(body))
        problem(p, PROBLEM_INVALID, NULL, "the body is nested deeper than %d levels",
                LIMIT_JSON_DEPTH);
    else if (!(v = json_loadb(body.p, body.n, JSON_ALLOW_NUL, &je)))
        problem(p, PROBLEM_INVALID, NULL, "the body is not JSON: %s at byte %d", je.text,
                je.position);
    else if (!json_is_object(v)) {
        problem(p, PROBLEM_INVALID, NULL, "the body must be a JSON object");
        json_decref(v);
        v = NULL;
    }
    return v;
}
