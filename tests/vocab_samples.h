/* SPDX-License-Identifier: MIT */
/*
 * vocab_samples.h - one small vocabulary of each family, for the unit tests and
 * the fuzz target of the tokenizer.
 */
#ifndef TESTS_VOCAB_SAMPLES_H
#define TESTS_VOCAB_SAMPLES_H

#include "vocab_fixture.h"

/* Byte-level BPE that knows "hello", " world" and a few special tokens. Ids 256 on. */
static inline void vf_sample_bpe(struct vf_vocab *v)
{
    static const char *const merge[][2] = {
        { "h", "e" },
        { "l", "l" },
        { "he", "ll" },
        { "hell", "o" },
        { "\xc4\xa0", "w" },
        { "o", "r" },
        { "\xc4\xa0w", "or" },
        { "l", "d" },
        { "\xc4\xa0wor", "ld" },
        { "\xc4\xa0", "\xc4\xa0" },
    };

    v->n = v->n_merge = 0;
    vf_byte_tokens(v);
    for (size_t i = 0; i < COUNT(merge); i++) {
        char both[VF_TEXT];
        vf_join(both, sizeof(both), merge[i][0], "", merge[i][1]);
        vf_token(v, both, 1);
        vf_merge(v, merge[i][0], merge[i][1]);
    }
    vf_token(v, "<|im_start|>", 3); /* 266 */
    vf_token(v, "<|im_end|>", 3);
    vf_token(v, "<|im_end|><|im_start|>", 3);
    vf_token(v, "<tool>", 4);
}

/* SentencePiece-style: specials, byte tokens, then pieces by falling score. */
static inline void vf_sample_spm(struct vf_vocab *v)
{
    static const char *const piece[] = {
        "\xe2\x96\x81",
        "h",
        "e",
        "l",
        "o",
        "w",
        "r",
        "d",
        "ll",
        "he",
        "hell",
        "hello",
        "\xe2\x96\x81w",
        "or",
        "ld",
        "wor",
        "\xe2\x96\x81wor",
        "\xe2\x96\x81world",
        "\xe2\x96\x81h",
        "\xe2\x96\x81hello",
        "\xc3\xa9",
        ">",
        "o>\xe2\x96\x81",
        "o>",
    };

    v->n = v->n_merge = 0;
    vf_token(v, "<unk>", 2);
    vf_token(v, "<s>", 3);
    vf_token(v, "</s>", 3);
    for (int b = 0; b < 256; b++) {
        char s[8];
        snprintf(s, sizeof(s), "<0x%02X>", b);
        vf_token(v, s, 6);
    }
    vf_token(v, "\n\n", 4); /* 259 */
    vf_token(v, "\n\n\n", 4);
    for (size_t i = 0; i < COUNT(piece); i++)
        vf_token(v, piece[i], 1);
}

static inline void vf_sample_wordpiece(struct vf_vocab *v)
{
    static const char *const piece[] = {
        "\xe2\x96\x81hello",        "\xe2\x96\x81wor", "ld",  "\xe2\x96\x81!", "\xe2\x96\x81h", "e",
        "\xe2\x96\x81\xe6\x97\xa5", "\xe2\x96\x81",    "llo", "\xe2\x96\x81,",
    };

    v->n = v->n_merge = 0;
    vf_token(v, "[UNK]", 3);
    vf_token(v, "[CLS]", 3);
    vf_token(v, "[SEP]", 3);
    vf_token(v, "[MASK]", 3);
    for (size_t i = 0; i < COUNT(piece); i++)
        vf_token(v, piece[i], 1);
}

/* The metadata of one of the samples: model "gpt2" (with this pre-tokenizer), "llama" or "bert". */
static inline void vf_file(struct vf *f, const struct vf_vocab *v, const char *model,
                           const char *pre)
{
    vf_begin(f);
    vf_str(f, "tokenizer.ggml.model", model);
    if (pre) vf_str(f, "tokenizer.ggml.pre", pre);
    vf_arrays(f, v);
    if (strcmp(model, "gpt2") == 0) vf_u32(f, "tokenizer.ggml.eos_token_id", 267);
    if (strcmp(model, "bert") == 0) {
        vf_u32(f, "tokenizer.ggml.unknown_token_id", 0);
        vf_u32(f, "tokenizer.ggml.cls_token_id", 1);
        vf_u32(f, "tokenizer.ggml.seperator_token_id", 2);
    }
    vf_end(f);
}

#endif
