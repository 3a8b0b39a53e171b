/* SPDX-License-Identifier: MIT */
/* chat.c - see chat.h. */
#include "text/chat.h"

#include <stdlib.h>
#include <time.h>

#include "base/limits.h"
#include "format/gguf.h"

const char chat_fallback[] =
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message.role + '\\n' }}"
    "{% if message.content is string %}{{ message.content }}"
    "{% else %}{% for part in message.content %}{{ part.text }}{% endfor %}{% endif %}"
    "{{ '<|im_end|>\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

static const struct {
    const char *key, *name; /* in the model file, in the template */
} token_keys[] = {
    { "tokenizer.ggml.bos_token_id", "bos_token" },
    { "tokenizer.ggml.eos_token_id", "eos_token" },
    { "tokenizer.ggml.unknown_token_id", "unk_token" },
    { "tokenizer.ggml.padding_token_id", "pad_token" },
    { "tokenizer.ggml.seperator_token_id", "sep_token" }, /* the key is spelt like that */
};

struct chat {
    struct template *t;
    json_t *tokens; /* name -> text */
    bool fallback;
};

void chat_close(struct chat *c)
{
    if (!c) return;
    template_free(c->t);
    json_decref(c->tokens);
    free(c);
}

bool chat_is_fallback(const struct chat *c)
{
    return c->fallback;
}

/* Tokens that the file does not name stay undefined; templates test for that. False: no memory. */
static bool read_tokens(struct chat *c, const struct gguf *g)
{
    struct slice *piece = NULL;
    size_t n = 0;
    enum brrr_status st = gguf_strings(g, "tokenizer.ggml.tokens", GGUF_OPTIONAL, &piece, &n, NULL);
    bool ok = true;

    if (st != BRRR_OK) return st != BRRR_E_NOMEM;
    for (size_t i = 0; i < COUNT(token_keys); i++) {
        int64_t id = -1;
        json_t *text;
        if (gguf_int(g, token_keys[i].key, GGUF_OPTIONAL, 0, LIMIT_VOCAB, &id, NULL) != BRRR_OK ||
            id < 0 || (uint64_t)id >= n)
            continue;
        text = json_stringn(piece[id].p, piece[id].n); /* NULL: not UTF-8; stays undefined */
        if (text && json_object_set_new(c->tokens, token_keys[i].name, text)) ok = false;
    }
    free(piece);
    return ok;
}

bool chat_compile(struct chat **out, const char *src, size_t n, const struct gguf *g,
                  struct template_error *err)
{
    struct chat *c = calloc(1, sizeof(*c));

    *out = NULL;
    *err = (struct template_error){ .kind = TEMPLATE_LIMIT };
    if (!c || !(c->tokens = json_object())) goto error;
    if (!template_compile(&c->t, src, n, err)) goto error;
    *err = (struct template_error){ .kind = TEMPLATE_LIMIT };
    if (g && !read_tokens(c, g)) goto error;
    *out = c;
    return true;

error:
    chat_close(c);
    return false;
}

enum brrr_status chat_open(struct chat **out, const struct gguf *g, struct brrr_error *err)
{
    struct slice src = { 0 };
    struct template_error terr;
    enum brrr_status st = gguf_str(g, "tokenizer.chat_template", GGUF_OPTIONAL, &src, err);

    *out = NULL;
    if (st != BRRR_OK) return st;
    bool fallback = !src.p;
    if (fallback) src = (struct slice){ chat_fallback, strlen(chat_fallback) };
    if (!chat_compile(out, src.p, src.n, g, &terr)) {
        st = fail(err, terr.text ? BRRR_E_FORMAT : BRRR_E_NOMEM,
                  "%s: tokenizer.chat_template: %.300s", gguf_path(g),
                  terr.text ? terr.text : "no memory");
        template_error_fini(&terr);
        return st;
    }
    (*out)->fallback = fallback;
    return BRRR_OK;
}

/*
 * Reasoning goes by three names; templates read one of two. As transformers
 * does it: the first that is there is seen under both. NULL: no memory.
 */
static json_t *with_reasoning(json_t *message)
{
    static const char *const names[] = { "reasoning_content", "thinking", "reasoning" };
    json_t *found = NULL, *copy;
    int bad;

    for (size_t i = 0; !found && i < COUNT(names); i++) {
        found = json_object_get(message, names[i]);
        if (json_is_null(found)) found = NULL;
    }
    if (!found) return json_incref(message);
    copy = json_object();
    bad = json_object_set(copy, "thinking", found);
    bad |= json_object_update(copy, message);
    bad |= json_object_set(copy, "reasoning_content", found);
    if (!bad) return copy;
    json_decref(copy);
    return NULL;
}

static json_t *with_all_reasoning(const json_t *messages)
{
    json_t *all;
    size_t n = json_array_size(messages);

    if (!json_is_array(messages)) return json_incref((json_t *)messages);
    all = json_array();
    for (size_t i = 0; i < n; i++) {
        if (!json_array_append_new(all, with_reasoning(json_array_get(messages, i)))) continue;
        json_decref(all);
        return NULL;
    }
    return all;
}

/* NULL: no memory. */
static json_t *variables(const struct chat_request *req)
{
    json_t *vars = json_object();
    int bad = vars ? 0 : -1;

    if (req->messages) {
        bad |= json_object_set_new(vars, "messages", with_all_reasoning(req->messages));
        bad |= json_object_set_new(vars, "documents", json_null());
        bad |= json_object_set_new(vars, "add_generation_prompt",
                                   json_boolean(req->add_generation_prompt));
    }
    bad |= json_object_set(vars, "tools", req->tools ? (json_t *)req->tools : json_null());
    if (req->extra) bad |= json_object_update(vars, (json_t *)req->extra);
    if (!bad) return vars;
    json_decref(vars);
    return NULL;
}

bool chat_render(const struct chat *c, const struct chat_request *req, struct template_text *out,
                 struct template_error *err)
{
    json_t *vars = variables(req);
    const struct template_input in = { .vars = vars, .own = c->tokens, .now = req->now };
    bool ok;

    *out = (struct template_text){ 0 };
    *err = (struct template_error){ .kind = TEMPLATE_LIMIT };
    if (!vars) return false;
    ok = template_render(c->t, &in, out, err);
    json_decref(vars);
    return ok;
}

int64_t chat_wall_clock(void)
{
    time_t now = time(NULL);
    struct tm tm;

    if (!localtime_r(&now, &tm)) return now;
    return timegm(&tm);
}
