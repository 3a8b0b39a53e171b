/* SPDX-License-Identifier: MIT */
/* json_text.c - see json_text.h. */
#include "server/json_text.h"

#include <stdlib.h>

#include "base/utf8.h"
#include "text/json_in.h"

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
        text_put(arg, p + from, i - from);
        text_put(arg, escape, 6);
        i += k;
        from = i;
    }
    text_put(arg, p + from, n - from);
    return ((struct text_out *)arg)->failed ? -1 : 0;
}

void json_put(struct text_out *t, const json_t *v)
{
    if (!v ||
        json_dump_callback(v, put, t, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(9)))
        t->failed = true;
}

bool json_text(struct slice *out, json_t *v, const char *before, const char *after)
{
    struct text_out t = { 0 };

    text_put(&t, before, strlen(before));
    json_put(&t, v);
    text_put(&t, after, strlen(after));
    json_decref(v);
    *out = text_take(&t);
    return out->p;
}

json_t *json_lossy(struct slice s)
{
    json_t *v = json_stringn(s.p ? s.p : "", s.n);
    struct text_out t = { 0 };
    uint32_t cp;

    if (v) return v;
    for (size_t i = 0; i < s.n;) {
        int k = utf8_next(s.p + i, s.n - i, &cp);
        if (k > 0) text_put(&t, s.p + i, (size_t)k);
        else text_put(&t, "\xef\xbf\xbd", 3);
        i += k ? (size_t)abs(k) : s.n - i;
    }
    s = text_take(&t);
    v = s.p ? json_stringn(s.p, s.n) : NULL;
    free((char *)s.p);
    return v;
}

json_t *json_body(struct slice body, struct problem *p)
{
    struct brrr_error err;
    json_t *v = NULL;

    if (body.n == 0) problem(p, PROBLEM_INVALID, NULL, "the body is empty: send a JSON object");
    else if (json_in(&v, body, "the body", &err)) problem(p, PROBLEM_INVALID, NULL, "%s", err.text);
    return v;
}
