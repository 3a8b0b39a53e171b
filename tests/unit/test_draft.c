/* SPDX-License-Identifier: MIT */
/*
 * test_draft.c - drafters against naive ones that look everywhere, over random lives; and the
 * length of a draft against every length tried.
 */
/* First: cmocka has a macro named fail. */
#include "engine/draft.h"
#include "engine/spec.h"
#include "engine/suffix.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

enum { LIFE = 300, GUESSES = 9 };

static uint64_t seed = 1;

static int rnd(int n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (int)((uint32_t)(seed >> 33) % (uint32_t)n);
}

/* Random tokens of a small alphabet, with copies of what was there, as texts are. */
static void life(int32_t *id, int n, int alphabet)
{
    for (int i = 0; i < n;) {
        int from = i > 4 ? rnd(i) : 0, len = i > 4 && rnd(3) == 0 ? 1 + rnd(20) : 0;
        for (int k = 0; k < len && i < n; k++)
            id[i++] = id[from + k];
        if (i < n) id[i++] = rnd(alphabet);
    }
}

/* How many tokens before place p are those before the end, at most `most`. */
static int agree(const int32_t *id, int n, int p, int most)
{
    int len = 0;

    while (len < most && len < p && id[p - len - 1] == id[n - len - 1])
        len++;
    return len;
}

/* --- ngram --- */

static int naive_ngram(const int32_t *id, int n, int32_t *out, int cap, int *match)
{
    int best = 0, best_len = 0;

    for (int p = 1; p < n; p++) {
        int len = agree(id, n, p, 4);
        if (len == 0 || len < best_len) continue;
        best_len = len;
        best = p;
    }
    *match = best ? agree(id, n, best, 32) : 0;
    for (int i = 0; best && i < cap; i++)
        out[i] = best + i < n ? id[best + i] : out[best + i - n];
    return best ? cap : 0;
}

static void ngram_finds_what_a_search_finds(void **state)
{
    int32_t id[LIFE], got[GUESSES], want[GUESSES];
    int n_got, n_want, m_got, m_want, some = 0;
    struct draft *d;

    (void)state;
    for (int round = 0; round < 60; round++) {
        life(id, LIFE, 2 + rnd(40));
        assert_int_equal(draft_new(&d, DRAFT_NGRAM, LIFE, NULL, NULL), BRRR_OK);
        for (int n = 1; n <= LIFE; n += 1 + rnd(3)) {
            n_got = draft_guess(d, id, n, got, GUESSES, &m_got);
            n_want = naive_ngram(id, n, want, GUESSES, &m_want);
            assert_int_equal(n_got, n_want);
            assert_int_equal(m_got, m_want);
            if (n_got) assert_memory_equal(got, want, sizeof(got));
            some += n_got > 0;
        }
        draft_free(d);
    }
    assert_true(some > 1000);
}

/* No call looks at more than 4096 tokens: a step would wait for it. */
static void long_prompts_are_read_in_parts(void **state)
{
    enum { LONG = 3 * 4096 + 7 };
    static int32_t id[LONG + 5];
    int32_t got[GUESSES];

    (void)state;
    for (int i = 0; i < LONG + 5; i++)
        id[i] = i % 50;
    for (int k = DRAFT_NGRAM; k <= DRAFT_SUFFIX; k++) {
        struct draft *d;
        int n = LONG, match;
        assert_int_equal(draft_new(&d, (enum draft_kind)k, LONG + 5, NULL, NULL), BRRR_OK);
        for (int call = 0; call < 3; call++, n++) {
            assert_int_equal(draft_guess(d, id, n, got, GUESSES, &match), 0);
            assert_int_equal(match, 0);
        }
        assert_true(draft_guess(d, id, n, got, GUESSES, &match) > 0);
        assert_int_equal(match, 32);
        assert_int_equal(got[0], n % 50);
        draft_free(d);
    }
}

/* --- suffix --- */

/* Places of the texts (from text[t] to text[t + 1]) where these tokens end; and of them, those
 * with this one behind, -1: any. */
static int places(const int32_t *id, const int *text, int n_text, const int32_t *end, int len,
                  int32_t then)
{
    int n = 0;

    for (int t = 0; t < n_text; t++)
        for (int p = text[t] + len; p <= text[t + 1]; p++) {
            if (memcmp(id + p - len, end, (size_t)len * sizeof(*id)) != 0) continue;
            n += then < 0 || (p < text[t + 1] && id[p] == then);
        }
    return n;
}

/* The match is the longest, its count is right, and the first guess is a most frequent one: with
 * an alphabet so large that no token ends more than SUFFIX_WALK different substrings. */
static void expect_best(const struct suffix *s, struct suffix_at at, const int32_t *id,
                        const int *text, int n_text, int alphabet)
{
    const int32_t *end = id + text[n_text] - at.len;
    int32_t guess;
    int most = 0;

    assert_int_equal(suffix_count(s, at), places(id, text, n_text, end, at.len, -1));
    for (int32_t x = 0; x < alphabet; x++)
        most = MAX(most, places(id, text, n_text, end, at.len, x));
    if (suffix_guess(s, at, &guess, 1) == 1 && most > 0)
        assert_int_equal(places(id, text, n_text, end, at.len, guess), most);
}

/* Of one text, the longest end that stood there before. */
static int longest_seen(const int32_t *id, int n)
{
    int best = 0;

    for (int p = 1; p < n; p++)
        best = MAX(best, agree(id, n, p, n));
    return best;
}

static void suffix_counts_as_a_search_does(void **state)
{
    int32_t id[LIFE];
    struct suffix *s;

    (void)state;
    for (int round = 0; round < 40; round++) {
        int alphabet = 20 + rnd(30), n = 0, text[8] = { 0 }, n_text = 1 + rnd(4);
        life(id, LIFE, alphabet);
        assert_int_equal(suffix_new(&s, LIFE, NULL), BRRR_OK);
        for (int again = 0; again < 2; again++) { /* cleared it is as new */
            for (int t = n = 0; t < n_text; t++) {
                suffix_break(s);
                for (int len = LIFE / n_text; len > 0; len--) {
                    suffix_feed(s, id[n++]);
                    text[t + 1] = n;
                    if (rnd(4)) continue;
                    struct suffix_at at = suffix_seen(s);
                    if (t == 0) assert_int_equal(at.len, longest_seen(id, n));
                    if (at.len > 0) expect_best(s, at, id, text, t + 1, alphabet);
                }
            }
            assert_int_equal(suffix_room(s), LIFE - n);
            if (!again) suffix_clear(s);
        }
        suffix_free(s);
    }
}

/* A cursor of another text stands at the longest end that the automaton has, while that grows. */
static void a_cursor_finds_the_longest_end(void **state)
{
    int32_t id[LIFE], other[LIFE];

    (void)state;
    for (int round = 0; round < 40; round++) {
        struct suffix_at at = { 0 };
        struct suffix *s;
        int alphabet = 20 + rnd(30), text[2] = { 0, LIFE };
        life(id, LIFE, alphabet);
        life(other, LIFE, alphabet);
        memcpy(other + 20, id + 100, 50 * sizeof(*id));
        assert_int_equal(suffix_new(&s, LIFE, NULL), BRRR_OK);
        for (int i = 0; i < LIFE / 2; i++)
            suffix_feed(s, id[i]);
        for (int i = 0; i < LIFE; i++) {
            text[1] = LIFE / 2 + MIN(i, LIFE / 2) / 2;
            at = suffix_step(s, at, other[i]);
            int had = places(id, text, 1, other + i + 1 - at.len, at.len, -1);
            assert_true(at.len <= i + 1 && (at.len == 0 || had > 0));
            assert_true(at.len == 0 || suffix_count(s, at) == had);
            if (i < LIFE / 2 && i % 2) suffix_feed(s, id[text[1]]);
        }
        suffix_free(s);
    }
}

/* No text makes it take more memory than it has, or the best guess of a repetition miss. */
static void repetition_costs_no_more(void **state)
{
    int32_t got[GUESSES];
    struct suffix *s;

    (void)state;
    for (int period = 1; period < 5; period++) {
        assert_int_equal(suffix_new(&s, 5000, NULL), BRRR_OK);
        for (int i = 0; i < 6000; i++)
            suffix_feed(s, i % period);
        assert_int_equal(suffix_room(s), 0);
        struct suffix_at at = suffix_seen(s);
        assert_true(at.len > 4000);
        int n = suffix_guess(s, at, got, GUESSES);
        assert_int_equal(n, GUESSES);
        for (int i = 0; i < n; i++)
            assert_int_equal(got[i], (5000 + i) % period);
        suffix_free(s);
    }
}

/* What one request said is guessed for the next one; and after two generations no more. */
static void requests_learn_from_earlier_ones(void **state)
{
    int32_t said[40], other[40], begin[3], got[GUESSES];
    struct draft_shared *shared;
    struct draft *d;
    int match;

    (void)state;
    for (int i = 0; i < 40; i++) {
        said[i] = 100 + i;
        other[i] = 500 + i;
    }
    assert_int_equal(draft_shared_new(&shared, 64, NULL), BRRR_OK);
    memcpy(begin, said + 5, sizeof(begin));
    for (int round = 0; round < 4; round++) {
        draft_shared_learn(shared, round == 0 ? said : other, 40);
        assert_int_equal(draft_new(&d, DRAFT_SUFFIX, 100, shared, NULL), BRRR_OK);
        int n = draft_guess(d, begin, 3, got, GUESSES, &match);
        assert_int_equal(n, round < 2 ? GUESSES : 0);
        if (n) {
            assert_int_equal(match, 3);
            assert_memory_equal(got, said + 8, sizeof(got));
        }
        draft_free(d);
    }
    draft_shared_free(shared);
}

static void a_drafter_has_a_name(void **state)
{
    struct draft *d;

    (void)state;
    for (int k = 0; k < DRAFT_KINDS; k++)
        assert_int_equal(draft_find(draft_name((enum draft_kind)k)), k);
    assert_int_equal(draft_find("oracle"), DRAFT_KINDS);
    assert_int_equal(draft_new(&d, DRAFT_NONE, 10, NULL, NULL), BRRR_OK);
    assert_null(d);
}

/* --- spec --- */

/* A step reads the weights, and each row costs something. */
static double line(const void *arg, int rows)
{
    return 1 + *(const double *)arg * rows;
}

static void the_length_is_the_best_one(void **state)
{
    (void)state;
    for (int round = 0; round < 2000; round++) {
        struct spec_rate others = { 0 };
        struct spec s;
        double slope = rnd(100) / 100.0 + 0.01, best = 0;
        struct spec_cost c = { line, &slope, rnd(20), rnd(30), rnd(4) ? 0 : rnd(10) / 50.0 };
        int match = rnd(20), n = 1 + rnd(16);
        spec_init(&s, &others);
        for (int i = rnd(60); i > 0; i--)
            spec_learn(&s, rnd(20), 4, rnd(5), &others, NULL);
        s.skipped = 0;
        int got = spec_length(&s, match, n, &c);
        assert_true(got >= 0 && got <= n);
        for (int k = 0; k <= n; k++) {
            double rate = (c.tokens + spec_tokens(&s, match, k)) /
                          (line(&slope, c.rows + 1 + k) + k * c.guess_s);
            best = MAX(best, rate);
        }
        double have = (c.tokens + spec_tokens(&s, match, got)) /
                      (line(&slope, c.rows + 1 + got) + got * c.guess_s);
        assert_true(have >= best / (got ? 1.000001 : 1.021));
    }
}

/* Where no guess is right, almost none is tried any more; where they are, drafts are long again. */
static void what_does_not_pay_is_left(void **state)
{
    double slope = 0.2;
    struct spec_cost c = { line, &slope, 0, 0, 0 };
    struct spec_stats stats = { 0 };
    struct spec s;
    int n, tried = 0;

    (void)state;
    spec_init(&s, NULL);
    for (int i = 0; i < 3000; i++)
        if ((n = spec_length(&s, 2, 8, &c)) > 0) {
            tried += i > 100 ? n : 0;
            spec_learn(&s, 2, n, 0, NULL, &stats);
        }
    assert_true(tried > 0 && tried < 60);
    assert_int_equal(s.n_accepted, 0);
    for (int i = 0; i < 3000; i++)
        if ((n = spec_length(&s, 2, 8, &c)) > 0) spec_learn(&s, 2, n, n, NULL, &stats);
    assert_int_equal(spec_length(&s, 2, 8, &c), 8);
    uint64_t drafted = 0, accepted = 0;
    for (int i = 0; i < LIMIT_DRAFT; i++) {
        drafted += stats.drafted[i];
        accepted += stats.accepted[i];
    }
    assert_int_equal(drafted, s.n_drafted);
    assert_int_equal(accepted, s.n_accepted);
    assert_true(stats.accepted[0] <= stats.n_step && stats.drafted[0] == stats.n_step);
}

/* Past the critical batch rows cost as much as they bring. */
static void a_full_batch_leaves_no_room_for_guesses(void **state)
{
    double slope = 1;
    struct spec_cost alone = { line, &slope, 0, 0, 0 }, many = { line, &slope, 100, 100, 0 };
    struct spec s;

    (void)state;
    spec_init(&s, NULL);
    for (int i = 0; i < 50; i++)
        spec_learn(&s, 0, 4, 3, NULL, NULL);
    assert_true(spec_length(&s, 8, 8, &alone) > 0);
    assert_int_equal(spec_length(&s, 0, 8, &many), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ngram_finds_what_a_search_finds),
        cmocka_unit_test(long_prompts_are_read_in_parts),
        cmocka_unit_test(suffix_counts_as_a_search_does),
        cmocka_unit_test(a_cursor_finds_the_longest_end),
        cmocka_unit_test(repetition_costs_no_more),
        cmocka_unit_test(requests_learn_from_earlier_ones),
        cmocka_unit_test(a_drafter_has_a_name),
        cmocka_unit_test(the_length_is_the_best_one),
        cmocka_unit_test(what_does_not_pay_is_left),
        cmocka_unit_test(a_full_batch_leaves_no_room_for_guesses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
