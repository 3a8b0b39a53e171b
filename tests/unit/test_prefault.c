/* SPDX-License-Identifier: MIT */
/* test_prefault.c - pages are there before they are needed, so far and no further, and hold what
 * they held (base/prefault.h). */
#include "base/mem.h"
#include "base/prefault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <sys/mman.h>

enum { PIECE = 2 << 20, PAGE = 4096 };

/* Pieces of a range that are present, from its first on. */
static int present(const char *base, int n)
{
    static unsigned char page[PIECE / PAGE];

    for (int i = 0; i < n; i++) {
        int all = 1;
        if (mincore((void *)(uintptr_t)(base + (size_t)i * PIECE), PIECE, page) != 0) return -1;
        for (int k = 0; k < PIECE / PAGE; k++)
            all = all && (page[k] & 1);
        if (!all) return i;
    }
    return n;
}

static void pages_come_before_they_are_needed(void **state)
{
    struct arena a;
    struct prefault p = { 0 };

    (void)state;
    assert_int_equal(arena_init(&a, 16 * PIECE, "test", NULL), BRRR_OK);
    memset(a.base, 7, PAGE);
    prefault_add(&p, a.base, 8 * PIECE);
    prefault_add(&p, a.base + 8 * PIECE + 64, 8 * PIECE - 64); /* its first piece is the tenth */
    prefault_start(&p, 3 * PIECE);
    if (!prefault_wait(&p)) { /* a kernel without it */
        prefault_stop(&p);
        arena_fini(&a);
        skip();
    }
    assert_int_equal(present(a.base, 8), 3);
    assert_int_equal(present(a.base + 9 * PIECE, 7), 3);
    prefault_use(&p, 0, PIECE + 1); /* two pieces are begun */
    assert_true(prefault_wait(&p));
    assert_int_equal(present(a.base, 8), 5);
    prefault_use(&p, 0, 10); /* less than before asks for nothing */
    prefault_use(&p, 0, 8 * PIECE);
    assert_true(prefault_wait(&p));
    assert_int_equal(present(a.base + 9 * PIECE, 7), 3); /* nothing beyond its own range */
    assert_true(a.base[0] == 7 && a.base[PAGE - 1] == 7 && a.base[PAGE] == 0);
    prefault_stop(&p);
    arena_fini(&a);
}

static void what_is_small_needs_nobody(void **state)
{
    char mem[64];
    struct prefault p = { 0 };

    (void)state;
    prefault_add(&p, mem, sizeof(mem));
    prefault_start(&p, PIECE - 1);
    assert_false(p.runs);
    prefault_use(&p, 0, 64);
    prefault_stop(&p);
    struct prefault q = { 0 };
    prefault_add(&q, mem, sizeof(mem));
    prefault_start(&q, PIECE);
    prefault_use(&q, 0, 64);
    prefault_wait(&q);
    prefault_stop(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_come_before_they_are_needed),
        cmocka_unit_test(what_is_small_needs_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
