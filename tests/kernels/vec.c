/* SPDX-License-Identifier: MIT */
/*
 * vec.c - tests of the kernels on rows of floats.
 *
 * Every instruction set must equal the C reference to the last bit, for every
 * length around the vector width, unaligned, in place, and for awkward values.
 * The reference itself is measured against libm in double precision; the bounds,
 * in units of the last place, are the measured ones rounded up.
 */
#include <math.h>
#include <string.h>

#include "kt.h"

static const int sizes[] = { 0,  1,  2,   7,   8,   9,   15,   16,   17,   31,   32,
                             33, 63, 100, 576, 640, 767, 1024, 1025, 1536, 2049, 4100 };

/* A copy of n floats between canaries, one float off the alignment of the vectors. */
static float *copy(struct ktest *t, const float *x, int n)
{
    float *y = kt_out(t, (size_t)n + 1) + 1;

    if (n > 0) memcpy(y, x, (size_t)n * sizeof(*y));
    return y;
}

static float *input(struct ktest *t, int n, int hard)
{
    float *x = hard ? kt_f32_hard(t, (size_t)n) : kt_f32(t, (size_t)n);

    for (int i = 0; i < n && !hard; i++)
        x[i] *= 12.0f;
    return x;
}

/* Distance of y from the exact value in units of the last place of a float near it. */
static double ulps(float y, double exact)
{
    int e;

    frexp(exact, &e);
    return fabs((double)y - exact) / ldexp(1.0, (e < -125 ? -125 : e) - 24);
}

/* Bench arguments, one struct for all. */
struct row {
    const struct kernels *k;
    float *y, *x, *z, max, sum;
    int n;
};

void test_rmsnorm(struct ktest *t);
void test_add(struct ktest *t);
void test_scale(struct ktest *t);
void test_silu_mul(struct ktest *t);
void test_gelu_mul(struct ktest *t);
void test_softcap(struct ktest *t);
void test_rope(struct ktest *t);
void test_sumexp(struct ktest *t);
void test_exp_row(struct ktest *t);

static void bench_rmsnorm(void *arg)
{
    struct row *r = arg;
    r->k->rmsnorm(r->y, r->x, r->z, r->n, 1e-5f);
}

static void check_rmsnorm(struct ktest *t, int n, int hard)
{
    float *x = input(t, n, hard), *w = input(t, n, hard);

    for (int bare = 0; bare < 2; bare++) {
        float *want = copy(t, x, n), *got = copy(t, x, n), *in_place = copy(t, x, n);

        t->ref->rmsnorm(want, x, bare ? NULL : w, n, 1e-5f);
        t->got->rmsnorm(got, x, bare ? NULL : w, n, 1e-5f);
        t->got->rmsnorm(in_place, in_place, bare ? NULL : w, n, 1e-5f);
        kt_equal(t, want, got, (size_t)n, "rmsnorm n %d bare %d", n, bare);
        kt_equal(t, want, in_place, (size_t)n, "rmsnorm in place n %d bare %d", n, bare);
        if (hard || n == 0) continue;
        double s = 0, worst = 0;

        for (int i = 0; i < n; i++)
            s += (double)x[i] * x[i];
        for (int i = 0; i < n; i++) {
            double exact = x[i] / sqrt(s / n + (double)1e-5f) * (bare ? 1.0 : w[i]);

            worst = fmax(worst, ulps(want[i], exact));
        }
        kt_true(t, worst < 3 + n / 32.0, "rmsnorm n %d is %g ulp off", n, worst);
    }
}

void test_rmsnorm(struct ktest *t)
{
    for (size_t i = 0; i < COUNT(sizes); i++) {
        check_rmsnorm(t, sizes[i], 0);
        check_rmsnorm(t, sizes[i], 1);
        kt_reset(t);
    }
    if (!t->bench) return;
    struct row r = { t->got, kt_out(t, 576), kt_f32(t, 576), kt_f32(t, 576), 0, 0, 576 };
    kt_bench(t, &(struct kt_speed){ bench_rmsnorm, &r, 576 * 12, 0 }, "rmsnorm 576");
}

void test_add(struct ktest *t)
{
    for (size_t i = 0; i < COUNT(sizes); i++) {
        int n = sizes[i];
        float *y = kt_f32_hard(t, (size_t)n), *x = kt_f32_hard(t, (size_t)n);
        float *want = copy(t, y, n), *got = copy(t, y, n);

        t->ref->add(want, x, n);
        t->got->add(got, x, n);
        kt_equal(t, want, got, (size_t)n, "add n %d", n);
        for (int j = 0; j < n; j++)
            kt_true(t, want[j] == y[j] + x[j], "add n %d element %d", n, j);
        kt_reset(t);
    }
}

void test_scale(struct ktest *t)
{
    for (size_t i = 0; i < COUNT(sizes); i++) {
        int n = sizes[i];
        float *x = kt_f32_hard(t, (size_t)n), s = kt_unit(t) * 30.0f;
        float *want = copy(t, x, n), *got = copy(t, x, n), *in_place = copy(t, x, n);

        t->ref->scale(want, x, n, s);
        t->got->scale(got, x, n, s);
        t->got->scale(in_place, in_place, n, s);
        kt_equal(t, want, got, (size_t)n, "scale n %d", n);
        kt_equal(t, want, in_place, (size_t)n, "scale in place n %d", n);
        for (int j = 0; j < n; j++)
            kt_true(t, want[j] == x[j] * s, "scale n %d element %d", n, j);
        kt_reset(t);
    }
}

/* --- gates: silu and gelu --- */

typedef void gate_fn(float *y, const float *gate, const float *up, int n);

static double exact_silu(double x)
{
    return x / (1 + exp(-x));
}

static double exact_gelu(double x)
{
    return x / (1 + exp(-2 * sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
}

static void check_gate(struct ktest *t, gate_fn *ref, gate_fn *got, double (*exact)(double))
{
    for (size_t i = 0; i < COUNT(sizes) * 2; i++) {
        int n = sizes[i / 2];
        float *x = input(t, n, i & 1), *up = input(t, n, i & 1);
        float *want = copy(t, x, n), *out = copy(t, x, n), *in_place = copy(t, x, n);

        ref(want, x, up, n);
        got(out, x, up, n);
        got(in_place, in_place, up, n);
        kt_equal(t, want, out, (size_t)n, "n %d", n);
        kt_equal(t, want, in_place, (size_t)n, "in place n %d", n);
        kt_reset(t);
    }
    float special[] = { 0.0f, -0.0f, INFINITY, NAN, 88.0f, -80.0f, 200.0f, -200.0f, 3e38f, -3e38f };
    float one[] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 }, want[10], out[10];

    ref(want, special, one, 10);
    got(out, special, one, 10);
    kt_equal(t, want, out, 10, "special values");
    kt_true(t,
            out[0] == 0 && out[1] == 0 && out[2] == INFINITY && isnan(out[3]) && out[6] == 200 &&
                out[7] == 0 && out[8] == 3e38f && out[9] == 0,
            "special values");
    double worst = 0;

    /* Where the exponential is far from its lower end the error is relative, for both signs. */
    for (float x = -60.0f; x < 60.0f; x += 0.00173f) {
        float y, u = 1.0f;

        if (exact == exact_gelu && x < -8.0f) continue;
        got(&y, &x, &u, 1);
        double limit = exact == exact_gelu && x < 0 ? 1 + x * x * x * x / 2 : 1 - x / 2;

        worst = fmax(worst, ulps(y, exact(x)) / fmax(limit, 1));
    }
    kt_true(t, worst < 4, "%g ulp off", worst);
}

static void bench_silu(void *arg)
{
    struct row *r = arg;
    r->k->silu_mul(r->y, r->x, r->z, r->n);
}

static void bench_gelu(void *arg)
{
    struct row *r = arg;
    r->k->gelu_mul(r->y, r->x, r->z, r->n);
}

void test_silu_mul(struct ktest *t)
{
    check_gate(t, t->ref->silu_mul, t->got->silu_mul, exact_silu);
    if (!t->bench) return;
    struct row r = { t->got, kt_out(t, 1536), kt_f32(t, 1536), kt_f32(t, 1536), 0, 0, 1536 };
    kt_bench(t, &(struct kt_speed){ bench_silu, &r, 1536 * 12, 0 }, "silu_mul 1536");
}

void test_gelu_mul(struct ktest *t)
{
    check_gate(t, t->ref->gelu_mul, t->got->gelu_mul, exact_gelu);
    if (!t->bench) return;
    struct row r = { t->got, kt_out(t, 1536), kt_f32(t, 1536), kt_f32(t, 1536), 0, 0, 1536 };
    kt_bench(t, &(struct kt_speed){ bench_gelu, &r, 1536 * 12, 0 }, "gelu_mul 1536");
}

void test_softcap(struct ktest *t)
{
    static const float caps[] = { 30.0f, 50.0f, 1.0f };
    double worst = 0;

    for (size_t i = 0; i < COUNT(sizes); i++) {
        for (size_t c = 0; c < COUNT(caps); c++) {
            int n = sizes[i];
            float *x = input(t, n, i & 1), *want = copy(t, x, n), *got = copy(t, x, n);

            t->ref->softcap(want, n, caps[c]);
            t->got->softcap(got, n, caps[c]);
            kt_equal(t, want, got, (size_t)n, "softcap n %d cap %g", n, (double)caps[c]);
        }
        kt_reset(t);
    }
    float special[] = { 0.0f, -0.0f, INFINITY, -INFINITY, NAN, 1e-40f };

    t->got->softcap(special, 6, 30.0f);
    kt_true(t, special[0] == 0 && special[1] == 0 && signbit(special[1]), "softcap of zeros");
    kt_true(t, special[2] == 30 && special[3] == -30 && isnan(special[4]), "softcap of infinities");
    for (float x = -300.0f; x < 300.0f; x += 0.0137f) {
        float y = x;

        t->got->softcap(&y, 1, 30.0f);
        worst = fmax(worst, ulps(y, 30 * tanh((double)x / 30)));
    }
    kt_true(t, worst < 3.5, "softcap is %g ulp off", worst);
}

void test_rope(struct ktest *t)
{
    static const int pairs[] = { 0, 1, 3, 4, 7, 8, 9, 15, 16, 17, 20, 24, 31, 32, 33, 40, 64, 128 };

    for (size_t i = 0; i < COUNT(pairs) * 2; i++) {
        int p = pairs[i / 2], neox = i & 1, n = 2 * p;
        float *x = kt_f32(t, (size_t)n), *cs = kt_f32(t, (size_t)n);
        float *want = copy(t, x, n), *got = copy(t, x, n);

        t->ref->rope(want, cs, p, neox);
        t->got->rope(got, cs, p, neox);
        kt_equal(t, want, got, (size_t)n, "rope pairs %d neox %d", p, neox);
        for (int j = 0; j < p; j++) {
            int a = neox ? j : 2 * j, b = neox ? j + p : 2 * j + 1;
            double c = cs[2 * j], s = cs[2 * j + 1];

            kt_true(t, fabs(want[a] - (x[a] * c - x[b] * s)) < 2e-7, "rope %d %d", p, j);
            kt_true(t, fabs(want[b] - (x[b] * c + x[a] * s)) < 2e-7, "rope %d %d", p, j);
        }
        kt_reset(t);
    }
}

static void bench_sumexp(void *arg)
{
    struct row *r = arg;
    r->k->sumexp(r->x, r->n, &r->max, &r->sum);
}

static void check_sumexp(struct ktest *t, int n, int kind)
{
    float *x = input(t, n, 0), want[2], got[2];
    double s = 0;

    for (int i = 0; i < n && kind == 1; i++)
        if (i % 3) x[i] = -INFINITY;
    for (int i = 0; i < n && kind == 2; i++)
        x[i] = i % 2 ? 0.0f : -0.0f;
    for (int i = 0; i < n && kind == 3; i++)
        x[i] *= 100.0f;
    t->ref->sumexp(x, n, &want[0], &want[1]);
    t->got->sumexp(x, n, &got[0], &got[1]);
    kt_equal(t, want, got, 2, "sumexp n %d kind %d", n, kind);
    for (int i = 0; i < n; i++) {
        s += exp((double)x[i] - want[0]);
        kt_true(t, x[i] <= want[0], "sumexp: maximum, n %d", n);
    }
    kt_true(t, fabs(want[1] - s) <= 3e-7 * s, "sumexp n %d kind %d: %.9g for %.9g", n, kind,
            (double)want[1], s);
}

void test_sumexp(struct ktest *t)
{
    for (size_t i = 0; i < COUNT(sizes) * 4; i++) {
        check_sumexp(t, sizes[i / 4], (int)(i % 4));
        kt_reset(t);
    }
    check_sumexp(t, 49152, 0);
    float nan[40], m, s;

    for (int i = 0; i < 40; i++)
        nan[i] = i == 37 ? NAN : (float)i;
    t->got->sumexp(nan, 40, &m, &s);
    kt_true(t, m == 39.0f && isnan(s), "sumexp must not hide a NaN");
    kt_reset(t);
    if (!t->bench) return;
    struct row r = { t->got, NULL, kt_f32(t, 49152), NULL, 0, 0, 49152 };
    kt_bench(t, &(struct kt_speed){ bench_sumexp, &r, 49152 * 4, 0 }, "sumexp 49152");
}

void test_exp_row(struct ktest *t)
{
    double worst = 0;

    for (size_t i = 0; i < COUNT(sizes) * 2; i++) {
        int n = sizes[i / 2];
        float *x = input(t, n, i & 1), *want = copy(t, x, n), *got = copy(t, x, n);

        t->ref->exp_row(want, x, n, 3.0f);
        t->got->exp_row(got, x, n, 3.0f);
        kt_equal(t, want, got, (size_t)n, "exp_row n %d", n);
        kt_reset(t);
    }
    float special[] = {
        -INFINITY, INFINITY, NAN, 0.0f, -0.0f, 88.7f, 88.8f, -86.9f, -87.0f, -3e38f
    };
    float y[10];

    t->got->exp_row(y, special, 10, 0.0f);
    kt_true(t, y[0] == 0 && y[1] == INFINITY && isnan(y[2]) && y[3] == 1 && y[4] == 1,
            "exp of special values");
    kt_true(t, y[5] < INFINITY && y[6] == INFINITY && y[7] > 0 && y[8] == 0 && y[9] == 0,
            "exp at the ends of its range");
    for (float x = -86.96f; x < 88.72f; x += 0.000737f) {
        float e;

        t->got->exp_row(&e, &x, 1, 0.0f);
        worst = fmax(worst, ulps(e, exp((double)x)));
    }
    kt_true(t, worst < 1.0, "exp is %g ulp off", worst);
}
