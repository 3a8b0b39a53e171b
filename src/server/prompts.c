/* SPDX-License-Identifier: MIT */
/* prompts.c - see prompts.h. */
#include "server/prompts.h"

#include <stdio.h>

#include "server/fields.h"
#include "server/server.h"

/* --- conversations --- */

static bool is_role(const char *role)
{
    static const char *const roles[] = { "system",    "developer", "user",
                                         "assistant", "tool",      "function" };

    for (size_t i = 0; i < COUNT(roles); i++)
        if (strcmp(roles[i], role) == 0) return true;
    return false;
}

/* Parts of type text, joined. */
static json_t *join_parts(const json_t *parts, const char *path, struct problem *p)
{
    json_t *text = json_string(""), *part;
    size_t i;

    json_array_foreach(parts, i, part)
    {
        const char *type = json_string_value(json_object_get(part, "type"));
        json_t *piece = json_object_get(part, "text");
        json_t *joined;
        if (!type || strcmp(type, "text") != 0 || !json_is_string(piece)) {
            problem(p, PROBLEM_INVALID, path,
                    "`%s`: part %zu is no {\"type\": \"text\", \"text\": ...}", path, i);
            json_decref(text);
            return NULL;
        }
        joined = json_sprintf("%s%s", json_string_value(text), json_string_value(piece));
        json_decref(text);
        text = joined;
    }
    return text;
}

/* A message as templates want it: the content is one text. */
static json_t *plain_message(const json_t *m, size_t i, struct problem *p)
{
    const char *role = json_string_value(json_object_get(m, "role"));
    json_t *content = json_object_get(m, "content"), *out, *text;
    char path[48];

    snprintf(path, sizeof(path), "messages[%zu].content", i);
    if (!role || !is_role(role)) {
        problem(p, PROBLEM_INVALID, "messages",
                "`messages[%zu].role` must be system, developer, user, assistant or tool", i);
        return NULL;
    }
    if (json_is_array(content)) text = join_parts(content, path, p);
    else if (json_is_string(content)) text = json_incref(content);
    else if (!content || json_is_null(content)) text = json_string("");
    else {
        fields_wants(p, path, "a text or an array of parts", content);
        return NULL;
    }
    if (!text) return NULL;
    out = json_copy((json_t *)m);
    json_object_set_new(out, "content", text);
    if (strcmp(role, "developer") == 0) json_object_set_new(out, "role", json_string("system"));
    return out;
}

json_t *prompts_messages(const json_t *messages, struct problem *p)
{
    json_t *plain, *m;
    size_t i;

    if (!json_is_array(messages) || json_array_size(messages) == 0) {
        problem(p, PROBLEM_INVALID, "messages", "`messages` must be an array of messages");
        return NULL;
    }
    plain = json_array();
    json_array_foreach(messages, i, m)
    {
        json_t *one = plain_message(m, i, p);
        if (!one) {
            json_decref(plain);
            return NULL;
        }
        json_array_append_new(plain, one);
    }
    return plain;
}

bool prompts_chat(struct call *c, const json_t *messages, struct problem *p)
{
    json_t *plain = prompts_messages(messages, p);
    struct brrr_error err;

    if (!plain) return false;
    c->n_prompt = 1;
    enum brrr_status st = bundle_chat_ids(server_model(c->s), plain, &c->prompt[0], &err);
    json_decref(plain);
    return !st || problem(p, st == BRRR_E_NOMEM ? PROBLEM_MEMORY : PROBLEM_TEMPLATE, "messages",
                          "%s", err.text);
}

/* --- texts and ids --- */

bool prompts_ids(struct call *c, const json_t *list, const char *field, struct problem *p)
{
    struct ids *ids = &c->prompt[c->n_prompt++];
    int n_vocab = brrr_model_n_vocab(server_model(c->s));
    json_int_t id;
    json_t *v;
    size_t i;

    if (!json_is_array(list)) return fields_wants(p, field, "an array of token ids", list);
    json_array_foreach(list, i, v)
    {
        if (!json_in_whole(v, &id) || id < 0 || id >= n_vocab)
            return problem(p, PROBLEM_INVALID, field, "`%s`: entry %zu is no token id", field, i);
        if (ids_push(ids, (int32_t)id))
            return problem(p, PROBLEM_MEMORY, NULL, "no memory for the prompt");
    }
    return true;
}

bool prompts_text(struct call *c, const json_t *v, const char *field, struct problem *p)
{
    struct text_seg seg = { json_string_value(v), json_string_length(v), false };
    struct brrr_error err;
    enum brrr_status st =
        tokenizer_encode(server_model(c->s)->tok, &seg, 1, true, &c->prompt[c->n_prompt++], &err);

    return !st || problem_of(p, field, st, err.text);
}

bool prompts_any(struct call *c, const json_t *prompt, const char *field, struct problem *p)
{
    json_t *one;
    size_t i;

    if (json_is_string(prompt)) return prompts_text(c, prompt, field, p);
    if (!json_is_array(prompt) || json_array_size(prompt) == 0)
        return problem(p, PROBLEM_INVALID, field,
                       "`%s` must be a text, token ids, or an array of those", field);
    if (json_is_number(json_array_get(prompt, 0))) return prompts_ids(c, prompt, field, p);
    if (json_array_size(prompt) > CALL_PROMPTS)
        return problem(p, PROBLEM_INVALID, field, "`%s` has %zu prompts; %d at most", field,
                       json_array_size(prompt), CALL_PROMPTS);
    json_array_foreach(prompt, i, one)
    {
        if (json_is_string(one) ? !prompts_text(c, one, field, p)
                                : !json_is_array(one) || !prompts_ids(c, one, field, p))
            return p->kind ? false
                           : problem(p, PROBLEM_INVALID, field,
                                     "`%s[%zu]` is neither a text nor token ids", field, i);
    }
    return true;
}

void prompts_cut(struct ids *ids, int keep)
{
    size_t n = (size_t)keep;

    if (keep == 0 || ids->n <= n) return;
    memmove(ids->id, ids->id + (ids->n - n), n * sizeof(*ids->id));
    ids->n = n;
}

/* Both numbers in the message. */
bool prompts_fit(const struct call *c, struct problem *p)
{
    int ctx = runner_options(server_runner(c->s))->ctx, most = c->ask->gen.n_predict;

    for (int i = 0; i < c->n_prompt; i++) {
        size_t n = c->prompt[i].n;
        if (n == 0) return problem(p, PROBLEM_INVALID, NULL, "the prompt is empty");
        if (n >= (size_t)ctx)
            return problem(p, PROBLEM_INVALID, NULL,
                           "the prompt has %zu tokens, the context holds %d", n, ctx);
        if (most > 0 && n + (size_t)most > (size_t)ctx)
            return problem(p, PROBLEM_INVALID, "max_tokens",
                           "the prompt's %zu tokens and max_tokens %d are more than the context's "
                           "%d tokens",
                           n, most, ctx);
    }
    return true;
}
