/* SPDX-License-Identifier: MIT */
/*
 * test_tokenizer.c - encoding and decoding with small vocabularies made here
 * (vocab_samples.h), against answers worked out by hand and, for merging,
 * against a slow implementation that follows the definition.
 */
#include "tokenizer_open.h"

/* --- byte-level BPE --- */

static void test_bpe(void **state)
{
    struct tokenizer *t = open_bpe();

    (void)state;
    assert_string_equal(encode(t, "", true), "");
    assert_string_equal(encode(t, "hello world", true), "259 264");
    assert_string_equal(encode(t, "hello hello", true), "259 32 259");
    assert_string_equal(encode(t, "worldhell", true), "119 261 263 258");
    assert_string_equal(encode(t, "\xff\xfe", true), "255 254");
    assert_string_equal(encode(t, "a\xe2\x82", true), "97 226 130");
    assert_string_equal(tokenizer_model_name(t), "gpt2");
    assert_int_equal(tokenizer_n_vocab(t), vocab.n);
    assert_int_equal(tokenizer_bos(t), -1);
    assert_int_equal(tokenizer_eos(t), 267);
    assert_false(tokenizer_adds_bos(t));
    tokenizer_close(t);
}

static void test_special_tokens(void **state)
{
    struct tokenizer *t = open_bpe();

    (void)state;
    assert_string_equal(encode(t, "<|im_start|>hello<|im_end|>", true), "266 259 267");
    /* the longest at a place */
    assert_string_equal(encode(t, "<|im_end|><|im_start|>", true), "268");
    assert_string_equal(encode(t, "<|im_end|><|im_star", true),
                        "267 60 124 105 109 95 115 116 97 114");
    /* as text: no id from 266 to 268 */
    assert_string_equal(encode(t, "<|im_end|>", false), "60 124 105 109 95 101 110 100 124 62");
    /* user-defined tokens count everywhere */
    assert_string_equal(encode(t, "<tool>", false), "269");
    assert_true(tokenizer_is_stop(t, 267));
    assert_false(tokenizer_is_stop(t, 266));
    assert_false(tokenizer_is_stop(t, -1));
    assert_false(tokenizer_is_stop(t, 1 << 30));
    int n;
    const int32_t *stop = tokenizer_stops(t, &n);
    for (int32_t id = 0, at = 0; id < tokenizer_n_vocab(t) || at < n; id++)
        assert_int_equal(tokenizer_is_stop(t, id), at < n && stop[at] == id && ++at);
    assert_true(n > 0);
    tokenizer_close(t);
}

/* Only segments that may hold special tokens contribute them, wherever the cuts are. */
static void test_segments(void **state)
{
    struct tokenizer *t = open_bpe();
    const char *text = "a<|im_end|>b";
    static const char parsed[] = "97 267 98",
                      plain[] = "97 60 124 105 109 95 101 110 100 124 62 98";

    (void)state;
    for (size_t i = 0; i <= strlen(text); i++)
        for (size_t k = i; k <= strlen(text); k++) {
            struct text_seg s[3] = { { text, i, true },
                                     { text + i, k - i, true },
                                     { text + k, strlen(text) - k, true } };
            assert_string_equal(encode_segs(t, s, 3, false), parsed);
            s[1].parse_special = false;
            /* safe if the middle touches no byte of the token */
            bool whole = k <= 1 || i >= 11 || i == k;
            assert_string_equal(encode_segs(t, s, 3, false), whole ? parsed : plain);
        }
    struct text_seg cut[2] = { { "hel", 3, false }, { "lo world", 8, true } };
    assert_string_equal(encode_segs(t, cut, 2, false), "259 264");
    assert_string_equal(encode_segs(t, NULL, 0, false), "");
    tokenizer_close(t);
}

static void test_control_by_name(void **state)
{
    struct tokenizer *t;

    (void)state;
    vf_sample_bpe(&vocab);
    vocab.kind[id_of("<|im_end|>")] = 1; /* a file that calls it ordinary text */
    t = open_vocab("gpt2", "llama-bpe");
    assert_true(tokenizer_is_stop(t, 267));
    assert_string_equal(encode(t, "<|im_end|>", true), "267");
    assert_string_equal(encode(t, "<|im_end|>", false), "60 124 105 109 95 101 110 100 124 62");
    tokenizer_close(t);
}

/* Harmony's <|end|> ends a part of an answer, not the answer. */
static void test_end_of_part(void **state)
{
    struct tokenizer *t;

    (void)state;
    vf_sample_bpe(&vocab);
    int end = vf_token(&vocab, "<|end|>", 3);
    t = open_vocab("gpt2", "gpt-4o");
    assert_true(tokenizer_is_stop(t, end));
    tokenizer_close(t);
    int back = vf_token(&vocab, "<|return|>", 3), call = vf_token(&vocab, "<|call|>", 3);
    t = open_vocab("gpt2", "gpt-4o");
    assert_false(tokenizer_is_stop(t, end));
    assert_true(tokenizer_is_stop(t, back) && tokenizer_is_stop(t, call));
    tokenizer_close(t);
}

static uint32_t rng_state = 12345;
static uint32_t rnd(uint32_t n)
{
    rng_state = rng_state * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)rng_state * n >> 32);
}

static void test_round_trip(void **state)
{
    struct tokenizer *t = open_bpe();

    (void)state;
    for (int round = 0; round < 2000; round++) {
        char text[256];
        struct ids ids = { 0 };
        struct slice back;
        struct brrr_error err;
        static const char *const bit[] = { "hello",       " world",           " ", "\n", "\xc3\xa9",
                                           "<|im_end|>",  "\xf0\x9f\x98\x80", "l", "1",  "<tool>",
                                           "\xe4\xb8\x80" };
        size_t n = 0;
        for (uint32_t k = rnd(20); k > 0; k--)
            n += (size_t)sprintf(text + n, "%s", bit[rnd(COUNT(bit))]);
        struct text_seg seg = { text, n, round % 2 };
        assert_int_equal(tokenizer_encode(t, &seg, 1, false, &ids, &err), BRRR_OK);
        assert_int_equal(tokenizer_decode(t, ids.id, ids.n, true, &back, &err), BRRR_OK);
        assert_int_equal(back.n, n);
        assert_memory_equal(back.p, text, n);
        free((void *)back.p);
        ids_free(&ids);
    }
    tokenizer_close(t);
}

/* --- against the definition --- */

/* Merge pieces of `text` by the definition: best pair first, leftmost of equals. */
struct naive {
    char part[256][64];
    int n;
};

static void naive_join(struct naive *v, int i)
{
    vf_join(v->part[i] + strlen(v->part[i]), 32, v->part[i + 1], "", "");
    memmove(v->part[i + 1], v->part[i + 2], (size_t)(v->n - i - 2) * sizeof(v->part[0]));
    v->n--;
}

static void naive_bpe(struct naive *v)
{
    for (;;) {
        int best = -1, rank = vocab.n_merge;
        for (int i = 0; i + 1 < v->n; i++) {
            char pair[160];
            vf_join(pair, sizeof(pair), v->part[i], " ", v->part[i + 1]);
            for (int m = 0; m < rank; m++)
                if (strcmp(pair, vocab.merge[m]) == 0) {
                    rank = m;
                    best = i;
                }
        }
        if (best < 0) return;
        naive_join(v, best);
    }
}

static void naive_spm(struct naive *v)
{
    for (;;) {
        int best = -1;
        float score = -1e30f;
        for (int i = 0; i + 1 < v->n; i++) {
            char both[160];
            vf_join(both, sizeof(both), v->part[i], "", v->part[i + 1]);
            for (int k = 0; k < vocab.n; k++)
                if (vocab.kind[k] == 1 && vocab.score[k] > score &&
                    strcmp(both, vocab.text[k]) == 0) {
                    score = vocab.score[k];
                    best = i;
                }
        }
        if (best < 0) return;
        naive_join(v, best);
    }
}

static const char *naive_ids(const struct naive *v)
{
    static char out[4096];
    size_t at = 0;

    out[0] = 0;
    for (int i = 0; i < v->n; i++)
        at += (size_t)sprintf(out + at, "%s%d", i ? " " : "", id_of(v->part[i]));
    return out;
}

/* Random merges over the letters a to d, random words of them. */
static void test_bpe_by_definition(void **state)
{
    (void)state;
    for (int round = 0; round < 60; round++) {
        vocab.n = vocab.n_merge = 0;
        vf_byte_tokens(&vocab);
        for (int m = 0; m < 40; m++) {
            char both[VF_TEXT];
            int n_new = vocab.n - 256;
            const char *l = vocab.text[rnd(3) && n_new ? 256 + rnd((uint32_t)n_new) : 'a' + rnd(4)];
            const char *r = vocab.text[rnd(3) && n_new ? 256 + rnd((uint32_t)n_new) : 'a' + rnd(4)];
            vf_join(both, sizeof(both), l, "", r);
            if (strlen(both) > 12) continue;
            vf_merge(&vocab, l, r);
            bool known = false;
            for (int i = 256; i < vocab.n; i++)
                known |= strcmp(vocab.text[i], both) == 0;
            if (!known) vf_token(&vocab, both, 1);
        }
        struct vf f = { 0 };
        struct tokenizer *t;
        struct brrr_error err = { 0 };
        vf_begin(&f);
        vf_str(&f, "tokenizer.ggml.model", "gpt2");
        vf_str(&f, "tokenizer.ggml.pre", "gpt-2");
        vf_arrays(&f, &vocab);
        vf_end(&f);
        if (open_bytes(&t, &f, &err)) fail_msg("%s", err.text);
        for (int k = 0; k < 50; k++) {
            struct naive v = { .n = 1 + (int)rnd(k < 40 ? 20 : 120) };
            char word[256] = { 0 };
            for (int i = 0; i < v.n; i++) {
                v.part[i][0] = word[i] = (char)('a' + rnd(4));
                v.part[i][1] = 0;
            }
            naive_bpe(&v);
            assert_string_equal(encode(t, word, false), naive_ids(&v));
        }
        tokenizer_close(t);
        free(f.b);
    }
}

static void test_spm_by_definition(void **state)
{
    (void)state;
    for (int round = 0; round < 60; round++) {
        vf_sample_spm(&vocab);
        vocab.n = 261;
        static const char *const letter[] = { "a", "b", "c", "\xe2\x96\x81", "\xc3\xa9" };
        for (size_t i = 0; i < COUNT(letter); i++)
            vf_token(&vocab, letter[i], 1);
        for (int m = 0; m < 40; m++) {
            char both[VF_TEXT];
            int n_new = vocab.n - 261;
            vf_join(both, sizeof(both), vocab.text[261 + rnd((uint32_t)n_new)], "",
                    vocab.text[261 + rnd((uint32_t)n_new)]);
            bool known = strlen(both) > 12;
            for (int i = 261; i < vocab.n; i++)
                known |= strcmp(vocab.text[i], both) == 0;
            if (!known) vocab.score[vf_token(&vocab, both, 1)] = (float)rnd(8) - 3;
        }
        struct tokenizer *t = open_vocab("llama", NULL);
        for (int k = 0; k < 50; k++) {
            struct naive v = { .n = 1 + (int)rnd(k < 40 ? 20 : 100) };
            char text[512] = { 0 };
            size_t at = 0;
            /* the first part is the space that the file adds */
            vf_join(v.part[0], sizeof(v.part[0]), letter[3], "", "");
            for (int i = 1; i < v.n; i++) {
                const char *c = letter[rnd(COUNT(letter))];
                vf_join(v.part[i], sizeof(v.part[i]), c, "", "");
                at += (size_t)sprintf(text + at, "%s", c == letter[3] && rnd(2) ? " " : c);
            }
            if (v.n == 1) continue;
            naive_spm(&v);
            assert_string_equal(encode(t, text, false), naive_ids(&v));
        }
        tokenizer_close(t);
    }
}

/* --- SentencePiece-style --- */

static void test_spm(void **state)
{
    struct tokenizer *t = open_spm();
    char want[64];
    struct text_seg seg = { "hello world", 11, true };

    (void)state;
    sprintf(want, "%d %d", id_of("\xe2\x96\x81hello"), id_of("\xe2\x96\x81world"));
    assert_string_equal(encode(t, "hello world", true), want);
    char with_bos[80];
    sprintf(with_bos, "1 %s", want);
    assert_string_equal(encode_segs(t, &seg, 1, true), with_bos);
    assert_string_equal(encode(t, "", true), "");
    /* after a special token the space is added again */
    sprintf(want, "1 %d 2 %d", id_of("\xe2\x96\x81hello"), id_of("\xe2\x96\x81w"));
    assert_string_equal(encode(t, "<s>hello</s>w", true), want);
    /* user-defined: the longest run of newlines; what is no piece becomes bytes */
    sprintf(want, "%d %d 260", id_of("\xe2\x96\x81"), id_of("\xe2\x96\x81"));
    assert_string_equal(encode(t, " \n\n\n", false), want);
    assert_string_equal(encode(t, "\n\n\n\n\n", false), "260 259");
    sprintf(want, "%d %d 229 154", id_of("\xe2\x96\x81"), id_of("\xc3\xa9"));
    assert_string_equal(encode(t, "\xc3\xa9\xe2\x97", false), want);
    assert_int_equal(tokenizer_bos(t), 1);
    assert_true(tokenizer_adds_bos(t));
    assert_true(tokenizer_is_stop(t, 2));
    tokenizer_close(t);
}

/* A piece with a space inside must not be lost to the cuts at spaces. */
static void test_spm_inner_space(void **state)
{
    struct tokenizer *t = open_spm();
    char want[64];

    (void)state;
    sprintf(want, "%d %d %d", id_of("\xe2\x96\x81w"), id_of("o>\xe2\x96\x81"), id_of("w"));
    vocab.score[id_of("o>\xe2\x96\x81")] = vocab.score[id_of("o>")] = 5;
    tokenizer_close(t);
    t = open_vocab("llama", NULL);
    assert_string_equal(encode(t, "wo> w", false), want);
    tokenizer_close(t);
}

static void test_spm_decode(void **state)
{
    struct tokenizer *t = open_spm();
    int32_t id[] = {
        1, id_of("\xe2\x96\x81hello"), id_of("\xe2\x96\x81world"), 259, 3 + 0xc3, 3 + 0xa9, 2
    };
    int32_t broken[] = { 3 + 0xe2, 3 + 0x82, id_of("h"), 3 + 0xff };

    (void)state;
    expect_decoded(t, id, COUNT(id), false, "hello world\n\n\xc3\xa9");
    expect_decoded(t, id, COUNT(id), true, "<s>hello world\n\n\xc3\xa9</s>");
    expect_decoded(t, broken, COUNT(broken), false, "\xef\xbf\xbdh\xef\xbf\xbd");
    tokenizer_close(t);
}

/* --- WordPiece --- */

static void test_wordpiece(void **state)
{
    struct tokenizer *t = open_wordpiece();
    struct text_seg seg = { "hello", 5, true };
    int32_t id[] = { 4, 5, 6, 7 };

    (void)state;
    assert_string_equal(encode(t, "Hello WORLD!", true), "4 5 6 7");
    assert_string_equal(encode(t, "H\xc3\xa9llo", true), "4");
    assert_string_equal(encode(t, "he\xcc\x81llo,\xe6\x97\xa5hello", true), "4 13 10 4");
    assert_string_equal(encode(t, "xyz hello", true), "0 4");
    assert_string_equal(encode(t, " \t\n\xff", true), "");
    assert_string_equal(encode(t, "hello[MASK]hello", true), "4 3 4");
    assert_string_equal(encode_segs(t, &seg, 1, true), "1 4 2");
    expect_decoded(t, id, COUNT(id), false, "hello world !");
    tokenizer_close(t);
}

/* --- decoding --- */

static void test_streaming(void **state)
{
    struct tokenizer *t = open_bpe();
    struct detok d;
    const char *smile = "\xf0\x9f\x98\x80";

    (void)state;
    assert_true(detok_init(&d, t, false));
    for (int i = 0; i < 3; i++)
        assert_int_equal(detok_push(&d, (unsigned char)smile[i]).n, 0);
    assert_int_equal(detok_push(&d, 266).n, 0); /* hidden: the character goes on behind it */
    struct slice s = detok_push(&d, (unsigned char)smile[3]);
    assert_int_equal(s.n, 4);
    assert_memory_equal(s.p, smile, 4);
    assert_int_equal(detok_push(&d, -1).n, 0);
    assert_int_equal(detok_push(&d, vocab.n).n, 0);
    assert_int_equal(detok_push(&d, 0xe2).n, 0);
    s = detok_push(&d, 'x');
    assert_int_equal(s.n, 4);
    assert_memory_equal(s.p, "\xef\xbf\xbdx", 4);
    assert_int_equal(detok_push(&d, 0xf0).n, 0);
    s = detok_flush(&d);
    assert_int_equal(s.n, 3);
    assert_memory_equal(s.p, "\xef\xbf\xbd", 3);
    assert_int_equal(detok_flush(&d).n, 0);
    detok_fini(&d);
    tokenizer_close(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bpe),
        cmocka_unit_test(test_special_tokens),
        cmocka_unit_test(test_segments),
        cmocka_unit_test(test_control_by_name),
        cmocka_unit_test(test_end_of_part),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_bpe_by_definition),
        cmocka_unit_test(test_spm_by_definition),
        cmocka_unit_test(test_spm),
        cmocka_unit_test(test_spm_inner_space),
        cmocka_unit_test(test_spm_decode),
        cmocka_unit_test(test_wordpiece),
        cmocka_unit_test(test_streaming),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
