/* SPDX-License-Identifier: MIT */
/*
 * test_plan.c - a plan comes back as it was written; what is damaged, out of range or another's is
 * refused whole and says why; what is not there is no error.
 *
 * The project's headers come first: cmocka has a macro named fail.
 */
#include "base/f16.h"
#include "base/limits.h"
#include "engine/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tiny_model.h"

static char home[] = "/tmp/brrr-plan-XXXXXX";
static struct tiny tiny;
static struct brrr_model model;
static const struct plan written = {
    .n_threads = 3,
    .n_threads_decode = 2,
    .chunk = 128,
    .ahead = 4096,
    .batch_predicted = 8.25,
    .batch_measured = 9.5,
    .limits = { .dot8 = 200.5, .bf16 = 50.25, .fma = 60.5, .read = 20.75 },
    .pace = { 2, 1, { { 1, 0.125 }, { 8, 0.25 } }, { { 64, 0.5 } } },
};

static int setup(void **state)
{
    (void)state;
    if (!mkdtemp(home) || setenv("XDG_CACHE_HOME", home, 1)) return -1;
    tiny_open(&model, &tiny, &(struct tiny_spec){ "llama", 1, 0, 64, QT_Q4_1 }, BRRR_PRECISION_Q8);
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

static int teardown(void **state)
{
    (void)state;
    tiny_close(&model, &tiny);
    return nftw(home, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void nothing_there(void **state)
{
    struct brrr_error err = { 0 };
    struct plan p;
    bool found = true;

    (void)state;
    assert_int_equal(plan_read(&p, &found, &model, &err), BRRR_OK);
    assert_false(found);
}

static void put(const char *text)
{
    char path[PLAN_PATH];

    assert_true(plan_path(path, &model));
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

/* The file's text; the caller frees it. */
static char *get(void)
{
    char path[PLAN_PATH], *text = calloc(1, 8192);

    assert_true(plan_path(path, &model));
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    assert_non_null(text);
    assert_true(fread(text, 1, 8191, f) > 0);
    fclose(f);
    return text;
}

static void comes_back(void **state)
{
    struct brrr_error err = { 0 };
    struct plan p;
    bool found;

    (void)state;
    for (int i = 0; i < 2; i++) /* the second time over the first */
        assert_int_equal(plan_write(&written, &model, &err), BRRR_OK);
    assert_int_equal(plan_read(&p, &found, &model, &err), BRRR_OK);
    assert_true(found);
    assert_memory_equal(&p, &written, sizeof(p));
    /* The folder is its owner's alone. */
    char path[PLAN_PATH];
    struct stat st;
    assert_true(plan_path(path, &model));
    *strrchr(path, '/') = 0;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
}

/* The written file with `from` replaced by `to`: refused, with `why` in the message. */
static void refused(const char *text, const char *from, const char *to, const char *why)
{
    char changed[10000];
    const char *at = strstr(text, from);
    struct brrr_error err = { 0 };
    struct plan p = written, zero = { 0 };
    bool found = true;

    if (!at) fail_msg("'%s' is not in the plan", from);
    snprintf(changed, sizeof(changed), "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    put(changed);
    if (plan_read(&p, &found, &model, &err) == BRRR_OK) fail_msg("accepted: %s", changed);
    assert_false(found);
    assert_memory_equal(&p, &zero, sizeof(p));
    if (!strstr(err.text, why)) fail_msg("'%s' has no '%s'", err.text, why);
}

static void what_does_not_fit_is_refused(void **state)
{
    static const struct {
        const char *from, *to, *why;
    } cases[] = {
        { "\"brrr_plan\": 4", "\"brrr_plan\": 2", "format 2, this program reads 4" },
        { "\"brrr_plan\": 4", "\"brrr_plan\": 5", "format 5" },
        { "\"brrr_plan\": 4", "\"brrr_plan\": 4294967297", "format 4294967297" },
        { "\"brrr_plan\": 4", "\"brrr_plan\": 5, \"more\": 1", "format 5" },
        { "\"brrr_plan\": 4", "\"brrr_plan\": 4.0", "nteger" },
        { "\"threads_prefill\": 3", "\"threads_prefill\": 4294967299", "out of range" },
        { "\"chunk\": 128", "\"chunk\": -4294967168", "out of range" },
        { "\"threads_prefill\": 3", "\"threads_prefill\": 0", "out of range" },
        { "\"threads_prefill\": 3", "\"threads_prefill\": 257", "out of range" },
        { "\"threads_prefill\": 3", "\"threads_prefill\": \"3\"", "nteger" },
        { "\"threads_prefill\": 3", "\"threads_prefill\": 3, \"more\": 1", "unpacked" },
        { "\"threads_prefill\": 3", "\"threads_prefill\": 3, \"chunk\": 1", "duplicate" },
        { "\"threads_decode\": 2,", "", "threads_decode" },
        { "\"threads_decode\": 2", "\"threads_decode\": -1", "out of range" },
        { "\"chunk\": 128", "\"chunk\": 4097", "out of range" },
        { "\"chunk\": 128", "\"chunk\": 1e3", "nteger" },
        { "\"prefetch_bytes\": 4096", "\"prefetch_bytes\": 0", "out of range" },
        { "\"prefetch_bytes\": 4096", "\"prefetch_bytes\": 1048577", "out of range" },
        { "\"prefetch_bytes\": 4096,", "", "prefetch_bytes" },
        { "\"predicted\": 8.25", "\"predicted\": -1", "out of range" },
        { "\"measured\": 9.5", "\"measured\": 1e300", "out of range" },
        { "\"measured\": 9.5", "\"measured\": null", "eal" },
        { "\"read_gb_s\": 20.75", "\"read_gb_s\": -1", "out of range" },
        { "\"int8_gmac_s\": 200.5,", "", "int8_gmac_s" },
        { "\"profile\": \"q8g32x\"", "\"profile\": \"f32\"", "another model" },
        { "\"cores\": ", "\"cores\": 1", "another model" },
        { "\"version\": \"", "\"version\": \"0", "another model" },
        { "\"header_hash\": \"", "\"header_hash\": \"0", "another model" },
        { "\"decode_steps\"", "\"decoded\"", "decode_steps" },
        { "\"prompt_steps\": [", "\"prompt_steps\": [1, ", "not [rows, seconds]" },
        { "\"prompt_steps\": [", "\"prompt_steps\": 1, \"x\": [", "unpacked" },
        { "0.125", "\"0.125\"", "not [rows, seconds]" },
        { "0.125", "0.125, 1", "not [rows, seconds]" },
        { "0.125", "0.0", "out of range" },
        { "64,", "4294967360,", "out of range" },
        { "  8,\n", "  1,\n", "out of range" },
        { "}\n", "", "expected" },
        { "{", "[", "expected" },
    };
    struct brrr_error err = { 0 };
    char *text;

    (void)state;
    assert_int_equal(plan_write(&written, &model, &err), BRRR_OK);
    text = get();
    for (size_t i = 0; i < COUNT(cases); i++)
        refused(text, cases[i].from, cases[i].to, cases[i].why);
    refused(text, text, "", "expected"); /* empty */
    char *large = calloc(1, 20000);
    assert_non_null(large);
    memset(large, ' ', 19999);
    refused(text, text, "", "expected");
    put(large);
    free(large);
    struct plan p;
    bool found;
    assert_int_not_equal(plan_read(&p, &found, &model, &err), BRRR_OK);
    free(text);
}

/* Another model has another file. */
static void the_key_names_the_file(void **state)
{
    char a[PLAN_PATH], b[PLAN_PATH];
    struct brrr_model other;
    struct tiny t;

    (void)state;
    tiny_open(&other, &t, &(struct tiny_spec){ "llama", 1, 0, 64, QT_Q4_0 }, BRRR_PRECISION_Q8);
    assert_true(plan_path(a, &model));
    assert_true(plan_path(b, &other));
    assert_string_not_equal(a, b);
    tiny_close(&other, &t);
    tiny_open(&other, &t, &(struct tiny_spec){ "llama", 1, 0, 64, QT_Q4_1 }, BRRR_PRECISION_F32);
    assert_true(plan_path(b, &other));
    assert_string_not_equal(a, b);
    tiny_close(&other, &t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_there),
        cmocka_unit_test(comes_back),
        cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test(the_key_names_the_file),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
