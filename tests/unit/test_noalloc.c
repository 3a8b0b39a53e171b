/* SPDX-License-Identifier: MIT */
/*
 * test_noalloc.c - the guard of noalloc.h fires where memory is taken behind it, in its thread
 * only. Skipped where it is not compiled in: the debug build has it, and there all programs run
 * with it.
 */
/* First: cmocka has a macro named fail. */
#include "base/noalloc.h"
#include "base/pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* Not to be seen through by a compiler, which may leave out both. */
static void *volatile kept;

static void take(void)
{
    kept = malloc(100);
    free(kept);
}

static void behind_guard(void)
{
    noalloc_begin();
    take();
}

static void behind_second_guard(void)
{
    noalloc_begin();
    noalloc_begin();
    noalloc_end();
    kept = calloc(3, 5);
}

/* The C library's own needs count. */
static void in_library(void)
{
    noalloc_begin();
    FILE *f = fopen("/dev/null", "re");
    if (f) fclose(f);
}

static void program(void *arg, int worker, int n_workers)
{
    (void)n_workers;
    if (worker == *(int *)arg) take();
}

static void in_worker(int worker)
{
    struct pool *p;

    if (pool_new(&p, 2, NULL)) return;
    pool_run(p, program, &worker);
    pool_free(p);
}

static void in_first_worker(void)
{
    in_worker(0); /* the caller, who is free to */
}

static void in_second_worker(void)
{
    in_worker(1);
}

static void after_guard(void)
{
    void *p = malloc(10);
    noalloc_begin();
    free(p);
    noalloc_end();
    kept = realloc(NULL, 20);
    free(kept);
}

static void *thread(void *arg)
{
    take();
    return arg;
}

static void in_other_thread(void)
{
    pthread_t t;

    if (pthread_create(&t, NULL, thread, NULL)) _exit(1);
    noalloc_begin();
    pthread_join(t, NULL);
    noalloc_end();
}

/* The signal that ends a process which does this; 0: it ends by itself. */
static int ends_by(void (*fn)(void))
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        signal(SIGABRT, SIG_DFL);
        fclose(stderr);
        fn();
        _exit(0);
    }
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void fires_in_guarded_threads_only(void **state)
{
    static const struct {
        void (*fn)(void);
        bool fires;
    } cases[] = {
        { behind_guard, true },     { behind_second_guard, true }, { in_library, true },
        { in_second_worker, true }, { in_first_worker, false },    { after_guard, false },
        { in_other_thread, false },
    };

    (void)state;
#ifndef BRRR_DEBUG
    skip();
#endif
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(ends_by(cases[i].fn), cases[i].fires ? SIGABRT : 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fires_in_guarded_threads_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
