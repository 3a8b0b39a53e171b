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

/* bos_token, eos_token and so on are the model's own. */
static bool is_token_name(const struct jstr *s)
{
    static const char end[] = "_token";
    size_t n = sizeof(end) - 1;

    return s->n > n && memcmp(s->p + s->n - n, end, n) == 0;
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

/* The variables that the template names: from `vars`, else the functions of jglobal.c. */
static bool set_root(struct jrun *r, const json_t *vars)
{
    const struct template *t = r->t;

    r->root = jrun_array(r, t->n_sym, sizeof(*r->root));
    for (size_t i = 0; r->root && i < t->n_sym; i++) {
        const struct jstr *name = t->sym[i].s;
        json_t *j = json_object_getn(vars, name->p, name->n);
        const struct jnative *f = j ? NULL : jglobal_find((struct slice){ name->p, name->n });
        r->root[i] = jval_of(J_MISSING);
        if (j)
            r->root[i] = jval_from_json(
                r, j, is_token_name(name) && json_is_string(j) ? JFROM_TEMPLATE : JFROM_VARS);
        if (j && jstr_is(name, "messages")) trust_roles(r, r->root[i]);
        if (!f) continue;
        struct jfunc *fn = jrun_alloc(r, sizeof(*fn));
        if (!fn) return false;
        fn->native = f;
        r->root[i] = (struct jval){ .type = J_FUNC, .fn = fn };
    }
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

bool jeval_render(const struct template *t, const json_t *vars, const struct jeval_opts *opts,
                  struct template_text *out, struct template_error *err)
{
    struct jrun r = { .t = t, .err = err, .steps = opts->steps, .now = opts->now, .line = 1 };
    struct jval text;
    struct jbuf b;
    bool ok;

    *out = (struct template_text){ 0 };
    *err = (struct template_error){ 0 };
    jmem_init(&r.mem, LIMIT_TEMPLATE_MEMORY);
    jbuf_init(&b, &r);
    r.out = &b;
    ok = set_root(&r, vars) && jexec_template(&r);
    if (ok) {
        text = jbuf_done(&b);
        ok = !jval_is_err(text) && to_segments(&r, text.s, out);
    }
    jmem_fini(&r.mem);
    return ok;
}

bool template_render(const struct template *t, const json_t *vars, int64_t now,
                     struct template_text *out, struct template_error *err)
{
    const struct jeval_opts opts = { now, LIMIT_TEMPLATE_STEPS };

    return jeval_render(t, vars, &opts, out, err);
}
