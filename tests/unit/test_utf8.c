/* SPDX-License-Identifier: MIT */
/*
 * test_utf8.c - UTF-8 against the ranges of its definition: every code point there and back, every
 * lead with every second byte, what is cut off, and reading from the end.
 *
 * The project's headers come first: cmocka has a macro named fail.
 */
#include "base/status.h"
#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void there_and_back(void **state)
{
    uint32_t got;
    char c[4];

    (void)state;
    for (uint32_t cp = 0; cp <= 0x10ffff; cp++) {
        int n = utf8_put(c, cp), want = cp < 0x80 ? 1 : cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
        if (n != want) fail_msg("U+%04X takes %d bytes, not %d", cp, want, n);
        if (cp >= 0xd800 && cp < 0xe000) { /* ED A0: no character may begin like this */
            assert_int_equal(utf8_next(c, 3, &got), -1);
            assert_int_equal(utf8_last(c, 3, &got), -1);
            continue;
        }
        if (utf8_next(c, (size_t)n, &got) != n || got != cp) fail_msg("U+%04X", cp);
        if (utf8_last(c, (size_t)n, &got) != n || got != cp) fail_msg("U+%04X from the end", cp);
        for (int cut = 1; cut < n; cut++) {
            if (utf8_next(c, (size_t)cut, &got) != 0) fail_msg("U+%04X cut to %d", cp, cut);
            if (utf8_whole(c, (size_t)cut) != 0) fail_msg("U+%04X cut to %d", cp, cut);
        }
        if (utf8_whole(c, (size_t)n) != (size_t)n) fail_msg("U+%04X is whole", cp);
    }
}

/* Table 3-7 of the standard, written as ranges of two bytes that may begin a character. */
static bool may_begin(unsigned a, unsigned b)
{
    return (a >= 0xc2 && a <= 0xdf && b >= 0x80 && b <= 0xbf) ||
           (a == 0xe0 && b >= 0xa0 && b <= 0xbf) ||
           (a >= 0xe1 && a <= 0xef && a != 0xed && b >= 0x80 && b <= 0xbf) ||
           (a == 0xed && b >= 0x80 && b <= 0x9f) || (a == 0xf0 && b >= 0x90 && b <= 0xbf) ||
           (a >= 0xf1 && a <= 0xf3 && b >= 0x80 && b <= 0xbf) ||
           (a == 0xf4 && b >= 0x80 && b <= 0x8f);
}

static void every_pair(void **state)
{
    uint32_t cp;

    (void)state;
    for (unsigned a = 0; a < 256; a++)
        for (unsigned b = 0; b < 256; b++) {
            const char c[4] = { (char)a, (char)b, (char)0x80, (char)0x80 };
            int len = a < 0x80 ? 1 : a < 0xe0 ? 2 : a < 0xf0 ? 3 : 4;
            int want = a < 0x80 || may_begin(a, b) ? len : -1;
            if (utf8_next(c, 4, &cp) != want) fail_msg("%02x %02x", a, b);
        }
}

/* How much of what is wrong one U+FFFD stands for. */
static void wrong_parts(void **state)
{
    uint32_t cp;

    (void)state;
    assert_int_equal(utf8_next("\x80", 1, &cp), -1);
    assert_int_equal(utf8_next("\xff", 1, &cp), -1);
    assert_int_equal(utf8_next("\xe2\x82z", 3, &cp), -2);
    assert_int_equal(utf8_next("\xf0\x9f\x98z", 4, &cp), -3);
    assert_int_equal(utf8_last("a\x80", 2, &cp), -1);
    assert_int_equal(utf8_last("\xc3\xa9\x80", 3, &cp), -1);
    assert_int_equal(utf8_last("a", 1, &cp), 1);
    assert_int_equal(utf8_last("\x80\x80\x80\x80\x80", 5, &cp), -1);
}

static void runs_and_ends(void **state)
{
    const char *s = "twelve bytes\xc3\xa9\xe2\x82\xac";

    (void)state;
    assert_int_equal(utf8_valid_run(s, 17), 17);
    assert_int_equal(utf8_valid_run(s, 16), 14);
    assert_int_equal(utf8_valid_run("12345678\xff", 9), 8);
    assert_int_equal(utf8_valid_run("", 0), 0);
    assert_int_equal(utf8_whole(s, 17), 17);
    assert_int_equal(utf8_whole(s, 16), 14);
    assert_int_equal(utf8_whole(s, 15), 14);
    assert_int_equal(utf8_whole(s, 13), 12);
    assert_int_equal(utf8_whole("", 0), 0);
    /* Wrong is not cut off: nothing that follows would complete it. */
    assert_int_equal(utf8_whole("a\x80\x80", 3), 3);
    assert_int_equal(utf8_whole("a\xff", 2), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(every_pair),
        cmocka_unit_test(wrong_parts),
        cmocka_unit_test(runs_and_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
