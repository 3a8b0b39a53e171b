/* SPDX-License-Identifier: MIT */
/* cpu.c - see cpu.h. Feature bits from CPUID leaves 1 and 7 and XGETBV (Intel SDM vol. 1, 14.3
 * and 15.2). */
#include "base/cpu.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>

static unsigned long long xgetbv0(void)
{
    unsigned lo, hi;
    __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    return (unsigned long long)hi << 32 | lo;
}

static unsigned detect(void)
{
    unsigned a, b, c, d, a7, b7, c7, d7, out = 0;

    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE)) return 0;
    if (!__get_cpuid_count(7, 0, &a7, &b7, &c7, &d7)) return 0;
    unsigned long long xcr0 = xgetbv0();
    /* Bits 1 and 2: the system saves xmm and ymm; 5 to 7: opmask and zmm. */
    if ((xcr0 & 6) != 6) return 0;
    if ((b7 & bit_AVX2) && (b7 & bit_BMI2) && (c & bit_FMA) && (c & bit_F16C)) out |= CPU_AVX2;
    if (!(out & CPU_AVX2)) return 0;
    unsigned need = bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL;
    if ((xcr0 & 0xe6) == 0xe6 && (b7 & need) == need) {
        out |= CPU_AVX512;
        if (c7 & bit_AVX512VNNI) out |= CPU_VNNI512;
    }
    if (!__get_cpuid_count(7, 1, &a7, &b7, &c7, &d7)) return out;
    if (a7 & 1u << 4) out |= CPU_AVXVNNI;
    if ((out & CPU_AVX512) && (a7 & 1u << 5)) out |= CPU_BF16;
    return out;
}
#else
static unsigned detect(void)
{
    return 0;
}
#endif

/* The words BRRR_CPU knows and the bits each leaves. */
static const struct {
    const char *word;
    unsigned mask;
} caps[] = {
    { "c", 0 },
    { "avx2", CPU_AVX2 | CPU_AVXVNNI },
    { "avx512", ~0u },
};

static unsigned cap_mask(int *valid)
{
    const char *s = getenv("BRRR_CPU");

    *valid = 1;
    if (!s || !*s) return ~0u;
    for (unsigned i = 0; i < sizeof(caps) / sizeof(caps[0]); i++)
        if (strcmp(s, caps[i].word) == 0) return caps[i].mask;
    *valid = 0;
    return ~0u;
}

unsigned cpu_features(void)
{
    int valid;
    return detect() & cap_mask(&valid);
}

int cpu_cap_valid(void)
{
    int valid;
    cap_mask(&valid);
    return valid;
}

const char *cpu_name(void)
{
    static char name[49] = "unknown processor";
#if defined(__x86_64__)
    unsigned r[12];

    for (unsigned i = 0; i < 3; i++)
        if (!__get_cpuid(0x80000002u + i, &r[4 * i], &r[4 * i + 1], &r[4 * i + 2], &r[4 * i + 3]))
            return name;
    memcpy(name, r, 48);
    for (int n = 47; n >= 0 && (name[n] == ' ' || name[n] == 0); n--)
        name[n] = 0;
#endif
    return name;
}

/* The cgroup v2 CPU quota in whole processors, 0 if there is none. */
static int cgroup_quota(void)
{
    long long quota, period;
    FILE *f = fopen("/sys/fs/cgroup/cpu.max", "re");
    int n = 0;

    if (!f) return 0;
    if (fscanf(f, "%lld %lld", &quota, &period) == 2 && quota > 0 && period > 0)
        n = (int)((quota + period - 1) / period);
    fclose(f);
    return n;
}

int cpu_count(void)
{
    cpu_set_t set;
    int n = 1, quota = cgroup_quota();

    if (sched_getaffinity(0, sizeof(set), &set) == 0) n = CPU_COUNT(&set);
    if (quota > 0 && quota < n) n = quota;
    return n > 0 ? n : 1;
}
