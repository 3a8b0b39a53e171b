/* SPDX-License-Identifier: MIT */
/* fields.c - see fields.h. */
#include "server/fields.h"

bool fields_wants(struct problem *p, const char *name, const char *what, const json_t *v)
{
    return problem(p, PROBLEM_INVALID, name, "`%s` must be %s, not %s", name, what,
                   json_in_kind(v));
}

static bool out_of_range(struct problem *p, const struct field *f, double got)
{
    if (f->rule)
        return problem(p, PROBLEM_INVALID, f->name, "`%s` %s. Given: %.12g", f->name, f->rule, got);
    return problem(p, PROBLEM_INVALID, f->name, "`%s` is %.12g: must be from %.12g to %.12g",
                   f->name, got, f->least, f->largest);
}

static bool read_int(const struct field *f, const json_t *v, void *at, struct problem *p)
{
    json_int_t i;

    if (!json_in_whole(v, &i)) return fields_wants(p, f->name, "a whole number", v);
    if ((double)i < f->least || (double)i > f->largest) return out_of_range(p, f, (double)i);
    *(int *)at = (int)i;
    return true;
}

static bool read_real(const struct field *f, const json_t *v, void *at, struct problem *p)
{
    double d = json_number_value(v);

    if (!json_is_number(v)) return fields_wants(p, f->name, "a number", v);
    if (!(d >= f->least && d <= f->largest)) return out_of_range(p, f, d);
    *(double *)at = d;
    return true;
}

static bool read_flag(const struct field *f, const json_t *v, void *at, struct problem *p)
{
    if (!json_is_boolean(v)) return fields_wants(p, f->name, "true or false", v);
    *(bool *)at = json_is_true(v);
    return true;
}

static bool read_text(const struct field *f, const json_t *v, void *at, struct problem *p)
{
    if (!json_is_string(v)) return fields_wants(p, f->name, "a text", v);
    double n = (double)json_string_length(v);
    if (n < f->least || n > f->largest)
        return problem(p, PROBLEM_INVALID, f->name,
                       "`%s` has %.0f bytes: must be from %.0f to %.0f", f->name, n, f->least,
                       f->largest);
    *(struct slice *)at = (struct slice){ json_string_value(v), json_string_length(v) };
    return true;
}

static bool read_json(const struct field *f, const json_t *v, void *at, struct problem *p)
{
    (void)f;
    (void)p;
    *(const json_t **)at = v;
    return true;
}

static bool read_own(const struct field *f, const json_t *v, void *at, struct problem *p)
{
    return f->read(at, v, f->name, p);
}

static bool read_part(const struct field *f, const json_t *v, void *at, struct problem *p)
{
    if (!json_is_object(v)) return fields_wants(p, f->name, "an object", v);
    if (f->at) *(bool *)at = true;
    return fields_read(f->part->row, f->part->n, v, (char *)at - f->at, p);
}

static bool read_unused(const struct field *f, const json_t *v, void *at, struct problem *p)
{
    (void)f;
    (void)v;
    (void)at;
    (void)p;
    return true;
}

static const struct {
    bool (*read)(const struct field *f, const json_t *v, void *at, struct problem *p);
    const char *type; /* JSON schema */
} kinds[FIELD_KINDS] = {
    [FIELD_INT] = { read_int, "integer" },   [FIELD_REAL] = { read_real, "number" },
    [FIELD_FLAG] = { read_flag, "boolean" }, [FIELD_TEXT] = { read_text, "string" },
    [FIELD_JSON] = { read_json, NULL },      [FIELD_OWN] = { read_own, NULL },
    [FIELD_PART] = { read_part, NULL },      [FIELD_UNUSED] = { read_unused, NULL },
};

bool fields_read(const struct field *f, size_t n, const json_t *obj, void *into, struct problem *p)
{
    if (!json_is_object(obj))
        return problem(p, PROBLEM_INVALID, NULL, "the body must be a JSON object");
    for (size_t i = 0; i < n; i++) {
        const json_t *v = json_object_get(obj, f[i].name);

        if (!v || json_is_null(v)) {
            if (f[i].required)
                return problem(p, PROBLEM_INVALID, f[i].name, "`%s` is missing", f[i].name);
            continue;
        }
        if (!kinds[f[i].kind].read(&f[i], v, (char *)into + f[i].at, p)) return false;
    }
    return true;
}

static json_t *bound_of(const struct field *f, double bound)
{
    return f->kind == FIELD_INT ? json_integer((json_int_t)bound) : json_real(bound);
}

static json_t *schema_of(const struct field *f)
{
    json_t *s = f->part     ? fields_schema(f->part->row, f->part->n)
                : f->schema ? json_loads(f->schema, 0, NULL)
                            : json_object();
    bool number = f->kind == FIELD_INT || f->kind == FIELD_REAL;

    if (!s) return NULL;
    if (f->part) json_object_set_new(s, "type", json_pack("[s, s]", "object", "null"));
    if (f->kind == FIELD_TEXT && f->least > 0)
        json_object_set_new(s, "minLength", json_integer(1)); /* of characters, not bytes */
    if (f->kind == FIELD_TEXT)
        json_object_set_new(s, "maxLength", json_integer((json_int_t)f->largest));
    if (kinds[f->kind].type) {
        json_object_set_new(s, "type", json_pack("[s, s]", kinds[f->kind].type, "null"));
        if (number) json_object_set_new(s, "minimum", bound_of(f, f->least));
        if (number) json_object_set_new(s, "maximum", bound_of(f, f->largest));
    }
    if (f->off) json_object_set_new(s, "default", json_loads(f->off, JSON_DECODE_ANY, NULL));
    json_object_set_new(s, "description", json_string(f->doc));
    return s;
}

json_t *fields_schema(const struct field *f, size_t n)
{
    json_t *properties = json_object(), *required = json_array();

    for (size_t i = 0; i < n; i++) {
        json_object_set_new(properties, f[i].name, schema_of(&f[i]));
        if (f[i].required) json_array_append_new(required, json_string(f[i].name));
    }
    return json_pack("{s:s, s:o, s:o}", "type", "object", "properties", properties, "required",
                     required);
}
