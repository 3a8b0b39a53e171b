/* SPDX-License-Identifier: MIT */
/*
 * qtypes.h - the tensor types the engine can read, as an enum and a table.
 *
 * To add one: a row in qtypes.def and a dequantiser in kernels/c/. Nothing
 * else switches over types.
 */
#ifndef BASE_QTYPES_H
#define BASE_QTYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum qtype {
#define QTYPE(name, id, block, bytes) QT_##name,
#include "base/qtypes.def"
#undef QTYPE
    QT_COUNT
};

struct qtype_info {
    const char *name;
    uint32_t gguf_id;
    uint32_t block; /* weights per block */
    uint32_t bytes; /* bytes per block   */
};

extern const struct qtype_info qtypes[QT_COUNT];

/* The type with this GGUF id, or -1. */
int qtype_from_gguf(uint32_t gguf_id);

/* Bytes of a row of n weights; n must be a multiple of the block. */
static inline size_t qtype_row_bytes(enum qtype t, size_t n)
{
    return n / qtypes[t].block * qtypes[t].bytes;
}

#endif
