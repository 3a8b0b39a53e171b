/* SPDX-License-Identifier: MIT */
/*
 * fuzz_model.c - any bytes as a model file: every check that loading runs, and
 * the tokenizer used on a text. Seeds: tests/fuzz/corpus/model
 * (tools/gen-gguf-corpus.py).
 */
#include <stdlib.h>

#include "format/gguf.h"
#include "model/model.h"
#include "text/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
    if (!ok) abort();
}

/* Ids are in range, and what comes out again is some text. */
static void use_tokenizer(const struct tokenizer *t)
{
    static const char text[] = "hello <s> the cats\n\xc3\xa9\xff ab </s> 1234";
    struct text_seg seg = { text, sizeof(text) - 1, true };
    struct brrr_error err = { 0 };
    struct ids ids = { 0 };
    struct slice out;

    if (tokenizer_encode(t, &seg, 1, true, &ids, &err) == BRRR_OK) {
        for (size_t i = 0; i < ids.n; i++)
            require(ids.id[i] >= 0 && ids.id[i] < tokenizer_n_vocab(t));
        if (tokenizer_decode(t, ids.id, ids.n, true, &out, &err) == BRRR_OK) free((char *)out.p);
    }
    ids_free(&ids);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct brrr_error err = { 0 };
    struct tokenizer *tok = NULL;
    struct model_plan plan;
    struct gguf *g;

    if (gguf_open_memory(&g, data, size, "input", &err) != BRRR_OK) return 0;
    for (int p = BRRR_PRECISION_Q8; p <= BRRR_PRECISION_BF16; p++) {
        err = (struct brrr_error){ 0 };
        if (model_check(g, (enum brrr_precision)p, &plan, &err) == BRRR_OK)
            require(plan.hp.n_layer > 0 && plan.hp.n_vocab > 0 && plan.hp.d_k > 0);
        else require(err.status != BRRR_OK && err.text[0]);
    }
    if (tokenizer_open(&tok, g, &err) == BRRR_OK) use_tokenizer(tok);
    tokenizer_close(tok);
    gguf_close(g);
    return 0;
}
