/* SPDX-License-Identifier: MIT */
/*
 * test_term.c - nothing that controls a terminal gets through the filter.
 *
 * The file under test is included: tests link with the library, not with cmd/.
 */
#include "cmd/term.c"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/rng.h"

static void check(const char *in, size_t n, const char *want)
{
    char out[TERM_ROOM(256)];
    size_t m = term_clean(out, in, n);

    assert_int_equal(m, strlen(want));
    assert_memory_equal(out, want, m);
}
#define CHECK(in, want) check(in, sizeof(in) - 1, want)
#define REPLACED        "\xef\xbf\xbd"

static void test_text_passes(void **state)
{
    (void)state;
    CHECK("", "");
    CHECK("plain\ttext\n", "plain\ttext\n");
    CHECK("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 \xe4\xb8\xad \xd7\xa9",
          "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 \xe4\xb8\xad \xd7\xa9");
    CHECK("\xe2\x80\x8e\xe2\x80\xa6", "\xe2\x80\x8e\xe2\x80\xa6"); /* a mark, an ellipsis */
}

static void test_controls_are_shown(void **state)
{
    (void)state;
    CHECK("\x1b[31mred\x1b]0;title\x07", "^[[31mred^[]0;title^G");
    CHECK("over\rwrite\b\x7f", "over^Mwrite^H^?");
    CHECK("a\0b", "a^@b");
    CHECK("\xc2\x80\xc2\x9b\x33m\xc2\x9f\xc2\xa0", REPLACED REPLACED "3m" REPLACED "\xc2\xa0");
    CHECK("\xe2\x80\xaa|\xe2\x80\xae|\xe2\x81\xa6|\xe2\x81\xa9",
          REPLACED "|" REPLACED "|" REPLACED "|" REPLACED);
}

static void test_malformed_is_replaced(void **state)
{
    (void)state;
    CHECK("\x9b\x33m", REPLACED "3m");    /* C1 as a bare byte        */
    CHECK("\xc0\x9b", REPLACED REPLACED); /* overlong ESC             */
    CHECK("\xe0\x80\x9b", REPLACED REPLACED REPLACED);
    CHECK("\xed\xa0\x80", REPLACED REPLACED REPLACED); /* surrogate             */
    CHECK("\xf4\x90\x80\x80", REPLACED REPLACED REPLACED REPLACED);
    CHECK("\xe2\x82", REPLACED REPLACED); /* cut short */
    CHECK("\xe2\x82x", REPLACED REPLACED "x");
    CHECK("\xff\xfe", REPLACED REPLACED);
}

/* Whatever bytes come: no control in what goes out, and cleaning again changes nothing. */
static void test_random_bytes(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20000; seed++) {
        char in[64], out[TERM_ROOM(64)], again[TERM_ROOM(TERM_ROOM(64))];
        size_t n = (size_t)(rng_uniform(seed, 0, 0) * 64);

        for (size_t i = 0; i < n; i++) {
            double v = rng_uniform(seed, 1, i);
            static const unsigned char often[] = { 0xc2, 0xe2, 0x80, 0x81, 0xae, 0xa6, 0x1b, 0x9b };
            in[i] = (char)(v < 0.5 ? often[(size_t)(v * 16)] : (unsigned char)(v * 512));
        }
        size_t m = term_clean(out, in, n);
        assert_true(m <= TERM_ROOM(n));
        int len;
        for (size_t i = 0; i < m; i += (size_t)len) {
            uint32_t c;
            len = utf8_next(out + i, m - i, &c);
            assert_true(len > 0 && !hidden(c) && c != 0x7f &&
                        (c >= 0x20 || c == '\n' || c == '\t'));
        }
        assert_int_equal(term_clean(again, out, m), m);
        assert_memory_equal(again, out, m);
    }
}

/* Into a file nothing changes, and long text is not lost. */
static void test_files_get_bytes(void **state)
{
    static char text[5000], back[5000];
    FILE *f = tmpfile();

    (void)state;
    assert_non_null(f);
    memset(text, 0x1b, sizeof(text));
    assert_true(term_write(f, text, sizeof(text)));
    rewind(f);
    assert_int_equal(fread(back, 1, sizeof(back), f), sizeof(text));
    assert_memory_equal(back, text, sizeof(text));
    fclose(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_passes),           cmocka_unit_test(test_controls_are_shown),
        cmocka_unit_test(test_malformed_is_replaced), cmocka_unit_test(test_random_bytes),
        cmocka_unit_test(test_files_get_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
