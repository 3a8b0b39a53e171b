/* SPDX-License-Identifier: MIT */
/*
 * tokenize.c - brrr tokenize: text to ids and back; as JSON lines or for reading.
 *
 * Needs only the tokenizer of a model file: files with nothing but a vocabulary
 * and files of unknown architectures will do.
 */
#include <ctype.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/utf8.h"
#include "cmd/cmd.h"
#include "cmd/term.h"
#include "format/gguf.h"
#include "text/tokenizer.h"

enum { PIECE_SHOWN = 256 };

static json_t *json_of_ids(const struct ids *v)
{
    json_t *a = json_array();

    for (size_t i = 0; a && i < v->n; i++)
        if (json_array_append_new(a, json_integer(v->id[i])) != 0) {
            json_decref(a);
            return NULL;
        }
    return a;
}

/* A boolean member with a default; false after filling err. */
static bool get_bool(const json_t *line, const char *key, bool *out, struct brrr_error *err)
{
    const json_t *v = json_object_get(line, key);

    if (!v) return true;
    if (!json_is_boolean(v)) {
        fail(err, BRRR_E_FORMAT, "\"%s\" must be true or false", key);
        return false;
    }
    *out = json_is_true(v);
    return true;
}

static json_t *encode_line(void *arg, const json_t *line, struct brrr_error *err)
{
    const struct tokenizer *t = arg;
    const json_t *text = json_object_get(line, "text");
    bool add_special = true, parse_special = true;
    struct ids ids = { 0 };
    json_t *out = NULL;

    if (!json_is_string(text)) {
        fail(err, BRRR_E_FORMAT, "\"text\" must be a string");
        return NULL;
    }
    if (!get_bool(line, "add_special", &add_special, err) ||
        !get_bool(line, "parse_special", &parse_special, err))
        return NULL;
    struct text_seg seg = { json_string_value(text), json_string_length(text), parse_special };
    if (tokenizer_encode(t, &seg, 1, add_special, &ids, err) == BRRR_OK) {
        out = json_pack("{s:o}", "ids", json_of_ids(&ids));
        if (!out) fail(err, BRRR_E_NOMEM, "no memory for %zu ids", ids.n);
    }
    ids_free(&ids);
    return out;
}

/* The ids of a JSON array; false after filling err. */
static bool read_ids(const json_t *a, int32_t n_vocab, struct ids *out, struct brrr_error *err)
{
    size_t i;
    json_t *v;

    if (!json_is_array(a)) {
        fail(err, BRRR_E_FORMAT, "\"ids\" must be an array of integers");
        return false;
    }
    json_array_foreach(a, i, v)
    {
        json_int_t id = json_integer_value(v);
        if (!json_is_integer(v) || id < 0 || id >= n_vocab) {
            fail(err, BRRR_E_FORMAT, "\"ids\"[%zu] must be an integer from 0 to %d", i,
                 n_vocab - 1);
            return false;
        }
        if (ids_push(out, (int32_t)id)) {
            fail(err, BRRR_E_NOMEM, "no memory for %zu ids", json_array_size(a));
            return false;
        }
    }
    return true;
}

static json_t *decode_line(void *arg, const json_t *line, struct brrr_error *err)
{
    const struct tokenizer *t = arg;
    struct ids ids = { 0 };
    struct slice text = { 0 };
    json_t *out = NULL;

    if (read_ids(json_object_get(line, "ids"), tokenizer_n_vocab(t), &ids, err) &&
        tokenizer_decode(t, ids.id, ids.n, true, &text, err) == BRRR_OK) {
        out = json_pack("{s:s%}", "text", text.p, text.n);
        if (!out) fail(err, BRRR_E_NOMEM, "no memory for %zu bytes of text", text.n);
    }
    free((void *)text.p);
    ids_free(&ids);
    return out;
}

/* The input for reading, ended by NUL: the operands, else -f FILE, else standard input. */
static enum brrr_status read_text(const struct options *o, struct slice *out,
                                  struct brrr_error *err)
{
    size_t n = 0, at = 0;

    if (o->n_arg == 0) return cmd_read_file(o->file ? o->file : "-", INT32_MAX, out, err);
    for (int i = 0; i < o->n_arg; i++)
        n += strlen(o->arg[i]) + 1;
    char *p = malloc(n);
    if (!p) return fail(err, BRRR_E_NOMEM, "no memory for %zu bytes", n);
    for (int i = 0; i < o->n_arg; i++) {
        size_t k = strlen(o->arg[i]);
        if (i > 0) p[at++] = ' ';
        memcpy(p + at, o->arg[i], k);
        at += k;
    }
    p[at] = 0;
    *out = (struct slice){ p, at };
    return BRRR_OK;
}

/* What can be said before the model is opened. */
static int check_text(const struct options *o)
{
    bool text = o->file || o->n_arg > 0;

    if (o->jsonl && text) return cmd_usage("tokenize", "with --jsonl each line brings its text");
    if (o->file && o->n_arg > 0)
        return cmd_usage("tokenize", "one text at a time: as operands or with -f");
    if (!text && !o->jsonl && isatty(STDIN_FILENO))
        return cmd_usage("tokenize", "no text: give it as operand, with -f or on standard input");
    return EXIT_OK;
}

/* A piece between quotes, with what a terminal would not show as \x.. */
static void print_piece(struct slice s)
{
    char clean[TERM_ROOM(4)];
    uint32_t code;

    putchar('"');
    for (size_t i = 0, len; i < s.n && i < PIECE_SHOWN; i += len) {
        const char *p = s.p + i;
        int k = utf8_next(p, s.n - i, &code);
        len = k > 0 ? (size_t)k : 1;
        bool shown =
            k > 0 && *p != '\t' && term_clean(clean, p, len) == len && memcmp(clean, p, len) == 0;
        if (*p == '\n') fputs("\\n", stdout);
        else if (*p == '"' || *p == '\\') printf("\\%c", *p);
        else if (shown) fwrite(p, 1, len, stdout);
        else
            for (size_t j = 0; j < len; j++)
                printf("\\x%02x", (unsigned char)p[j]);
    }
    puts(s.n > PIECE_SHOWN ? "..." : "\"");
}

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int show_ids(const struct tokenizer *t, struct slice text, bool verbose)
{
    struct text_seg seg = { text.p, text.n, true };
    struct ids ids = { 0 };
    struct brrr_error err;
    double start = now_s();

    if (tokenizer_encode(t, &seg, 1, true, &ids, &err)) {
        ids_free(&ids);
        return cmd_fail(&err);
    }
    double took = now_s() - start;
    for (size_t i = 0; i < ids.n; i++) {
        if (!verbose) {
            printf("%s%d", i ? " " : "", ids.id[i]);
            continue;
        }
        printf("%8d  ", ids.id[i]);
        print_piece(tokenizer_piece(t, ids.id[i]));
    }
    if (!verbose) putchar('\n');
    else
        fprintf(stderr, "%zu tokens from %zu bytes in %.3f ms (%.2f MB/s)\n", ids.n, text.n,
                took * 1e3, took > 0 ? (double)text.n / took * 1e-6 : 0);
    ids_free(&ids);
    return EXIT_OK;
}

/* Ids are whole numbers between anything that is none. */
static int show_text(const struct tokenizer *t, struct slice in)
{
    struct ids ids = { 0 };
    struct slice text = { 0 };
    struct brrr_error err = { 0 };
    const char *p = in.p, *end = in.p + in.n;
    int32_t n_vocab = tokenizer_n_vocab(t);

    while (p < end) {
        int64_t v = 0;
        if (!isdigit((unsigned char)*p)) {
            p++;
            continue;
        }
        for (; p < end && isdigit((unsigned char)*p); p++)
            v = MIN(v * 10 + (*p - '0'), INT32_MAX);
        if (v >= n_vocab) {
            fail(&err, BRRR_E_LIMIT, "there is no token %lld: ids are 0 to %d", (long long)v,
                 n_vocab - 1);
            goto error;
        }
        if (ids_push(&ids, (int32_t)v)) {
            fail(&err, BRRR_E_NOMEM, "no memory for the ids");
            goto error;
        }
    }
    if (ids.n == 0 && in.n > strspn(in.p, " \t\r\n[],")) {
        fail(&err, BRRR_E_LIMIT, "--decode: there is no token id in the text");
        goto error;
    }
    if (tokenizer_decode(t, ids.id, ids.n, true, &text, &err)) goto error;
    term_write(stdout, text.p, text.n);
    if (isatty(STDOUT_FILENO)) putchar('\n');
    free((void *)text.p);
    ids_free(&ids);
    return EXIT_OK;

error:
    ids_free(&ids);
    return cmd_fail(&err);
}

static int run(const struct options *o, struct tokenizer *t)
{
    struct slice text;
    struct brrr_error err;

    if (o->jsonl) return cmd_jsonl(o->decode ? decode_line : encode_line, t);
    if (read_text(o, &text, &err)) return cmd_fail(&err);
    int code = o->decode ? show_text(t, text) : show_ids(t, text, o->verbose);
    free((void *)text.p);
    return code;
}

int verb_tokenize(const struct options *o)
{
    const char *path = cmd_model_path(o);
    struct gguf *g = NULL;
    struct tokenizer *t = NULL;
    struct brrr_error err;
    int code;

    if (!path) return EXIT_USAGE;
    if ((code = check_text(o))) return code;
    enum brrr_status st = gguf_open(&g, path, &err);
    if (st == BRRR_OK) st = tokenizer_open(&t, g, &err);
    gguf_close(g); /* the tokenizer keeps its own copies */
    if (st) return cmd_fail(&err);
    code = run(o, t);
    tokenizer_close(t);
    return code;
}
