/* SPDX-License-Identifier: MIT */
/*
 * simtrace.c - a load from a trace, as CSV or JSON lines; see simload.h.
 *
 * Both kinds of line end as the same six numbers, which one table checks. A trace is somebody's
 * file: whatever is in it, the answer is a load or one message with the line.
 */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>

#include "cmd/simload.h"

enum { ARRIVAL, PROMPT, OUTPUT, PREFIX, N_PREFIX, USER, FIELDS, REQUIRED = PREFIX };

static const double LIMIT_ARRIVAL = 1e7; /* seconds: four months */

enum { LINE_BYTES = 4096 }; /* of a request; as JSON it takes some fifty times that */

static const struct field {
    const char *name;
    double least, most;
    bool whole;
} fields[FIELDS] = {
    [ARRIVAL] = { "arrival", 0, LIMIT_ARRIVAL, false },
    [PROMPT] = { "prompt_tokens", 1, LIMIT_CTX, true },
    [OUTPUT] = { "output_tokens", 1, LIMIT_CTX, true },
    [PREFIX] = { "prefix", 0, LIMIT_SIM_REQUESTS, true },
    [N_PREFIX] = { "prefix_tokens", 0, LIMIT_CTX, true },
    [USER] = { "user", 0, LIMIT_SIM_REQUESTS, true },
};

struct reader {
    const char *name;
    int line;
    bool begun; /* there was a line with names or numbers */
    struct simload *l;
    size_t cap;
};

static enum brrr_status check(const struct reader *rd, const double v[FIELDS],
                              struct brrr_error *err)
{
    for (int i = 0; i < FIELDS; i++) {
        const struct field *f = &fields[i];
        if (!(v[i] >= f->least && v[i] <= f->most))
            return fail(err, BRRR_E_FORMAT, "%s line %d: %s is %g, possible are %.0f to %.0f",
                        rd->name, rd->line, f->name, v[i], f->least, f->most);
        if (f->whole && floor(v[i]) != v[i])
            return fail(err, BRRR_E_FORMAT, "%s line %d: %s is %g, not a whole number", rd->name,
                        rd->line, f->name, v[i]);
    }
    if (v[N_PREFIX] >= v[PROMPT])
        return fail(err, BRRR_E_FORMAT,
                    "%s line %d: a prefix of %.0f tokens in a prompt of %.0f leaves none", rd->name,
                    rd->line, v[N_PREFIX], v[PROMPT]);
    return BRRR_OK;
}

static enum brrr_status push(struct reader *rd, const double v[FIELDS], struct brrr_error *err)
{
    struct simload *l = rd->l;
    enum brrr_status st = check(rd, v, err);

    rd->begun = true;
    if (st) return st;
    if (l->n == LIMIT_SIM_REQUESTS)
        return fail(err, BRRR_E_LIMIT, "%s line %d: a load has up to %d requests", rd->name,
                    rd->line, LIMIT_SIM_REQUESTS);
    if ((size_t)l->n == rd->cap) {
        size_t cap = rd->cap ? 2 * rd->cap : 256;
        struct simload_request *r = realloc(l->r, cap * sizeof(*r));
        if (!r) return fail(err, BRRR_E_NOMEM, "%s: no memory for its requests", rd->name);
        l->r = r;
        rd->cap = cap;
    }
    l->r[l->n++] = (struct simload_request){ .at = v[ARRIVAL],
                                             .after = -1,
                                             .prefix = (int)v[PREFIX],
                                             .n_prefix = (int)v[N_PREFIX],
                                             .n_new = (int)(v[PROMPT] - v[N_PREFIX]),
                                             .n_prompt = (int)v[PROMPT],
                                             .n_out = (int)v[OUTPUT],
                                             .line = rd->line,
                                             .user = (uint64_t)v[USER] };
    return BRRR_OK;
}

/* --- CSV --- */

enum { CELL = 40 };

/* The next cell, trimmed, NUL-ended in buf. False: it is the last one. */
static bool next_cell(struct slice *s, char buf[CELL])
{
    const char *comma = memchr(s->p, ',', s->n);
    struct slice c = { s->p, comma ? (size_t)(comma - s->p) : s->n };

    s->p += c.n + (comma != NULL);
    s->n -= c.n + (comma != NULL);
    while (c.n > 0 && (c.p[0] == ' ' || c.p[0] == '\t')) {
        c.p++;
        c.n--;
    }
    while (c.n > 0 && (c.p[c.n - 1] == ' ' || c.p[c.n - 1] == '\t'))
        c.n--;
    slice_print(buf, CELL, c);
    return comma != NULL;
}

static bool parse_cell(const char *s, double *out)
{
    char *end;

    *out = strtod(s, &end);
    return end != s && *end == 0;
}

static enum brrr_status read_csv(struct reader *rd, struct slice s, struct brrr_error *err)
{
    double v[FIELDS] = { 0 };
    char cell[CELL];
    bool more = true;
    int n = 0;

    for (; more && n < FIELDS; n++) {
        more = next_cell(&s, cell);
        if (parse_cell(cell, &v[n]) || (n >= REQUIRED && !*cell)) continue;
        if (n == 0 && !rd->begun && *cell) {
            rd->begun = true; /* the names of the columns */
            return BRRR_OK;
        }
        return fail(err, BRRR_E_FORMAT, "%s line %d: %s is '%s', not a number", rd->name, rd->line,
                    fields[n].name, cell);
    }
    if (n < REQUIRED || more)
        return fail(err, BRRR_E_FORMAT, "%s line %d: %s%d fields, a request has %d to %d", rd->name,
                    rd->line, more ? "over " : "", n, REQUIRED, FIELDS);
    return push(rd, v, err);
}

/* --- JSON lines --- */

static enum brrr_status read_json(struct reader *rd, struct slice s, struct brrr_error *err)
{
    double v[FIELDS] = { 0 };
    enum brrr_status st = BRRR_OK;
    json_error_t je;
    json_t *o = json_loadb(s.p, s.n, JSON_REJECT_DUPLICATES, &je);

    if (!json_is_object(o)) {
        fail(err, BRRR_E_FORMAT, "%s line %d: no JSON object", rd->name, rd->line);
        st = BRRR_E_FORMAT;
    }
    for (int i = 0; !st && i < FIELDS; i++) {
        const json_t *x = json_object_get(o, fields[i].name);
        if (!x && i >= REQUIRED) continue;
        v[i] = json_number_value(x);
        if (!json_is_number(x))
            st = fail(err, BRRR_E_FORMAT, "%s line %d: %s is %s", rd->name, rd->line,
                      fields[i].name, x ? "not a number" : "missing");
    }
    json_decref(o);
    return st ? st : push(rd, v, err);
}

/* --- all lines --- */

static struct slice next_line(struct slice *text)
{
    const char *nl = memchr(text->p, '\n', text->n);
    struct slice s = { text->p, nl ? (size_t)(nl - text->p) : text->n };

    text->p += s.n + (nl != NULL);
    text->n -= s.n + (nl != NULL);
    while (s.n > 0 && (s.p[s.n - 1] == '\r' || s.p[s.n - 1] == ' '))
        s.n--;
    while (s.n > 0 && s.p[0] == ' ') {
        s.p++;
        s.n--;
    }
    return s;
}

enum brrr_status simload_read(struct simload *l, const char *name, struct slice text,
                              struct brrr_error *err)
{
    struct reader rd = { .name = name, .l = l };
    enum brrr_status st = BRRR_OK;

    *l = (struct simload){ 0 };
    while (!st && text.n > 0) {
        struct slice s = next_line(&text);
        rd.line++;
        if (s.n == 0 || s.p[0] == '#') continue;
        if (s.n > LINE_BYTES)
            st = fail(err, BRRR_E_FORMAT, "%s line %d: %zu bytes, a request has at most %d", name,
                      rd.line, s.n, LINE_BYTES);
        else st = (s.p[0] == '{' ? read_json : read_csv)(&rd, s, err);
    }
    if (!st && l->n == 0) st = fail(err, BRRR_E_FORMAT, "%s: no requests", name);
    if (st) simload_free(l);
    return st;
}
