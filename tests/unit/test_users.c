/* SPDX-License-Identifier: MIT */
/* test_users.c - the counters of users: who is charged what, who is lifted, who is forgotten. */
/* First: cmocka has a macro named fail. */
#include "base/status.h"
#include "engine/users.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void charged_for_work_and_memory(void **state)
{
    struct users u;

    (void)state;
    assert_int_equal(users_init(&u, 4, NULL), BRRR_OK);
    int a = users_enter(&u, 7, 1), b = users_enter(&u, 9, 1);
    assert_int_not_equal(a, b);
    assert_int_equal(users_enter(&u, 7, 1), a);
    users_charge(&u, a, 100, 200, 0.25);
    users_charge(&u, b, 0, 200, 0.5);
    assert_true(u.spent[a] == 150 && u.spent[b] == 100);
    users_fini(&u);
}

/* Memory is paid for by the second: a slow step of few rows costs more than a fast one of many. */
static void time_is_worth_what_is_computed_in_it(void **state)
{
    struct users u;

    (void)state;
    assert_int_equal(users_init(&u, 4, NULL), BRRR_OK);
    assert_true(users_step(&u, 7, 0) == 7); /* a clock that stands still */
    u.rows = 0;
    assert_true(users_step(&u, 100, 1) == 100);
    assert_true(users_step(&u, 10, 1) == 55);
    assert_true(users_step(&u, 10, 2) == 60);
    users_fini(&u);
}

/* Who got nothing for long starves, with its oldest task alone. */
static void who_gets_nothing_starves(void **state)
{
    struct users u;

    (void)state;
    assert_int_equal(users_init(&u, 4, NULL), BRRR_OK);
    int a = users_enter(&u, 7, 100), b = users_enter(&u, 9, 100);
    for (int t = 101; t < 120; t++) {
        users_begin(&u, t);
        assert_false(users_list(&u, a, true, 10));
        assert_false(users_list(&u, a, false, 10));
        assert_int_equal(users_list(&u, b, false, 10), t > 110);
        assert_false(users_list(&u, b, false, 10));
    }
    users_leave(&u, b);
    b = users_enter(&u, 9, 119); /* anew */
    users_begin(&u, 120);
    assert_false(users_list(&u, b, false, 10));
    users_fini(&u);
}

/* Staying away saves no claim, and leaving for a moment forgives nothing. */
static void who_comes_back_is_lifted(void **state)
{
    struct users u;

    (void)state;
    assert_int_equal(users_init(&u, 4, NULL), BRRR_OK);
    int a = users_enter(&u, 1, 1), b = users_enter(&u, 2, 1);
    users_charge(&u, a, 1000, 0, 0);
    users_charge(&u, b, 300, 0, 0);
    assert_true(u.spent[users_enter(&u, 3, 1)] == 300);
    users_charge(&u, 2, 50, 0, 0); /* the third */
    users_leave(&u, b);
    users_charge(&u, a, 1, 0, 0);
    assert_true(u.spent[users_enter(&u, 2, 1)] == 350);
    users_leave(&u, a);
    assert_true(u.spent[users_enter(&u, 1, 1)] == 1001);
    users_fini(&u);
}

static void with_nobody_there_all_begin_anew(void **state)
{
    struct users u;

    (void)state;
    assert_int_equal(users_init(&u, 2, NULL), BRRR_OK);
    int a = users_enter(&u, 1, 1);
    users_charge(&u, a, 1000, 0, 0);
    users_leave(&u, a);
    assert_true(u.spent[users_enter(&u, 2, 1)] == 0 && u.spent[users_enter(&u, 1, 1)] == 0);
    users_fini(&u);
}

/* However many come and go, there are places for all that are active, and none is confused with
 * another. */
static void thousands_come_and_go(void **state)
{
    enum { CAP = 30 };
    uint64_t seed = 3, active[CAP];
    int index[CAP], n = 0;
    struct users u;

    (void)state;
    assert_int_equal(users_init(&u, CAP, NULL), BRRR_OK);
    for (int i = 0; i < 200000; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        uint32_t r = (uint32_t)(seed >> 33);
        if (n == CAP || (n > 0 && r % 2)) {
            int k = (int)(r / 2 % (uint32_t)n);
            users_leave(&u, index[k]);
            active[k] = active[--n];
            index[k] = index[n];
            continue;
        }
        active[n] = r / 2 % 500 * 0x10000; /* many of them share low bits */
        index[n] = users_enter(&u, active[n], 1);
        assert_in_range(index[n], 0, 2 * CAP - 1);
        for (int k = 0; k < n; k++)
            assert_true((active[k] == active[n]) == (index[k] == index[n]));
        double least = 1e300;
        for (int k = 0; k < n; k++)
            least = MIN(least, u.spent[index[k]]);
        if (n > 0) assert_true(u.spent[index[n]] >= least);
        users_charge(&u, index[n++], (int)(r % 100), 10, 0.1);
    }
    users_fini(&u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(charged_for_work_and_memory),
        cmocka_unit_test(time_is_worth_what_is_computed_in_it),
        cmocka_unit_test(who_gets_nothing_starves),
        cmocka_unit_test(who_comes_back_is_lifted),
        cmocka_unit_test(with_nobody_there_all_begin_anew),
        cmocka_unit_test(thousands_come_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
