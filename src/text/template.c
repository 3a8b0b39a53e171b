/* SPDX-License-Identifier: MIT */
/*
 * template.c - the seam of chat templates (template.h): variables in, text in
 * segments out. Compilation is in jparse.c, running in jexec.c and jeval.c.
 */
#include "text/template.h"

#include <ctype.h>
#include <stdlib.h>

#include "text/jeval.h"

const char *const template_kind_names[] = { "raised", "syntax", "runtime", "limit" };

void template_error_fini(struct template_error *err)
{
    free(err->text);
    err->text = NULL;
}

void template_text_fini(struct template_text *t)
{
    free(t->text);
    free(t->seg);
    memset(t, 0, sizeof(*t));
}

/*
 * Templates build turns from roles ("<|" + role + "|>"), so a role that is a
 * plain word counts as the template's: it names a turn, and cannot hold a
 * special token of its own.
 */
static void trust_roles(struct jrun *r, struct jval messages)
{
    static const struct jstr role = { .p = "role", .n = 4, .n_char = 4 };

    if (messages.type != J_LIST) return;
    for (size_t i = 0; i < messages.l->n && !r->failed; i++) {
        struct jval m = messages.l->v[i], *v;
        bool word = true;
        if (m.type != J_DICT || !(v = jdict_find(r, m.d, jval_str(&role))) || v->type != J_STR)
            continue;
        for (size_t k = 0; word && k < v->s->n; k++)
            word = isalnum((unsigned char)v->s->p[k]) || v->s->p[k] == '_';
        if (word) *v = jval_str(jstr_new(r, v->s->p, v->s->n, JFROM_TEMPLATE));
    }
}

static struct jval global_function(struct jrun *r, const struct jstr *name)
{
    const struct jnative *f = jglobal_find((struct slice){ name->p, name->n });
    struct jfunc *fn = f ? jrun_alloc(r, sizeof(*fn)) : NULL;

    if (!fn) return jval_of(f ? J_ERROR : J_MISSING);
    fn->native = f;
    return (struct jval){ .type = J_FUNC, .fn = fn };
}

/* A variable of the outermost scope: the request's, the model's, or a function of jglobal.c. */
static struct jval root_value(struct jrun *r, const struct template_input *in,
                              const struct jstr *name)
{
    const json_t *j = json_object_getn(in->vars, name->p, name->n);
    struct jval v;

    if (j) {
        v = jval_from_json(r, j, JFROM_VARS);
        if (jstr_is(name, "messages")) trust_roles(r, v);
        return v;
    }
    j = json_object_getn(in->own, name->p, name->n);
    return j ? jval_from_json(r, j, JFROM_TEMPLATE) : global_function(r, name);
}

/* The variables that the template names. */
static bool set_root(struct jrun *r, const struct template_input *in)
{
    const struct template *t = r->t;

    r->root = jrun_array(r, t->n_sym, sizeof(*r->root));
    for (size_t i = 0; r->root && !r->failed && i < t->n_sym; i++)
        r->root[i] = root_value(r, in, t->sym[i].s);
    return !r->failed;
}

/* Byte at which the run of one origin that starts at `at` ends. */
static size_t run_end(const struct jstr *s, size_t at)
{
    const uint8_t *o = s->origin;
    const uint8_t *end;

    if (!o) return s->n;
    end = memchr(o + at, !o[at], s->n - at);
    return end ? (size_t)(end - o) : s->n;
}

static bool to_segments(struct jrun *r, const struct jstr *s, struct template_text *out)
{
    size_t n = 0, i = 0;

    for (size_t at = 0; at < s->n; at = run_end(s, at))
        n++;
    out->text = malloc(s->n + 1);
    out->seg = calloc(n + 1, sizeof(*out->seg));
    if (!out->text || !out->seg) {
        template_text_fini(out);
        jrun_nomem(r);
        return false;
    }
    if (s->n) memcpy(out->text, s->p, s->n);
    out->text[s->n] = 0;
    out->n = s->n;
    out->n_seg = n;
    for (size_t at = 0, end; at < s->n; at = end) {
        end = run_end(s, at);
        out->seg[i++] =
            (struct text_seg){ out->text + at, end - at, jstr_from(s, at) == JFROM_TEMPLATE };
    }
    return true;
}

bool jeval_render(const struct template *t, const struct template_input *in, int64_t steps,
                  struct template_text *out, struct template_error *err)
{
    struct jrun r = { .t = t, .err = err, .steps = steps, .now = in->now, .line = 1 };
    struct jval text;
    struct jbuf b;
    bool ok;

    *out = (struct template_text){ 0 };
    *err = (struct template_error){ 0 };
    jmem_init(&r.mem, LIMIT_TEMPLATE_MEMORY);
    jbuf_init(&b, &r);
    r.out = &b;
    ok = set_root(&r, in) && jexec_template(&r);
    if (ok) {
        text = jbuf_done(&b);
        ok = !jval_is_err(text) && to_segments(&r, text.s, out);
    }
    jmem_fini(&r.mem);
    return ok;
}

bool template_render(const struct template *t, const struct template_input *in,
                     struct template_text *out, struct template_error *err)
{
    return jeval_render(t, in, LIMIT_TEMPLATE_STEPS, out, err);
}
