/* SPDX-License-Identifier: MIT */
/*
 * test_dequant.c - every dequantiser of every instruction set, to the last bit,
 * against values recorded from the gguf Python package (tests/data/dequant.bin,
 * made by tools/gen-dequant-fixture.py); and both directions of half precision.
 *
 * Blocks end where the allocation ends, so that sanitizers see a read too far.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/cpu.h"
#include "base/f16.h"
#include "base/le.h"
#include "kernels/kernels.h"

#define FIXTURE "tests/data/dequant.bin"

static uint8_t *read_file(const char *path, size_t *n)
{
    FILE *f = fopen(path, "rb");
    uint8_t *buf;

    if (!f) fail_msg("%s: not there; tests run in the root of the repository", path);
    fseek(f, 0, SEEK_END);
    *n = (size_t)ftell(f);
    rewind(f);
    buf = malloc(*n);
    assert_non_null(buf);
    assert_int_equal(fread(buf, 1, *n, f), *n);
    fclose(f);
    return buf;
}

/* One record of the fixture: run it in one piece and block by block. */
static void check_record(const struct kernels *k, int t, const uint8_t *rec, size_t n)
{
    const struct qtype_info *q = &qtypes[t];
    size_t n_bytes = le32(rec + 8);
    const uint8_t *want = rec + 12 + n_bytes;
    uint8_t *src = malloc(n_bytes);
    float *y = malloc(n * sizeof(*y));

    assert_int_equal(n_bytes, qtype_row_bytes((enum qtype)t, n));
    assert_non_null(k->dequant[t]);
    memcpy(src, rec + 12, n_bytes);
    for (int pass = 0; pass < 2; pass++) {
        size_t step = pass == 0 ? n : q->block;
        memset(y, 0x55, n * sizeof(*y));
        for (size_t i = 0; i < n; i += step)
            k->dequant[t](y + i, src + i / q->block * q->bytes, step);
        for (size_t i = 0; i < n; i++)
            if (f32_bits(y[i]) != le32(want + 4 * i))
                fail_msg("%s %s: weight %zu is %a, not %a", k->isa, q->name, i, (double)y[i],
                         (double)f32_from_bits(le32(want + 4 * i)));
    }
    free(src);
    free(y);
}

static void test_all_types(void **state)
{
    size_t n;
    uint8_t *file = read_file(FIXTURE, &n);

    (void)state;
    for (int i = 0; i < kernels_n_isas; i++) {
        struct kernels k;
        int seen = 0;
        if ((kernels_isas[i].needs & ~cpu_features()) != 0) continue;
        kernels_select(&k, kernels_isas[i].needs);
        for (size_t at = 0; at < n; seen++) {
            size_t n_w = le32(file + at + 4), n_bytes = le32(file + at + 8);
            int t = qtype_from_gguf(le32(file + at));
            assert_true(t >= 0);
            check_record(&k, t, file + at, n_w);
            at += 12 + n_bytes + 4 * n_w;
        }
        assert_int_equal(seen, QT_COUNT);
    }
    free(file);
}

static double f16_value(unsigned h)
{
    int e = h >> 10 & 31, m = h & 1023;
    double v = e == 0 ? m * 0x1p-24 : (1024 + m) * 0x1p-25 * (double)(1u << e);

    return h & 0x8000 ? -v : v;
}

static void test_f16_to_f32(void **state)
{
    (void)state;
    for (unsigned h = 0; h < 0x10000; h++) {
        uint32_t got = f32_bits(f16_to_f32((uint16_t)h));
        if ((h & 0x7fff) < 0x7c00) assert_true((double)f32_from_bits(got) == f16_value(h));
        else if ((h & 0x7fff) == 0x7c00) assert_int_equal(got & 0x7fffffff, 0x7f800000);
        else assert_int_equal(got & 0x7fffffff, 0x7fc00000 | (h & 1023) << 13);
        assert_int_equal(got >> 31, h >> 15);
    }
}

/* Every half and every tie between two neighbours, and one step to each side of the tie. */
static void test_f32_to_f16(void **state)
{
    (void)state;
    for (unsigned h = 0; h < 0x7c00; h++) {
        /* Past the largest half the next one would be 65536. */
        double lo = f16_value(h), hi = h == 0x7bff ? 65536 : f16_value(h + 1);
        float tie = (float)((lo + hi) / 2);
        uint32_t u = f32_bits(tie);
        unsigned even = h & 1 ? h + 1 : h;
        assert_int_equal(f32_to_f16((float)lo), h);
        assert_int_equal(f32_to_f16(-(float)lo), h | 0x8000);
        assert_int_equal(f32_to_f16(tie), even);
        assert_int_equal(f32_to_f16(f32_from_bits(u - 1)), h);
        assert_int_equal(f32_to_f16(f32_from_bits(u + 1)), h + 1);
    }
    assert_int_equal(f32_to_f16(1e30f), 0x7c00);
    assert_int_equal(f32_to_f16(f32_from_bits(0xff800000)), 0xfc00);
    assert_int_equal(f32_to_f16(f32_from_bits(0x7f802001)), 0x7e01);
    assert_int_equal(f32_to_f16(f32_from_bits(1)), 0);
}

static void test_bf16(void **state)
{
    (void)state;
    for (unsigned h = 0; h < 0x10000; h++) {
        float f = bf16_to_f32((uint16_t)h);
        unsigned quiet = (h & 0x7fff) > 0x7f80 ? h | 0x40 : h;
        assert_int_equal(f32_bits(f), h << 16);
        assert_int_equal(f32_to_bf16(f), quiet);
    }
    assert_int_equal(f32_to_bf16(f32_from_bits(0x3f808000)), 0x3f80);
    assert_int_equal(f32_to_bf16(f32_from_bits(0x3f818000)), 0x3f82);
    assert_int_equal(f32_to_bf16(f32_from_bits(0x3f808001)), 0x3f81);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_types),
        cmocka_unit_test(test_f16_to_f32),
        cmocka_unit_test(test_f32_to_f16),
        cmocka_unit_test(test_bf16),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
