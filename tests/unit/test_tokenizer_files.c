/* SPDX-License-Identifier: MIT */
/*
 * test_tokenizer_files.c - what files say of their tokenizer: habits that go by
 * name, files that are refused and files that are taken with a shrug.
 */
#include <time.h>

#include "base/limits.h"
#include "tokenizer_open.h"

/* --- habits of some families --- */

/* Open `vocab` with a model name of general.name. */
static struct tokenizer *open_named(const char *model, const char *pre, const char *name)
{
    struct vf f = { 0 };
    struct brrr_error err = { 0 };
    struct tokenizer *t;

    vf_begin(&f);
    vf_str(&f, "general.name", name);
    vf_str(&f, "tokenizer.ggml.model", model);
    vf_str(&f, "tokenizer.ggml.pre", pre);
    vf_arrays(&f, &vocab);
    vf_end(&f);
    if (open_bytes(&t, &f, &err)) fail_msg("%s", err.text);
    free(f.b);
    return t;
}

/* Phi-3's special tokens swallow the white space behind them, jina's <mask> the one before. */
static void test_stripping(void **state)
{
    struct tokenizer *t;

    (void)state;
    vf_sample_bpe(&vocab);
    t = open_named("gpt2", "gpt-2", "Phi-3 mini");
    assert_string_equal(encode(t, " <|im_end|> \n\thello", true), "32 267 259");
    tokenizer_close(t);
    int mask = vf_token(&vocab, "<mask>", 3);
    char want[32];
    sprintf(want, "259 %d 32 259", mask);
    t = open_named("gpt2", "jina-v2-code", "x");
    assert_string_equal(encode(t, "hello \n <mask> hello", true), want);
    tokenizer_close(t);
}

/* Llama 3: a word that is a token is that token, even if no merges lead there. BOS by default. */
static void test_whole_words(void **state)
{
    struct tokenizer *t;
    struct text_seg seg = { "low", 3, true };

    (void)state;
    vf_sample_bpe(&vocab);
    int low = vf_token(&vocab, "low", 1);
    t = open_named("gpt2", "gpt-2", "x");
    assert_string_equal(encode(t, "low", true), "108 111 119");
    tokenizer_close(t);
    t = open_named("gpt2", "llama-bpe", "x");
    char want[16];
    sprintf(want, "%d", low);
    assert_string_equal(encode_segs(t, &seg, 1, true), want);
    assert_false(tokenizer_adds_bos(t)); /* wanted, but the file names none */
    tokenizer_close(t);
}

/* Gemma 4: merges by rank on real text, U+2581 for spaces, bytes where there is no piece. */
static void test_gemma4(void **state)
{
    struct tokenizer *t;

    (void)state;
    vf_sample_spm(&vocab);
    vocab.kind[259] = vocab.kind[260] = 1; /* its runs of newlines are ordinary tokens */
    vf_merge(&vocab, "h", "e");
    vf_merge(&vocab, "l", "l");
    vf_merge(&vocab, "\xe2\x96\x81", "w");
    int lines = vf_token(&vocab, "\n\n\n\n", 1);
    t = open_named("gemma4", "gemma4", "x");
    char want[64];
    sprintf(want, "%d %d %d %d 235 154 154 %d", id_of("he"), id_of("ll"), id_of("\xe2\x96\x81w"),
            id_of("\xe2\x96\x81"), lines);
    assert_string_equal(encode(t, "hell w \xe8\x97\x97\n\n\n\n", false), want);
    int32_t id[] = { id_of("\xe2\x96\x81w"), 3 + 0xc3, 3 + 0xa9 };
    expect_decoded(t, id, COUNT(id), false, " w\xc3\xa9");
    tokenizer_close(t);
}

/* 512 KiB of one character: quadratic merging would take hours. */
static void test_long_word(void **state)
{
    enum { N = 1 << 19 };
    char *text = malloc(N);
    struct tokenizer *t[] = { open_bpe(), open_spm(), open_wordpiece() };

    (void)state;
    for (size_t i = 0; i < COUNT(t); i++)
        for (int k = 0; k < 3; k++) {
            struct ids ids = { 0 };
            struct brrr_error err;
            struct text_seg seg = { text, N, false };
            memset(text, "l x"[k], N);
            clock_t start = clock();
            assert_int_equal(tokenizer_encode(t[i], &seg, 1, false, &ids, &err), BRRR_OK);
            assert_true((double)(clock() - start) / CLOCKS_PER_SEC < 5);
            if (i == 0) assert_int_equal(ids.n, k == 2 ? N : N / 2);
            ids_free(&ids);
        }
    for (size_t i = 0; i < COUNT(t); i++)
        tokenizer_close(t[i]);
    free(text);
}

/* Text without spaces is one word; where it is cut, its characters stay whole. */
static void test_word_beyond_the_limit(void **state)
{
    size_t n = (LIMIT_WORD_BYTES / 2 + 1000) * 2;
    char *text = malloc(n + 1);
    struct tokenizer *t = open_spm();
    struct ids ids = { 0 };
    struct brrr_error err;
    int32_t one = id_of("\xc3\xa9");

    (void)state;
    text[0] = 'h'; /* an odd place for the limit */
    for (size_t i = 0; i < n; i++)
        text[i + 1] = "\xc3\xa9"[i % 2];
    struct text_seg seg = { text, n + 1, false };
    assert_int_equal(tokenizer_encode(t, &seg, 1, false, &ids, &err), BRRR_OK);
    assert_int_equal(ids.n, n / 2 + 1);
    for (size_t i = 1; i < ids.n; i++)
        if (ids.id[i] != one) fail_msg("id %d at %zu", ids.id[i], i);
    ids_free(&ids);
    tokenizer_close(t);
    free(text);
}

/* --- broken files --- */

static void expect_refused(struct vf *f, enum brrr_status want, const char *what)
{
    struct brrr_error err = { 0 };
    struct tokenizer *t;

    vf_end(f);
    assert_int_equal(open_bytes(&t, f, &err), want);
    assert_null(t);
    assert_int_equal(err.status, want);
    if (!strstr(err.text, what)) fail_msg("'%s' is not about '%s'", err.text, what);
    assert_non_null(strstr(err.text, "v.gguf"));
}

static void test_refused(void **state)
{
    struct vf f = { 0 };

    (void)state;
    vf_sample_bpe(&vocab);
    vf_begin(&f);
    expect_refused(&f, BRRR_E_FORMAT, "tokenizer.ggml.model");
    vf_str(&f, "tokenizer.ggml.model", "t5");
    expect_refused(&f, BRRR_E_UNSUPPORTED, "'t5'");
    vf_begin(&f);
    vf_str(&f, "tokenizer.ggml.model", "gpt2");
    vf_str(&f, "tokenizer.ggml.pre", "no such thing");
    expect_refused(&f, BRRR_E_UNSUPPORTED, "'no such thing'");
    vf_begin(&f);
    vf_str(&f, "tokenizer.ggml.model", "gpt2");
    expect_refused(&f, BRRR_E_FORMAT, "tokenizer.ggml.tokens");
    vf_arrays(&f, &vocab);
    vf_u32(&f, "tokenizer.ggml.bos_token_id", 4000000000u);
    expect_refused(&f, BRRR_E_FORMAT, "bos_token_id is 4000000000");
    vf_begin(&f);
    vf_str(&f, "tokenizer.ggml.model", "gpt2");
    vf_arrays(&f, &vocab);
    vf_str(&f, "tokenizer.ggml.add_bos_token", "yes");
    expect_refused(&f, BRRR_E_FORMAT, "add_bos_token");
    free(f.b);
}

/* Put the arrays of `vocab`, but `key` with n elements of type f32 in place of its own. */
static void put_odd_array(struct vf *f, const char *key, uint64_t n)
{
    static const float zero[VF_TOKENS];

    vf_key(f, "tokenizer.ggml.tokens", GGUF_ARRAY);
    vf_put32(f, GGUF_STRING);
    vf_put64(f, 3);
    for (int i = 0; i < 3; i++)
        vf_text(f, "abc" + i, 1);
    vf_key(f, key, GGUF_ARRAY);
    vf_put32(f, GGUF_F32);
    vf_put64(f, n);
    vf_put(f, zero, n * 4);
}

static void test_arrays_of_odd_length(void **state)
{
    struct vf f = { 0 };

    (void)state;
    vf_begin(&f);
    vf_str(&f, "tokenizer.ggml.model", "llama");
    put_odd_array(&f, "tokenizer.ggml.scores", 2);
    expect_refused(&f, BRRR_E_FORMAT, "scores has 2 entries, but there are 3 tokens");
    vf_begin(&f);
    vf_str(&f, "tokenizer.ggml.model", "llama");
    put_odd_array(&f, "tokenizer.ggml.token_type", 2);
    expect_refused(&f, BRRR_E_FORMAT, "token_type has 2 entries");
    vf_begin(&f);
    vf_str(&f, "tokenizer.ggml.model", "llama");
    put_odd_array(&f, "tokenizer.ggml.token_type", 3);
    expect_refused(&f, BRRR_E_FORMAT, "token_type");
    vf_begin(&f);
    vf_str(&f, "tokenizer.ggml.model", "llama");
    put_odd_array(&f, "other", 3);
    expect_refused(&f, BRRR_E_FORMAT, "scores is missing");
    free(f.b);
}

/* Merges that name nothing are passed over; an id of all ones means "none". */
static void test_tolerated(void **state)
{
    struct vf f = { 0 };
    struct brrr_error err = { 0 };
    struct tokenizer *t;
    static const char *const garbage[] = { "",         " ", "nogap", "x ", " x", "unknown token",
                                           "\xff \xfe" };

    (void)state;
    vf_sample_bpe(&vocab);
    vocab.n_merge = 0;
    for (size_t i = 0; i < COUNT(garbage); i++)
        vf_join(vocab.merge[vocab.n_merge++], VF_TEXT, garbage[i], "", "");
    vf_merge(&vocab, "h", "e");
    vf_merge(&vocab, "h", "e");
    vf_token(&vocab, "", 1);
    vf_token(&vocab, "\xff\xfe", 1);
    vf_token(&vocab, "h", 1); /* a second token of the same text */
    vf_begin(&f);
    vf_str(&f, "tokenizer.ggml.model", "gpt2");
    vf_arrays(&f, &vocab);
    vf_u32(&f, "tokenizer.ggml.bos_token_id", UINT32_MAX);
    vf_bool(&f, "tokenizer.ggml.add_bos_token", true);
    vf_end(&f);
    if (open_bytes(&t, &f, &err)) fail_msg("%s", err.text);
    assert_int_equal(tokenizer_bos(t), -1);
    assert_false(tokenizer_adds_bos(t));
    struct text_seg seg = { "heh", 3, true };
    assert_string_equal(encode_segs(t, &seg, 1, true), "256 104");
    tokenizer_close(t);
    free(f.b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stripping), cmocka_unit_test(test_whole_words),
        cmocka_unit_test(test_gemma4),    cmocka_unit_test(test_long_word),
        cmocka_unit_test(test_refused),   cmocka_unit_test(test_arrays_of_odd_length),
        cmocka_unit_test(test_tolerated), cmocka_unit_test(test_word_beyond_the_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
