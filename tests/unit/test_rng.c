/* SPDX-License-Identifier: MIT */
/*
 * test_rng.c - the generator's known answers, which must never change, and its
 * uniformity along each of the things that name a draw.
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

/* The noise of token ids is where rng.h says, and never comes from a block that has another use. */
static void test_ids(void **state)
{
    static const struct {
        uint64_t seed, position;
        uint32_t choice, group;
    } rows[] = { { 0, 0, 0, 0 }, { 42, 7, 1, 3 }, { 1ull << 63, 1ull << 40, 3, 4095 } };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint32_t key[2] = { (uint32_t)rows[i].seed, (uint32_t)(rows[i].seed >> 32) };
        uint32_t ctr[4] = { (uint32_t)rows[i].position, (uint32_t)(rows[i].position >> 32),
                            rows[i].choice, 0 };
        struct rng_place p = rng_place(rows[i].seed, rows[i].choice, rows[i].position);
        uint8_t byte[RNG_GROUP];
        uint32_t r[4];

        rng_bytes(byte, &p, rows[i].group);
        for (int id = 0; id < RNG_GROUP; id++) {
            ctr[3] = 1 + 4 * rows[i].group + (uint32_t)(id / 4 % 4);
            rng_philox(r, ctr, key);
            assert_int_equal(byte[id], r[id / 16] >> 8 * (id % 4) & 255);
            ctr[3] = (1u << 31) + RNG_GROUP * rows[i].group + (uint32_t)id;
            rng_philox(r, ctr, key);
            assert_true(rng_bits(&p, ctr[3] & INT32_MAX) == ((uint64_t)r[1] << 32 | r[0]) >> 11);
        }
    }
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

/* Of token ids: the number that the race makes of them, and those of neighbours. */
static double by_id(int id)
{
    struct rng_place p = rng_place(7, 0, 100);
    uint8_t byte[RNG_GROUP];

    rng_bytes(byte, &p, (uint32_t)(id / RNG_GROUP));
    return (byte[id % RNG_GROUP] + (double)rng_bits(&p, (uint32_t)id) * 0x1p-53) / 256;
}

/* The four bits that matter most of each of two ids, one way or another next to each other. */
static double id_pair(int id, int far)
{
    return (floor(by_id(id) * 16) + by_id(id + far)) / 16;
}

static double by_id_pair(int id)
{
    return id_pair(id, 1);
}

static double by_group_pair(int id)
{
    return id_pair(id, RNG_GROUP);
}

/* The first bits of an id and the further ones. */
static double by_id_bits(int id)
{
    double u = by_id(id) * 16, v = by_id(id) * 256;

    return (floor(u) + (v - floor(v))) / 16;
}

/* An id here and at the next place, and in the next choice. */
static double id_at(uint32_t choice, int position)
{
    struct rng_place p = rng_place(7, choice, (uint64_t)position);
    uint8_t byte[RNG_GROUP];

    rng_bytes(byte, &p, 20);
    return (byte[5] + (double)rng_bits(&p, 20 * RNG_GROUP + 5) * 0x1p-53) / 256;
}

static double by_place_pair(int position)
{
    return (floor(id_at(0, position) * 16) + id_at(0, position + 1)) / 16;
}

static double by_choice_pair(int position)
{
    return (floor(id_at(0, position) * 16) + id_at(1, position)) / 16;
}

static void test_uniformity(void **state)
{
    double (*const draws[])(int) = { by_position,   by_seed,       by_choice,     by_step,
                                     by_id,         by_id_pair,    by_group_pair, by_id_bits,
                                     by_place_pair, by_choice_pair };

    (void)state;
    for (size_t i = 0; i < COUNT(draws); i++)
        assert_true(fabs(chi_square(draws[i], 1 << 18)) < 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_philox),
        cmocka_unit_test(test_uniform_known),
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_uniformity),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
