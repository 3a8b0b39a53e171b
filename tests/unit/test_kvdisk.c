/* SPDX-License-Identifier: MIT */
/*
 * test_kvdisk.c - blocks on disk: there after a restart and after a kill, bounded, and never wrong:
 * whatever happens to the files, a block is what was written or it is not there.
 */
#include "engine/kvdisk.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

enum { FULL = 600, WINDOW = 200 };

static const struct kvfile_id id = { "a model", { FULL, WINDOW } };
static char dir[64];

static int new_dir(void **state)
{
    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/test_kvdisk.XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    char cmd[128];

    (void)state;
    snprintf(cmd, sizeof(cmd), "rm -rf '%s'", dir);
    return system(cmd);
}

static struct kvfile_what what(int i)
{
    struct kvfile_what w = { .key = { (uint64_t)i * 7, 1 }, .before = { (uint64_t)i, 2 } };

    for (int t = 0; t < KV_BLOCK; t++)
        w.token[t] = i + t;
    return w;
}

static void fill(uint8_t *p, size_t n, int i, int kind)
{
    for (size_t j = 0; j < n; j++)
        p[j] = (uint8_t)((size_t)i * 31 + j * 7 + (size_t)kind);
}

static uint8_t full[FULL], window[WINDOW];

static void offer(struct kvdisk *d, int i)
{
    const uint8_t *const mem[KV_KINDS] = { full, window };
    struct kvfile_what w = what(i);

    fill(full, FULL, i, 0);
    fill(window, WINDOW, i, 1);
    kvdisk_offer(d, &w, mem);
    assert_true(kvdisk_flush(d, 10));
}

/* True if it is there; it is right then. */
static bool has(struct kvdisk *d, int i)
{
    uint8_t got[KV_KINDS][FULL], want[FULL];
    uint8_t *const dst[KV_KINDS] = { got[0], got[1] };
    struct kvfile_what w = what(i);

    if (!kvdisk_read(d, &w, dst)) return false;
    fill(want, FULL, i, 0);
    assert_memory_equal(got[0], want, FULL);
    fill(want, WINDOW, i, 1);
    assert_memory_equal(got[1], want, WINDOW);
    return true;
}

static struct kvdisk *open_with(size_t bytes, const struct kvfile_id *what_for,
                                const struct kvfile_io *io)
{
    struct kvdisk_opts o = { .dir = dir, .bytes = bytes, .id = *what_for, .io = io };
    struct brrr_error err = { 0 };
    struct kvdisk *d;

    assert_int_equal(kvdisk_open(&d, &o, &err), BRRR_OK);
    return d;
}

static size_t room_for(int n)
{
    return kvfile_head_cost() + (size_t)n * kvfile_slot_cost(&id);
}

static void blocks_survive_a_restart(void **state)
{
    struct kvfile_id other = { "another model", { FULL, WINDOW } };
    struct kvdisk *d = open_with(1 << 20, &id, NULL);
    uint64_t secret = kvdisk_secret(d);
    struct kvfile_what w = what(3);
    uint8_t *const none[KV_KINDS] = { NULL };

    (void)state;
    for (int i = 0; i < 10; i++)
        offer(d, i);
    kvdisk_close(d);
    d = open_with(1 << 20, &id, NULL);
    assert_true(kvdisk_secret(d) == secret);
    for (int i = 0; i < 10; i++)
        assert_true(has(d, i));
    assert_false(has(d, 10));
    w.token[5]++; /* the same name, other tokens: not ours, and the block goes */
    assert_false(kvdisk_read(d, &w, none));
    kvdisk_close(d);
    d = open_with(1 << 20, &other, NULL);
    assert_false(has(d, 1));
    kvdisk_close(d);
    d = open_with(1 << 20, &id, NULL);
    assert_true(has(d, 1));
    kvdisk_close(d);
}

static void the_longest_unused_goes_first(void **state)
{
    struct kvdisk *d = open_with(room_for(4), &id, NULL);
    struct kvdisk_stats s;

    (void)state;
    for (int i = 0; i < 4; i++)
        offer(d, i);
    assert_true(has(d, 0));
    assert_true(kvdisk_flush(d, 10));
    kvdisk_close(d);
    d = open_with(room_for(4), &id, NULL); /* the use was noted in the file */
    offer(d, 4);
    assert_true(has(d, 0) && !has(d, 1) && has(d, 2));
    kvdisk_stats(d, &s);
    assert_int_equal(s.n_block, 4);
    assert_int_equal(s.n_evicted, 1);
    kvdisk_close(d);
    d = open_with(room_for(2), &id, NULL); /* less room: what fits stays */
    kvdisk_stats(d, &s);
    assert_true(s.n_block == 2 && s.n_block_max == 2);
    kvdisk_close(d);
}

static void one_process_at_a_time(void **state)
{
    struct kvdisk_opts o = { .dir = dir, .bytes = 1 << 20, .id = id };
    struct kvdisk *d = open_with(1 << 20, &id, NULL), *second;
    struct brrr_error err = { 0 };

    (void)state;
    assert_int_equal(kvdisk_open(&second, &o, &err), BRRR_E_IO);
    assert_non_null(strstr(err.text, "another process uses it"));
    kvdisk_close(d);
    o.bytes = 100;
    assert_int_equal(kvdisk_open(&second, &o, &err), BRRR_E_LIMIT);
    assert_int_equal(chmod(dir, 0777), 0);
    assert_int_equal(kvdisk_open(&second, &o, &err), BRRR_E_IO);
    assert_non_null(strstr(err.text, "chmod"));
}

/* Each byte of both files is changed once: what is still there is right. */
static void no_changed_byte_gives_a_wrong_block(void **state)
{
    static const char *const suffix[] = { "idx", "kv" };
    char name[KVFILE_NAME], path[128];
    struct kvdisk *d = open_with(1 << 20, &id, NULL);
    int lost = 0;

    (void)state;
    for (int i = 0; i < 3; i++)
        offer(d, i);
    kvdisk_close(d);
    kvfile_name(&id, name);
    for (int f = 0; f < 2; f++) {
        struct stat st;
        snprintf(path, sizeof(path), "%s/%s.%s", dir, name, suffix[f]);
        assert_int_equal(stat(path, &st), 0);
        /* A changed head empties the store: only its records' bytes. */
        for (off_t at = f == 0 ? (off_t)kvfile_head_cost() : 0; at < st.st_size; at++) {
            uint8_t was, now;
            int fd = open(path, O_RDWR);
            assert_int_equal(pread(fd, &was, 1, at), 1);
            now = was ^ 0x40;
            assert_int_equal(pwrite(fd, &now, 1, at), 1);
            d = open_with(1 << 20, &id, NULL);
            for (int i = 0; i < 3; i++)
                lost += !has(d, i);
            kvdisk_close(d);
            assert_int_equal(pwrite(fd, &was, 1, at), 1);
            close(fd);
        }
    }
    assert_true(lost >= 3 * (FULL + WINDOW + 176)); /* every byte of payload and of name */
}

/* --- failing calls --- */

static int calls_left, error_no;

static ssize_t short_read(int fd, void *buf, size_t n, off_t at)
{
    if (calls_left-- <= 0) return errno = error_no, -1;
    return pread(fd, buf, n > 97 ? 97 : n, at);
}
static ssize_t short_write(int fd, const void *buf, size_t n, off_t at)
{
    if (calls_left-- <= 0) return errno = error_no, -1;
    return pwrite(fd, buf, n > 97 ? 97 : n, at);
}
static const struct kvfile_io bad_writes = { pread, short_write, ftruncate };
static const struct kvfile_io bad_reads = { short_read, pwrite, ftruncate };

static void errors_turn_it_off_and_nothing_else(void **state)
{
    struct brrr_error note = { 0 };
    struct kvdisk *d;

    (void)state;
    for (int n = 0; n < 60; n++) {
        calls_left = 1000;
        d = open_with(1 << 20, &id, &bad_writes);
        offer(d, 1000 + n);
        calls_left = n;
        error_no = ENOSPC;
        for (int i = 0; i < 3; i++)
            offer(d, n * 3 + i);
        if (kvdisk_note(d, &note)) assert_non_null(strstr(note.text, "No space left"));
        assert_false(kvdisk_note(d, &note));
        assert_true(has(d, 1000 + n));
        calls_left = 0;
        kvdisk_close(d);
    }
    for (int n = 0; n < 40; n++) {
        calls_left = 100000;
        d = open_with(1 << 20, &id, &bad_reads);
        calls_left = n;
        error_no = EIO;
        has(d, 1000);
        has(d, 1001);
        if (kvdisk_note(d, &note)) assert_non_null(strstr(note.text, strerror(EIO)));
        kvdisk_close(d);
    }
}

static void a_kill_leaves_only_whole_blocks(void **state)
{
    int there = 0;

    (void)state;
    for (int round = 0; round < 20; round++) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            struct kvdisk *d = open_with(room_for(16), &id, NULL);
            for (int i = 0;; i++)
                offer(d, i % 40);
        }
        usleep(2000 + 1700 * (useconds_t)round);
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        struct kvdisk *d = open_with(room_for(16), &id, NULL);
        struct kvdisk_stats s;
        for (int i = 0; i < 40; i++)
            there += has(d, i);
        kvdisk_stats(d, &s);
        assert_int_equal(s.n_bad, 0);
        kvdisk_close(d);
    }
    assert_true(there > 20);
}

static void memory_that_changes_is_not_written(void **state)
{
    struct kvdisk *d = open_with(1 << 20, &id, NULL);

    (void)state;
    for (int i = 0; i < 300; i++) {
        const uint8_t *const mem[KV_KINDS] = { full, window };
        struct kvfile_what w = what(i);
        fill(full, FULL, i, 0);
        fill(window, WINDOW, i, 1);
        kvdisk_offer(d, &w, mem);
        kvdisk_let_go(d, window); /* the next round writes into it */
    }
    for (int i = 0; i < 300; i++)
        has(d, i); /* what was written is right */
    kvdisk_close(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(blocks_survive_a_restart, new_dir, remove_dir),
        cmocka_unit_test_setup_teardown(the_longest_unused_goes_first, new_dir, remove_dir),
        cmocka_unit_test_setup_teardown(one_process_at_a_time, new_dir, remove_dir),
        cmocka_unit_test_setup_teardown(no_changed_byte_gives_a_wrong_block, new_dir, remove_dir),
        cmocka_unit_test_setup_teardown(errors_turn_it_off_and_nothing_else, new_dir, remove_dir),
        cmocka_unit_test_setup_teardown(a_kill_leaves_only_whole_blocks, new_dir, remove_dir),
        cmocka_unit_test_setup_teardown(memory_that_changes_is_not_written, new_dir, remove_dir),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
