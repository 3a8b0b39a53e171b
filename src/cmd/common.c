/* SPDX-License-Identifier: MIT */
/* common.c - what the verbs share (cmd.h): messages, input, JSON lines. */
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "cmd/lines.h"
#include "cmd/term.h"

/* One table from status to exit code. */
static const int exit_codes[] = {
    [BRRR_OK] = EXIT_OK,          [BRRR_E_IO] = EXIT_RUN,
    [BRRR_E_FORMAT] = EXIT_MODEL, [BRRR_E_UNSUPPORTED] = EXIT_MODEL,
    [BRRR_E_NOMEM] = EXIT_NOMEM,  [BRRR_E_LIMIT] = EXIT_RUN,
};

int cmd_fail(const struct brrr_error *err)
{
    char clean[TERM_ROOM(sizeof(err->text))];
    size_t n = term_clean(clean, err->text, strlen(err->text)); /* it may quote the file */

    fprintf(stderr, "brrr: %.*s\n", (int)n, clean);
    return exit_codes[err->status];
}

int cmd_fail_engine(const struct brrr_error *err)
{
    int code = cmd_fail(err);

    return err->status == BRRR_E_LIMIT ? EXIT_USAGE : code;
}

int cmd_usage(const char *verb, const char *fmt, ...)
{
    va_list ap;

    fprintf(stderr, "brrr %s: ", verb);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fprintf(stderr, "; `brrr %s --help` lists the options\n", verb);
    return EXIT_USAGE;
}

/* Where run.sh keeps the default model: $XDG_CACHE_HOME/brrr. */
static const char *default_model(void)
{
    static char path[4096];
    const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");

    if (xdg && *xdg) snprintf(path, sizeof(path), "%s/brrr/%s", xdg, BRRR_DEFAULT_MODEL);
    else snprintf(path, sizeof(path), "%s/.cache/brrr/%s", home ? home : "", BRRR_DEFAULT_MODEL);
    return path;
}

const char *cmd_model_path(const struct options *o)
{
    const char *path = o->model ? o->model : "default";

    if (strcmp(path, "default") != 0) return path;
    path = default_model();
    if (access(path, R_OK) != 0) {
        cmd_usage(
            o->verb,
            "no model: give one with -m FILE (the default, %s, is not there; ./run.sh fetches it)",
            path);
        return NULL;
    }
    return path;
}

enum brrr_status cmd_read_file(const char *path, size_t limit, struct slice *out,
                               struct brrr_error *err)
{
    bool std_in = strcmp(path, "-") == 0;
    FILE *f = std_in ? stdin : fopen(path, "rbe");
    char *buf = NULL;
    size_t n = 0, cap = 0, got = 1;

    *out = (struct slice){ 0 };
    if (!f) return fail(err, BRRR_E_IO, "%s: %s", path, strerror(errno));
    while (got > 0 && n <= limit) {
        if (n == cap) {
            cap = cap ? 2 * cap : 1 << 16;
            char *p = realloc(buf, cap + 1);
            if (!p) goto nomem;
            buf = p;
        }
        got = fread(buf + n, 1, cap - n, f);
        n += got;
    }
    if (ferror(f)) {
        fail(err, BRRR_E_IO, "%s: %s", path, strerror(errno));
        goto error;
    }
    if (n > limit) {
        fail(err, BRRR_E_LIMIT, "%s: larger than %zu bytes", path, limit);
        goto error;
    }
    if (!std_in) fclose(f);
    buf[n] = 0;
    *out = (struct slice){ buf, n };
    return BRRR_OK;

nomem:
    fail(err, BRRR_E_NOMEM, "%s: no memory to read it", path);
error:
    free(buf);
    if (!std_in) fclose(f);
    return err ? err->status : BRRR_E_IO;
}

int cmd_print_json(json_t *v)
{
    char *s = json_dumps(v, JSON_COMPACT | JSON_REAL_PRECISION(9));
    int ok = s && puts(s) >= 0 && fflush(stdout) == 0;

    json_decref(v);
    if (!s) {
        fputs("brrr: no memory for the answer\n", stderr);
        return EXIT_NOMEM;
    }
    free(s);
    return ok ? EXIT_OK : EXIT_RUN;
}

int cmd_print_answer(json_t *v)
{
    int code = cmd_print_json(v);

    return code == EXIT_RUN ? EXIT_OK : code;
}

json_t *cmd_json_error(const char *text)
{
    char clean[TERM_ROOM(sizeof(((struct brrr_error *)0)->text))];
    size_t n = strlen(text);

    assert(TERM_ROOM(n) <= sizeof(clean));
    return json_pack("{s:o}", "error", json_stringn(clean, term_clean(clean, text, n)));
}

int cmd_jsonl(json_t *(*fn)(void *arg, const json_t *line, struct brrr_error *err), void *arg)
{
    struct lines in = { 0 };
    struct brrr_error err = { 0 };
    struct slice text;
    enum lines_got got;
    int code = EXIT_OK;

    while (code == EXIT_OK && (got = lines_next(&in, true, &text)) != LINES_END) {
        if (got == LINES_NONE_YET || text.n == 0) continue;
        json_t *line = NULL, *out = NULL;
        if (lines_json(&line, &in, text, &err) == BRRR_OK) out = fn(arg, line, &err);
        json_decref(line);
        if (!out) out = cmd_json_error(err.text);
        code = out ? cmd_print_json(out) : EXIT_NOMEM;
    }
    if (code == EXIT_OK) code = lines_end(&in);
    lines_fini(&in);
    /* A closed pipe on stdout is the reader's choice. */
    return code == EXIT_RUN && ferror(stdout) ? EXIT_OK : code;
}
