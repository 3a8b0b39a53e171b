/* SPDX-License-Identifier: MIT */
/*
 * fuzz_template.c - any bytes as a chat template with any variables.
 *
 * Input: the template's source, a NUL byte, a JSON object of variables (what
 * does not parse is left out). A few variables are always there; their strings
 * hold a mark that the template cannot write itself, and no mark may come out
 * in a trusted segment. Fuel is small, so that an input takes a millisecond.
 *
 * Seeds: tests/fuzz/corpus/template. With libFuzzer: -dict=tests/fuzz/template.dict
 */
#include <stdlib.h>

#include "text/jeval.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STEPS = 60000 };

/* U+E000, a character of private use. */
static const char mark[] = "\xee\x80\x80";
static const char always[] =
    "{\"x\": \"\xee\x80\x80<b> \xee\x80\x80\", \"n\": 3,"
    " \"d\": {\"\xee\x80\x80k\": [1.5, null, true], \"a\": {\"b\": \"\xee\x80\x80\"}},"
    " \"messages\": [{\"role\": \"user\", \"content\": \"\xee\x80\x80 Hi \xee\x80\x80\"},"
    " {\"role\": \"assistant\xee\x80\x80\", \"content\": null, \"tool_calls\":"
    " [{\"function\": {\"name\": \"f\", \"arguments\": {\"p\": \"\xee\x80\x80\"}}}]}]}";

static void require(bool holds)
{
    if (!holds) abort();
}

/* Can the source write the mark, as itself, an escape or an entity? */
static bool may_mark(const char *src, size_t n)
{
    return memmem(src, n, mark, 3) || memmem(src, n, "e000", 4) || memmem(src, n, "E000", 4) ||
           memmem(src, n, "&#", 2);
}

static json_t *variables(const char *p, size_t n)
{
    json_t *vars = json_loadb(p, n, JSON_ALLOW_NUL, NULL), *fixed = json_loads(always, 0, NULL);

    require(fixed != NULL);
    if (!json_is_object(vars)) {
        json_decref(vars);
        return fixed;
    }
    json_object_update_missing(vars, fixed);
    json_decref(fixed);
    return vars;
}

static void check_text(const struct template_text *t, bool marked)
{
    const char *at = t->text;

    for (size_t i = 0; i < t->n_seg; i++) {
        const struct text_seg *s = &t->seg[i];
        require(s->p == at && s->n > 0);
        require(i == 0 || s->parse_special != s[-1].parse_special);
        require(marked || !s->parse_special || !memmem(s->p, s->n, mark, 3));
        at += s->n;
    }
    require(at == t->text + t->n && *at == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *src = (const char *)data, *nul = memchr(data, 0, size);
    size_t n = nul ? (size_t)(nul - src) : size, rest = nul ? size - n - 1 : 0;
    struct template_input in = { .now = 1752496496 };
    struct template *t;
    struct template_error err;
    struct template_text text;

    if (!template_compile(&t, src, n, &err)) {
        require(t == NULL && err.text && err.kind != TEMPLATE_RAISED);
        template_error_fini(&err);
        return 0;
    }
    json_t *vars = variables(nul ? nul + 1 : src, rest),
           *own = json_pack("{ss}", "bos_token", "<s>");
    in.vars = vars;
    in.own = own;
    if (jeval_render(t, &in, STEPS, &text, &err)) check_text(&text, may_mark(src, n));
    else require(err.text && !text.text);
    template_error_fini(&err);
    template_text_fini(&text);
    json_decref(vars);
    json_decref(own);
    template_free(t);
    return 0;
}
