/* SPDX-License-Identifier: MIT */
/*
 * tokenizer_open.h - what the unit tests of the tokenizer share: sample
 * vocabularies opened, texts encoded to strings of ids. Each test program puts
 * its vocabulary together in `vocab`.
 */
#ifndef TESTS_TOKENIZER_OPEN_H
#define TESTS_TOKENIZER_OPEN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "text/tokenizer.h"
#include "vocab_samples.h"

#include <cmocka.h> /* behind ours: it has a macro called fail */

static struct vf_vocab vocab;

static inline enum brrr_status open_bytes(struct tokenizer **t, const struct vf *f,
                                          struct brrr_error *err)
{
    struct gguf *g = NULL;

    *t = NULL;
    if (gguf_open_memory(&g, f->b, f->n, "v.gguf", err)) fail_msg("%s", err->text);
    enum brrr_status st = tokenizer_open(t, g, err);
    gguf_close(g);
    return st;
}

/* Open `vocab` as a model of this kind; frees the file, so the tokenizer stands on its own. */
static inline struct tokenizer *open_vocab(const char *model, const char *pre)
{
    struct vf f = { 0 };
    struct brrr_error err = { 0 };
    struct tokenizer *t;

    vf_file(&f, &vocab, model, pre);
    if (open_bytes(&t, &f, &err)) fail_msg("%s", err.text);
    memset(f.b, 0xee, f.n);
    free(f.b);
    return t;
}

static inline struct tokenizer *open_bpe(void)
{
    vf_sample_bpe(&vocab);
    return open_vocab("gpt2", "gpt-2");
}

static inline struct tokenizer *open_spm(void)
{
    vf_sample_spm(&vocab);
    return open_vocab("llama", NULL);
}

static inline struct tokenizer *open_wordpiece(void)
{
    vf_sample_wordpiece(&vocab);
    return open_vocab("bert", NULL);
}

static inline int id_of(const char *text)
{
    for (int i = 0; i < vocab.n; i++)
        if (strcmp(vocab.text[i], text) == 0) return i;
    fail_msg("no token %s", text);
    return -1;
}

/* "12 7 300": the ids of the segments. */
static inline const char *encode_segs(const struct tokenizer *t, const struct text_seg *seg,
                                      size_t n, bool add_special)
{
    static char out[4096];
    struct ids ids = { 0 };
    struct brrr_error err = { 0 };
    size_t at = 0;

    if (tokenizer_encode(t, seg, n, add_special, &ids, &err)) fail_msg("%s", err.text);
    out[0] = 0;
    for (size_t i = 0; i < ids.n && at < sizeof(out) - 16; i++)
        at += (size_t)sprintf(out + at, "%s%d", i ? " " : "", ids.id[i]);
    ids_free(&ids);
    return out;
}

static inline const char *encode(const struct tokenizer *t, const char *text, bool parse)
{
    struct text_seg seg = { text, strlen(text), parse };

    return encode_segs(t, &seg, 1, false);
}

static inline void expect_decoded(const struct tokenizer *t, const int32_t *id, size_t n,
                                  bool special, const char *want)
{
    struct slice got;
    struct brrr_error err;

    assert_int_equal(tokenizer_decode(t, id, n, special, &got, &err), BRRR_OK);
    assert_int_equal(got.n, strlen(want));
    assert_memory_equal(got.p, want, got.n);
    free((void *)got.p);
}

#endif
