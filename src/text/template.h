/* SPDX-License-Identifier: MIT */
/*
 * template.h - chat templates: an interpreter for the Jinja subset they use.
 *
 * A template comes from a model file, its variables from requests: both are
 * untrusted. There is no reach outside the values given: no attribute of the
 * host, no file, no import. Steps, nesting and output are limited (limits.h).
 *
 * Every string carries its origin byte by byte: what the template contributes
 * is trusted, what came in through variables is not. The result is a list of
 * segments, so that the tokenizer parses special tokens only in trusted text.
 */
#ifndef TEXT_TEMPLATE_H
#define TEXT_TEMPLATE_H

#include <jansson.h>

#include "base/status.h"
#include "text/tokenizer.h"

struct template;

/* Why a template failed; the words are part of the command line contract. */
enum template_kind { TEMPLATE_RAISED, TEMPLATE_SYNTAX, TEMPLATE_RUNTIME, TEMPLATE_LIMIT };
extern const char *const template_kind_names[]; /* "raised", "syntax", "runtime", "limit" */

struct template_error {
    enum template_kind kind;
    char
        *text; /* malloc'ed: raise_exception's message verbatim, else what and where. May be NULL */
};
void template_error_fini(struct template_error *err);

/* False: err says why (its text is freed by template_error_fini()). `src` is copied. */
bool template_compile(struct template **out, const char *src, size_t n, struct template_error *err);
void template_free(struct template *t); /* NULL is allowed */

struct template_text {
    char *text; /* malloc'ed, all segments joined, NUL after the last byte */
    size_t n;
    struct text_seg *seg; /* malloc'ed; point into text; parse_special = trusted */
    size_t n_seg;
};
void template_text_fini(struct template_text *t);

/*
 * What a rendering is given. `vars` is a JSON object of the variables of the
 * request (messages, tools, add_generation_prompt, ...): strings in it are
 * untrusted, except the roles of messages where they are plain words, since
 * templates make "<|user|>" of them. `own` is one of the model's variables
 * (bos_token, ...), which are trusted; or NULL. Where both have a name, `vars`
 * wins. `now` is the clock of strftime_now, in seconds since 1970 (UTC).
 */
struct template_input {
    const json_t *vars, *own;
    int64_t now;
};
bool template_render(const struct template *t, const struct template_input *in,
                     struct template_text *out, struct template_error *err);

#endif
