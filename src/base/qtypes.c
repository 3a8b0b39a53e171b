/* SPDX-License-Identifier: MIT */
/* qtypes.c - see qtypes.h. */
#include "base/qtypes.h"

const struct qtype_info qtypes[QT_COUNT] = {
#define QTYPE(name, id, block, bytes) [QT_##name] = { #name, id, block, bytes },
#include "base/qtypes.def"
#undef QTYPE
};

int qtype_from_gguf(uint32_t gguf_id)
{
    for (int t = 0; t < QT_COUNT; t++)
        if (qtypes[t].gguf_id == gguf_id) return t;
    return -1;
}
