/* SPDX-License-Identifier: MIT */
/*
 * kernels.h - the seam between the model and the arithmetic.
 *
 * A kernel gets pointers, counts and a range of rows. It never allocates,
 * locks, starts threads, prints or fails. Every kernel exists as readable C in
 * c/; avx2/, avxvnni/, avx512/ and avx512bf16/ hold faster versions that give the same bits. The
 * table is filled weakest first by kernels_select().
 *
 * Bits: integer sums are exact; every output element is one chain of f32 fused
 * multiply-adds in ascending K; float reductions use 16 fixed lanes (element i
 * belongs to lane i % 16) that are joined 8+8, 4+4, 2+2, 1+1; exp and tanh are
 * our own. So a row's result does not depend on its neighbours, on the batch or
 * on the instruction set.
 */
#ifndef KERNELS_KERNELS_H
#define KERNELS_KERNELS_H

#include "base/qtypes.h"
#include "kernels/attend.h"
#include "kernels/matmul.h"
#include "kernels/probe.h"

/* Re-pack 16 rows (fewer at the end: n_rows) of k weights at src into one group at dst. */
typedef void pack_fn(void *dst, const void *src, int n_rows, int k);
typedef void matmul_fn(const struct matmul_args *a);

struct kernels {
    const char *isa; /* the strongest row of select.c that the CPU has, as "avx512" */
#define KERNEL(name, params) void(*name) params;
#include "kernels/kernels.def"
#undef KERNEL
    dequant_fn *dequant[QT_COUNT];
    pack_fn *pack[QT_COUNT];     /* NULL: no packed layout, the type runs through matmul_f32      */
    matmul_fn *matmul[QT_COUNT]; /* packed weights x int8 activations (packed_wide(): x f32 ones);
                                    NULL where pack is NULL */
    pack_fn *pack_bf16[QT_COUNT]; /* for matmul_bf16, the float types; NULL: not as bf16          */
    matmul_fn *matmul_f32; /* any type, straight from the file's blocks x f32 activations   */
};

/*
 * Fill *k with the best versions that the CPU has (cpu.h bits). The result is
 * the same on every call; BRRR_CPU caps the bits in cpu_features().
 */
void kernels_select(struct kernels *k, unsigned cpu);

/* The instruction sets of this build, weakest first, for tests: name, needed bits. */
struct kernels_isa {
    const char *name;
    unsigned needs;
    void (*fill)(struct kernels *k);
};
extern const struct kernels_isa kernels_isas[];
extern const int kernels_n_isas;

#endif
