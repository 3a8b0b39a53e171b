/* SPDX-License-Identifier: MIT */
/*
 * attend.h - attention over the paged KV cache: layout, arguments, arithmetic.
 *
 * A block holds KV_BLOCK positions of one layer and one kv head. In the float
 * types (f32, f16, bf16)
 *     K  [d_k][KV_BLOCK]   transposed, so that a score is "broadcast q, FMA over tokens"
 *     V  [KV_BLOCK][d_v]   natural, so that the output is "broadcast p, FMA over d"
 * and in int8, where four products make one 32-bit lane of a dot product,
 *     K  [d_k / 4][KV_BLOCK][4] u8, code + 128      then  [KV_BLOCK] f32 scales
 *     V  [KV_BLOCK / 4][d_v][4] s8, four positions  then  [KV_BLOCK] f32 scales
 * with d_k rounded up to 4 and d_v to 16; what lies there is never looked at.
 * Slots that were never written may hold anything: kernels mask by blending and
 * by loop bounds, or multiply integers with zero, never floats.
 *
 * Storing rounds to nearest even. Larger values than the type has, infinities
 * too, become its largest; NaN stays NaN. In int8 values beyond +-65504 become
 * that, and a vector x of one position is quantised with scale = amax / 127,
 * codes x * (127 / amax), NaN -127 (as activations are, c/q8.c).
 *
 * Keys have a few large channels that would take all of the 8 bits. Before they
 * are quantised, keys and queries are therefore multiplied by the same Hadamard
 * matrix of +-1, in runs of kv_rotation(d_k) values (butterflies of distance
 * 1, 2, 4, ...). It spreads what is large over the whole run and leaves scores as
 * they are, but for the factor of the run's length (after QuaRot, arXiv:2404.00456).
 *
 * Order of arithmetic, the same for one query and for many (it is part of the
 * determinism contract): positions are cut into splits of KV_SPLIT at absolute
 * multiples. Within a split a score is one FMA chain over ascending d, times
 * scale (then softcap if any, then fma(slope, position - the query's, score) with
 * ALiBi); m is the largest visible score; p = exp(s - m),
 * 0 where masked; the sum of p uses 16 lanes (position % 16) and the fixed tree;
 * the output is one FMA chain over the split's visible positions, ascending.
 * All chains start from +0; exp and tanh are those of c/fmath.h.
 * Splits that hold no visible position are skipped; the others are merged into
 * the running (m, s, o) in ascending order:
 *     m' = max(m, m2), a = exp(m - m'), b = exp(m2 - m'),
 *     s' = fma(s, a, s2 * b), o' = fma(o, a, o2 * b)
 * (the first split is taken as it is), and the result is o * (1 / s). A sink z takes
 * part in the sum only: with m' = max(m, z) and a = exp(m - m') the result is
 * o * (a / fma(s, a, exp(z - m'))).
 *
 * With int8 the two products of a split are sums of integers, exact in any order:
 * q is rotated and quantised like a key, with scale sq, and
 *     score = (sum of codes) * scale of k * (sq * (scale / run))     from left to right
 *     w = p * scale of v, wm the split's largest, codes round(w * (KV_P_MAX / wm)),
 *     o = (sum of codes) * (wm / KV_P_MAX)
 * 14 bits of p: two operands of 7 bits, which no instruction set saturates, and an
 * error far below that of V.
 * Milakov and Gimelshein, arXiv:1805.02867; Dao et al., arXiv:2205.14135; paging
 * after Kwon et al., arXiv:2309.06180.
 */
#ifndef KERNELS_ATTEND_H
#define KERNELS_ATTEND_H

#include <stddef.h>
#include <stdint.h>

enum {
    KV_BLOCK = 32,    /* positions in a block           */
    KV_SPLIT = 256,   /* positions in a split, 8 blocks */
    KV_P_MAX = 16383, /* largest code of a probability  */
};

enum kv_type { KV_F16, KV_BF16, KV_F32, KV_INT8, KV_TYPES };

/* Beyond these a value is stored as the largest; int8 takes that of f16. */
#define KV_F16_MAX  65504.0f
#define KV_BF16_MAX 0x1.fep127f

/* Everything about a type but its arithmetic. */
struct kv_type_info {
    const char *name;
    int bytes;       /* of one value                                         */
    int k_unit;      /* d_k is rounded up to a multiple of this              */
    int v_unit;      /* and d_v of this                                      */
    int scale_bytes; /* of a position's scale, once for its K, once for its V */
};
extern const struct kv_type_info kv_types[KV_TYPES];

/* Length of the runs in which int8 rotates keys: the largest power of two that divides d_k. */
static inline int kv_rotation(int d_k)
{
    return d_k & -d_k;
}

/* The type of that name; KV_TYPES if there is none. */
int kv_type_find(const char *name);
/* Bytes of a block: K of one head, V of one head. */
size_t kv_k_bytes(int type, int d_k);
size_t kv_v_bytes(int type, int d_v);

/*
 * n_tok query tokens at positions pos0, pos0 + 1, ..., of one sequence; the
 * n_group query heads that share this kv head. Token t sees the positions
 * [max(0, pos0 + t - window + 1), pos0 + t]; window 0: all up to itself.
 *
 * part NULL: the whole range, to out. Else this call does only split `split`
 * and leaves each row's (m, s, o) in part: row (t * n_group + h) at a distance
 * of ATTEND_PART(d_v) floats, m, s, 14 unused, o; s is 0 where the row sees
 * nothing of the split. attend_merge() makes out from the parts of all splits
 * [0, n_split), one behind the other, with the same bits.
 */
struct attend_args {
    float *out;     /* out row of token t, head h: out + t * ld_out + h * d_v */
    const float *q; /* q   row of token t, head h: q   + t * ld_q   + h * d_k */
    size_t ld_out, ld_q;
    int n_tok, n_group, d_k, d_v;
    int pos0, window;
    float scale, softcap;           /* softcap 0: none                                    */
    const float *alibi;             /* [n_group] slopes (arXiv:2108.12409); NULL: none    */
    const float *sink;              /* [n_group] logits of a position without value; NULL: none */
    const int32_t *block;           /* position p lies in physical block block[p / KV_BLOCK] */
    const uint8_t *k_base, *v_base; /* of this layer and head                            */
    size_t k_stride, v_stride;      /* bytes from one physical block to the next          */
    int kv_type;
    int split; /* with part                               */
    int cold;  /* with part: nobody has fetched its keys   */
    float *part;
    const uint8_t *const *ahead; /* [KV_SPLIT / KV_BLOCK] keys that the next call will read first,
                                    to be fetched meanwhile; NULL, or an entry NULL: none */
    void *scratch; /* ATTEND_SCRATCH(n_tok * n_group, d_k, d_v) bytes, 64-byte aligned, private */
};

/* Floats of one row's part of one split. */
#define ATTEND_PART(d_v) (16 + ((size_t)(d_v) + 15) / 16 * 16)

/*
 * For every query row of the tile: its scores in one split and their codes, two
 * partial outputs, its (max, sum), its packed q; and one block of K or V widened
 * to f32.
 */
#define ATTEND_SCRATCH(rows, d_k, d_v)                                                         \
    ((size_t)(rows) * (KV_SPLIT * 3 / 2 + (size_t)(d_k) + 2 * ((size_t)(d_v) + 16) + 64) * 4 + \
     (size_t)KV_BLOCK * ((size_t)(d_k) + (size_t)(d_v) + 32) * 4 + 4096)

#endif
