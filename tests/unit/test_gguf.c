/* SPDX-License-Identifier: MIT */
/*
 * test_gguf.c - the GGUF reader (src/format/gguf.h): what it finds in a sound
 * file, and what kinds of files it takes. Broken files: test_gguf_broken.c.
 */
#include "gguf_walk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "gguf_build.h"

static void test_tables(void **state)
{
    struct file f;
    uint8_t *copy;
    struct gguf *g = open_sound(&f, &copy);

    (void)state;
    assert_int_equal(gguf_version(g), 3);
    assert_int_equal(gguf_file_bytes(g), f.n);
    assert_string_equal(gguf_path(g), "m.gguf");
    assert_int_equal(gguf_n_kv(g), N_KV);
    assert_int_equal(gguf_n_tensors(g), 3);
    assert_null(gguf_find(g, "a.u9"));
    assert_null(gguf_find_tensor(g, "blk.0.ww"));
    const struct gguf_tensor *t = gguf_find_tensor(g, "blk.1.w");
    assert_non_null(t);
    assert_int_equal(t->type, QT_Q6_K);
    assert_int_equal(t->n_dims, 2);
    assert_int_equal(t->dim[0], 256);
    assert_int_equal(t->dim[3], 1);
    assert_int_equal(t->n_bytes, 210);
    assert_int_equal(t->off, f.n - 210);
    assert_ptr_equal(t->data, copy + t->off);
    assert_ptr_equal(gguf_tensor_at(g, 2), t);
    walk(g);
    close_copy(g, copy);
    gguf_close(NULL);
}

static void test_integers(void **state)
{
    static const struct {
        const char *key;
        int64_t want;
    } rows[] = {
        { "a.u8", 200 },         { "a.i8", -3 },  { "a.u16", 65535 }, { "a.i16", -2 },
        { "a.u32", 2147483648 }, { "a.i32", -1 }, { "a.bool", 1 },    { "a.i64", INT64_MIN },
    };
    struct file f;
    uint8_t *copy;
    struct gguf *g = open_sound(&f, &copy);
    struct brrr_error err;
    int64_t v;

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        v = 77;
        assert_int_equal(gguf_int(g, rows[i].key, GGUF_NEEDED, INT64_MIN, INT64_MAX, &v, &err), 0);
        assert_true(v == rows[i].want);
        assert_int_equal(gguf_int(g, rows[i].key, GGUF_OPTIONAL, v, v, &v, &err), 0);
        if (rows[i].want == INT64_MIN) continue;
        assert_int_equal(gguf_int(g, rows[i].key, GGUF_OPTIONAL, INT64_MIN, v - 1, &v, &err),
                         BRRR_E_FORMAT);
        assert_non_null(strstr(err.text, rows[i].key));
        assert_non_null(strstr(err.text, "at byte"));
        assert_true(v == rows[i].want);
    }
    assert_int_equal(gguf_int(g, "a.u64", GGUF_NEEDED, INT64_MIN, INT64_MAX, &v, &err),
                     BRRR_E_FORMAT);
    assert_int_equal(gguf_int(g, "a.f32", GGUF_NEEDED, 0, 9, &v, &err), BRRR_E_FORMAT);
    assert_non_null(strstr(err.text, "a.f32: is an f32, not an integer"));
    assert_int_equal(gguf_int(g, "b.ints", GGUF_NEEDED, 0, 9, &v, &err), BRRR_E_FORMAT);
    v = 5;
    assert_int_equal(gguf_int(g, "none", GGUF_OPTIONAL, 0, 1, &v, &err), BRRR_OK);
    assert_true(v == 5);
    assert_int_equal(gguf_int(g, "none", GGUF_NEEDED, 0, 1, &v, &err), BRRR_E_FORMAT);
    assert_string_equal(err.text, "m.gguf: none: the key is missing");
    close_copy(g, copy);
}

static void test_floats_and_bools(void **state)
{
    struct file f;
    uint8_t *copy;
    struct gguf *g = open_sound(&f, &copy);
    struct brrr_error err;
    double x = 0;
    bool b = false;

    (void)state;
    assert_int_equal(gguf_float(g, "a.f32", GGUF_NEEDED, 0, 4, &x, &err), BRRR_OK);
    assert_true(x == 3.25);
    assert_int_equal(gguf_float(g, "a.f64", GGUF_NEEDED, 0, 1, &x, &err), BRRR_OK);
    assert_true(x == 1e-5);
    assert_int_equal(gguf_float(g, "a.i8", GGUF_NEEDED, -4, 1, &x, &err), BRRR_OK);
    assert_true(x == -3);
    assert_int_equal(gguf_float(g, "a.f32", GGUF_NEEDED, 0, 3, &x, &err), BRRR_E_FORMAT);
    assert_non_null(strstr(err.text, "3.25 is not in 0..3"));
    assert_int_equal(gguf_float(g, "a.str", GGUF_NEEDED, 0, 3, &x, &err), BRRR_E_FORMAT);
    assert_int_equal(gguf_float(g, "b.floats", GGUF_NEEDED, 0, 3, &x, &err), BRRR_E_FORMAT);
    assert_int_equal(gguf_bool(g, "a.bool", GGUF_NEEDED, &b, &err), BRRR_OK);
    assert_true(b);
    assert_int_equal(gguf_bool(g, "none", GGUF_OPTIONAL, &b, &err), BRRR_OK);
    assert_true(b);
    assert_int_equal(gguf_float(g, "none", GGUF_NEEDED, 0, 1, &x, &err), BRRR_E_FORMAT);
    assert_int_equal(gguf_bool(g, "none", GGUF_NEEDED, &b, &err), BRRR_E_FORMAT);
    assert_int_equal(gguf_bool(g, "a.u8", GGUF_NEEDED, &b, &err), BRRR_E_FORMAT);
    close_copy(g, copy);
}

static void test_strings_and_elements(void **state)
{
    struct file f;
    uint8_t *copy;
    struct gguf *g = open_sound(&f, &copy);
    struct brrr_error err;
    struct slice s = { 0 }, *table;
    size_t n;
    int64_t v;
    double x;

    (void)state;
    assert_int_equal(gguf_str(g, "a.str", GGUF_NEEDED, &s, &err), BRRR_OK);
    assert_true(slice_is(s, "hello"));
    assert_int_equal(gguf_str(g, "b.strings", GGUF_NEEDED, &s, &err), BRRR_E_FORMAT);
    assert_int_equal(gguf_strings(g, "b.strings", GGUF_NEEDED, &table, &n, &err), BRRR_OK);
    assert_int_equal(n, 3);
    assert_true(slice_is(table[0], "") && slice_is(table[1], "two") && slice_is(table[2], "\xff"));
    free(table);
    assert_int_equal(gguf_strings(g, "none", GGUF_OPTIONAL, &table, &n, &err), BRRR_OK);
    assert_true(table == NULL && n == 0);
    assert_int_equal(gguf_strings(g, "none", GGUF_NEEDED, &table, &n, &err), BRRR_E_FORMAT);
    assert_int_equal(gguf_str(g, "none", GGUF_NEEDED, &s, &err), BRRR_E_FORMAT);
    assert_int_equal(gguf_strings(g, "b.ints", GGUF_NEEDED, &table, &n, &err), BRRR_E_FORMAT);
    assert_null(table);
    assert_int_equal(gguf_elem_int(g, gguf_find(g, "b.ints"), 1, -9, 9, &v, &err), BRRR_OK);
    assert_true(v == -7);
    assert_int_equal(gguf_elem_float(g, gguf_find(g, "b.floats"), 0, &x, &err), BRRR_OK);
    assert_true(x == 1);
    assert_int_equal(gguf_elem_float(g, gguf_find(g, "b.floats"), 1, &x, &err), BRRR_E_FORMAT);
    assert_int_equal(gguf_elem_float(g, gguf_find(g, "b.floats"), 2, &x, &err), BRRR_E_FORMAT);
    assert_int_equal(gguf_elem_int(g, gguf_find(g, "b.nested"), 0, 0, 9, &v, &err), BRRR_E_FORMAT);
    assert_int_equal(gguf_find(g, "b.empty")->n, 0);
    close_copy(g, copy);
}

static void test_versions(void **state)
{
    struct file f;
    struct brrr_error err;
    struct gguf *g;
    uint8_t *copy;

    (void)state;
    sound(&f, 2);
    assert_int_equal(open_copy(&g, &copy, &f, &err), BRRR_OK);
    assert_int_equal(gguf_version(g), 2);
    close_copy(g, copy);
    for (uint32_t v = 0; v < 6; v++) {
        if (v == 2 || v == 3) continue;
        sound(&f, v);
        assert_int_equal(open_copy(&g, &copy, &f, &err), BRRR_E_UNSUPPORTED);
        close_copy(g, copy);
    }
    sound(&f, 0x03000000);
    assert_int_equal(open_copy(&g, &copy, &f, &err), BRRR_E_UNSUPPORTED);
    assert_non_null(strstr(err.text, "big-endian"));
    close_copy(g, copy);
}

/* A vocabulary has no tensors; its data may end right after the metadata. */
static void test_no_tensors(void **state)
{
    struct file f;
    struct brrr_error err;
    struct gguf *g;
    uint8_t *copy;

    (void)state;
    put_header(&f, 3, 0, 1);
    put_key(&f, "general.alignment", GGUF_U32);
    put32(&f, 1 << 30);
    assert_int_equal(open_copy(&g, &copy, &f, &err), BRRR_OK);
    walk(g);
    close_copy(g, copy);
}

/* --- the file system --- */

static void test_kinds_of_files(void **state)
{
    char dir[] = "/tmp/test_gguf.XXXXXX", path[64];
    struct brrr_error err;
    struct gguf *g;

    (void)state;
    assert_non_null(mkdtemp(dir));
    alarm(10); /* a FIFO without a writer must not block */
    assert_int_equal(gguf_open(&g, dir, &err), BRRR_E_UNSUPPORTED);
    assert_non_null(strstr(err.text, "is a directory"));
    assert_int_equal(gguf_open(&g, "/dev/null", &err), BRRR_E_UNSUPPORTED);
    assert_non_null(strstr(err.text, "is a device"));
    snprintf(path, sizeof(path), "%s/x", dir);
    assert_int_equal(gguf_open(&g, path, &err), BRRR_E_IO);
    assert_non_null(strstr(err.text, "No such file"));
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(gguf_open(&g, path, &err), BRRR_E_UNSUPPORTED);
    assert_non_null(strstr(err.text, "is a pipe"));
    unlink(path);
    fclose(fopen(path, "w"));
    assert_int_equal(gguf_open(&g, path, &err), BRRR_E_FORMAT);
    assert_non_null(strstr(err.text, "the file is empty, at byte 0"));
    assert_null(g);
    alarm(0);

    struct file f;
    sound(&f, 3);
    FILE *to = fopen(path, "w");
    assert_int_equal(fwrite(f.b, 1, f.n, to), f.n);
    fclose(to);
    assert_int_equal(gguf_open(&g, path, &err), BRRR_OK);
    walk(g);
    assert_string_equal(gguf_path(g), path);
    gguf_close(g);
    unlink(path);
    rmdir(dir);
}

/* Names that an attacker chose can make neither searches nor the check for doubles slow. */
static void test_many_names(void **state)
{
    enum { N = 200000 };
    size_t n = 24 + (size_t)N * (8 + 12 + 4 + 1);
    uint8_t *b = calloc(1, n), *p = b;
    struct brrr_error err;
    struct gguf *g;
    struct timespec t0, t1;

    (void)state;
    assert_non_null(b);
    memcpy(p, "GGUF\3", 5);
    p[16] = (uint8_t)N;
    p[17] = (uint8_t)(N >> 8);
    p[18] = (uint8_t)(N >> 16);
    p += 24;
    for (uint32_t i = 0; i < N; i++) {
        char name[13];
        snprintf(name, sizeof(name), "key.%08x", i * 2654435761u);
        p[0] = 12;
        memcpy(p + 8, name, 12);
        p[20] = GGUF_U8;
        p += 25;
    }
    clock_gettime(CLOCK_MONOTONIC, &t0);
    assert_int_equal(gguf_open_memory(&g, b, n, "many", &err), BRRR_OK);
    for (uint32_t i = 0; i < N; i++) {
        char name[13];
        snprintf(name, sizeof(name), "key.%08x", i * 2654435761u);
        assert_ptr_equal(gguf_find(g, name), gguf_kv_at(g, i));
    }
    clock_gettime(CLOCK_MONOTONIC, &t1);
    assert_true(t1.tv_sec - t0.tv_sec < 10);
    gguf_close(g);
    memcpy(b + n - 25 + 8, b + 24 + 8, 12); /* the last takes the name of the first */
    assert_int_equal(gguf_open_memory(&g, b, n, "many", &err), BRRR_E_FORMAT);
    assert_non_null(strstr(err.text, "the key is there twice"));
    free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables),           cmocka_unit_test(test_integers),
        cmocka_unit_test(test_floats_and_bools), cmocka_unit_test(test_strings_and_elements),
        cmocka_unit_test(test_versions),         cmocka_unit_test(test_no_tensors),
        cmocka_unit_test(test_kinds_of_files),   cmocka_unit_test(test_many_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
