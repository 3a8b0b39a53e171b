/* SPDX-License-Identifier: MIT */
/*
 * test_klbase.c - files of reference distributions: what was put in comes out again, and what is
 * cut short, unfinished or changed is refused with a word about it.
 */
#include "base/rng.h"
#include "format/klbase.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum { N_VOCAB = 37, N_ROW = 5, ROW = 8 + 2 * N_VOCAB, SIZE = KLBASE_HEAD + N_ROW * ROW };

static float logits[N_ROW][N_VOCAB];
static double nll[N_ROW];
static int32_t next_id[N_ROW];
static char path[] = "/tmp/test_klbase.XXXXXX";
static uint8_t good[SIZE];

static double log_sum(const float *x)
{
    double sum = 0;

    for (int i = 0; i < N_VOCAB; i++)
        sum += exp((double)x[i]);
    return log(sum);
}

/* Row 1 has two largest logits, row 2 some far below, row 3 follows one of those. */
static void make_rows(void)
{
    for (int r = 0; r < N_ROW; r++) {
        for (int i = 0; i < N_VOCAB; i++)
            logits[r][i] = (float)(rng_uniform(7, (uint32_t)r, (uint64_t)i) * 12 - 4);
        next_id[r] = 3 * r;
    }
    logits[1][20] = logits[1][30] = 9;
    logits[2][4] = -1000;
    logits[2][5] = -INFINITY;
    logits[3][9] = -90;
    for (int r = 0; r < N_ROW; r++)
        nll[r] = log_sum(logits[r]) - (double)logits[r][next_id[r]];
}

static float largest(const float *x)
{
    float max = x[0];

    for (int i = 1; i < N_VOCAB; i++)
        max = fmaxf(max, x[i]);
    return max;
}

static struct klbase *write_rows(struct brrr_error *err)
{
    struct klbase_head h = { .n_vocab = N_VOCAB,
                             .ctx = 16,
                             .n_id = 9,
                             .half = true,
                             .id_sum = 0x123456789abcdef0u,
                             .profile = "f32" };
    struct klbase *k;

    assert_int_equal(klbase_make(&k, path, &h, err), BRRR_OK);
    for (int r = 0; r < N_ROW; r++)
        assert_int_equal(klbase_put(k, logits[r], largest(logits[r]), nll[r], err), BRRR_OK);
    return k;
}

static int set_up(void **state)
{
    struct brrr_error err = { 0 };
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    close(fd);
    make_rows();
    struct klbase *k = write_rows(&err);
    assert_int_equal(klbase_finish(k, &err), BRRR_OK);
    klbase_close(k);
    FILE *f = fopen(path, "rbe");
    assert_non_null(f);
    assert_int_equal(fread(good, 1, SIZE, f), SIZE);
    assert_int_equal(fgetc(f), EOF);
    fclose(f);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    return unlink(path);
}

static void test_round_trip(void **state)
{
    struct brrr_error err = { 0 };
    struct klbase_row row;
    struct klbase *k;

    (void)state;
    assert_int_equal(klbase_open(&k, path, &err), BRRR_OK);
    const struct klbase_head *h = klbase_head(k);
    assert_true(h->n_vocab == N_VOCAB && h->ctx == 16 && h->n_id == 9 && h->n_row == N_ROW);
    assert_true(h->half && !h->bos && h->id_sum == 0x123456789abcdef0u);
    assert_string_equal(h->profile, "f32");
    for (int r = 0; r < N_ROW; r++) {
        double total = 0, d = 0;
        assert_int_equal(klbase_get(k, next_id[r], &row, &err), BRRR_OK);
        assert_true(logits[r][row.top] == largest(logits[r]));
        assert_true(row.nll == nll[r]);
        for (int i = 0; i < N_VOCAB; i++) {
            double p = row.p[row.down[i]] / row.sum;
            double q = (double)logits[r][i] - log_sum(logits[r]);
            assert_true(fabs(p - exp(q)) <= p / 1000 + 1e-13);
            total += p;
            if (exp(q) > 0) d += p * (log(p) - q);
        }
        assert_true(fabs(total - 1) < 1e-12);
        assert_true(d > -1e-12 && d < 1e-6);
        if (r == 1) assert_int_equal(row.top, 20);
    }
    klbase_close(k);
}

/* Open these bytes and read all rows: the status that ended it. */
static enum brrr_status read_all(const uint8_t *b, size_t n, struct brrr_error *err)
{
    struct klbase_row row;
    struct klbase *k = NULL;
    FILE *f = fmemopen((void *)(uintptr_t)b, n, "rb");

    *err = (struct brrr_error){ 0 };
    assert_non_null(f);
    enum brrr_status st = klbase_open_file(&k, f, "name", err);
    int n_row = st ? 0 : klbase_head(k)->n_row;
    if (!st && klbase_head(k)->n_vocab <= next_id[N_ROW - 1]) n_row = 0;
    for (int r = 0; !st && r < n_row; r++)
        st = klbase_get(k, next_id[MIN(r, N_ROW - 1)], &row, err);
    klbase_close(k);
    if (st) assert_true(strncmp(err->text, "name: ", 6) == 0 && err->status == st);
    return st;
}

static void test_cut_short_or_too_long(void **state)
{
    struct brrr_error err;
    static uint8_t b[SIZE + 1];

    (void)state;
    memcpy(b, good, SIZE);
    assert_int_equal(read_all(b, SIZE, &err), BRRR_OK);
    for (size_t n = 1; n < SIZE; n++)
        assert_int_equal(read_all(b, n, &err), BRRR_E_FORMAT);
    assert_non_null(strstr(err.text, "bytes, its head asks for"));
    assert_int_equal(read_all(b, SIZE + 1, &err), BRRR_E_FORMAT);
}

/* Bits that only say which text it was, and how it was cut, are the caller's to compare. */
static bool free_bit(size_t byte, int bit)
{
    if (byte == 12) return bit < 2;
    if (byte >= 20 && byte < 28) return true;
    return (byte >= 32 && byte < 40) || (byte >= 40 && byte < 44);
}

static void test_flipped_bits(void **state)
{
    struct brrr_error err;
    uint8_t b[SIZE];

    (void)state;
    for (size_t i = 0; i < KLBASE_HEAD; i++)
        for (int bit = 0; bit < 8; bit++) {
            memcpy(b, good, SIZE);
            b[i] ^= (uint8_t)(1 << bit);
            enum brrr_status st = read_all(b, SIZE, &err);
            if (!free_bit(i, bit)) assert_int_not_equal(st, BRRR_OK);
        }
}

struct change {
    size_t at;
    uint8_t to[4];
    int n;
    const char *says;
};

static void test_what_it_says(void **state)
{
    const size_t row1 = KLBASE_HEAD + ROW, row4 = KLBASE_HEAD + 4 * ROW;
    const struct change changes[] = {
        { 0, "GGUF", 4, "no reference logits (" },
        { 8, { 2 }, 1, "version 2, this program reads version 1" },
        { 28, { 0 }, 1, "has not finished" },
        { 12, { 4 }, 1, "unknown flags" },
        { 16, { 0 }, 1, "number of logits" },
        { 16, { 255, 255, 255, 255 }, 4, "number of logits" },
        { 20, { 1 }, 1, "length of a window" },
        { 24, { 4 }, 1, "number of tokens" },
        { 16, { 255, 255, 15 }, 3, "bytes, its head asks for" },
        { 40, { 0 }, 1, "profile" },
        { 40, { 27 }, 1, "profile" },
        { 44, { 'x' }, 1, "profile" },
        { 63, { 1 }, 1, "56 to 63" },
        { row1 + 8 + 2 * 20, { 1 }, 1, "row 1 has 0 largest logits" },
        { row1 + 8 + 2 * 6, { 0, 0 }, 2, "row 1 has 2 largest logits" },
        { row4 + 6, { 0xf0, 0x7f }, 2, "row 4 does not agree with its own likelihood" },
        { row4 + 6, { 0xf8, 0x7f }, 2, "row 4 does not agree with its own likelihood" },
        { row4 + 8 + 2 * 12, { 255, 1 }, 2, "row 4 does not agree with its own likelihood" },
    };
    struct brrr_error err;
    uint8_t b[SIZE];

    (void)state;
    for (size_t i = 0; i < COUNT(changes); i++) {
        memcpy(b, good, SIZE);
        memcpy(b + changes[i].at, changes[i].to, (size_t)changes[i].n);
        assert_int_not_equal(read_all(b, SIZE, &err), BRRR_OK);
        if (!strstr(err.text, changes[i].says))
            fail_msg("change %zu: '%s', not '%s'", i, err.text, changes[i].says);
    }
}

static void test_unfinished(void **state)
{
    struct brrr_error err = { 0 };
    struct klbase *k = write_rows(&err), *r;

    (void)state;
    klbase_close(k);
    assert_int_equal(klbase_open(&r, path, &err), BRRR_E_FORMAT);
    assert_null(r);
    assert_non_null(strstr(err.text, "has not finished"));
}

static void test_no_place_and_no_numbers(void **state)
{
    struct klbase_head h = { .n_vocab = N_VOCAB, .ctx = 16, .n_id = 9, .profile = "f32" };
    struct brrr_error err = { 0 };
    struct klbase *k;
    enum brrr_status st;

    (void)state;
    assert_int_equal(klbase_make(&k, "/nowhere/file", &h, &err), BRRR_E_IO);
    assert_null(k);
    assert_int_equal(klbase_make(&k, "/dev/full", &h, &err), BRRR_OK);
    st = klbase_put(k, logits[0], INFINITY, 1, &err);
    assert_int_equal(st, BRRR_E_LIMIT);
    st = klbase_put(k, logits[0], 1, NAN, &err);
    assert_int_equal(st, BRRR_E_LIMIT);
    for (int i = 0; !(st = klbase_put(k, logits[0], 1, 1, &err)); i++)
        assert_true(i < 1000000);
    assert_int_equal(st, BRRR_E_IO);
    assert_non_null(strstr(err.text, "No space left"));
    klbase_close(k);
    assert_int_equal(klbase_open(&k, "/dev/null", &err), BRRR_E_UNSUPPORTED);
    assert_int_equal(klbase_open(&k, "/nowhere/file", &err), BRRR_E_IO);
}

static void test_sum_of_ids(void **state)
{
    const int32_t a[] = { 1, 2, 3 }, b[] = { 1, 3, 2 };

    (void)state;
    assert_true(klbase_id_sum(a, 0) == 0xcbf29ce484222325u);
    /* worked out apart, with the published constants */
    assert_true(klbase_id_sum(a, 1) == 0xad2aca7747985764u);
    assert_true(klbase_id_sum(a, 3) == 0xfd1f0f4381eb0395u);
    assert_true(klbase_id_sum(a, 3) != klbase_id_sum(b, 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_cut_short_or_too_long),
        cmocka_unit_test(test_flipped_bits),
        cmocka_unit_test(test_what_it_says),
        cmocka_unit_test(test_no_place_and_no_numbers),
        cmocka_unit_test(test_sum_of_ids),
        cmocka_unit_test(test_unfinished), /* last: it leaves the file unfinished */
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
