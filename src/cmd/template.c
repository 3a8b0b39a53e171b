/* SPDX-License-Identifier: MIT */
/*
 * template.c - brrr template: render a chat template over JSON lines.
 *
 * The template is the line's own, else that of --template-file, else the
 * model's. Without --jsonl one JSON object is read and its text written.
 */
#include <stdlib.h>
#include <time.h>

#include "cmd/cmd.h"
#include "cmd/term.h"
#include "format/gguf.h"
#include "text/chat.h"

struct source {
    const struct options *o;
    struct gguf *g;    /* for the names of the special tokens; or NULL */
    struct chat *chat; /* NULL: until a line comes without a template of its own */
};

static int open_model(struct source *src)
{
    const char *path = cmd_model_path(src->o);
    struct brrr_error err;

    if (!path) return EXIT_USAGE;
    if (gguf_open(&src->g, path, &err) != BRRR_OK) return cmd_fail(&err);
    if (!src->o->template_file && chat_open(&src->chat, src->g, &err) != BRRR_OK)
        return cmd_fail(&err);
    return EXIT_OK;
}

/* {"error": text, "kind": kind}; frees the error. */
static json_t *answer_error(struct template_error *terr, struct brrr_error *err)
{
    const char *text = terr->text ? terr->text : "no memory";
    json_t *v = json_pack("{s:s, s:s}", "error", text, "kind", template_kind_names[terr->kind]);

    if (!v) fail(err, BRRR_E_FORMAT, "the template failed with a text that is not UTF-8");
    template_error_fini(terr);
    return v;
}

static bool is_bool_or_absent(const json_t *v)
{
    return !v || json_is_boolean(v);
}

/* An ISO date and time without zone, or seconds since 1970. */
static bool read_now(const json_t *v, int64_t *now)
{
    struct tm tm = { 0 };
    const char *end;

    *now = 0;
    if (!v) {
        *now = chat_wall_clock();
        return true;
    }
    if (json_is_integer(v)) {
        *now = json_integer_value(v);
        return true;
    }
    if (!json_is_string(v)) return false;
    end = strptime(json_string_value(v), "%Y-%m-%dT%H:%M:%S", &tm);
    if (!end) end = strptime(json_string_value(v), "%Y-%m-%d %H:%M:%S", &tm);
    if (!end) end = strptime(json_string_value(v), "%Y-%m-%d", &tm);
    if (!end || (*end && *end != '.' && *end != 'Z')) return false;
    *now = timegm(&tm);
    return true;
}

static bool read_request(const json_t *line, struct chat_request *req, struct brrr_error *err)
{
    const json_t *gen = json_object_get(line, "add_generation_prompt");
    const json_t *extra = json_object_get(line, "extra");
    const char *wrong = NULL;

    *req = (struct chat_request){ .messages = json_object_get(line, "messages"),
                                  .tools = json_object_get(line, "tools"),
                                  .extra = json_is_null(extra) ? NULL : extra,
                                  .add_generation_prompt = json_is_true(gen) };
    if (!is_bool_or_absent(gen)) wrong = "\"add_generation_prompt\" must be true or false";
    if (req->extra && !json_is_object(req->extra)) wrong = "\"extra\" must be an object";
    if (req->messages && !json_is_array(req->messages)) wrong = "\"messages\" must be an array";
    if (!read_now(json_object_get(line, "now"), &req->now))
        wrong = "\"now\" must be a time like 2025-07-14T12:34:56";
    if (wrong) fail(err, BRRR_E_FORMAT, "%s", wrong);
    return !wrong;
}

static json_t *render_line(void *arg, const json_t *line, struct brrr_error *err)
{
    struct source *src = arg;
    const json_t *own = json_object_get(line, "template");
    struct chat *compiled = NULL;
    struct template_error terr = { 0 };
    struct template_text text = { 0 };
    struct chat_request req;
    json_t *out = NULL;

    if (!read_request(line, &req, err)) return NULL;
    if (json_is_null(own)) own = NULL;
    if (own && !json_is_string(own)) {
        fail(err, BRRR_E_FORMAT, "\"template\" must be a string");
        return NULL;
    }
    if (own &&
        !chat_compile(&compiled, json_string_value(own), json_string_length(own), src->g, &terr))
        return answer_error(&terr, err);
    if (!compiled && !src->chat) {
        /* Nothing named a model: the default one has the template, or this run cannot go on. */
        int code = open_model(src);
        if (code != EXIT_OK) exit(code);
    }
    if (!chat_render(compiled ? compiled : src->chat, &req, &text, &terr)) {
        out = answer_error(&terr, err);
    } else {
        out = json_pack("{s:o}", "text", json_stringn(text.text, text.n));
        if (!out) fail(err, BRRR_E_FORMAT, "the text is not UTF-8");
    }
    template_text_fini(&text);
    chat_close(compiled);
    return out;
}

/* One object from standard input; its text as it is. */
static int render_one(struct source *src)
{
    struct brrr_error err = { 0 };
    struct slice in;
    json_error_t je;
    int code = EXIT_RUN;

    if (cmd_read_file("-", LIMIT_LINE_BYTES, &in, &err) != BRRR_OK) return cmd_fail(&err);
    json_t *line = json_loadb(in.p, in.n, JSON_ALLOW_NUL, &je), *out = NULL;
    if (!json_is_object(line)) fail(&err, BRRR_E_FORMAT, "standard input is no JSON object");
    else out = render_line(src, line, &err);
    const json_t *text = json_object_get(out, "text"), *error = json_object_get(out, "error");
    if (error) fail(&err, BRRR_E_IO, "%.480s", json_string_value(error));
    if (text) {
        term_write(stdout, json_string_value(text), json_string_length(text));
        code = EXIT_OK;
    } else cmd_fail(&err);
    json_decref(out);
    json_decref(line);
    free((char *)in.p);
    return code;
}

static int open_file(struct source *src, const char *path)
{
    struct template_error terr;
    struct brrr_error err;
    struct slice text;

    if (cmd_read_file(path, LIMIT_TEMPLATE_BYTES, &text, &err) != BRRR_OK) return cmd_fail(&err);
    bool ok = chat_compile(&src->chat, text.p, text.n, src->g, &terr);
    free((char *)text.p);
    if (ok) return EXIT_OK;
    fail(&err, BRRR_E_FORMAT, "%s: %.400s", path, terr.text ? terr.text : "no memory");
    template_error_fini(&terr);
    return cmd_fail(&err);
}

int verb_template(const struct options *o)
{
    struct source src = { .o = o };
    int code = EXIT_OK;

    if (o->model) code = open_model(&src);
    if (code == EXIT_OK && o->template_file) code = open_file(&src, o->template_file);
    if (code == EXIT_OK) code = o->jsonl ? cmd_jsonl(render_line, &src) : render_one(&src);
    chat_close(src.chat);
    gguf_close(src.g);
    return code;
}
