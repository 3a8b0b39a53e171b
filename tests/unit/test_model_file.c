/* SPDX-License-Identifier: MIT */
/*
 * test_model_file.c - damaged model files: every check that loading runs, over
 * tiny whole models (tests/fuzz/corpus/model, tools/gen-gguf-corpus.py) that
 * are cut at every byte of the header or have one bit flipped. Each is refused
 * with one line of text, or sound.
 */
#include "format/gguf.h"
#include "model/model.h"
#include "text/tokenizer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define FOLDER "tests/fuzz/corpus/model/"

struct file {
    uint8_t *b;
    size_t n, header;
};

/* What loading checks; the status that loading would end with. */
static enum brrr_status check(const uint8_t *b, size_t n, struct brrr_error *err)
{
    struct tokenizer *tok = NULL;
    struct model_plan plan;
    struct gguf *g;
    enum brrr_status st = gguf_open_memory(&g, b, n, "m.gguf", err);

    if (st == BRRR_OK) st = model_check(g, BRRR_PRECISION_Q8, &plan, err);
    if (st == BRRR_OK) st = tokenizer_open(&tok, g, err);
    tokenizer_close(tok);
    gguf_close(g);
    return st;
}

static struct file read_model(const char *path)
{
    struct file f = { 0 };
    struct brrr_error err = { 0 };
    struct gguf *g;
    FILE *from = fopen(path, "rb");

    if (!from) fail_msg("%s: not there; tests run in the root of the repository", path);
    fseek(from, 0, SEEK_END);
    f.n = (size_t)ftell(from);
    rewind(from);
    f.b = malloc(f.n);
    assert_non_null(f.b);
    assert_int_equal(fread(f.b, 1, f.n, from), f.n);
    fclose(from);
    if (check(f.b, f.n, &err) != BRRR_OK) fail_msg("%s", err.text);
    assert_int_equal(gguf_open_memory(&g, f.b, f.n, path, &err), BRRR_OK);
    f.header = (size_t)gguf_tensor_at(g, 0)->off;
    gguf_close(g);
    return f;
}

/* A message is one line that names the file. */
static void require_message(const struct brrr_error *err, size_t at)
{
    if (strstr(err->text, "m.gguf: ") != err->text || strchr(err->text, '\n'))
        fail_msg("at %zu: \"%s\"", at, err->text);
}

static void cut_everywhere(const char *path)
{
    struct file f = read_model(path);

    for (size_t n = 0; n < f.header; n++) {
        struct brrr_error err = { 0 };
        uint8_t *copy = malloc(n ? n : 1);
        assert_non_null(copy);
        memcpy(copy, f.b, n);
        assert_int_not_equal(check(copy, n, &err), BRRR_OK);
        require_message(&err, n);
        free(copy);
    }
    /* Inside the data: the last tensor always misses something. */
    for (size_t n = f.header; n < f.n - 31; n += 97) {
        struct brrr_error err = { 0 };
        assert_int_equal(check(f.b, n, &err), BRRR_E_FORMAT);
        require_message(&err, n);
    }
    free(f.b);
}

static void flip_everywhere(const char *path)
{
    struct file f = read_model(path);
    size_t refused = 0;

    for (size_t i = 0; i < f.header; i++)
        for (int bit = 0; bit < 8; bit++) {
            struct brrr_error err = { 0 };
            f.b[i] ^= (uint8_t)(1 << bit);
            if (check(f.b, f.n, &err) != BRRR_OK) {
                require_message(&err, i);
                refused++;
            }
            f.b[i] ^= (uint8_t)(1 << bit);
        }
    assert_true(refused > f.header);
    free(f.b);
}

static void test_llama(void **state)
{
    (void)state;
    cut_everywhere(FOLDER "llama.gguf");
    flip_everywhere(FOLDER "llama.gguf");
}

static void test_gemma3(void **state)
{
    (void)state;
    cut_everywhere(FOLDER "gemma3.gguf");
    flip_everywhere(FOLDER "gemma3.gguf");
}

/* A number from outside, which tables are indexed by. */
static void test_precision(void **state)
{
    static const enum brrr_precision wrong[] = { (enum brrr_precision)3,
                                                 (enum brrr_precision) - 1 };
    struct brrr_error err;
    struct brrr_model *m;

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct brrr_model_opts o = { .precision = wrong[i], .n_threads = 1 };
        assert_int_equal(brrr_model_open(&m, FOLDER "llama.gguf", &o, &err), BRRR_E_UNSUPPORTED);
        assert_null(m);
        assert_non_null(strstr(err.text, ": 0 to 2 are possible"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_precision),
        cmocka_unit_test(test_llama),
        cmocka_unit_test(test_gemma3),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
