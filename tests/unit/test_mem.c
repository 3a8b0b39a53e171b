/* SPDX-License-Identifier: MIT */
/* test_mem.c - the memory that is available, by files that are made up. */
/* First: cmocka has a macro named fail. */
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static char root[] = "/tmp/brrr-mem-XXXXXX";

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

static int setup(void **state)
{
    (void)state;
    memcpy(root + sizeof(root) - 7, "XXXXXX", 6);
    return mkdtemp(root) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    return nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* A file below the root, with its folders. */
static void put(const char *name, const char *text)
{
    char path[512];

    snprintf(path, sizeof(path), "%s%s", root, name);
    for (char *s = path + sizeof(root); *s; s++) {
        if (*s != '/') continue;
        *s = 0;
        mkdir(path, 0700);
        *s = '/';
    }
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void the_system_alone(void **state)
{
    (void)state;
    put("/proc/meminfo", "MemTotal: 9000 kB\nMemFree: 1 kB\nMemAvailable:    5000 kB\n");
    assert_int_equal(mem_available_at(root), 5000 * 1024);
    assert_true(mem_available() > 0);
}

static void groups_of_the_second_kind(void **state)
{
    (void)state;
    put("/proc/meminfo", "MemAvailable: 5000 kB\n");
    put("/proc/self/cgroup", "0::/user/one\n");
    put("/sys/fs/cgroup/user/one/memory.max", "max\n");
    assert_int_equal(mem_available_at(root), 5000 * 1024);
    put("/sys/fs/cgroup/user/memory.max", "1000000\n");
    put("/sys/fs/cgroup/user/memory.current", "300000\n");
    assert_int_equal(mem_available_at(root), 700000); /* that of the one above */
    put("/sys/fs/cgroup/user/memory.stat", "anon 5\ninactive_file 200000\nactive_file 7\n");
    assert_int_equal(mem_available_at(root), 900000);
    put("/sys/fs/cgroup/user/one/memory.max", "500000\n");
    put("/sys/fs/cgroup/user/one/memory.current", "600000\n");
    assert_int_equal(mem_available_at(root), 0);
    /* In a container: its own group is the root, whatever the path says. */
    put("/proc/self/cgroup", "0::/../../nothing/here\n");
    put("/sys/fs/cgroup/memory.max", "400000\n");
    put("/sys/fs/cgroup/memory.current", "1000\n");
    assert_int_equal(mem_available_at(root), 399000);
}

static void groups_of_the_first_kind(void **state)
{
    (void)state;
    put("/proc/meminfo", "MemAvailable: 5000 kB\n");
    put("/proc/self/cgroup", "12:cpu,cpuacct:/a\n4:memory:/b\n0::/c\n");
    put("/sys/fs/cgroup/memory/b/memory.limit_in_bytes", "2000000\n");
    put("/sys/fs/cgroup/memory/b/memory.usage_in_bytes", "1500000\n");
    put("/sys/fs/cgroup/memory/b/memory.stat", "inactive_file 1\ntotal_inactive_file 100000\n");
    assert_int_equal(mem_available_at(root), 600000);
    /* No limit is a very large one. */
    put("/sys/fs/cgroup/memory/b/memory.limit_in_bytes", "9223372036854771712\n");
    assert_int_equal(mem_available_at(root), 5000 * 1024);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_system_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(groups_of_the_second_kind, setup, teardown),
        cmocka_unit_test_setup_teardown(groups_of_the_first_kind, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
