/* SPDX-License-Identifier: MIT */
/*
 * attend.h - attention over the paged KV cache: layout and arguments.
 *
 * A block holds KV_BLOCK positions of one layer and one kv head:
 *     K  [d_k][KV_BLOCK]   transposed, so that a score is "broadcast q, FMA over tokens"
 *     V  [KV_BLOCK][d_v]   natural, so that the output is "broadcast p, FMA over d"
 * in f16 or f32. Slots that were never written may hold anything: kernels mask
 * by blending and by loop bounds, never by multiplying with zero. Storing in f16
 * rounds to nearest even; larger values, infinities too, become +-65504, NaN stays.
 *
 * Order of arithmetic, the same for one query and for many (it is part of the
 * determinism contract): positions are cut into splits of KV_SPLIT at absolute
 * multiples. Within a split a score is one FMA chain over ascending d, times
 * scale (then softcap if any); m is the largest visible score; p = exp(s - m),
 * 0 where masked; the sum of p uses 16 lanes (position % 16) and the fixed tree;
 * the output is one FMA chain over the split's visible positions, ascending.
 * All chains start from +0; exp and tanh are those of c/fmath.h.
 * Splits that hold no visible position are skipped; the others are merged into
 * the running (m, s, o) in ascending order:
 *     m' = max(m, m2), a = exp(m - m'), b = exp(m2 - m'),
 *     s' = fma(s, a, s2 * b), o' = fma(o, a, o2 * b)
 * (the first split is taken as it is), and the result is o * (1 / s).
 * Milakov and Gimelshein, arXiv:1805.02867; Dao et al., arXiv:2205.14135; paging
 * after Kwon et al., arXiv:2309.06180.
 */
#ifndef KERNELS_ATTEND_H
#define KERNELS_ATTEND_H

#include <stddef.h>
#include <stdint.h>

enum {
    KV_BLOCK = 32,  /* positions in a block           */
    KV_SPLIT = 256, /* positions in a split, 8 blocks */
};

enum kv_type { KV_F16, KV_F32 };

static inline size_t kv_type_bytes(int t)
{
    return t == KV_F32 ? 4 : 2;
}

/*
 * n_tok query tokens at positions pos0, pos0 + 1, ..., of one sequence; the
 * n_group query heads that share this kv head. Token t sees the positions
 * [max(0, pos0 + t - window + 1), pos0 + t]; window 0: all up to itself.
 */
struct attend_args {
    float *out;     /* out row of token t, head h: out + t * ld_out + h * d_v */
    const float *q; /* q   row of token t, head h: q   + t * ld_q   + h * d_k */
    size_t ld_out, ld_q;
    int n_tok, n_group, d_k, d_v;
    int pos0, window;
    float scale, softcap;           /* softcap 0: none                                    */
    const int32_t *block;           /* position p lies in physical block block[p / KV_BLOCK] */
    const uint8_t *k_base, *v_base; /* of this layer and head                            */
    size_t k_stride, v_stride;      /* bytes from one physical block to the next          */
    int kv_type;
    void *scratch; /* ATTEND_SCRATCH(n_tok * n_group, d_k, d_v) bytes, 64-byte aligned, private */
};

/*
 * For every query row of the tile: its scores in one split, two partial outputs,
 * its (max, sum), its packed q; and one block of K or V widened to f32.
 */
#define ATTEND_SCRATCH(rows, d_k, d_v)                                                 \
    ((size_t)(rows) * (KV_SPLIT + (size_t)(d_k) + 2 * ((size_t)(d_v) + 16) + 32) * 4 + \
     (size_t)KV_BLOCK * ((size_t)(d_k) + (size_t)(d_v) + 32) * 4 + 4096)

#endif
