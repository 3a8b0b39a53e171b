/* SPDX-License-Identifier: MIT */
/* json_in.c - see json_in.h. */
#include "text/json_in.h"

#include <math.h>

#include "base/limits.h"

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

enum brrr_status json_in(json_t **out, struct slice text, const char *what, struct brrr_error *err)
{
    json_error_t je;

    *out = NULL;
    if (too_deep(text))
        return fail(err, BRRR_E_LIMIT, "not JSON: nested deeper than %d levels", LIMIT_JSON_DEPTH);
    *out = json_loadb(text.p, text.n, JSON_ALLOW_NUL | JSON_DECODE_ANY, &je);
    if (!*out) return fail(err, BRRR_E_FORMAT, "not JSON: %s at byte %d", je.text, je.position);
    if (json_is_object(*out)) return BRRR_OK;
    json_decref(*out);
    *out = NULL;
    return fail(err, BRRR_E_FORMAT, "%s is not a JSON object", what);
}

bool json_in_whole(const json_t *v, json_int_t *out)
{
    double d = json_is_real(v) ? json_real_value(v) : 0.5;

    if (json_is_integer(v)) {
        *out = json_integer_value(v);
        return true;
    }
    if (d != floor(d) || fabs(d) > 0x1p53) return false;
    *out = (json_int_t)d;
    return true;
}

const char *json_in_kind(const json_t *v)
{
    static const char *const is[] = {
        [JSON_OBJECT] = "an object", [JSON_ARRAY] = "an array",  [JSON_STRING] = "a text",
        [JSON_INTEGER] = "a number", [JSON_REAL] = "a fraction", [JSON_TRUE] = "true",
        [JSON_FALSE] = "false",      [JSON_NULL] = "null",
    };

    return is[json_typeof(v)];
}
