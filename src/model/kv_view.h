/* SPDX-License-Identifier: MIT */
/*
 * kv_view.h - the KV cache as the model sees it: base pointers, block tables.
 *
 * Allocation, sharing and eviction belong to the engine; the model reads and
 * writes slots. A layer carries its cache kind, each kind its own tables:
 *   KV_FULL    every position is kept
 *   KV_WINDOW  only blocks that hold the last `window` positions are; older
 *              entries of the table are -1 and never read
 * (Layers that share another's cache point to the same base.)
 *
 * Layout inside a physical block: [kv head][K block | V block], see
 * kernels/attend.h, whose table of types knows the sizes.
 */
#ifndef MODEL_KV_VIEW_H
#define MODEL_KV_VIEW_H

#include <stddef.h>
#include <stdint.h>

enum kv_kind { KV_FULL, KV_WINDOW, KV_KINDS };

struct kv_layer {
    uint8_t *base;       /* physical block 0 of this layer     */
    size_t block_stride; /* bytes to the next physical block   */
    size_t head_stride;  /* bytes to the next kv head          */
    size_t v_off;        /* from a head's K block to its V block */
    enum kv_kind kind;
};

struct kv_view {
    int type;                              /* enum kv_type of kernels/attend.h */
    const struct kv_layer *layer;          /* [n_layer]                        */
    const int32_t *const *table[KV_KINDS]; /* [slot][logical block] -> physical block or -1 */
};

#endif
