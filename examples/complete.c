/* SPDX-License-Identifier: MIT */
/*
 * complete.c - the smallest program on libbrrr: open, submit, poll, close.
 *
 *     make example && build/release/examples/complete MODEL.gguf "Why is the sky blue?"
 */
#include <stdio.h>
#include <stdlib.h>

#include "brrr.h"

static int die(const struct brrr_error *err)
{
    fprintf(stderr, "complete: %s\n", err->text);
    return 1;
}

/* Ask one question, write the answer as it comes. */
static int answer(struct brrr_engine *e, const int32_t *ids, size_t n, struct brrr_error *err)
{
    struct brrr_gen gen;
    struct brrr_event ev;
    uint64_t id;
    int got;

    brrr_gen_default(&gen);
    gen.n_predict = 64;
    if (brrr_engine_submit(e, ids, n, &gen, &id, err)) return die(err);
    while ((got = brrr_engine_poll(e, &ev, 1)) >= 0) {
        if (got == 0) continue; /* still reading the prompt */
        fwrite(ev.text, 1, ev.n_text, stdout);
        fflush(stdout);
    }
    putchar('\n');
    return 0;
}

int main(int argc, char **argv)
{
    struct brrr_error err;
    struct brrr_model *model = NULL;
    struct brrr_engine *engine = NULL;
    int32_t *ids = NULL;
    int code;

    if (argc != 3) {
        fprintf(stderr, "usage: complete MODEL.gguf QUESTION\n");
        return 2;
    }
    struct brrr_message question = { .role = "user", .content = argv[2] };
    if (brrr_model_open(&model, argv[1], NULL, &err) ||
        brrr_engine_open(&engine, model, NULL, &err)) {
        code = die(&err);
    } else {
        int64_t n = brrr_chat_tokenize(model, &question, 1, &ids, &err);
        code = n < 0 ? die(&err) : answer(engine, ids, (size_t)n, &err);
    }
    free(ids);
    brrr_engine_close(engine);
    brrr_model_close(model);
    return code;
}
