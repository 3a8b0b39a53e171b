/* SPDX-License-Identifier: MIT */
/*
 * chat.c - `brrr chat`: a conversation in the terminal.
 *
 * Every turn renders the whole conversation through the model's template. When
 * it no longer fits the context, the oldest question and its answer are dropped
 * (and that is said). Ctrl-C stops an answer; at the prompt, or a second time,
 * it leaves, as does Ctrl-D. Without a terminal each input line is a turn.
 */
#include <editline/readline.h>
#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <unistd.h>

#include "cmd/lines.h"
#include "cmd/run.h"
#include "cmd/session.h"
#include "cmd/term.h"

struct chat {
    const struct options *o;
    const struct brrr_model *m;
    struct brrr_engine *e;
    struct gen_params *gen;
    json_t *messages;
    char *answer; /* of this turn, to become a message */
    size_t n_answer;
    bool lost; /* there was no memory for the rest of it */
    struct lines in;
    bool tty;
};

static const char help[] = "/help   this list\n"
                           "/clear  forget the conversation\n"
                           "/quit   leave (also Ctrl-D)\n"
                           "Ctrl-C  stop an answer; at the prompt, leave\n";

static bool put(void *arg, struct slice text)
{
    struct chat *c = arg;
    char *p = realloc(c->answer, c->n_answer + text.n + 1);

    if (!p) {
        c->lost = true;
        return false;
    }
    memcpy(p + c->n_answer, text.p ? text.p : "", text.n);
    c->answer = p;
    c->n_answer += text.n;
    return text.n == 0 || (term_write(stdout, text.p, text.n) && fflush(stdout) == 0);
}

static bool add_message(struct chat *c, const char *role, struct slice text)
{
    json_t *content = json_stringn(text.p, text.n);
    json_t *m = content ? json_pack("{s:s, s:o}", "role", role, "content", content) : NULL;

    return m && json_array_append_new(c->messages, m) == 0;
}

/* Back to the system message alone; false when it is not valid UTF-8. */
static bool clear(struct chat *c)
{
    const char *system = c->o->system;

    json_array_clear(c->messages);
    return !system || add_message(c, "system", (struct slice){ system, strlen(system) });
}

/* Remove the oldest question and its answer; false when only the newest question is left. */
static bool drop_oldest(struct chat *c)
{
    size_t from = c->o->system ? 1 : 0;

    if (json_array_size(c->messages) < from + 3) return false;
    json_array_remove(c->messages, from);
    json_array_remove(c->messages, from);
    fputs("(the context is full: the oldest question was dropped)\n", stderr);
    return true;
}

/* The conversation as ids, with room for an answer. */
static enum brrr_status render(struct chat *c, struct ids *ids, struct brrr_error *err)
{
    size_t ctx = (size_t)engine_options(c->e)->ctx;
    size_t room = MIN(256, ctx / 4);
    enum brrr_status st;

    do {
        ids->n = 0;
        st = bundle_chat_ids(c->m, c->messages, ids, err);
    } while (!st && ids->n + room > ctx && drop_oldest(c));
    return st;
}

/* One question and its answer; the exit code, EXIT_OK to go on. */
static int turn(struct chat *c, struct slice text)
{
    struct run_sink sink = { .put = put, .arg = c, .quiet = c->o->quiet };
    struct brrr_error err = { 0 };
    struct ids ids = { 0 };
    uint64_t id;
    int code = EXIT_OK;

    c->n_answer = 0;
    if (!add_message(c, "user", text)) {
        fputs("brrr: the text is not valid UTF-8\n", stderr);
        return EXIT_OK;
    }
    struct engine_request q = { .gen = c->gen };
    if (!render(c, &ids, &err)) {
        q.prompt = ids.id;
        q.n_prompt = ids.n;
    }
    if (!q.prompt || engine_submit(c->e, &q, &id, &err)) {
        fprintf(stderr, "brrr: %s\n", err.text);
        json_array_remove(c->messages, json_array_size(c->messages) - 1);
    } else {
        code = run_stream(c->e, id, &sink);
        run_end(c->o, c->e, &sink);
        if (c->lost) {
            fputs("brrr: no memory for the rest of the answer\n", stderr);
            code = EXIT_NOMEM;
        }
        add_message(c, "assistant", (struct slice){ c->answer ? c->answer : "", c->n_answer });
        /* A stopped answer is an answer; a request to end is not. */
        if (code == EXIT_INT && c->tty) code = EXIT_OK;
        if (c->tty) session_clear_interrupt();
    }
    ids_free(&ids);
    return code;
}

/* Libedit drops what is no character of the locale. The text is UTF-8 even where none is set, as
 * in many containers. Nothing else depends on the locale. */
static void set_locale(void)
{
    if (!setlocale(LC_CTYPE, "") || strcmp(nl_langinfo(CODESET), "UTF-8") != 0)
        setlocale(LC_CTYPE, "C.UTF-8");
}

/* A line of input; false at the end. In a terminal *line is malloc'ed. */
static bool read_line(struct chat *c, char **line, struct slice *text)
{
    *line = NULL;
    if (!c->tty) return lines_next(&c->in, true, text) == LINES_LINE;
    *line = readline("> ");
    if (!*line) return false;
    *text = (struct slice){ *line, strlen(*line) };
    if (text->n) add_history(*line);
    return true;
}

/* A slash and one word is meant for us, and so is a typing error in it. */
static bool is_command(struct slice text)
{
    size_t i = 1;

    while (i < text.n && text.p[i] >= 'a' && text.p[i] <= 'z')
        i++;
    return text.n > 1 && text.p[0] == '/' && i == text.n;
}

static int converse(struct chat *c)
{
    char *line;
    struct slice text;
    int code = EXIT_OK;

    if (!clear(c)) return cmd_usage("chat", "--system is not valid UTF-8");
    while (!code && !session_interrupted() && read_line(c, &line, &text)) {
        if (session_interrupted()) {
            free(line);
            break;
        }
        if (slice_is(text, "/quit") || slice_is(text, "/exit")) {
            free(line);
            return EXIT_OK;
        }
        if (c->in.too_long) fputs("brrr: the line is longer than 64 MiB\n", stderr);
        else if (slice_is(text, "/clear")) clear(c);
        else if (slice_is(text, "/help")) fputs(help, stderr);
        else if (is_command(text))
            fprintf(stderr, "unknown command '%.*s'; /help lists them\n", (int)text.n, text.p);
        else if (text.n) code = turn(c, text);
        free(line);
        if (ferror(stdout)) return EXIT_OK;
    }
    if (c->tty) fputc('\n', stderr);
    if (session_terminated()) return EXIT_TERM;
    if (session_interrupted() && !c->tty) return EXIT_INT;
    return code ? code : lines_end(&c->in);
}

int verb_chat(const struct options *o)
{
    struct chat c = { .o = o, .tty = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) };
    struct brrr_model *m = NULL;
    struct engine_opts eo;
    struct brrr_error err;
    int code;

    if ((code = session_engine_opts(&eo, o))) return code;
    c.gen = malloc(sizeof(*c.gen));
    c.messages = json_array();
    if (!c.gen || !c.messages) code = EXIT_NOMEM;
    else if (session_gen_params(o, c.gen, &err)) code = cmd_usage("chat", "%s", err.text);
    else code = session_open(&m, o);
    if (!code) session_plan(&eo, o, m);
    if (!code) code = session_open_draft(&eo, o);
    if (!code && engine_open(&c.e, m, &eo, &err)) code = cmd_fail_engine(&err);
    if (!code) {
        c.m = m;
        session_catch_interrupt();
        if (!m->has_template) fputs("(the model has no chat template; using ChatML)\n", stderr);
        if (c.tty) set_locale();
        if (c.tty) fputs("Ask something. /help lists commands, Ctrl-D leaves.\n", stderr);
        code = converse(&c);
    }
    brrr_engine_close(c.e);
    lines_fini(&c.in);
    free(c.answer);
    json_decref(c.messages);
    free(c.gen);
    session_close_draft(&eo);
    brrr_model_close(m);
    return code;
}
