/* SPDX-License-Identifier: MIT */
/*
 * inspect.c - `brrr inspect MODEL`: what is in a model file.
 *
 * Without --tensor it runs every check that loading runs and ends like loading
 * would (exit 3). With --tensor it looks at one tensor of any well-formed GGUF
 * file, of a model or not; --dequant writes that tensor's values as raw
 * little-endian f32, the row with index 0 first.
 */
#include <errno.h>
#include <unistd.h>

#include "base/cpu.h"
#include "cmd/cmd.h"
#include "cmd/inspect.h"
#include "kernels/kernels.h"
#include "text/tokenizer.h"

enum { CHUNK = 8192 }; /* weights dequantised at a time; a multiple of every block */

/* All that loading a model checks beyond the structure of the file. */
static enum brrr_status check_model(const struct gguf *g, struct model_plan *plan,
                                    struct brrr_error *err)
{
    struct tokenizer *tok = NULL;
    enum brrr_status st = model_check(g, BRRR_PRECISION_Q8, plan, err);

    if (st == BRRR_OK && tokenizer_present(g)) st = tokenizer_open(&tok, g, err);
    tokenizer_close(tok);
    return st;
}

/* A reader that went away is no failure. */
static int write_failed(void)
{
    if (errno == EPIPE) return EXIT_OK;
    fprintf(stderr, "brrr: standard output: %s\n", strerror(errno));
    return EXIT_DISK;
}

static int write_values(const struct gguf_tensor *t)
{
    float y[CHUNK];
    struct kernels k;
    const struct qtype_info *q = &qtypes[t->type];
    size_t n = t->n_bytes / q->bytes * q->block;

    kernels_select(&k, cpu_features());
    for (size_t i = 0; i < n; i += CHUNK) {
        size_t some = MIN(n - i, (size_t)CHUNK);
        k.dequant[t->type](y, t->data + i / q->block * q->bytes, some);
        if (fwrite(y, sizeof(*y), some, stdout) != some) return write_failed();
    }
    return fflush(stdout) == 0 ? EXIT_OK : write_failed();
}

static int show_tensor(const struct gguf *g, const struct options *o)
{
    const struct gguf_tensor *t = gguf_find_tensor(g, o->tensor);

    if (!t) return cmd_usage(o->verb, "%s has no tensor '%s'", gguf_path(g), o->tensor);
    if (o->dequant) return write_values(t);
    if (o->json) return inspect_json_tensor(t) ? EXIT_OK : write_failed();
    inspect_table_tensor(t);
    return EXIT_OK;
}

static int show_model(const struct gguf *g, const struct options *o)
{
    struct brrr_error err = { 0 };
    struct model_plan plan;

    if (check_model(g, &plan, &err) != BRRR_OK) return cmd_fail(&err);
    if (o->json) return inspect_json(g, &plan) ? EXIT_OK : write_failed();
    inspect_table(g, &plan, o->verbose);
    return EXIT_OK;
}

int verb_inspect(const struct options *o)
{
    struct brrr_error err = { 0 };
    struct gguf *g;

    if (o->dequant && !o->tensor) return cmd_usage(o->verb, "--dequant needs --tensor NAME");
    if (o->dequant && isatty(STDOUT_FILENO))
        return cmd_usage(o->verb, "--dequant writes bytes: send standard output to a file");
    const char *path = cmd_model_path(o);
    if (!path) return EXIT_USAGE;
    if (gguf_open(&g, path, &err) != BRRR_OK) return cmd_fail(&err);
    int code = o->tensor ? show_tensor(g, o) : show_model(g, o);
    gguf_close(g);
    return code;
}
