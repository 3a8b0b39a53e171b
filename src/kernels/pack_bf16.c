/* SPDX-License-Identifier: MIT */
/*
 * pack_bf16.c - F32, F16, BF16 as bf16: from rows to groups of 16 interleaved rows.
 *
 * A group is [(k + 1) / 2][16] words of 32 bits: two neighbours of one row (c/bf16.h), so that one
 * load feeds 16 outputs with two products each. The wider types are rounded to the nearest. Missing
 * rows of the last group, and what is missing to the last pair, are zeros.
 */
#include "base/le.h"
#include "kernels/c/bf16.h"
#include "kernels/kernels.h"
#include "kernels/packed.h"

#define INLINE static inline __attribute__((always_inline))

enum { PAIRS = 16 }; /* turned at once: what 16 rows bring of a cache line of each */

INLINE uint16_t load_F32(const uint8_t *p)
{
    return f32_to_bf16(f32_from_bits(le32(p)));
}

INLINE uint16_t load_F16(const uint8_t *p)
{
    return f32_to_bf16(f16_to_f32(le16(p)));
}

INLINE uint16_t load_BF16(const uint8_t *p)
{
    return le16(p);
}

typedef uint16_t load_fn(const uint8_t *p);

/* `load` and `bytes` are constant at every call. */
INLINE void pack_group(uint32_t *dst, const uint8_t *src, int n_rows, int k, load_fn *load,
                       const size_t bytes)
{
    size_t row = (size_t)k * bytes;
    int pairs = k / 2;

    if (n_rows < R16) memset(dst, 0, bf16_group_bytes(k));
    for (int j0 = 0; j0 < pairs; j0 += PAIRS)
        for (int r = 0; r < n_rows; r++)
            for (int j = j0; j < pairs && j < j0 + PAIRS; j++) {
                const uint8_t *p = src + (size_t)r * row + (size_t)(2 * j) * bytes;
                dst[j * R16 + r] = bf16_pair(load(p), load(p + bytes));
            }
    for (int r = 0; k % 2 && r < n_rows; r++)
        dst[pairs * R16 + r] = bf16_pair(load(src + (size_t)(r + 1) * row - bytes), 0);
}

#define WIDE(type, bytes)                                                  \
    static void pack_##type(void *dst, const void *src, int n_rows, int k) \
    {                                                                      \
        pack_group(dst, src, n_rows, k, load_##type, bytes);               \
    }
#include "kernels/packed_wide.def"
#undef WIDE

void kernels_fill_pack_bf16(struct kernels *k)
{
#define WIDE(type, bytes) k->pack_bf16[QT_##type] = pack_##type;
#include "kernels/packed_wide.def"
#undef WIDE
}

size_t bf16_group_bytes(int k)
{
    return (size_t)((k + 1) / 2) * R16 * sizeof(uint32_t);
}

size_t bf16_bytes(int m, int k)
{
    return bf16_tile_offset(m, k);
}
