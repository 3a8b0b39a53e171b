/* SPDX-License-Identifier: MIT */
/*
 * kt.h - the kernel test driver's interface, in the spirit of dav1d's checkasm.
 *
 * One test function per row of kernels.def (void test_NAME(struct ktest *t)),
 * and a few more for the tables of formats. The driver runs each test once per
 * instruction set that the machine has: t->got holds that set's kernels alone
 * (missing ones are NULL; a test of a NULL row is skipped), t->ref the plain C.
 * A test therefore never names an instruction set.
 *
 * Memory from kt_in() ends at a page that cannot be read, so that reading past
 * the end crashes; memory from kt_out() lies between canaries, so that writing
 * past it is reported. All of it is freed after the test, or by kt_reset().
 */
#ifndef TESTS_KERNELS_KT_H
#define TESTS_KERNELS_KT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "kernels/kernels.h"

struct kt_mem;

struct ktest {
    const struct kernels *ref, *got;
    const char *isa;  /* name of the set under test                             */
    const char *name; /* name of the test                                       */
    const char *type; /* --type: the only weight type to test; NULL: all        */
    bool bench;       /* --bench: after the checks, measure with kt_bench()     */
    bool c;           /* the set under test is the reference itself             */
    uint64_t seed;    /* of the whole run, printed with every failure           */
    uint64_t rng;     /* state of kt_rand()                                     */
    double tol;       /* for kt_near()                                           */
    long passed, failed;
    struct kt_mem *mem;
};

/* Tests of what is not a row of kernels.def: the tables indexed by format. */
#define KT_EXTRA(X) X(dequant) X(pack) X(matmul) X(matmul_f32)

#define KERNEL(name, params) void test_##name(struct ktest *t);
#include "kernels/kernels.def"
#undef KERNEL
#define EXTRA(name) void test_##name(struct ktest *t);
KT_EXTRA(EXTRA)
#undef EXTRA

/* Is weight type qt to be tested? */
bool kt_type(const struct ktest *t, enum qtype qt);

/* --- values --- */

uint64_t kt_rand(struct ktest *t);
/* An integer in [lo, hi]. */
int kt_int(struct ktest *t, int lo, int hi);
/* A float in [-1, 1). */
float kt_unit(struct ktest *t);

/* --- memory: never fails (ends the program instead) --- */

/* n bytes, uninitialised, the last one in front of a page that cannot be read. */
void *kt_in(struct ktest *t, size_t n);
/* n floats in [-1, 1), placed like kt_in(). */
float *kt_f32(struct ktest *t, size_t n);
/* n floats with the awkward ones mixed in: zeros of both signs, subnormals, huge and tiny. */
float *kt_f32_hard(struct ktest *t, size_t n);
/* n random bytes, placed like kt_in(). */
void *kt_bytes(struct ktest *t, size_t n);
/* n bytes between canaries, 64-byte aligned, the same pattern each time; kt_out() counts floats. */
void *kt_out_bytes(struct ktest *t, size_t n);
float *kt_out(struct ktest *t, size_t n);
/* Check all canaries, then free everything that was handed out. */
void kt_reset(struct ktest *t);

/* --- verdicts: each call counts one check; a failure prints seed, test, set and the message --- */

bool kt_true(struct ktest *t, bool ok, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* The same bits in all n floats; any NaN equals any NaN. */
bool kt_equal(struct ktest *t, const float *want, const float *got, size_t n, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
/* |want - got| <= t->tol * max(1, |want|) in all n floats. */
bool kt_near(struct ktest *t, const float *want, const float *got, size_t n, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
/* The same n bytes. */
bool kt_same(struct ktest *t, const void *want, const void *got, size_t n, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

/* --- speed --- */

struct kt_speed {
    void (*fn)(void *arg);
    void *arg;
    double bytes, macs; /* of one call; 0: not shown */
};

/* Call fn(arg) for about a tenth of a second; print the best time, GB/s, GMAC/s and their share of
 * the peak that the same core reaches with the same instruction set (kernels/probe.h). */
void kt_bench(struct ktest *t, const struct kt_speed *s, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
