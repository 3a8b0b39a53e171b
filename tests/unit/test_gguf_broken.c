/* SPDX-License-Identifier: MIT */
/*
 * test_gguf_broken.c - the GGUF reader and files that are broken: what it says
 * about each kind, and that no truncation and no flipped bit of a header gets
 * past it or breaks it.
 */
#include "base/limits.h"
#include "gguf_walk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gguf_build.h"

static void one_tensor(struct file *f, uint64_t n_kv)
{
    put_header(f, 3, 1, n_kv);
}

static void end_tensor(struct file *f, uint64_t d0, uint64_t d1, uint32_t type, uint64_t off)
{
    put_tensor(f, "t", d0, d1, type);
    put64(f, off);
    pad(f, 32);
    for (int i = 0; i < 64; i++)
        put(f, "", 1);
}

static void align_of(struct file *f, uint32_t align)
{
    one_tensor(f, 1);
    put_key(f, "general.alignment", GGUF_U32);
    put32(f, align);
    end_tensor(f, 4, 1, 0, 0);
}

static void bad_align0(struct file *f)
{
    align_of(f, 0);
}

static void bad_align48(struct file *f)
{
    align_of(f, 48);
}

static void bad_align_far(struct file *f)
{
    align_of(f, 1 << 30);
}

static void bad_align_text(struct file *f)
{
    one_tensor(f, 1);
    put_key(f, "general.alignment", GGUF_STRING);
    put_text(f, "32");
    end_tensor(f, 4, 1, 0, 0);
}

static void bad_kv_claim(struct file *f)
{
    put_header(f, 3, 0, 1ull << 40);
    for (int i = 0; i < 1024; i++)
        put(f, "", 1);
}

static void bad_tensor_claim(struct file *f)
{
    put_header(f, 3, UINT64_MAX, 0);
}

static void bad_empty_key(struct file *f)
{
    one_tensor(f, 1);
    put_key(f, "", GGUF_U8);
    put(f, "", 1);
    end_tensor(f, 4, 1, 0, 0);
}

static void bad_nul_key(struct file *f)
{
    one_tensor(f, 1);
    put64(f, 3);
    put(f, "a\0b", 3);
    put32(f, GGUF_U8);
    put(f, "", 1);
    end_tensor(f, 4, 1, 0, 0);
}

static void bad_utf8_key(struct file *f)
{
    one_tensor(f, 1);
    put_key(f, "ab\xed\xa0\x80", GGUF_U8);
    put(f, "", 1);
    end_tensor(f, 4, 1, 0, 0);
}

static void bad_terminal_key(struct file *f)
{
    one_tensor(f, 1);
    put_key(f, "ab\xc2\x9b", GGUF_U8);
    put(f, "", 1);
    end_tensor(f, 4, 1, 0, 0);
}

static void bad_two_keys(struct file *f)
{
    one_tensor(f, 3);
    put_key(f, "k", GGUF_U8);
    put(f, "", 1);
    put_key(f, "kk", GGUF_U8);
    put(f, "", 1);
    put_key(f, "k", GGUF_U8);
    put(f, "", 1);
    end_tensor(f, 4, 1, 0, 0);
}

static void bad_two_tensors(struct file *f)
{
    put_header(f, 3, 2, 0);
    put_tensor(f, "t", 4, 1, 0);
    put64(f, 32);
    end_tensor(f, 4, 1, 0, 0);
}

static void bad_overlap(struct file *f)
{
    put_header(f, 3, 2, 0);
    put_tensor(f, "u", 4, 1, 0);
    put64(f, 32);
    end_tensor(f, 9, 1, 0, 0);
}

static void bad_nest(struct file *f)
{
    one_tensor(f, 1);
    put_key(f, "k", GGUF_ARRAY);
    for (int i = 0; i <= LIMIT_GGUF_NEST; i++)
        put_array(f, GGUF_ARRAY, 1);
    put_array(f, GGUF_U8, 0);
    end_tensor(f, 4, 1, 0, 0);
}

static void bad_elem(struct file *f)
{
    one_tensor(f, 1);
    put_key(f, "k", GGUF_ARRAY);
    put_array(f, GGUF_TYPE_COUNT, 0);
    end_tensor(f, 4, 1, 0, 0);
}

static void bad_array_claim(struct file *f)
{
    one_tensor(f, 1);
    put_key(f, "k", GGUF_ARRAY);
    put_array(f, GGUF_F64, 1ull << 61);
    end_tensor(f, 4, 1, 0, 0);
}

static void bad_long_name(struct file *f)
{
    char name[LIMIT_GGUF_NAME + 2];

    memset(name, 'x', sizeof(name) - 1);
    name[sizeof(name) - 1] = 0;
    one_tensor(f, 0);
    put_tensor(f, name, 4, 1, 0);
    put64(f, 0);
}

#define TENSOR(name, d0, d1, type, off)   \
    static void name(struct file *f)      \
    {                                     \
        one_tensor(f, 0);                 \
        end_tensor(f, d0, d1, type, off); \
    }
TENSOR(bad_dim0, 4, 0, 0, 0)
TENSOR(bad_dim_sign, 4, UINT64_MAX, 0, 0)
TENSOR(bad_product, 1ull << 32, 1ull << 32, 0, 0)
TENSOR(bad_bytes, 1ull << 31, 1ull << 31, 0, 0)
TENSOR(bad_row, 33, 1, 2, 0)
TENSOR(bad_type, 32, 1, 4, 0)
TENSOR(bad_offset, 4, 1, 0, 16)
TENSOR(bad_far, 4, 1, 0, 64)
TENSOR(bad_wrap, 4, 1, 0, UINT64_MAX - 31)
TENSOR(bad_long, 17, 1, 0, 0)

static const struct {
    void (*make)(struct file *f);
    enum brrr_status st;
    const char *says;
} broken[] = {
    { bad_align0, BRRR_E_FORMAT, "general.alignment: 0 is not in 8..1073741824, at byte 53" },
    { bad_align48, BRRR_E_FORMAT, "general.alignment: 48 is no power of two, at byte 53" },
    { bad_align_far, BRRR_E_FORMAT, "tensor data: the file ends before" },
    { bad_align_text, BRRR_E_FORMAT, "general.alignment: is a string, not an integer" },
    { bad_kv_claim, BRRR_E_FORMAT, "metadata count: 1099511627776 entries, the file has room" },
    { bad_tensor_claim, BRRR_E_FORMAT, "tensor count: 18446744073709551615 entries" },
    { bad_empty_key, BRRR_E_FORMAT, "metadata entry 0: the key is empty, at byte 24" },
    { bad_nul_key, BRRR_E_FORMAT, "metadata entry 0: the key holds a control" },
    { bad_utf8_key, BRRR_E_FORMAT, "or is not UTF-8, at byte 34" },
    { bad_terminal_key, BRRR_E_FORMAT, "the key holds a control character" },
    { bad_two_keys, BRRR_E_FORMAT, "k: the key is there twice, at byte 61" },
    { bad_two_tensors, BRRR_E_FORMAT, "tensor t: is there twice, at byte 73" },
    { bad_overlap, BRRR_E_FORMAT, "tensor u: shares bytes with tensor t, at byte" },
    { bad_nest, BRRR_E_UNSUPPORTED, "k: arrays are nested more than 4 deep" },
    { bad_elem, BRRR_E_FORMAT, "k: element type 13 is unknown, at byte 37" },
    { bad_array_claim, BRRR_E_FORMAT, "k: an array claims 2305843009213693952 elements" },
    { bad_long_name, BRRR_E_UNSUPPORTED, "tensor 0: the name has 257 bytes, 256 is the limit" },
    { bad_dim0, BRRR_E_FORMAT, "tensor t: dimension 1 is 0, at byte 45" },
    { bad_dim_sign, BRRR_E_FORMAT, "tensor t: dimension 1 is -1, at byte 45" },
    { bad_product, BRRR_E_FORMAT, "tensor t: the product of the dimensions overflows" },
    { bad_bytes, BRRR_E_FORMAT, "tensor t: the size in bytes overflows, at byte 37" },
    { bad_row, BRRR_E_FORMAT, "tensor t: rows of 33 are no multiple of Q4_0's block of 32" },
    { bad_type, BRRR_E_UNSUPPORTED, "tensor t: tensor type 4 is unknown, at byte 53" },
    { bad_offset, BRRR_E_FORMAT, "tensor t: offset 16 is no multiple of the alignment 32" },
    { bad_far, BRRR_E_FORMAT, "tensor t: 16 bytes at offset 64 leave the file" },
    { bad_wrap, BRRR_E_FORMAT, "at offset 18446744073709551584 leave the file" },
    { bad_long, BRRR_E_FORMAT, "tensor t: 68 bytes at offset 0 leave the file" },
};

static void test_broken(void **state)
{
    struct file f;
    struct gguf *g;
    uint8_t *copy;

    (void)state;
    for (size_t i = 0; i < COUNT(broken); i++) {
        struct brrr_error err = { 0 };
        broken[i].make(&f);
        enum brrr_status st = open_copy(&g, &copy, &f, &err);
        if (st != broken[i].st || !strstr(err.text, broken[i].says))
            fail_msg("case %zu: \"%s\" wanted, status %d \"%s\" got", i, broken[i].says, (int)st,
                     err.text);
        assert_true(strstr(err.text, "m.gguf: ") == err.text);
        assert_null(g);
        assert_int_equal(gguf_open_memory(&g, copy, f.n, "m.gguf", NULL), st);
        free(copy);
    }
}

/* Names are well-formed UTF-8 (Unicode, table 3-7) without control characters. */
static void test_names(void **state)
{
    static const struct {
        const char *key;
        bool good;
    } rows[] = {
        { "a b", true },
        { "\xc3\xa9", true },
        { "\xe2\x82\xac", true },
        { "\xe0\xa0\x80", true },
        { "\xed\x9f\xbf", true },
        { "\xf0\x90\x80\x80", true },
        { "\xc2\xa0", true },
        { "\xf4\x8f\xbf\xbf", true },
        { "\x80", false },
        { "\xc0\x80", false },
        { "\xc1\xbf", false },
        { "\xe0\x9f\xbf", false },
        { "\xed\xa0\x80", false },
        { "\xf0\x8f\xbf\xbf", false },
        { "\xf4\x90\x80\x80", false },
        { "\xf5\x80\x80\x80", false },
        { "\xe2\x82", false },
        { "\xe2\x28\xa1", false },
        { "\x7f", false },
        { "\x1b[2J", false },
        { "\xc2\x85", false },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct brrr_error err = { 0 };
        struct file f;
        struct gguf *g;
        uint8_t *copy;
        put_header(&f, 3, 0, 1);
        put_key(&f, rows[i].key, GGUF_U8);
        put(&f, "", 1);
        if ((open_copy(&g, &copy, &f, &err) == BRRR_OK) != rows[i].good)
            fail_msg("name %zu: %s", i, err.text);
        if (g) assert_non_null(gguf_find(g, rows[i].key));
        close_copy(g, copy);
    }
}

/* More entries than the limit, or a longer string, each with the bytes to back the claim. */
static void test_limits(void **state)
{
    size_t n = (size_t)LIMIT_GGUF_STRING + 100;
    uint8_t *b = calloc(1, n);
    struct brrr_error err;
    struct gguf *g;
    struct file f;

    (void)state;
    assert_non_null(b);
    put_header(&f, 3, 0, LIMIT_GGUF_KV + 1);
    memcpy(b, f.b, f.n);
    assert_int_equal(gguf_open_memory(&g, b, n, "m", &err), BRRR_E_UNSUPPORTED);
    assert_non_null(strstr(err.text, "metadata count: 1048577 entries, 1048576 is the limit"));
    put_header(&f, 3, 0, 1);
    put_key(&f, "k", GGUF_STRING);
    put64(&f, LIMIT_GGUF_STRING + 1);
    memcpy(b, f.b, f.n);
    assert_int_equal(gguf_open_memory(&g, b, n, "m", &err), BRRR_E_UNSUPPORTED);
    assert_non_null(strstr(err.text, "k: the string has 67108865 bytes, 67108864 is the limit"));
    free(b);
}

/* The longest path and names still leave room for what is wrong and where. */
static void test_long_messages(void **state)
{
    char path[2000], name[LIMIT_GGUF_NAME + 1];
    struct brrr_error err;
    struct file f;
    struct gguf *g;

    (void)state;
    memset(path, 'p', sizeof(path) - 1);
    path[10] = '\n';
    path[sizeof(path) - 2] = '\n';
    path[sizeof(path) - 1] = 0;
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = 0;
    put_header(&f, 3, 2, 0);
    put_tensor(&f, name, 9, 1, 0);
    put64(&f, 0);
    name[0] = 'm';
    put_tensor(&f, name, 9, 1, 0);
    put64(&f, 0);
    pad(&f, 32);
    for (int i = 0; i < 64; i++)
        put(&f, "", 1);
    assert_int_equal(gguf_open_memory(&g, f.b, f.n, path, &err), BRRR_E_FORMAT);
    assert_true(strstr(err.text, "...ppp") == err.text);
    assert_non_null(strstr(err.text, ", at byte 640"));
    assert_null(strchr(err.text, '\n'));
}

/* Cut at n: everything is named, nothing is read past the end. */
static void test_every_truncation(void **state)
{
    struct file f;
    size_t full;

    (void)state;
    sound(&f, 3);
    full = f.n;
    for (size_t n = 0; n < full; n++) {
        struct brrr_error err = { 0 };
        struct gguf *g;
        uint8_t *copy;
        f.n = n;
        assert_int_not_equal(open_copy(&g, &copy, &f, &err), BRRR_OK);
        assert_non_null(strstr(err.text, "at byte"));
        free(copy);
    }
}

/* Each byte of the header changed by `mask` or set to it: refused, or sound enough to walk. */
static size_t damage(struct file *f, size_t at, uint8_t mask, bool flip)
{
    struct brrr_error err = { 0 };
    struct gguf *g;
    uint8_t *copy, was = f->b[at];
    size_t opened = 0;

    f->b[at] = flip ? was ^ mask : mask;
    if (open_copy(&g, &copy, f, &err) == BRRR_OK) {
        walk(g);
        opened = 1;
    } else {
        assert_non_null(strstr(err.text, "at byte"));
    }
    close_copy(g, copy);
    f->b[at] = was;
    return opened;
}

static void test_every_bit(void **state)
{
    struct file f;
    size_t opened = 0, n = sound_header_bytes();

    (void)state;
    sound(&f, 3);
    for (size_t i = 0; i < n; i++) {
        for (int bit = 0; bit < 8; bit++)
            opened += damage(&f, i, (uint8_t)(1 << bit), true);
        opened += damage(&f, i, 0x00, false) + damage(&f, i, 0x7f, false);
        opened += damage(&f, i, 0xff, false) + damage(&f, i, 0x80, false);
    }
    /* Letters of names and values of scalars are free; most of the rest is not. */
    assert_true(opened > n && opened < 8 * n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_broken),           cmocka_unit_test(test_names),
        cmocka_unit_test(test_limits),           cmocka_unit_test(test_long_messages),
        cmocka_unit_test(test_every_truncation), cmocka_unit_test(test_every_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
