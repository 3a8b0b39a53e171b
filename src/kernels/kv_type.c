/* SPDX-License-Identifier: MIT */
/* kv_type.c - the types of the KV cache; see attend.h. */
#include <string.h>

#include "kernels/attend.h"

const struct kv_type_info kv_types[KV_TYPES] = {
    /*            name    bytes  k_unit  v_unit  scale */
    [KV_F16] = { "f16", 2, 1, 1, 0 },
    [KV_BF16] = { "bf16", 2, 1, 1, 0 },
    [KV_F32] = { "f32", 4, 1, 1, 0 },
    [KV_INT8] = { "int8", 1, 4, 16, 4 },
};

int kv_type_find(const char *name)
{
    int t = 0;

    while (t < KV_TYPES && strcmp(kv_types[t].name, name) != 0)
        t++;
    return t;
}

static size_t block_bytes(int type, int d, int unit)
{
    const struct kv_type_info *t = &kv_types[type];
    size_t values = ((size_t)d + (size_t)unit - 1) / (size_t)unit * (size_t)unit;

    return KV_BLOCK * (values * (size_t)t->bytes + (size_t)t->scale_bytes);
}

size_t kv_k_bytes(int type, int d_k)
{
    return block_bytes(type, d_k, kv_types[type].k_unit);
}

size_t kv_v_bytes(int type, int d_v)
{
    return block_bytes(type, d_v, kv_types[type].v_unit);
}
