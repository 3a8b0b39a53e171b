/* SPDX-License-Identifier: MIT */
/* kt.c - memory with guards, random values, verdicts and timing for the kernel tests (kt.h). */
#include "kt.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { CANARY = 64, SHOWN_FAILURES = 20 };

/* One allocation: the whole mapping, and the bytes inside it that the test was given. */
struct kt_mem {
    struct kt_mem *next;
    uint8_t *map, *p;
    size_t map_n, n;
    bool canaries;
};

bool kt_type(const struct ktest *t, enum qtype qt)
{
    return !t->type || strcmp(t->type, qtypes[qt].name) == 0;
}

/* splitmix64 (Steele, Lea, Flood, OOPSLA 2014). */
uint64_t kt_rand(struct ktest *t)
{
    uint64_t z = (t->rng += 0x9e3779b97f4a7c15u);
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

int kt_int(struct ktest *t, int lo, int hi)
{
    return lo + (int)(kt_rand(t) % (uint64_t)((int64_t)hi - lo + 1));
}

float kt_unit(struct ktest *t)
{
    return (float)(int32_t)(kt_rand(t) >> 32) * 0x1p-31f;
}

static void *die(const char *what)
{
    perror(what);
    exit(1);
}

/* A mapping of whole pages with a page behind it that faults. */
static struct kt_mem *map_guarded(struct ktest *t, size_t n)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t body = (n + page - 1) / page * page;
    struct kt_mem *m = calloc(1, sizeof(*m));

    if (!m) die("kernel tests");
    m->map_n = body + page;
    m->map = mmap(NULL, m->map_n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (m->map == MAP_FAILED || mprotect(m->map + body, page, PROT_NONE) != 0) die("kernel tests");
    m->n = n;
    m->p = m->map + body - n;
    m->next = t->mem;
    t->mem = m;
    return m;
}

void *kt_in(struct ktest *t, size_t n)
{
    return map_guarded(t, n)->p;
}

float *kt_f32(struct ktest *t, size_t n)
{
    float *x = kt_in(t, n * sizeof(*x));
    for (size_t i = 0; i < n; i++)
        x[i] = kt_unit(t);
    return x;
}

float *kt_f32_hard(struct ktest *t, size_t n)
{
    static const float odd[] = { 0.0f,   -0.0f,   1e-45f,  -3e-39f, 1.17549435e-38f, 1e-20f,
                                 -1e10f, 3.0e30f, -5e-10f, 1.0f,    -1.0f,           255.5f };
    float *x = kt_f32(t, n);

    for (size_t i = 0; i < n; i++)
        if (kt_int(t, 0, 3) == 0) x[i] = odd[kt_int(t, 0, COUNT(odd) - 1)];
    return x;
}

void *kt_bytes(struct ktest *t, size_t n)
{
    uint8_t *p = kt_in(t, n);
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)(kt_rand(t) >> 40);
    return p;
}

static uint8_t canary(size_t i)
{
    return (uint8_t)(0xa5 ^ i * 7);
}

void *kt_out_bytes(struct ktest *t, size_t n)
{
    size_t room = (n + 63) / 64 * 64;
    struct kt_mem *m = map_guarded(t, room + 2 * CANARY);

    m->p = m->map + (m->map_n - (size_t)sysconf(_SC_PAGESIZE)) - CANARY - room;
    m->n = n;
    m->canaries = true;
    memset(m->p, 0x7e, n);
    for (size_t i = 0; i < CANARY; i++)
        m->p[(ptrdiff_t)i - CANARY] = canary(i);
    for (size_t i = n; i < room + CANARY; i++)
        m->p[i] = canary(i);
    return m->p;
}

float *kt_out(struct ktest *t, size_t n)
{
    return kt_out_bytes(t, n * sizeof(float));
}

static bool canaries_alive(const struct kt_mem *m)
{
    size_t room = (m->n + 63) / 64 * 64;

    for (size_t i = 0; i < CANARY; i++)
        if (m->p[(ptrdiff_t)i - CANARY] != canary(i)) return false;
    for (size_t i = m->n; i < room + CANARY; i++)
        if (m->p[i] != canary(i)) return false;
    return true;
}

void kt_reset(struct ktest *t)
{
    while (t->mem) {
        struct kt_mem *m = t->mem;
        if (m->canaries) kt_true(t, canaries_alive(m), "bytes outside an output were written");
        t->mem = m->next;
        munmap(m->map, m->map_n);
        free(m);
    }
}

/* Count the check; on failure print where and what, with the caller's description. */
static bool verdict(struct ktest *t, bool ok, const char *detail, const char *fmt, va_list ap)
{
    if (ok) {
        t->passed++;
        return true;
    }
    if (t->failed++ >= SHOWN_FAILURES) return false;
    printf("FAILED %s %s (--seed %llu): ", t->isa, t->name, (unsigned long long)t->seed);
    vprintf(fmt, ap);
    printf("%s\n", detail);
    return false;
}

bool kt_true(struct ktest *t, bool ok, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    verdict(t, ok, "", fmt, ap);
    va_end(ap);
    return ok;
}

static bool same_bits(float a, float b)
{
    uint32_t x, y;

    memcpy(&x, &a, 4);
    memcpy(&y, &b, 4);
    return x == y || (isnan(a) && isnan(b));
}

bool kt_equal(struct ktest *t, const float *want, const float *got, size_t n, const char *fmt, ...)
{
    char detail[128] = "";
    size_t i = 0;
    va_list ap;

    while (i < n && same_bits(want[i], got[i]))
        i++;
    if (i < n)
        snprintf(detail, sizeof(detail), ": [%zu] %.9g expected, %.9g found", i, (double)want[i],
                 (double)got[i]);
    va_start(ap, fmt);
    verdict(t, i == n, detail, fmt, ap);
    va_end(ap);
    return i == n;
}

bool kt_near(struct ktest *t, const float *want, const float *got, size_t n, const char *fmt, ...)
{
    char detail[128] = "";
    size_t i = 0;
    va_list ap;

    while (i < n &&
           fabs((double)want[i] - (double)got[i]) <= t->tol * fmax(1, fabs((double)want[i])))
        i++;
    if (i < n)
        snprintf(detail, sizeof(detail), ": [%zu] %.9g expected, %.9g found", i, (double)want[i],
                 (double)got[i]);
    va_start(ap, fmt);
    verdict(t, i == n, detail, fmt, ap);
    va_end(ap);
    return i == n;
}

bool kt_same(struct ktest *t, const void *want, const void *got, size_t n, const char *fmt, ...)
{
    const uint8_t *a = want, *b = got;
    char detail[128] = "";
    size_t i = 0;
    va_list ap;

    while (i < n && a[i] == b[i])
        i++;
    if (i < n) snprintf(detail, sizeof(detail), ": byte %zu is %d, expected %d", i, b[i], a[i]);
    va_start(ap, fmt);
    verdict(t, i == n, detail, fmt, ap);
    va_end(ap);
    return i == n;
}

static double now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (double)ts.tv_sec + 1e-9 * (double)ts.tv_nsec;
}

/* The thread's own clock and the best of many: other processes share the machine. */
static double best_seconds(const struct kt_speed *s, double budget)
{
    double best = 1e9, end = now() + budget;
    int batch = 1; /* calls between two looks at the clock, which is coarse: 50 us at least */

    do {
        double t0 = now(), d;

        for (int i = 0; i < batch; i++)
            s->fn(s->arg);
        d = now() - t0;
        if (d >= 50e-6) best = fmin(best, d / batch);
        else batch *= 2;
    } while (now() < end);
    return best;
}

/* The probes of the set under test (kernels/probe.h). */
struct peak_job {
    const struct kernels *k;
    struct probe_dot8_args dot8;
    struct probe_bf16_args bf16;
    struct probe_fma_args fma;
};

static void call_dot8(void *arg)
{
    struct peak_job *j = arg;
    j->k->probe_dot8(&j->dot8);
}

static void call_bf16(void *arg)
{
    struct peak_job *j = arg;
    j->k->probe_bf16(&j->bf16);
}

static void call_fma(void *arg)
{
    struct peak_job *j = arg;
    j->k->probe_fma(&j->fma);
}

/* What a test multiplies; the last row is for all that are not named. */
static const struct peak {
    const char *test, *name;
    void (*fn)(void *arg);
    double macs;
} peaks[] = {
    { "matmul", "int8", call_dot8, PROBE_DOT8_MACS },
    { "probe_dot8", "int8", call_dot8, PROBE_DOT8_MACS },
    { "matmul_bf16", "bf16", call_bf16, PROBE_BF16_MACS },
    { "probe_bf16", "bf16", call_bf16, PROBE_BF16_MACS },
    { NULL, "f32", call_fma, PROBE_FMA_MACS },
};

static const struct peak *peak_of(const char *test)
{
    const struct peak *p = peaks;

    while (p->test && strcmp(test, p->test) != 0)
        p++;
    return p;
}

/*
 * 1e9 multiply-adds a second that this core does at most with the instruction set under test. It
 * is measured anew for each benchmark, beside it: a core's clock changes with what its neighbours
 * do.
 */
static double peak_gmac_s(const struct ktest *t, const struct peak *p)
{
    static struct peak_job j;
    struct kt_speed s = { p->fn, &j, 0, 0 };

    j.k = t->got;
    j.dot8.n_block = j.bf16.n_block = j.fma.n_block = t->c ? 16 : 1024;
    return p->macs * j.fma.n_block / best_seconds(&s, 0.02) * 1e-9;
}

void kt_bench(struct ktest *t, const struct kt_speed *s, const char *fmt, ...)
{
    double best = best_seconds(s, 0.1);
    va_list ap;

    printf("bench %-7s %-10s ", t->isa, t->name);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    printf(" %10.2f us", best * 1e6);
    if (s->bytes > 0) printf(" %8.2f GB/s", s->bytes / best * 1e-9);
    if (s->macs > 0) {
        double rate = s->macs / best * 1e-9;
        const struct peak *p = peak_of(t->name);
        printf(" %8.1f GMAC/s %5.1f %% of %s", rate, 100 * rate / peak_gmac_s(t, p), p->name);
    }
    printf("\n");
}
