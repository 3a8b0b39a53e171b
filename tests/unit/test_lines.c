/* SPDX-License-Identifier: MIT */
/*
 * test_lines.c - waiting for a line of standard input: a signal ends it, whether it arrived
 * before the wait began or during it, and on whichever thread it was handled.
 *
 * The file under test is included: tests link with the library, not with cmd/. What it asks of
 * cmd/session.c is played here.
 */
#include "cmd/lines.c"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/eventfd.h>

#include <cmocka.h>

static atomic_bool interrupted;
static int signal_fd = -1, input; /* input: where to write what standard input gives */

bool session_interrupted(void)
{
    return interrupted;
}

int session_signal_fd(void)
{
    return signal_fd;
}

static void signal_comes(void)
{
    interrupted = true;
    assert_int_equal(eventfd_write(signal_fd, 1), 0);
}

/* Standard input becomes a pipe that stays open; a wait for it that does not end is a failure. */
static int set_up(void **state)
{
    int fd[2];

    (void)state;
    if (pipe(fd) || dup2(fd[0], STDIN_FILENO) < 0) return -1;
    close(fd[0]);
    input = fd[1];
    signal_fd = eventfd(0, EFD_NONBLOCK);
    interrupted = false;
    alarm(20);
    return signal_fd < 0;
}

static int tear_down(void **state)
{
    (void)state;
    alarm(0);
    close(input);
    close(signal_fd);
    return 0;
}

static void expect(struct lines *l, bool block, enum lines_got want, const char *text)
{
    struct slice line = { 0 };

    assert_int_equal(lines_next(l, block, &line), want);
    if (text) assert_true(slice_is(line, text));
}

static void lines_come_and_end(void **state)
{
    struct lines l = { 0 };

    (void)state;
    expect(&l, false, LINES_NONE_YET, NULL);
    assert_int_equal(write(input, "one\r\n\ntwo", 9), 9);
    expect(&l, false, LINES_LINE, "one");
    expect(&l, true, LINES_LINE, "");
    expect(&l, false, LINES_NONE_YET, NULL);
    close(input);
    expect(&l, true, LINES_LINE, "two");
    expect(&l, true, LINES_END, NULL);
    assert_int_equal(lines_end(&l), EXIT_OK);
    lines_fini(&l);
    input = dup(STDIN_FILENO);
}

/* The caller looked at the flag, then the signal came, then the caller waits. */
static void a_signal_before_the_wait(void **state)
{
    struct lines l = { 0 };

    (void)state;
    signal_comes();
    expect(&l, true, LINES_NONE_YET, NULL);
    /* So late that only the descriptor tells. */
    interrupted = false;
    expect(&l, true, LINES_NONE_YET, NULL);
    /* What is there already is still handed out. */
    assert_int_equal(write(input, "x\n", 2), 2);
    expect(&l, false, LINES_LINE, "x");
    lines_fini(&l);
}

static void *later(void *arg)
{
    (void)arg;
    usleep(50000);
    signal_comes();
    return NULL;
}

static void a_signal_on_another_thread(void **state)
{
    struct lines l = { 0 };
    pthread_t t;

    (void)state;
    assert_int_equal(pthread_create(&t, NULL, later, NULL), 0);
    expect(&l, true, LINES_NONE_YET, NULL);
    pthread_join(t, NULL);
    lines_fini(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lines_come_and_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_signal_before_the_wait, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_signal_on_another_thread, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
