/* SPDX-License-Identifier: MIT */
/*
 * pack_wide.c - F32, F16, BF16: from rows to groups of 16 interleaved rows.
 *
 * A group is [k][16]: the k-th weight of each of 16 rows, as it stands in the
 * file (2 or 4 bytes, little-endian), so that one load feeds 16 outputs. No
 * growth. Missing rows of the last group are zeros.
 */
#include "kernels/kernels.h"
#include "kernels/packed.h"

#define INLINE static inline __attribute__((always_inline))

/* Columns turned at once: what 16 rows bring of a cache line of each. */
enum { LINE = 64 };

/* `bytes` is constant at every call. */
INLINE void pack_group(uint8_t *dst, const uint8_t *src, int n_rows, int k, const size_t bytes)
{
    size_t row = (size_t)k * bytes;

    if (n_rows < R16) memset(dst, 0, row * R16);
    for (size_t c0 = 0; c0 < row; c0 += LINE) {
        size_t end = c0 + LINE < row ? c0 + LINE : row;
        for (int r = 0; r < n_rows; r++)
            for (size_t c = c0; c < end; c += bytes)
                memcpy(dst + c * R16 + (size_t)r * bytes, src + (size_t)r * row + c, bytes);
    }
}

#define WIDE(type, bytes)                                                  \
    static void pack_##type(void *dst, const void *src, int n_rows, int k) \
    {                                                                      \
        pack_group(dst, src, n_rows, k, bytes);                            \
    }
#include "kernels/packed_wide.def"
#undef WIDE

void kernels_fill_pack_wide(struct kernels *k)
{
#define WIDE(type, bytes) k->pack[QT_##type] = pack_##type;
#include "kernels/packed_wide.def"
#undef WIDE
}
