/* SPDX-License-Identifier: MIT */
/* cpu.h - what this processor can do and how many of them we may use. */
#ifndef BASE_CPU_H
#define BASE_CPU_H

enum {
    CPU_AVX2 = 1 << 0,    /* AVX2, FMA, F16C and BMI2, and the system saves ymm  */
    CPU_AVX512 = 1 << 1,  /* AVX-512 F, BW, DQ, VL, and the system saves zmm     */
    CPU_VNNI512 = 1 << 2, /* AVX512_VNNI                                         */
    CPU_AVXVNNI = 1 << 3, /* AVX-VNNI: the 256-bit dot product outside AVX-512   */
    CPU_BF16 = 1 << 4,    /* AVX512_BF16, where there is CPU_AVX512              */
};

/* The feature bits, capped by the environment: BRRR_CPU=c, avx2 or avx512. */
unsigned cpu_features(void);
/* False if BRRR_CPU holds none of those words. */
int cpu_cap_valid(void);
/* "AMD EPYC 9354 32-Core Processor" and the like, for reports. */
const char *cpu_name(void);
/* Processors this process may run on: affinity mask and cgroup quota, at least 1. */
int cpu_count(void);

#endif
