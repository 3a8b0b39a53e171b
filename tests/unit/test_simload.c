/* SPDX-License-Identifier: MIT */
/*
 * test_simload.c - loads for `brrr bench --serve-sim`: the same seed gives the same load, lengths
 * and arrivals are as specified, broken traces are refused with their line.
 *
 * The files under test are included: tests link with the library, not with cmd/.
 */
#include "cmd/simload.c"
#include "cmd/simtrace.c"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct simload_spec spec_of(struct simload_part p)
{
    return (struct simload_spec){ .n_part = 1, .part = { p }, .seed = 5 };
}

static void make(struct simload *l, const struct simload_spec *s)
{
    struct brrr_error err;

    if (simload_make(l, s, &err)) fail_msg("%s", err.text);
}

static void lengths_are_parsed(void **state)
{
    static const char *const wrong[] = { "",
                                         "0",
                                         "-3",
                                         "1.5",
                                         "nan",
                                         "99999999999",
                                         "uniform:5-3",
                                         "uniform:5",
                                         "uniform:5-",
                                         "uniform:1.5-3",
                                         "lognormal:5",
                                         "lognormal:5,",
                                         "lognormal:5,-1",
                                         "lognormal:0,1",
                                         "5x",
                                         "normal:5,1" };
    struct simload_len l;

    (void)state;
    assert_true(simload_parse_len(&l, "329") && l.kind == SIMLOAD_FIXED && l.a == 329);
    assert_true(simload_parse_len(&l, "uniform:10-20") && l.kind == SIMLOAD_UNIFORM);
    assert_true(l.a == 10 && l.b == 20);
    assert_true(simload_parse_len(&l, "lognormal:161,0.5") && l.kind == SIMLOAD_LOGNORMAL);
    assert_true(l.a == 161 && l.b == 0.5);
    for (size_t i = 0; i < COUNT(wrong); i++)
        if (simload_parse_len(&l, wrong[i])) fail_msg("'%s' is a length", wrong[i]);
}

static void the_same_seed_is_the_same_load(void **state)
{
    struct simload_part p = { .n = 100,
                              .prompt = { SIMLOAD_LOGNORMAL, 100, 1 },
                              .output = { SIMLOAD_UNIFORM, 5, 9 },
                              .turns = 1,
                              .rate = 2 };
    struct simload_spec s = spec_of(p);
    struct simload a, b, c;

    (void)state;
    make(&a, &s);
    make(&b, &s);
    assert_int_equal(a.n, 100);
    assert_memory_equal(a.r, b.r, 100 * sizeof(*a.r));
    s.seed++;
    make(&c, &s);
    assert_memory_not_equal(a.r, c.r, 100 * sizeof(*a.r));
    simload_free(&c);
    /* Fewer requests at another rate are the first of them, sooner. */
    s = spec_of(p);
    s.part[0].n = 50;
    s.part[0].rate = 4;
    make(&c, &s);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(a.r[i].n_prompt, c.r[i].n_prompt);
        assert_int_equal(a.r[i].n_out, c.r[i].n_out);
        assert_float_equal(a.r[i].at, 2 * c.r[i].at, 1e-9);
    }
    simload_free(&a);
    simload_free(&b);
    simload_free(&c);
}

static void draws_are_as_specified(void **state)
{
    enum { N = 20000 };
    struct simload_part p = { .n = N,
                              .prompt = { SIMLOAD_LOGNORMAL, 200, 0.7 },
                              .output = { SIMLOAD_UNIFORM, 5, 9 },
                              .turns = 1,
                              .rate = 8,
                              .start = 3,
                              .n_prefix = 1,
                              .share = 0.25 };
    struct simload_spec s = spec_of(p);
    struct simload l;
    double sum = 0, square = 0, out = 0, shared = 0;
    int least = 100, most = 0;

    (void)state;
    make(&l, &s);
    for (int i = 0; i < N; i++) {
        const struct simload_request *r = &l.r[i];
        double x = log(r->n_prompt);
        assert_true(i == 0 || r->at >= l.r[i - 1].at);
        sum += r->n_prompt;
        square += x * x - 2 * x * log(200);
        out += r->n_out;
        shared += r->n_prefix;
        least = MIN(least, r->n_out);
        most = MAX(most, r->n_out);
    }
    assert_float_equal(sum / N, 200, 5);
    assert_float_equal(out / N, 7, 0.1);
    assert_float_equal(shared / N, 0.25, 0.02);
    assert_int_equal(least, 5);
    assert_int_equal(most, 9);
    /* var = E[(x - ln 200)^2] - (E[x] - ln 200)^2, and E[x] = ln 200 - sigma^2 / 2 */
    double var = square / N + log(200) * log(200) - 0.25 * pow(0.7, 4);
    assert_float_equal(var, 0.49, 0.03);
    assert_float_equal((l.r[N - 1].at - 3) / N, 1.0 / 8, 0.005);
    simload_free(&l);
}

static void prompts_share_what_they_should(void **state)
{
    const struct simload_preset *preset = simload_preset_find("standard");
    struct simload_spec s = preset->spec;
    struct simload_text t = { .n_vocab = 1000 };
    int32_t a[329], b[329];
    struct simload l;

    (void)state;
    make(&l, &s);
    assert_int_equal(l.n, 64);
    assert_int_equal(l.r[7].n_prompt, 329);
    assert_int_equal(l.r[7].n_out, 64);
    simload_tokens(&l, 7, &t, a);
    simload_tokens(&l, 8, &t, b);
    assert_memory_equal(a, b, 219 * sizeof(*a));
    assert_memory_not_equal(a + 219, b + 219, 32 * sizeof(*a));
    for (int i = 0; i < 329; i++)
        assert_true(a[i] >= 0 && a[i] < 1000);
    /* Of a text: consecutive pieces of it, around its end. */
    int32_t text[100];
    for (int i = 0; i < 100; i++)
        text[i] = i;
    t = (struct simload_text){ text, 100, 1000 };
    simload_tokens(&l, 7, &t, a);
    for (int i = 1; i < 219; i++)
        assert_int_equal(a[i], (a[i - 1] + 1) % 100);
    simload_free(&l);
}

static void turns_go_on_from_the_answer(void **state)
{
    struct simload_part p = { .n = 3,
                              .prompt = { SIMLOAD_FIXED, 40, 0 },
                              .output = { SIMLOAD_FIXED, 10, 0 },
                              .turns = 4,
                              .n_prefix = 30,
                              .share = 1 };
    struct simload_spec s = spec_of(p);
    struct simload l;

    (void)state;
    make(&l, &s);
    assert_int_equal(l.n, 12);
    for (int i = 0; i < 12; i++) {
        int turn = i % 4;
        assert_int_equal(l.r[i].after, turn ? i - 1 : -1);
        assert_int_equal(l.r[i].n_prefix, turn ? 0 : 30);
        assert_int_equal(l.r[i].n_new, turn ? 40 : 10);
        assert_int_equal(l.r[i].n_prompt, 40 + turn * 50);
    }
    simload_free(&l);
}

static void drawn_lengths_are_cut_to_the_context(void **state)
{
    struct simload_part p = { .n = 1000,
                              .prompt = { SIMLOAD_LOGNORMAL, 100, 2 },
                              .output = { SIMLOAD_LOGNORMAL, 100, 2 },
                              .turns = 1 };
    struct simload_spec s = spec_of(p);
    struct simload l;

    (void)state;
    s.n_max = 256;
    make(&l, &s);
    assert_int_equal(simload_check(&l, "load", 256, NULL), BRRR_OK);
    assert_int_equal(simload_check(&l, "load", 255, NULL), BRRR_E_LIMIT);
    simload_free(&l);
    for (const struct simload_preset *q = simload_presets; q->name; q++) {
        s = q->spec;
        make(&l, &s);
        assert_true(l.n > 0);
        simload_free(&l);
    }
}

static void too_many_are_refused(void **state)
{
    struct simload_part p = { .n = INT32_MAX,
                              .prompt = { SIMLOAD_FIXED, 1, 0 },
                              .output = { SIMLOAD_FIXED, 1, 0 },
                              .turns = 8 };
    struct simload_spec s = spec_of(p);
    struct simload l;

    (void)state;
    assert_int_equal(simload_make(&l, &s, NULL), BRRR_E_LIMIT);
    simload_free(&l);
}

/* --- traces --- */

static enum brrr_status read_text(struct simload *l, const char *text, struct brrr_error *err)
{
    return simload_read(l, "t", (struct slice){ text, strlen(text) }, err);
}

static void traces_are_read(void **state)
{
    static const char *const same[] = {
        "0.5,100,20,3,40,9\n0,1,1\n",
        "arrival,prompt,output\r\n0.5, 100, 20, 3, 40, 9\r\n\r\n# no more\n0,1,1",
        "0.5,100,20,3,40,9\n0,1,1,,,\n",
        "{\"arrival\": 0.5, \"prompt_tokens\": 100, \"output_tokens\": 20, \"prefix\": 3, "
        "\"prefix_tokens\": 40, \"user\": 9, \"more\": []}\n"
        "  {\"arrival\":0,\"prompt_tokens\":1,\"output_tokens\":1}\n",
    };
    struct brrr_error err;
    struct simload l;

    (void)state;
    for (size_t i = 0; i < COUNT(same); i++) {
        if (read_text(&l, same[i], &err)) fail_msg("%zu: %s", i, err.text);
        assert_int_equal(l.n, 2);
        assert_float_equal(l.r[0].at, 0.5, 0);
        assert_int_equal(l.r[0].n_prompt, 100);
        assert_int_equal(l.r[0].n_out, 20);
        assert_int_equal(l.r[0].prefix, 3);
        assert_int_equal(l.r[0].n_prefix, 40);
        assert_int_equal(l.r[0].n_new, 60);
        assert_int_equal(l.r[0].user, 9);
        assert_int_equal(l.r[0].after, -1);
        assert_int_equal(l.r[1].n_new, 1);
        simload_free(&l);
    }
}

/* However much nesting and how many values are in it. */
static void long_lines_are_not_parsed(void **state)
{
    static const char head[] = "{\"arrival\":0,\"prompt_tokens\":1,";
    static const char tail[] = "\"output_tokens\":1}\n0,1,1\n";
    static char text[8192];
    struct brrr_error err;
    struct simload l;

    (void)state;
    for (int n = 4097; n >= 4096; n--) { /* bytes of the line, its end not among them */
        int gap = n - (int)strlen(head) - (int)strlen("\"output_tokens\":1}");
        snprintf(text, sizeof(text), "0,1,1\n%s%*s%s", head, gap, "", tail);
        enum brrr_status st = read_text(&l, text, &err);
        assert_int_equal(st, n > 4096 ? BRRR_E_FORMAT : BRRR_OK);
        if (st)
            assert_non_null(strstr(err.text, "t line 2: 4097 bytes, a request has at most 4096"));
        else assert_int_equal(l.n, 3);
        simload_free(&l);
    }
}

static void broken_traces_are_refused(void **state)
{
    static const struct {
        const char *text, *says;
    } broken[] = {
        { "", "no requests" },
        { "a,b,c\n", "no requests" },
        { "a,b,c\nd,e,f\n", "t line 2: arrival is 'd', not a number" },
        { "0,1,1\na,b,c\n", "t line 2: arrival is 'a', not a number" },
        { "\n0,1\n", "t line 2: 2 fields, a request has 3 to 6" },
        { "0,1,1,1,0,0,0\n", "t line 1: over 6 fields, a request has 3 to 6" },
        { "0,1,1\n-1,1,1\n", "t line 2: arrival is -1, possible are 0 to 10000000" },
        { "nan,1,1\n", "arrival is nan, possible are" },
        { "0,0,1\n", "prompt_tokens is 0, possible are 1 to 16777216" },
        { "0,1,0\n", "output_tokens is 0, possible are 1 to 16777216" },
        { "0,1e99,1\n", "prompt_tokens is 1e+99, possible are 1 to 16777216" },
        { "0,2.5,1\n", "prompt_tokens is 2.5, not a whole number" },
        { "0,5,1,0,5\n", "a prefix of 5 tokens in a prompt of 5 leaves none" },
        { "0,5,1,-1,2\n", "prefix is -1, possible are 0" },
        { "0,5,\n", "output_tokens is '', not a number" },
        { "0,5,1 2\n", "output_tokens is '1 2', not a number" },
        { "{}\n", "t line 1: arrival is missing" },
        { "{\"arrival\": \"0\"}\n", "arrival is not a number" },
        { "{\"arrival\": 0\n", "t line 1: no JSON object" },
    };
    struct brrr_error err;
    struct simload l;

    (void)state;
    for (size_t i = 0; i < COUNT(broken); i++) {
        assert_int_not_equal(read_text(&l, broken[i].text, &err), BRRR_OK);
        if (!strstr(err.text, broken[i].says))
            fail_msg("'%s' says '%s', not '%s'", broken[i].text, err.text, broken[i].says);
        assert_null(l.r);
    }
    if (read_text(&l, "#\n0,9,2\n", &err)) fail_msg("%s", err.text);
    assert_int_equal(simload_check(&l, "t", 10, &err), BRRR_E_LIMIT);
    assert_string_equal(err.text,
                        "t line 2: a prompt of 9 tokens and an answer of 2; the context holds 10");
    simload_free(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lengths_are_parsed),
        cmocka_unit_test(the_same_seed_is_the_same_load),
        cmocka_unit_test(draws_are_as_specified),
        cmocka_unit_test(prompts_share_what_they_should),
        cmocka_unit_test(turns_go_on_from_the_answer),
        cmocka_unit_test(drawn_lengths_are_cut_to_the_context),
        cmocka_unit_test(too_many_are_refused),
        cmocka_unit_test(traces_are_read),
        cmocka_unit_test(broken_traces_are_refused),
        cmocka_unit_test(long_lines_are_not_parsed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
