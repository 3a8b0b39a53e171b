/* SPDX-License-Identifier: MIT */
/*
 * run.c - `brrr run`: one answer on standard output.
 *
 * The text comes from -p, the operands, -f or standard input. With an instruct
 * model it becomes a user message in the model's chat template; with --raw, or
 * when the file has no template, it is continued as it is. --task puts a fixed
 * prompt around it. --jsonl is run_jsonl.c.
 */
#include "cmd/run.h"

#include <stdlib.h>
#include <unistd.h>

#include "cmd/session.h"
#include "cmd/term.h"

/* What --task asks for; the language stands between the two parts, where there is one. */
static const struct task {
    const char *name, *before, *after;
    bool needs_to;
} tasks[] = {
    { "summarize", "Summarize the following text in a few sentences.", "", false },
    { "translate", "Translate the following text to ", ". Answer with the translation only.",
      true },
};

static const struct task *find_task(const char *name)
{
    for (size_t i = 0; i < COUNT(tasks); i++)
        if (strcmp(tasks[i].name, name) == 0) return &tasks[i];
    return NULL;
}

static int check_task(const struct options *o)
{
    const struct task *t = o->task ? find_task(o->task) : NULL;

    if (o->task && !t)
        return cmd_usage("run", "--task is 'summarize' or 'translate', not '%s'", o->task);
    if (t && t->needs_to && !o->to)
        return cmd_usage("run", "--task %s needs --to LANG, as in --to French", t->name);
    if (t && o->raw) return cmd_usage("run", "--task and --raw exclude each other");
    if (o->system && o->raw) return cmd_usage("run", "--system and --raw exclude each other");
    if (o->to && !(t && t->needs_to)) return cmd_usage("run", "--to belongs to --task translate");
    return EXIT_OK;
}

/* The operands, joined by spaces; malloc'ed. */
static char *join_operands(const struct options *o)
{
    size_t n = 0;
    char *s = NULL;
    FILE *f = open_memstream(&s, &n);

    if (!f) return NULL;
    for (int i = 0; i < o->n_arg; i++)
        fprintf(f, "%s%s", i ? " " : "", o->arg[i]);
    return fclose(f) == 0 ? s : NULL;
}

/* The text to answer, in malloc'ed memory that ends in NUL. */
static int gather_text(const struct options *o, struct slice *text)
{
    struct brrr_error err;
    char *s;

    *text = (struct slice){ 0 };
    if (!!o->prompt + !!o->file + (o->n_arg > 0) > 1)
        return cmd_usage("run", "one text at a time: as operands, with -p or with -f");
    if (o->prompt || o->n_arg > 0) {
        s = o->prompt ? strdup(o->prompt) : join_operands(o);
        if (!s) return EXIT_NOMEM;
        *text = (struct slice){ s, strlen(s) };
        return EXIT_OK;
    }
    if (!o->file && isatty(STDIN_FILENO))
        return cmd_usage("run", "no text: give it as operand, with -p, -f or on standard input");
    if (cmd_read_file(o->file ? o->file : "-", LIMIT_LINE_BYTES, text, &err)) return cmd_fail(&err);
    /* The newline that echo(1) and editors put at the end is not part of the question. */
    while (text->n > 0 && text->p[text->n - 1] == '\n')
        text->n--;
    return EXIT_OK;
}

/* The user message: the text, with the task's words before it. */
static json_t *user_message(const struct options *o, struct slice text)
{
    const struct task *t = o->task ? find_task(o->task) : NULL;
    char *joined = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&joined, &n);

    if (!f) return NULL;
    if (t) fprintf(f, "%s%s%s\n\n", t->before, t->needs_to ? o->to : "", t->after);
    fwrite(text.p, 1, text.n, f);
    json_t *content = fclose(f) == 0 ? json_stringn(joined, n) : NULL;
    free(joined);
    return content ? json_pack("{s:s, s:o}", "role", "user", "content", content) : NULL;
}

static enum brrr_status chat_prompt(const struct options *o, const struct brrr_model *m,
                                    struct slice text, struct ids *ids, struct brrr_error *err)
{
    json_t *messages = json_array(), *user = user_message(o, text), *system = NULL;
    enum brrr_status st;

    if (o->system) system = json_pack("{s:s, s:s}", "role", "system", "content", o->system);
    if (o->system && json_array_append_new(messages, system)) {
        json_decref(user);
        st = fail(err, BRRR_E_FORMAT, "--system is not valid UTF-8");
    } else if (json_array_append_new(messages, user))
        st = fail(err, BRRR_E_FORMAT, "the text is not valid UTF-8");
    else st = bundle_chat_ids(m, messages, ids, err);
    json_decref(messages);
    return st;
}

enum brrr_status run_raw_ids(const struct brrr_model *m, struct slice text, struct ids *ids,
                             struct brrr_error *err)
{
    struct text_seg seg = { text.p, text.n, true };

    if (!m->tok) return fail(err, BRRR_E_UNSUPPORTED, "the model has no tokenizer: give ids");
    enum brrr_status st = tokenizer_encode(m->tok, &seg, 1, true, ids, err);
    if (!st && ids->n == 0) st = fail(err, BRRR_E_FORMAT, "the prompt is empty");
    return st;
}

void run_end(const struct options *o, const struct brrr_engine *e, const struct run_sink *sink)
{
    bool full = o->n_predict < 0 || sink->timings.n_gen < o->n_predict;

    if (!ferror(stdout)) putchar('\n');
    fflush(stdout);
    if (o->quiet) return;
    session_closing_line(&sink->timings);
    if (sink->finish != BRRR_FINISH_LENGTH) return;
    if (full) fprintf(stderr, "(cut: the context of %d tokens is full)\n", engine_options(e)->ctx);
    else if (!OPTION_GIVEN(o, n_predict))
        fprintf(stderr, "(cut after %d tokens: -n allows more, -n -1 as many as fit)\n",
                o->n_predict);
}

int run_stream(struct brrr_engine *e, uint64_t id, struct run_sink *sink)
{
    struct engine_event ev[LIMIT_PARALLEL];
    int n, done, total;
    struct progress bar;

    progress_start(&bar, "reading", sink->quiet);
    while ((n = engine_poll(e, ev, LIMIT_PARALLEL)) >= 0) {
        if (n == 0 && engine_progress(e, id, &done, &total)) progress_show(&bar, done, total);
        for (int i = 0; i < n; i++) {
            progress_end(&bar);
            if (!sink->put(sink->arg, ev[i].text)) engine_cancel(e, id);
            if (ev[i].finish) sink->timings = ev[i].timings;
            if (ev[i].finish) sink->finish = ev[i].finish;
        }
        if (session_interrupted()) engine_cancel(e, id);
    }
    progress_end(&bar);
    return sink->finish == BRRR_FINISH_CANCELLED && session_interrupted()
               ? (session_terminated() ? EXIT_TERM : EXIT_INT)
               : EXIT_OK;
}

static bool put_stdout(void *arg, struct slice text)
{
    return text.n == 0 || (term_write(arg, text.p, text.n) && fflush(arg) == 0);
}

static int answer(const struct options *o, const struct brrr_model *m, const struct ids *ids,
                  const struct gen_params *g, const struct engine_opts *eo)
{
    struct brrr_error err;
    struct brrr_engine *e;
    struct run_sink sink = { .put = put_stdout, .arg = stdout, .quiet = o->quiet };
    struct engine_opts planned = *eo;
    uint64_t id;
    int code;

    session_plan(&planned, o, m);
    if ((code = session_open_draft(&planned, o))) return code;
    if (engine_open(&e, m, &planned, &err)) {
        session_close_draft(&planned);
        return cmd_fail_engine(&err);
    }
    session_catch_interrupt();
    struct engine_request q = { .prompt = ids->id, .n_prompt = ids->n, .gen = g };
    if (engine_submit(e, &q, &id, &err)) {
        code = cmd_fail(&err);
    } else {
        code = run_stream(e, id, &sink);
        run_end(o, e, &sink);
    }
    brrr_engine_close(e);
    session_close_draft(&planned);
    return code;
}

static int run_one(const struct options *o, const struct engine_opts *eo)
{
    struct brrr_error err;
    struct brrr_model *m = NULL;
    struct gen_params *g = malloc(sizeof(*g));
    struct ids ids = { 0 };
    struct slice text = { 0 };
    int code = g ? EXIT_OK : EXIT_NOMEM;

    if (!code && session_gen_params(o, g, &err)) code = cmd_usage("run", "%s", err.text);
    if (!code) code = gather_text(o, &text);
    /* `cat nothere | brrr run`: a model would make up the question too. */
    if (!code && text.n == 0 && !o->raw) code = cmd_usage("run", "the text is empty");
    if (!code) code = session_open(&m, o);
    if (!code && !m->has_template && (o->task || o->system))
        code = cmd_usage("run", "the model has no chat template: --task and --system need one");
    if (!code) {
        bool chat = m->has_template && !o->raw;
        enum brrr_status st =
            chat ? chat_prompt(o, m, text, &ids, &err) : run_raw_ids(m, text, &ids, &err);
        /* A text that can not be a prompt is the request's fault, not the file's. */
        code = st ? (cmd_fail(&err), EXIT_RUN) : answer(o, m, &ids, g, eo);
    }
    ids_free(&ids);
    brrr_model_close(m);
    free((char *)text.p);
    free(g);
    return code;
}

int verb_run(const struct options *o)
{
    struct engine_opts eo;
    int code;

    if ((code = session_engine_opts(&eo, o)) || (code = check_task(o))) return code;
    if (o->jsonl && (o->prompt || o->n_arg || o->file || o->task || o->system || o->raw))
        return cmd_usage("run",
                         "with --jsonl each line brings its text: no -p, -f, --task, --system, "
                         "--raw beside it");
    return o->jsonl ? run_jsonl(o, &eo) : run_one(o, &eo);
}
