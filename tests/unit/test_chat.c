/* SPDX-License-Identifier: MIT */
/*
 * test_chat.c - from messages to the model's text: the template and the tokens
 * of a file, the fallback, reasoning under all its names.
 */
#include "format/gguf.h"
#include "text/chat.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gguf_build.h"

/* A vocabulary of three tokens, 1 is BOS and 2 EOS; with a template unless it is NULL. */
static void build(struct file *f, const char *source)
{
    f->n = 0;
    put_header(f, 3, 0, source ? 4 : 3);
    put_key(f, "tokenizer.ggml.tokens", 9);
    put_array(f, 8, 3);
    put_text(f, "a");
    put_text(f, "<s>");
    put_text(f, "</s>");
    put_key(f, "tokenizer.ggml.bos_token_id", 4);
    put32(f, 1);
    put_key(f, "tokenizer.ggml.eos_token_id", 4);
    put32(f, 2);
    if (!source) return;
    put_key(f, "tokenizer.chat_template", 8);
    put_text(f, source);
}

static enum brrr_status open_chat(struct chat **c, const char *source, struct brrr_error *err)
{
    static struct file f;
    struct gguf *g;
    enum brrr_status st;

    build(&f, source);
    if (gguf_open_memory(&g, f.b, f.n, "m.gguf", err) != BRRR_OK) fail_msg("%s", err->text);
    st = chat_open(c, g, err);
    gguf_close(g);
    return st;
}

static void expect(const char *source, const char *messages, bool generate, const char *want)
{
    struct brrr_error err;
    struct template_error terr;
    struct template_text out;
    struct chat *c;
    json_t *m = json_loads(messages, 0, NULL);
    struct chat_request req = { .messages = m, .add_generation_prompt = generate };

    assert_non_null(m);
    if (open_chat(&c, source, &err) != BRRR_OK) fail_msg("%s", err.text);
    assert_int_equal(chat_is_fallback(c), source == NULL);
    if (!chat_render(c, &req, &out, &terr)) fail_msg("%s", terr.text);
    assert_string_equal(out.text, want);
    template_text_fini(&out);
    chat_close(c);
    json_decref(m);
}

static void test_tokens(void **state)
{
    (void)state;
    expect("{{ bos_token }}{{ messages[0].content }}{{ eos_token }}{{ pad_token is defined }}",
           "[{\"role\": \"user\", \"content\": \"hi\"}]", false, "<s>hi</s>False");
    expect("{{ tools is none }}{{ documents is none }}{{ add_generation_prompt }}", "[]", true,
           "TrueTrueTrue");
}

static void test_fallback(void **state)
{
    (void)state;
    expect(NULL,
           "[{\"role\": \"system\", \"content\": \"s\"}, {\"role\": \"user\", \"content\": \"u\"}]",
           true,
           "<|im_start|>system\ns<|im_end|>\n<|im_start|>user\nu<|im_end|>\n"
           "<|im_start|>assistant\n");
    expect(NULL, "[{\"role\": \"user\", \"content\": [{\"type\": \"text\", \"text\": \"p\"}]}]",
           false, "<|im_start|>user\np<|im_end|>\n");
}

static void test_reasoning(void **state)
{
    static const char source[] = "{{ messages[0].thinking }}|{{ messages[0].reasoning_content }}";

    (void)state;
    expect(source, "[{\"reasoning_content\": \"r\"}]", false, "r|r");
    expect(source, "[{\"thinking\": \"t\"}]", false, "t|t");
    expect(source, "[{\"reasoning\": \"q\"}]", false, "q|q");
    expect(source, "[{\"reasoning\": \"q\", \"thinking\": null}]", false, "None|q");
    expect(source, "[{\"content\": \"c\"}]", false, "|");
}

static void test_bad_template(void **state)
{
    struct brrr_error err;
    struct chat *c;

    (void)state;
    assert_int_equal(open_chat(&c, "{% if %}", &err), BRRR_E_FORMAT);
    assert_null(c);
    assert_string_equal(err.text, "m.gguf: tokenizer.chat_template: Expected an expression, got "
                                  "'end of statement block' (line 1)");
}

static void test_extra(void **state)
{
    struct template_error terr;
    struct template_text out;
    struct chat *c;
    json_t *extra = json_loads("{\"eos_token\": \"E\", \"k\": 1}", 0, NULL);
    struct chat_request req = { .extra = extra };
    static const char source[] = "{{ eos_token }}{{ k }}{{ messages is defined }}";

    (void)state;
    assert_true(chat_compile(&c, source, sizeof(source) - 1, NULL, &terr));
    assert_true(chat_render(c, &req, &out, &terr));
    assert_string_equal(out.text, "E1False");
    template_text_fini(&out);
    chat_close(c);
    json_decref(extra);
    assert_false(chat_compile(&c, "{{", 2, NULL, &terr));
    assert_null(c);
    template_error_fini(&terr);
    chat_close(NULL);
}

/* What a request calls eos_token is text of the request, as everything in it. */
static void test_extra_is_not_trusted(void **state)
{
    struct brrr_error err;
    struct template_error terr;
    struct template_text out;
    struct chat *c;
    json_t *extra = json_loads("{\"eos_token\": \"<s>\", \"my_token\": \"<s>\"}", 0, NULL);
    struct chat_request req = { .extra = extra };

    (void)state;
    assert_int_equal(open_chat(&c, "{{ bos_token }}{{ eos_token }}{{ my_token }}", &err), BRRR_OK);
    assert_true(chat_render(c, &req, &out, &terr));
    assert_string_equal(out.text, "<s><s><s>");
    assert_int_equal(out.n_seg, 2);
    assert_true(out.seg[0].parse_special && out.seg[0].n == 3);
    assert_false(out.seg[1].parse_special);
    template_text_fini(&out);
    chat_close(c);
    json_decref(extra);
}

static long allocs_left;

static void *scarce_malloc(size_t n)
{
    return allocs_left-- > 0 ? malloc(n) : NULL;
}

/* When memory runs out, no message and no variable is left out: the rendering fails. */
static void test_no_memory(void **state)
{
    static const char source[] =
        "{{ k }}{{ tools is none }}{{ documents is none }}"
        "{% for m in messages %}{{ m.thinking }}{{ m.content }}{% endfor %}";
    struct template_error terr;
    struct template_text out;
    struct chat *c;
    json_t *extra = json_loads("{\"k\": 1}", 0, NULL);
    json_t *messages = json_loads("[{\"reasoning\": \"r\", \"content\": \"c\"},"
                                  " {\"content\": \"d\"}]",
                                  0, NULL);
    struct chat_request req = { .messages = messages, .extra = extra };
    bool ok = false;

    (void)state;
    assert_true(chat_compile(&c, source, sizeof(source) - 1, NULL, &terr));
    for (long n = 0; !ok; n++) {
        allocs_left = n;
        json_set_alloc_funcs(scarce_malloc, free);
        ok = chat_render(c, &req, &out, &terr);
        json_set_alloc_funcs(malloc, free);
        assert_true(n < 1000 && ok == (out.text != NULL));
        assert_true(ok || terr.kind == TEMPLATE_LIMIT);
        template_error_fini(&terr);
    }
    assert_string_equal(out.text, "1TrueTruercd");
    template_text_fini(&out);
    chat_close(c);
    json_decref(messages);
    json_decref(extra);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokens),    cmocka_unit_test(test_fallback),
        cmocka_unit_test(test_reasoning), cmocka_unit_test(test_bad_template),
        cmocka_unit_test(test_extra),     cmocka_unit_test(test_extra_is_not_trusted),
        cmocka_unit_test(test_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
