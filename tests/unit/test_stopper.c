/* SPDX-License-Identifier: MIT */
/*
 * test_stopper.c - stop strings against a plain search, over every way to cut a
 * text in two and thousands of random ways to cut it into pieces.
 */
#include "base/rng.h"
#include "base/status.h"
#include "engine/stopper.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

struct expected {
    bool found;
    size_t n; /* bytes of the text that come out */
};

static int fill(struct stop_text *stop, const char *const *texts)
{
    int n = 0;

    for (; texts[n]; n++) {
        stop[n].n = (uint16_t)strlen(texts[n]);
        memcpy(stop[n].text, texts[n], stop[n].n);
    }
    return n;
}

/* The definition: the shortest beginning of the text that ends in a stop string, with or without
 * it. */
static struct expected plain_search(const char *text, size_t n, const struct stop_text *stop,
                                    int n_stop, bool keep)
{
    for (size_t end = 1; end <= n; end++) {
        size_t longest = 0;
        for (int i = 0; i < n_stop; i++)
            if (stop[i].n <= end && memcmp(text + end - stop[i].n, stop[i].text, stop[i].n) == 0)
                longest = MAX(longest, (size_t)stop[i].n);
        if (longest) return (struct expected){ true, keep ? end : end - longest };
    }
    return (struct expected){ false, n };
}

/* Feed text[0..n) in pieces that end at the places marked in `cuts`; `keep`: with the stop. */
static void feed_kept(const struct stop_text *stop, int n_stop, const char *text, size_t n,
                      const bool *cuts, bool keep)
{
    struct expected want = plain_search(text, n, stop, n_stop, keep);
    static struct stopper s;
    static char got[8192], out[8192];
    size_t n_got = 0, from = 0;

    stopper_init(&s, stop, n_stop);
    s.keep = keep;
    for (size_t i = 1; i <= n; i++) {
        if (i < n && !cuts[i]) continue;
        size_t m = stopper_feed(&s, text + from, i - from, out);
        assert_true(m <= STOPPER_ROOM(i - from));
        memcpy(got + n_got, out, m);
        n_got += m;
        from = i;
        /* What is out is never taken back. */
        assert_true(n_got <= want.n);
    }
    size_t m = stopper_flush(&s, out);
    memcpy(got + n_got, out, m);
    n_got += m;
    assert_int_equal(s.found, want.found);
    assert_int_equal(n_got, want.n);
    assert_memory_equal(got, text, n_got);
}

static void feed(const struct stop_text *stop, int n_stop, const char *text, size_t n,
                 const bool *cuts)
{
    feed_kept(stop, n_stop, text, n, cuts, false);
    feed_kept(stop, n_stop, text, n, cuts, true);
}

static void test_every_cut(void **state)
{
    static const struct {
        const char *text, *stops[5];
    } rows[] = {
        { "hello world", { "world" } },
        { "hello wor", { "world" } },
        { "ababac", { "abac" } },
        { "aaaaaaab", { "aaab" } },
        { "one\n\ntwo", { "\n\n", "two" } },
        { "xabcd", { "abcd", "bc" } },
        { "xabcdy", { "bcd", "abcd" } },
        { "User: hi\nUser:", { "\nUser:", "\nBot:" } },
        { "na\xc3\xafve caf\xc3\xa9!", { "\xc3\xa9", "\xc3\xafs" } },
        { "abcabcabd", { "abcabd", "cabx" } },
        { "anything", { NULL } },
        { "s", { "s" } },
        { "", { "s" } },
    };
    bool cuts[64];

    (void)state;
    for (size_t r = 0; r < COUNT(rows); r++) {
        struct stop_text stop[LIMIT_STOPS];
        int n_stop = fill(stop, rows[r].stops);
        size_t n = strlen(rows[r].text);

        assert_true(n <= 16);
        for (unsigned set = 0; set < 1u << n; set++) {
            for (size_t i = 0; i < n; i++)
                cuts[i] = set >> i & 1;
            feed(stop, n_stop, rows[r].text, n, cuts);
        }
    }
}

/* Texts and stop strings over two letters meet, overlap and nearly match all the time. */
static void test_random(void **state)
{
    (void)state;
    for (uint64_t round = 0; round < 4000; round++) {
        struct stop_text stop[LIMIT_STOPS];
        uint64_t at = 0;
        bool cuts[400];
        char text[400];
        size_t n = (size_t)(rng_uniform(round, 0, at++) * 400);
        int n_stop = 1 + (int)(rng_uniform(round, 0, at++) * 5);

        for (size_t i = 0; i < n; i++) {
            text[i] = rng_uniform(round, 1, i) < 0.7 ? 'a' : 'b';
            cuts[i] = rng_uniform(round, 2, i) < 0.3;
        }
        for (int i = 0; i < n_stop; i++) {
            stop[i].n = (uint16_t)(1 + (int)(rng_uniform(round, 0, at++) * 12));
            for (int j = 0; j < stop[i].n; j++)
                stop[i].text[j] = rng_uniform(round, 0, at++) < 0.7 ? 'a' : 'b';
        }
        feed(stop, n_stop, text, n, cuts);
    }
}

static void test_longest_allowed(void **state)
{
    struct stop_text stop[1] = { { .n = LIMIT_STOP_BYTES } };
    char text[3 * LIMIT_STOP_BYTES];
    bool cuts[3 * LIMIT_STOP_BYTES];

    (void)state;
    memset(stop[0].text, 'x', LIMIT_STOP_BYTES);
    memset(text, 'x', sizeof(text));
    memset(cuts, 1, sizeof(cuts));
    text[100] = 'y';
    feed(stop, 1, text, sizeof(text), cuts);
    feed(stop, 1, text, LIMIT_STOP_BYTES, cuts);
}

/* What is complete while it is ignored is text; what began then counts when it is complete. */
static void test_ignored_at_first(void **state)
{
    struct stop_text stop[1] = { { .n = 4, .text = "abab" } };
    static const struct {
        const char *first, *then, *out;
    } rows[] = {
        { "abab", "xabab", "ababx" }, { "xab", "abab", "x" },
        { "abab", "ab", "ab" },       { "ababab", "", "ababab" },
        { "aba", "bxabab", "" },      { "abababa", "babab", "abab" },
        { "", "abab", "" },           { "ababx", "aba", "ababxaba" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        size_t first = strlen(rows[i].first), then = strlen(rows[i].then);
        char out[2 * STOPPER_ROOM(16)];
        struct stopper s;

        stopper_init(&s, stop, 1);
        s.ignores = true;
        size_t n = stopper_feed(&s, rows[i].first, first, out);
        assert_false(s.found);
        s.ignores = false;
        n += stopper_feed(&s, rows[i].then, then, out + n);
        n += stopper_flush(&s, out + n);
        assert_int_equal(n, strlen(rows[i].out));
        assert_memory_equal(out, rows[i].out, n);
    }
}

static void test_silent_after_the_end(void **state)
{
    struct stop_text stop[2] = { { .n = 0 }, { .n = 2, .text = "ab" } };
    struct stopper s;
    char out[512];

    (void)state;
    stopper_init(&s, stop, 2);
    assert_int_equal(stopper_feed(&s, "xaby", 4, out), 1);
    assert_true(s.found && s.which >= 0);
    assert_int_equal(stopper_feed(&s, "more", 4, out), 0);
    assert_int_equal(stopper_flush(&s, out), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_cut),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_longest_allowed),
        cmocka_unit_test(test_ignored_at_first),
        cmocka_unit_test(test_silent_after_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
