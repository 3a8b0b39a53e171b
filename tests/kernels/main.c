/* SPDX-License-Identifier: MIT */
/*
 * main.c - runs every kernel test for every instruction set; see kt.h.
 *
 *     kernels [--seed N] [--isa NAME] [--test NAME] [--type NAME] [--bench]
 *
 * The list of tests is kernels.def itself plus KT_EXTRA (kt.h); a row without a
 * test does not link. The last line is "N passed, N failed".
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cpu.h"
#include "kt.h"

typedef void test_fn(struct ktest *t);

struct test {
    const char *name;
    test_fn *fn;
    size_t entry; /* where in struct kernels the pointer lies; 0: not a row of kernels.def */
};

static const struct test tests[] = {
#define KERNEL(name, params) { #name, test_##name, offsetof(struct kernels, name) },
#include "kernels/kernels.def"
#undef KERNEL
#define EXTRA(name) { #name, test_##name, 0 },
    KT_EXTRA(EXTRA)
#undef EXTRA
};

struct options {
    uint64_t seed;
    const char *isa, *test, *type;
    bool bench;
};

static int usage(void)
{
    fprintf(stderr,
            "usage: kernels [--seed N] [--isa NAME] [--test NAME] [--type NAME] [--bench]\n");
    return 2;
}

static bool parse(struct options *o, int argc, char **argv)
{
    o->seed = (uint64_t)time(NULL) * 1000003u;
    for (int i = 1; i < argc; i++) {
        const char *v = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--bench") == 0) {
            o->bench = true;
            continue;
        }
        if (!v) return false;
        if (strcmp(argv[i], "--seed") == 0) o->seed = strtoull(v, NULL, 0);
        else if (strcmp(argv[i], "--isa") == 0) o->isa = v;
        else if (strcmp(argv[i], "--test") == 0) o->test = v;
        else if (strcmp(argv[i], "--type") == 0) o->type = v;
        else return false;
        i++;
    }
    return true;
}

/* Does this set bring the kernel of the row? Function pointers are copied, never compared raw. */
static bool has_entry(const struct kernels *k, size_t entry)
{
    void (*p)(void);

    if (entry == 0) return true;
    memcpy(&p, (const char *)k + entry, sizeof(p));
    return p != NULL;
}

static void run_isa(const struct options *o, const struct kernels_isa *isa, struct ktest *total)
{
    struct kernels ref = { 0 }, got = { 0 };

    kernels_isas[0].fill(&ref);
    isa->fill(&got);
    for (size_t i = 0; i < COUNT(tests); i++) {
        struct ktest t = { .ref = &ref, .got = &got, .isa = isa->name, .name = tests[i].name };
        if (o->test && strcmp(o->test, tests[i].name) != 0) continue;
        if (!has_entry(&got, tests[i].entry)) continue;
        t.type = o->type;
        t.bench = o->bench;
        t.c = isa == &kernels_isas[0];
        t.seed = o->seed;
        t.rng = o->seed;
        tests[i].fn(&t);
        kt_reset(&t);
        printf("%-8s %-12s %8ld passed %6ld failed\n", t.isa, t.name, t.passed, t.failed);
        total->passed += t.passed;
        total->failed += t.failed;
    }
}

int main(int argc, char **argv)
{
    struct options o = { 0 };
    struct ktest total = { 0 };
    unsigned cpu = cpu_features();

    if (!parse(&o, argc, argv)) return usage();
    printf("seed %llu\n", (unsigned long long)o.seed);
    for (int i = 0; i < kernels_n_isas; i++) {
        const struct kernels_isa *isa = &kernels_isas[i];
        if (o.isa && strcmp(o.isa, isa->name) != 0) continue;
        if (isa->needs & ~cpu) printf("%-8s not on this machine\n", isa->name);
        else run_isa(&o, isa, &total);
    }
    printf("%ld passed, %ld failed\n", total.passed, total.failed);
    return total.failed == 0 && total.passed > 0 ? 0 : 1;
}
