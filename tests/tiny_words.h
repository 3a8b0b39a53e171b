/* SPDX-License-Identifier: MIT */
/*
 * tiny_words.h - a tokenizer for the models of tiny_model.h, whose ids are bytes. Include it after
 * text/vocab.h and <cmocka.h>.
 */
#ifndef TESTS_TINY_WORDS_H
#define TESTS_TINY_WORDS_H

#include "text/tokenizer.h"
#include "tiny_model.h"
#include "vocab_fixture.h"

/* Id i is the byte first + i; from 0x80 on: characters in parts, and U+FFFD in plenty. The id `eos`
 * ends an answer; -1: none does. */
static inline struct tokenizer *tiny_words(int first, int32_t eos)
{
    static struct vf_vocab v;
    struct vf f = { 0 };
    struct tokenizer *t;
    struct gguf *g;
    char name[8];

    memset(&v, 0, sizeof(v));
    for (int i = 0; i < TINY_VOCAB; i++) {
        snprintf(name, sizeof(name), "<0x%02X>", (unsigned)(first + i));
        vf_token(&v, name, TOKEN_BYTE);
    }
    vf_begin(&f);
    vf_str(&f, "tokenizer.ggml.model", "llama");
    vf_arrays(&f, &v);
    vf_u32(&f, "tokenizer.ggml.eos_token_id", (uint32_t)eos);
    vf_end(&f);
    assert_int_equal(gguf_open_memory(&g, f.b, f.n, "v", NULL), BRRR_OK);
    assert_int_equal(tokenizer_open(&t, g, NULL), BRRR_OK);
    gguf_close(g);
    free(f.b);
    return t;
}

#endif
