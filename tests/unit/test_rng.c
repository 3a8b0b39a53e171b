/* SPDX-License-Identifier: MIT */
/*
 * test_rng.c - the generator's known answers, which must never change, and its
 * uniformity along each of the three things that name a draw.
 */
#include "base/rng.h"
#include "base/status.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* The vectors that the authors publish with Random123 (kat_vectors, philox4x32, 10 rounds). */
static void test_philox(void **state)
{
    static const struct {
        uint32_t ctr[4], key[2], out[4];
    } rows[] = {
        { { 0, 0, 0, 0 }, { 0, 0 }, { 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 } },
        { { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff },
          { 0xffffffff, 0xffffffff },
          { 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd } },
        { { 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344 },
          { 0xa4093822, 0x299f31d0 },
          { 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1 } },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint32_t out[4];
        rng_philox(out, rows[i].ctr, rows[i].key);
        assert_memory_equal(out, rows[i].out, sizeof(out));
    }
}

/* Seeds are kept by users: these numbers are part of the contract. */
static void test_uniform_known(void **state)
{
    (void)state;
    assert_true(rng_uniform(0, 0, 0) == 0x1.c2d38b1acc4fdp-1);
    assert_true(rng_uniform(42, 0, 7) == 0x1.a1e132156ef6p-2);
    assert_true(rng_uniform(42, 1, 7) == 0x1.4a070d3931e3p-2);
    assert_true(rng_uniform(1ull << 63, 3, 1ull << 40) == 0x1.b1fad4178cf8p-5);
}

/* Chi-square of n draws in 256 classes, as standard deviations from what is expected. */
static double chi_square(double (*draw)(int i), int n)
{
    enum { CLASSES = 256 };
    int count[CLASSES] = { 0 };
    double chi = 0, expected = (double)n / CLASSES;

    for (int i = 0; i < n; i++) {
        double u = draw(i);
        assert_true(u >= 0 && u < 1);
        count[(int)(u * CLASSES)]++;
    }
    for (int i = 0; i < CLASSES; i++)
        chi += (count[i] - expected) * (count[i] - expected) / expected;
    return (chi - (CLASSES - 1)) / sqrt(2.0 * (CLASSES - 1));
}

static double by_position(int i)
{
    return rng_uniform(7, 0, (uint64_t)i);
}

static double by_seed(int i)
{
    return rng_uniform((uint64_t)i, 0, 100);
}

static double by_choice(int i)
{
    return rng_uniform(7, (uint32_t)i, 100);
}

/* Neighbours: uniform if a draw tells nothing about the next one. */
static double by_step(int i)
{
    double u = by_position(i + 1) - by_position(i);
    return u < 0 ? u + 1 : u;
}

static void test_uniformity(void **state)
{
    double (*const draws[])(int) = { by_position, by_seed, by_choice, by_step };

    (void)state;
    for (size_t i = 0; i < COUNT(draws); i++)
        assert_true(fabs(chi_square(draws[i], 1 << 18)) < 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_philox),
        cmocka_unit_test(test_uniform_known),
        cmocka_unit_test(test_uniformity),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
