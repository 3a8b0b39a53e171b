/* SPDX-License-Identifier: MIT */
/* openapi.c - see openapi.h. */
#include "server/openapi.h"

#include <stdlib.h>

#include "server/answers.h"
#include "server/call.h"
#include "server/server.h"
#include "server/tgi.h"

#define ERROR_OF_TGI                                                                     \
    "{\"type\": \"object\", \"required\": [\"error\", \"error_type\"], \"properties\": " \
    "{\"error\": "                                                                       \
    "{\"type\": \"string\"}, \"error_type\": {\"type\": \"string\"}}}"
#define ERROR_OF_OPENAI                                                                         \
    "{\"type\": \"object\", \"required\": [\"error\"], \"properties\": {\"error\": {\"type\": " \
    "\"object\", \"required\": [\"message\", \"type\", \"param\", \"code\"], \"properties\": "  \
    "{\"message\": {\"type\": \"string\"}, \"type\": {\"type\": \"string\"}, \"param\": "       \
    "{\"type\": "                                                                               \
    "[\"string\", \"null\"]}, \"code\": {\"type\": [\"string\", \"null\"]}}}, \"error_type\": " \
    "{\"type\": \"string\"}}}"

static json_t *ref(const char *name)
{
    return json_pack("{s:s+}", "$ref", "#/components/schemas/", name);
}

static json_t *parsed(const char *text)
{
    return text ? json_loads(text, 0, NULL) : json_object();
}

static json_t *content(const char *type, json_t *schema)
{
    return json_pack("{s:{s:o}}", type, "schema", schema);
}

/* --- bodies --- */

/* A dialect's body, known by the dialect's name in components. */
static json_t *body_of(const struct dialect *d, json_t *schemas)
{
    json_t *any;

    if (!d->choose) {
        if (!json_object_get(schemas, d->name))
            json_object_set_new(schemas, d->name, fields_schema(d->fields->row, d->fields->n));
        return ref(d->name);
    }
    any = json_array();
    for (const struct dialect_key *k = d->choose; k->key; k++)
        json_array_append_new(any, body_of(k->d, schemas));
    return json_pack("{s:o}", "anyOf", any);
}

/* Bodies are JSON whatever their content type says; that is the one to send. */
static json_t *request_body(const struct dialect *d, json_t *schemas)
{
    return json_pack("{s:b, s:o}", "required", 1, "content",
                     content("application/json", body_of(d, schemas)));
}

/* --- answers --- */

static bool streams(const struct dialect *d)
{
    for (const struct dialect_key *k = d->choose; k && k->key; k++)
        if (streams(k->d)) return true;
    return d->stream_type;
}

static json_t *answer(const struct route *r)
{
    const struct answer_form *a = answer_form(r->path);
    json_t *out = json_pack("{s:s}", "description", "the answer"), *c;

    if (!a) return out;
    c = content(a->type, parsed(a->schema));
    if (r->call && streams(r->call))
        json_object_set_new(c, "text/event-stream", json_pack("{s:{}}", "schema"));
    json_object_set_new(out, "content", c);
    return out;
}

static json_t *problem_answer(const struct route *r)
{
    bool tgi = r->call && r->call->error == tgi_error, any = r->call && r->call->choose;
    json_t *schema = any ? json_pack("{s:[o, o]}", "anyOf", ref("error"), ref("tgi-error"))
                         : ref(tgi ? "tgi-error" : "error");

    return json_pack("{s:s, s:o}", "description", "what is wrong", "content",
                     content("application/json", schema));
}

/* --- routes --- */

/* "/v1/models/{name}" of "/v1/models/\*". */
static void path_of(char *out, size_t cap, const char *path)
{
    size_t n = strlen(path);
    bool open = n > 0 && path[n - 1] == '*';

    snprintf(out, cap, "%.*s%s", (int)(n - open), path, open ? "{name}" : "");
}

static json_t *operation(const struct route *r, json_t *schemas)
{
    json_t *o = json_pack("{s:s, s:{s:o, s:o}}", "summary", r->summary, "responses", "200",
                          answer(r), "default", problem_answer(r));

    if (r->call) json_object_set_new(o, "requestBody", request_body(r->call, schemas));
    if (strchr(r->path, '*'))
        json_object_set_new(o, "parameters",
                            json_pack("[{s:s, s:s, s:b, s:{s:s}}]", "name", "name", "in", "path",
                                      "required", 1, "schema", "type", "string"));
    if (r->access == ACCESS_OPEN) json_object_set_new(o, "security", json_array());
    return o;
}

static json_t *describe(void)
{
    json_t *paths = json_object(), *schemas = json_object();
    char path[128];

    json_object_set_new(schemas, "error", parsed(ERROR_OF_OPENAI));
    json_object_set_new(schemas, "tgi-error", parsed(ERROR_OF_TGI));
    for (size_t i = 0; i < routes_n(); i++) {
        const struct route *r = routes_at(i);
        path_of(path, sizeof(path), r->path);
        if (!json_object_get(paths, path)) json_object_set_new(paths, path, json_object());
        json_object_set_new(json_object_get(paths, path), r->method == HTTP_GET ? "get" : "post",
                            operation(r, schemas));
    }
    return json_pack("{s:s, s:{s:s, s:s, s:s}, s:o, s:[{s:[]}, {}], s:{s:o, s:{s:{s:s, s:s}}}}",
                     "openapi", "3.1.0", "info", "title", "brrr", "version", BRRR_VERSION,
                     "description", "LLM inference on CPUs", "paths", paths, "security", "key",
                     "components", "schemas", schemas, "securitySchemes", "key", "type", "http",
                     "scheme", "bearer");
}

/* All digits of numbers: a bound that is rounded is another. */
void openapi_handle(struct server *s, struct exchange *x, const char *rest)
{
    json_t *v = describe();
    char *text = v ? json_dumps(v, JSON_COMPACT) : NULL;
    struct slice body = { text, text ? strlen(text) : 0 };

    (void)s;
    (void)rest;
    http_reply(x, text ? 200 : 503, "application/json", body);
    free(text);
    json_decref(v);
}
