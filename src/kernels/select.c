/* SPDX-License-Identifier: MIT */
/* select.c - which kernels run: weakest first, each row overwrites only what it does better. */
#include "base/cpu.h"
#include "kernels/kernels.h"

void kernels_fill_c(struct kernels *k);
#if defined(__x86_64__)
void kernels_fill_avx2(struct kernels *k);
void kernels_fill_avxvnni(struct kernels *k);
void kernels_fill_avx512(struct kernels *k);
void kernels_fill_avx512bf16(struct kernels *k);
#endif

const struct kernels_isa kernels_isas[] = {
    { "c", 0, kernels_fill_c },
#if defined(__x86_64__)
    { "avx2", CPU_AVX2, kernels_fill_avx2 },
    { "avxvnni", CPU_AVX2 | CPU_AVXVNNI, kernels_fill_avxvnni },
    { "avx512", CPU_AVX512 | CPU_VNNI512, kernels_fill_avx512 },
    { "avx512bf16", CPU_AVX512 | CPU_VNNI512 | CPU_BF16, kernels_fill_avx512bf16 },
#endif
};
const int kernels_n_isas = sizeof(kernels_isas) / sizeof(kernels_isas[0]);

void kernels_select(struct kernels *k, unsigned cpu)
{
    *k = (struct kernels){ 0 };
    for (int i = 0; i < kernels_n_isas; i++) {
        if ((kernels_isas[i].needs & ~cpu) != 0) continue;
        kernels_isas[i].fill(k);
        k->isa = kernels_isas[i].name;
    }
}
