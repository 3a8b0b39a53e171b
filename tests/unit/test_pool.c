/* SPDX-License-Identifier: MIT */
/* test_pool.c - the worker pool: everyone runs, barriers join, nothing is lost over many rounds. *
 * The project's headers come first: cmocka has a macro named fail.
 */
#include "base/pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdatomic.h>
#include <unistd.h>

enum { MOST = 8, ROUNDS = 2000, PHASES = 16 };

struct shared {
    struct pool *pool;
    int cell[MOST]; /* plain memory: only the barriers order it */
    int sum[MOST];
    atomic_int ran;
};

/* Each phase: write the own cell, join, read all cells, join. */
static void program(void *arg, int worker, int n)
{
    struct shared *s = arg;

    for (int p = 1; p <= PHASES; p++) {
        s->cell[worker] = p * (worker + 1);
        pool_barrier(s->pool);
        int sum = 0;
        for (int i = 0; i < n; i++)
            sum += s->cell[i];
        if (sum == p * n * (n + 1) / 2) s->sum[worker]++;
        pool_barrier(s->pool);
    }
    atomic_fetch_add(&s->ran, 1);
}

static void run_rounds(int n, int rounds)
{
    struct shared s = { 0 };

    assert_int_equal(pool_new(&s.pool, n, NULL), BRRR_OK);
    assert_int_equal(pool_n_workers(s.pool), n);
    for (int r = 0; r < rounds; r++)
        pool_run(s.pool, program, &s);
    assert_int_equal(atomic_load(&s.ran), rounds * n);
    for (int i = 0; i < n; i++)
        assert_int_equal(s.sum[i], rounds * PHASES);
    pool_free(s.pool);
}

static void every_worker_sees_what_others_wrote(void **state)
{
    (void)state;
    run_rounds(1, ROUNDS);
    run_rounds(2, ROUNDS);
}

static void more_workers_than_cores_still_finish(void **state)
{
    (void)state;
    run_rounds(MOST, 20);
}

/* Programs for fewer workers than there are, in an order that wakes and leaves out all of them. */
static void runs_with_some_of_the_workers(void **state)
{
    struct shared s = { 0 };
    int want[4] = { 0 };

    (void)state;
    assert_int_equal(pool_new(&s.pool, 4, NULL), BRRR_OK);
    for (int r = 0; r < 12; r++) {
        int n = 1 + r * 7 % 4;
        if (r % 4 == 0) usleep(20000);
        pool_run_n(s.pool, n, program, &s);
        for (int i = 0; i < n; i++)
            want[i] += PHASES;
        for (int i = 0; i < 4; i++)
            assert_int_equal(s.sum[i], want[i]);
    }
    assert_int_equal(pool_n_workers(s.pool), 4);
    pool_free(s.pool);
}

/* Long enough for the workers to fall asleep in the kernel between programs. */
static void wakes_sleeping_workers(void **state)
{
    struct shared s = { 0 };

    (void)state;
    assert_int_equal(pool_new(&s.pool, 3, NULL), BRRR_OK);
    for (int r = 0; r < 5; r++) {
        usleep(20000);
        pool_run(s.pool, program, &s);
    }
    assert_int_equal(atomic_load(&s.ran), 15);
    pool_free(s.pool);
    pool_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_worker_sees_what_others_wrote),
        cmocka_unit_test(more_workers_than_cores_still_finish),
        cmocka_unit_test(wakes_sleeping_workers),
        cmocka_unit_test(runs_with_some_of_the_workers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
