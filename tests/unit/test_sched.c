/* SPDX-License-Identifier: MIT */
/* test_sched.c - the scheduler's choices: pure functions, so states are made up by the thousand. */
/* First: cmocka has a macro named fail. */
#include "base/status.h"
#include "engine/sched.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { TASKS = 40, BLOCK = 1000 };

struct world {
    struct sched_task task[TASKS];
    double spent[4];
    struct sched_state s;
    uint64_t seed;
};

static uint32_t rnd(struct world *w, uint32_t n)
{
    w->seed = w->seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(w->seed >> 33) % n;
}

static void base(struct world *w, int n)
{
    memset(w->task, 0, sizeof(w->task));
    w->s = (struct sched_state){ .task = w->task,
                                 .n_task = n,
                                 .spent = w->spent,
                                 .now = 100,
                                 .age = 10,
                                 .n_slot = 8,
                                 .n_row = 64,
                                 .least_chunk = 8,
                                 .room = 1000 * BLOCK,
                                 .block_bytes = BLOCK };
    for (int i = 0; i < n; i++)
        w->task[i] = (struct sched_task){ .id = (uint64_t)i, .n_total = 100, .arrival = 99 };
}

/* Rows with logits have a budget of their own: who wants more than it has left has fewer rows or
 * none, and is in no one's way. */
static void rows_with_logits_are_bounded(void **state)
{
    struct world w = { 0 };
    struct sched_row row[TASKS];

    (void)state;
    base(&w, 5);
    w.s.n_read = 20;
    w.s.n_row = 200;
    for (int i = 0; i < 4; i++) {
        w.task[i].running = i < 3;
        w.task[i].reads = i != 1;
        w.task[i].n_done = i == 0 ? 85 : 30;
    }
    int n = sched_plan(&w.s, row);
    assert_int_equal(n, 5);
    assert_true(row[0].task == 0 && row[0].n == 15);
    assert_true(row[1].task == 1 && row[1].n == 70);
    assert_true(row[2].task == 2 && row[2].n == 5);
    assert_true(row[3].task == 3 && row[3].n == 0 && row[3].admit); /* its turn comes */
    assert_true(row[4].task == 4 && row[4].n == 100 && row[4].admit);
    w.s.n_read = 15;
    assert_int_equal(sched_plan(&w.s, row), 4);
    assert_true(row[2].task == 3 && row[2].n == 0 && row[3].task == 4);
}

/* Running tasks that lack one token always have a row; prompts share what is left of the budget. */
static void those_that_decode_never_wait(void **state)
{
    struct world w = { 0 };
    struct sched_row row[TASKS];

    (void)state;
    base(&w, 4);
    for (int i = 0; i < 3; i++) {
        w.task[i].running = true;
        w.task[i].n_done = i < 2 ? 99 : 30;
    }
    int n = sched_plan(&w.s, row);
    assert_int_equal(n, 3);
    assert_true(row[0].task == 0 && row[0].n == 1 && row[1].task == 1 && row[1].n == 1);
    assert_true(row[2].task == 2 && row[2].n == 62 && !row[2].admit);
    w.task[0].n_draft = 4; /* verified with the token before them */
    sched_plan(&w.s, row);
    assert_int_equal(row[0].n, 5);
    assert_int_equal(row[2].n, 58);
    w.s.n_row = 4; /* however little there is, prompts go on */
    sched_plan(&w.s, row);
    assert_int_equal(row[2].n, w.s.least_chunk);
}

static void policies_choose(void **state)
{
    struct world w = { 0 };
    struct sched_row row[TASKS];

    (void)state;
    base(&w, 4);
    w.s.n_slot = 1;
    w.spent[0] = 5000;
    w.task[2].user = w.task[3].user = 1;
    w.task[1].priority = 5;
    w.task[3].n_done = 64;
    w.s.policy = SCHED_FCFS;
    assert_true(sched_plan(&w.s, row) == 1 && row[0].task == 0 && row[0].admit);
    w.s.policy = SCHED_PRIORITY;
    assert_true(sched_plan(&w.s, row) == 1 && row[0].task == 1);
    w.s.policy = SCHED_FAIR;
    assert_true(sched_plan(&w.s, row) == 1 && row[0].task == 1); /* priority counts there too */
    w.task[1].priority = 0;
    /* User 1 was given less, and of its tasks the cache holds most of task 3. */
    assert_true(sched_plan(&w.s, row) == 1 && row[0].task == 3 && row[0].n == 36);
    w.task[1].arrival = 80; /* for 20 seconds: but its user has had its share */
    assert_true(sched_plan(&w.s, row) == 1 && row[0].task == 3);
    w.task[1].starves = true; /* that was long ago */
    assert_true(sched_plan(&w.s, row) == 1 && row[0].task == 1);
    w.task[1].starves = false;
    /* Within a user the cache helps, but not for ever. */
    w.task[2].arrival = 80;
    assert_true(sched_plan(&w.s, row) == 1 && row[0].task == 2);
    for (int p = 0; p < SCHED_POLICIES; p++)
        assert_int_equal(sched_policy_find(sched_policy_name((enum sched_policy)p)), p);
    assert_int_equal(sched_policy_find("none"), SCHED_POLICIES);
}

static void memory_bounds_admission(void **state)
{
    struct world w = { 0 };
    struct sched_row row[TASKS];

    (void)state;
    base(&w, 3);
    w.task[0].running = true;
    w.task[0].n_done = 99;
    /* 100 tokens are four blocks, and one for the copy of where a prefix ends. */
    w.s.room = 7 * BLOCK;
    w.s.reserve = 2 * BLOCK;
    assert_int_equal(sched_plan(&w.s, row), 2);
    w.s.room = 7 * BLOCK - 1;
    assert_int_equal(sched_plan(&w.s, row), 1);
    /* Nobody small passes the one who is next: it would wait for ever. */
    w.task[2].n_total = 1;
    assert_int_equal(sched_plan(&w.s, row), 1);
    /* Alone it goes in any case. */
    w.task[0].running = false;
    w.task[0].n_done = 0;
    w.task[0].id = 9;
    assert_true(sched_plan(&w.s, row) == 1 && row[0].task == 1);
    /* What others use anyway needs no room; what is only cached does. */
    w.task[0].running = true;
    w.task[0].n_done = 99;
    w.task[1].n_done = 96;
    assert_int_equal(sched_plan(&w.s, row), 1);
    w.task[1].n_shared = 32;
    assert_int_equal(sched_plan(&w.s, row), 2);
}

/* Who had to give way comes back when there is more room than it needs, each time more. */
static void coming_back_needs_a_reserve(void **state)
{
    struct world w = { 0 };
    struct sched_row row[TASKS];

    (void)state;
    base(&w, 3);
    w.task[0].running = w.task[1].running = true;
    w.task[0].n_done = w.task[1].n_done = 99;
    w.s.reserve = BLOCK;
    for (int n = 0; n < 5; n++) {
        w.task[2].n_preempted = n;
        w.s.room = (2 + 5 + ((size_t)2 << n)) * BLOCK; /* decoding rows, the task, the reserve */
        w.s.room -= 2 * BLOCK;                         /* of which none begins a block */
        assert_int_equal(sched_plan(&w.s, row), 3);
        w.s.room--;
        assert_int_equal(sched_plan(&w.s, row), 2);
    }
    w.task[2].n_preempted = 1000000;
    w.s.room = SIZE_MAX;
    assert_int_equal(sched_plan(&w.s, row), 3);
    w.s.reserve = SIZE_MAX;
    assert_int_equal(sched_plan(&w.s, row), 2);
}

/* A beam search has all of its slots or none, and nobody passes it. */
static void groups_come_and_go_together(void **state)
{
    struct world w = { 0 };
    struct sched_row row[TASKS];

    (void)state;
    base(&w, 4);
    w.s.n_slot = 4;
    w.task[0].running = true;
    w.task[0].n_done = 99;
    w.task[1].width = 4;
    assert_int_equal(sched_plan(&w.s, row), 1);
    w.task[1].width = 3;
    assert_true(sched_plan(&w.s, row) == 2 && row[1].task == 1);
    w.s.room = 7 * BLOCK; /* a prompt that they share, and a block for each */
    assert_int_equal(sched_plan(&w.s, row), 2);
    w.s.room--;
    assert_int_equal(sched_plan(&w.s, row), 1);
    w.task[1].n_preempted = 1; /* what they share now is not known */
    w.s.room = 15 * BLOCK;
    assert_int_equal(sched_plan(&w.s, row), 2);
    w.s.room--;
    assert_int_equal(sched_plan(&w.s, row), 1);
    /* All is in the cache: it is admitted all the same. */
    w.s.room = 1000 * BLOCK;
    w.task[1].n_done = w.task[1].n_total;
    assert_true(sched_plan(&w.s, row) == 2 && row[1].n == 0 && row[1].admit);

    base(&w, 4);
    for (int i = 0; i < 3; i++) {
        w.task[i].running = true;
        w.task[i].group = 7;
    }
    assert_int_equal(sched_victim(&w.s, 1), -1); /* they have the whole cache */
    w.task[3].running = true;
    w.task[3].priority = 1;
    assert_int_equal(sched_victim(&w.s, 1), 2);
    assert_int_equal(sched_victim(&w.s, 3), 2);
    w.task[3].priority = -1;
    assert_int_equal(sched_victim(&w.s, 1), 3);
}

static void the_newest_of_the_lowest_priority_gives_way(void **state)
{
    struct world w = { 0 };

    (void)state;
    base(&w, 5);
    for (int i = 0; i < 4; i++)
        w.task[i].running = true;
    w.task[3].priority = 1;
    assert_int_equal(sched_victim(&w.s, 0), 2);
    assert_int_equal(sched_victim(&w.s, 2), 2);
    w.task[1].priority = -1;
    assert_int_equal(sched_victim(&w.s, 0), 1);
    for (int i = 1; i < 4; i++)
        w.task[i].running = false;
    assert_int_equal(sched_victim(&w.s, 0), -1);
}

/* Nobody is skipped: without one of those that were admitted, the others come in the same order. */
static void in_order(struct world *w, const struct sched_row *row, int n)
{
    struct sched_row now[TASKS];
    int first = 0, at;

    while (first < n && !row[first].admit)
        first++;
    if (n - first < 3) return;
    uint32_t out = (uint32_t)first + rnd(w, (uint32_t)(n - first));
    struct sched_task *t = &w->task[row[out].task], keep = *t;
    struct sched_state s = w->s;
    s.n_slot = s.n_row = 1 << 20;
    s.room = SIZE_MAX / 2;
    t->arrival = s.now; /* the last of all, whatever the policy */
    t->id += 1000;
    t->priority = -1000;
    t->starves = false;
    int m = sched_plan(&s, now);
    at = first;
    for (int i = 0; i < m; i++) {
        if (!now[i].admit || now[i].task == row[out].task) continue;
        if (at == (int)out) at++;
        if (at < n) assert_int_equal(now[i].task, row[at].task);
        at++;
    }
    *t = keep;
}

/* Whatever the state: rows of each task at most once, within every bound. */
static void random_plans_keep_to_the_bounds(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    struct sched_row row[TASKS];

    (void)state;
    assert_non_null(w);
    for (int round = 0; round < 20000; round++) {
        base(w, 1 + (int)rnd(w, TASKS));
        w->s.policy = (enum sched_policy)rnd(w, SCHED_POLICIES);
        w->s.n_slot = 1 + (int)rnd(w, 12);
        w->s.n_row = 1 + (int)rnd(w, 300);
        w->s.least_chunk = 1 + (int)rnd(w, 16);
        w->s.room = rnd(w, 60) * BLOCK;
        w->s.reserve = rnd(w, 8) * BLOCK;
        int running = 0, decoding = 0, seen[TASKS] = { 0 }, prompts = 0;
        for (int i = 0; i < w->s.n_task; i++) {
            struct sched_task *t = &w->task[i];
            t->user = (int)rnd(w, 4);
            t->priority = (int)rnd(w, 3);
            t->n_total = 1 + (int)rnd(w, 500);
            t->running = running < w->s.n_slot && rnd(w, 3) == 0;
            running += t->running;
            t->n_done = (int)rnd(w, (uint32_t)t->n_total);
            t->arrival = rnd(w, 100);
            t->starves = !t->running && rnd(w, 4) == 0;
            t->n_preempted = (int)rnd(w, 3);
            t->width = !t->running && rnd(w, 8) == 0 ? 1 + (int)rnd(w, 3) : 0;
            if (t->running && t->n_total - t->n_done == 1) {
                t->n_draft = (int)rnd(w, 4);
                decoding += 1 + t->n_draft;
            }
        }
        int n = sched_plan(&w->s, row), admitted = 0, of_decoding = 0, left_out = -1;
        for (int i = 0; i < n; i++) {
            const struct sched_task *t = &w->task[row[i].task];
            assert_int_equal(seen[row[i].task]++, 0);
            assert_true(row[i].admit == !t->running && row[i].n > 0);
            admitted += row[i].admit ? MAX(t->width, 1) : 0;
            if (t->running && t->n_total - t->n_done == 1) {
                of_decoding += row[i].n;
                continue;
            }
            assert_true(row[i].n <= t->n_total - t->n_done);
            prompts += row[i].n;
        }
        assert_int_equal(of_decoding, decoding);
        assert_true(prompts <= MAX(w->s.n_row - decoding, w->s.least_chunk));
        assert_true(running + admitted <= w->s.n_slot);
        /* Never idle while somebody could run. */
        if (running == 0)
            for (int i = 0; i < w->s.n_task; i++)
                left_out = MAX(left_out, w->task[i].width > w->s.n_slot);
        assert_true(n > 0 || left_out > 0);
        in_order(w, row, n);
    }
    free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_with_logits_are_bounded),
        cmocka_unit_test(those_that_decode_never_wait),
        cmocka_unit_test(policies_choose),
        cmocka_unit_test(memory_bounds_admission),
        cmocka_unit_test(coming_back_needs_a_reserve),
        cmocka_unit_test(groups_come_and_go_together),
        cmocka_unit_test(the_newest_of_the_lowest_priority_gives_way),
        cmocka_unit_test(random_plans_keep_to_the_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
