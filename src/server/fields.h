/* SPDX-License-Identifier: MIT */
/*
 * fields.h - the fields of request bodies, as tables.
 *
 * A route's table says of each field its type, range and place in the struct that the request is
 * read into; the same rows make its part of the OpenAPI description. What has a shape of its
 * own brings a function and a JSON schema. null counts as absent; a name that no row has is
 * passed over, as OpenAI's clients expect.
 */
#ifndef SERVER_FIELDS_H
#define SERVER_FIELDS_H

#include <jansson.h>

#include "server/problem.h"
#include "text/json_in.h"

enum field_kind {
    FIELD_INT,    /* int                                                   */
    FIELD_REAL,   /* double                                                */
    FIELD_FLAG,   /* bool                                                  */
    FIELD_TEXT,   /* struct slice into the body; range: its bytes          */
    FIELD_JSON,   /* const json_t * into the body: looked at by the caller */
    FIELD_OWN,    /* read()                                                */
    FIELD_PART,   /* an object with a table of its own: read into the same struct; `at` (where
                     not 0) a bool that says that it was there     */
    FIELD_UNUSED, /* any value: accepted, without effect                   */
    FIELD_KINDS,
};

struct field {
    const char *name;
    enum field_kind kind;
    double least, largest;
    size_t at; /* offset in the struct */
    bool (*read)(void *into, const json_t *v, const char *name, struct problem *p);
    const char *schema; /* of FIELD_JSON and FIELD_OWN: a JSON schema             */
    const char *off;    /* the default, as JSON; NULL: none                       */
    const char *rule;   /* what a number out of range is told; NULL: the range      */
    const char *doc;
    bool required;
    const struct fields *part; /* of FIELD_PART */
};

/* A table, for those who need all of it: fields.h's own kinds, routes, the OpenAPI description. */
struct fields {
    const struct field *row;
    size_t n;
};

/* Reads `obj` into `into`, which holds the defaults. */
bool fields_read(const struct field *f, size_t n, const json_t *obj, void *into, struct problem *p);
/* "NAME must be WHAT, not ..." */
bool fields_wants(struct problem *p, const char *name, const char *what, const json_t *v);
/* {"type": "object", "properties": ...} of a table (a new reference); NULL without memory. */
json_t *fields_schema(const struct field *f, size_t n);

#endif
