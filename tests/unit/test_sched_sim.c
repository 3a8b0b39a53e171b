/* SPDX-License-Identifier: MIT */
/*
 * test_sched_sim.c - the scheduler over time: a server in which a token takes no computing, to see
 * who waits for how long, who gets how much and who comes and goes.
 */
/* First: cmocka has a macro named fail. */
#include "base/limits.h"
#include "base/status.h"
#include "engine/sched.h"
#include "engine/users.h"
#include "kernels/attend.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { TASKS = 600, USERS = 8 };

struct job {
    struct sched_task t;
    uint64_t who;
    int n_gen, n_paid; /* tokens still to be made; charged for */
    bool ended;
    int step_in, step_begun, step_out;
};

struct sim {
    struct job job[TASKS];
    int n, n_step, n_block; /* jobs; steps so far; blocks of the cache */
    int n_preempted, n_idle;
    bool forgets; /* nobody remembers who had to give way, as a bad scheduler would */
    struct users users;
    struct sched_state s;
    struct sched_task list[TASKS];
    struct sched_row row[TASKS];
    int index[TASKS];
    double given[USERS]; /* tokens computed for it */
};

static struct sim *sim_new(enum sched_policy policy, int n_slot, int n_block)
{
    struct sim *m = calloc(1, sizeof(*m));

    assert_non_null(m);
    m->n_block = n_block;
    m->s = (struct sched_state){ .policy = policy,
                                 .age = 10,
                                 .n_slot = n_slot,
                                 .least_chunk = 16,
                                 .reserve = 1,
                                 .block_bytes = 1 };
    assert_int_equal(users_init(&m->users, TASKS, NULL), BRRR_OK);
    return m;
}

static void sim_free(struct sim *m)
{
    users_fini(&m->users);
    free(m);
}

static struct job *submit(struct sim *m, uint64_t who, int n_prompt, int n_gen, int priority)
{
    struct job *j = &m->job[m->n];

    assert_true(m->n < TASKS);
    *j = (struct job){ .who = who, .n_gen = n_gen, .step_in = m->n_step, .step_begun = -1 };
    j->t = (struct sched_task){ .id = (uint64_t)m->n++,
                                .priority = priority,
                                .user = users_enter(&m->users, who, m->s.now),
                                .n_total = n_prompt,
                                .arrival = m->s.now };
    return j;
}

static int blocks(int n)
{
    return (n + KV_BLOCK - 1) / KV_BLOCK;
}

static int used(const struct sim *m)
{
    int n = 0;

    for (int i = 0; i < m->n; i++)
        if (m->job[i].t.running) n += blocks(m->job[i].t.n_done);
    return n;
}

static void look(struct sim *m)
{
    int n_decode = 0;

    users_begin(&m->users, m->s.now);
    m->s.n_task = 0;
    for (int runs = 1; runs >= 0; runs--)
        for (int i = 0; i < m->n; i++) {
            struct sched_task *t = &m->job[i].t;
            if (m->job[i].ended || t->running != (runs == 1)) continue;
            t->starves = users_list(&m->users, t->user, t->running, m->s.age);
            n_decode += t->running && t->n_total - t->n_done == 1;
            m->index[m->s.n_task] = i;
            m->list[m->s.n_task] = *t;
            if (m->forgets) m->list[m->s.n_task].n_preempted = 0;
            /* What it gave back is in the cache as long as nobody needs the room. */
            if (t->n_preempted > 0 && !t->running) m->list[m->s.n_task].n_done = t->n_total - 1;
            m->s.n_task++;
        }
    m->s.task = m->list;
    m->s.spent = m->users.spent;
    m->s.n_row = 256 + n_decode;
    m->s.room = (size_t)(m->n_block - used(m));
}

static void preempt(struct sim *m, int task)
{
    struct sched_task *t = &m->job[m->index[task]].t;

    t->running = false;
    t->n_done = 0;
    t->n_preempted++;
    m->list[task].running = false;
    m->n_preempted++;
}

static void end(struct sim *m, struct job *j)
{
    j->t.running = false;
    j->ended = true;
    j->step_out = m->n_step;
    users_leave(&m->users, j->t.user);
}

/* Room for a row, as the engine makes it. False: the task had to give way itself. */
static bool make_room(struct sim *m, const struct sched_row *w)
{
    const struct sched_task *t = &m->job[m->index[w->task]].t;

    while (used(m) - blocks(t->n_done) + blocks(t->n_done + w->n) > m->n_block) {
        int victim = sched_victim(&m->s, w->task);
        if (victim < 0) fail_msg("alone, and there is no room");
        preempt(m, victim);
        if (victim == w->task) return false;
    }
    return true;
}

static void compute(struct sim *m, struct job *j, int n, int n_row)
{
    struct sched_task *t = &j->t;

    t->n_done += n;
    users_charge(&m->users, t->user, MAX(t->n_done - j->n_paid, 0), n_row,
                 blocks(t->n_done) / (double)m->n_block);
    m->given[j->who] += MAX(t->n_done - j->n_paid, 0);
    j->n_paid = MAX(j->n_paid, t->n_done);
    if (t->n_done < t->n_total) return;
    if (--j->n_gen == 0) end(m, j);
    else t->n_total++;
}

/* One step, of a twentieth of a second. False: nobody is left. */
static bool step(struct sim *m)
{
    int n_row = 0;

    look(m);
    if (m->s.n_task == 0) return false;
    int n = sched_plan(&m->s, m->row);
    for (int i = 0; i < n; i++)
        n_row += m->row[i].n;
    m->n_idle += n_row == 0;
    for (int i = 0; i < n; i++) {
        struct sched_row *w = &m->row[i];
        struct job *j = &m->job[m->index[w->task]];
        if (!w->admit && !j->t.running) continue; /* it gave way in this step */
        j->t.running = m->list[w->task].running = true;
        if (j->step_begun < 0) j->step_begun = m->n_step;
        if (w->admit && j->t.n_preempted > 0) j->t.n_done = j->t.n_total - 1; /* all of it */
        if (make_room(m, w)) compute(m, j, w->n, n_row);
    }
    assert_true(used(m) <= m->n_block);
    m->n_step++;
    m->s.now += 0.05;
    return true;
}

/* One user has 300 requests at once; another asks now and then. Steps that it waits at most. */
static int longest_wait(enum sched_policy policy)
{
    struct sim *m = sim_new(policy, 8, 1000);
    int longest = 0;

    for (int i = 0; i < 300; i++)
        submit(m, 0, 200, 50, 0);
    for (int i = 0; i < 2000 && step(m); i++)
        if (i % 40 == 20) submit(m, 1, 50, 10, 0);
    while (step(m))
        continue;
    for (int i = 0; i < m->n; i++)
        if (m->job[i].who == 1) longest = MAX(longest, m->job[i].step_begun - m->job[i].step_in);
    assert_int_equal(m->n_idle, 0);
    sim_free(m);
    return longest;
}

/* A flood does not drown others: they wait for a slot, which an answer of 50 tokens leaves. That
 * the flood's requests are old by then changes nothing. */
static void a_flood_does_not_drown_others(void **state)
{
    (void)state;
    assert_in_range(longest_wait(SCHED_FAIR), 0, 60);
    assert_true(longest_wait(SCHED_FCFS) > 500); /* so the load is one that could */
}

/* Of two who always ask, each gets half of what is computed, however they cut it. */
static void two_floods_share(void **state)
{
    struct sim *m = sim_new(SCHED_FAIR, 8, 1000);

    (void)state;
    for (int i = 0; i < 80; i++)
        submit(m, 0, 600, 20, 0);
    for (int i = 0; i < 500; i++)
        submit(m, 1, 20, 60, 0);
    int half = 0;
    while (m->given[0] + m->given[1] < 40000)
        assert_true(step(m));
    for (int i = 0; i < m->n; i++)
        half += m->job[i].ended;
    assert_true(half > 10);
    double share = m->given[0] / (m->given[0] + m->given[1]);
    if (share < 0.4 || share > 0.6) fail_msg("the share is %g", share);
    sim_free(m);
}

/* However many of a higher priority come: who has waited for long has its turn. */
static void low_priorities_have_their_turn(void **state)
{
    (void)state;
    for (int policy = 0; policy < SCHED_POLICIES; policy++) {
        struct sim *m = sim_new((enum sched_policy)policy, 4, 1000);
        for (int i = 0; i < 8; i++)
            submit(m, 1, 100, 20, 5);
        struct job *low = submit(m, 0, 100, 20, 0);
        /* Two for each one that leaves: the queue grows and grows. */
        for (int i = 0; i < 400 && step(m); i++)
            if (i % 3 == 0) submit(m, 1, 100, 20, 5);
        assert_true(low->ended);
        assert_in_range(low->step_begun, 0, 200 + 30); /* ten seconds, and an answer */
        sim_free(m);
    }
}

/* Answers that grow far beyond what the cache holds at once. */
static int preemptions(bool forgets)
{
    struct sim *m = sim_new(SCHED_FAIR, 12, 40);
    int n;

    m->forgets = forgets;
    for (int i = 0; i < 60; i++)
        submit(m, 0, 64, 400, 0); /* 15 blocks in the end */
    while (step(m))
        assert_true(m->n_step < 100000);
    for (int i = 0; i < m->n; i++)
        assert_true(m->job[i].ended);
    n = m->n_preempted;
    if (getenv("SIM_VERBOSE")) printf("# %d preemptions in %d steps\n", m->n_preempted, m->n_step);
    sim_free(m);
    return n;
}

static void nobody_comes_and_goes(void **state)
{
    (void)state;
    int n = preemptions(false), bad = preemptions(true);

    assert_in_range(n, 1, 2 * 60);
    assert_true(bad > n);
}

static int rnd(uint64_t *seed, int n)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (int)((uint32_t)(*seed >> 33) % (uint32_t)n);
}

/* Whatever comes: all end, nothing stands still, and the cache holds what runs. */
static void all_end(void **state)
{
    uint64_t seed = 11;

    (void)state;
    for (int round = 0; round < 150; round++) {
        int policy = rnd(&seed, SCHED_POLICIES), n_slot = 1 + rnd(&seed, 12);
        struct sim *m = sim_new((enum sched_policy)policy, n_slot, 20 + rnd(&seed, 60));
        int n_more = 5 + rnd(&seed, 60);
        while (n_more > 0 || m->n_step == 0 || m->s.n_task > 0) {
            while (n_more > 0 && rnd(&seed, 3) == 0) {
                uint64_t who = (uint64_t)rnd(&seed, USERS);
                int n_prompt = 1 + rnd(&seed, 500), n_gen = 1 + rnd(&seed, 100);
                submit(m, who, n_prompt, n_gen, rnd(&seed, 3));
                n_more--;
            }
            if (!step(m)) m->n_step++;
            assert_true(m->n_step < 100000);
        }
        for (int i = 0; i < m->n; i++)
            assert_true(m->job[i].ended && m->job[i].t.n_done == m->job[i].t.n_total);
        assert_int_equal(m->n_idle, 0);
        assert_int_equal(m->users.n_active, 0);
        sim_free(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flood_does_not_drown_others),
        cmocka_unit_test(two_floods_share),
        cmocka_unit_test(low_priorities_have_their_turn),
        cmocka_unit_test(nobody_comes_and_goes),
        cmocka_unit_test(all_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
