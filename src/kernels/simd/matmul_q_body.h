/* SPDX-License-Identifier: MIT */
/*
 * matmul_q_body.h - packed weights x int8 activations in sixteen lanes.
 *
 * Included once in each instruction set's folder. One function, tile(), does all
 * the arithmetic: a few activation rows times one or more groups of 16 weight
 * rows, over all of k. Its layout arguments are constants at every call, so the
 * compiler makes a kernel of its own for each row of packed.def.
 *
 * Why this is faster than rows of dot products:
 *   - lanes are output rows, so there is no horizontal sum and no shuffle: codes
 *     come as vectors, four activations come as a broadcast from memory, which
 *     the load port does for free (on Intel a shuffle would halve the rate);
 *   - a vector of codes is unpacked once for all activation rows of the tile;
 *   - the zero point is where the integer sum starts (neg in packed.h), not an
 *     operation;
 *   - few rows ("stream"): codes go from memory to registers, one pass over the
 *     weights, next blocks prefetched; many rows ("panel"): codes of a few groups
 *     are unpacked once to bytes in scratch and stay in L1 or L2 for all tiles.
 *
 * Bits: see matmul.h; the f32 operations here are those of c/matmul_q.c in the
 * same order, for any number of rows.
 */
#include "kernels/simd/packed_load.h"
#include "kernels/simd/simd.h"

enum {
    PANEL_ROWS = 4,       /* activation rows of a tile that reads a panel              */
    PANEL_FROM = 24,      /* from so many activation rows on, unpacking to bytes pays  */
    PREFETCH_AHEAD = 4096 /* bytes; further ahead lost speed in measurements           */
};

/* What a tile computes: all constants at every call, but for `rows`. */
struct tile {
    struct packed p;
    int panel; /* groups side by side in the panel; 0: one group, straight from packed weights */
    int mr;    /* rows of x that are computed                                                  */
    int rows;  /* rows of the activation tile they lie in, which is the stride of its words    */
};

/* --- the arithmetic --- */

V16_INLINE v16 spread_f32(const uint8_t *p)
{
    float x;

    memcpy(&x, p, 4);
    return v16_set(x);
}

/* Where the integer sums of words j0.. start: minus zero point times sum of activations. */
V16_INLINE q16 sum_start(struct tile s, const uint8_t *x, int j0)
{
    q16 neg;

    if (s.p.zero_log2 < 0 || (Q16_SIGNED_8 && s.p.bits == 8)) return q16_zero();
    if (s.p.scales != SCALES_K_HALF) neg = q16_spread(x + Q8_NEG * s.rows);
    else if (j0 == 0) neg = q16_spread(x + Q8_NEG_HALF * s.rows);
    else neg = q16_sub32(q16_spread(x + Q8_NEG * s.rows), q16_spread(x + Q8_NEG_HALF * s.rows));
    return q16_shl32(neg, s.p.zero_log2);
}

/*
 * acc[t][g] += the block's part of rows t of x and groups g, words [j0, j1), which share scale
 * number `scale`. w: the group's packed weights or the panel; x: the tile's block, at the first
 * computed row.
 */
V16_INLINE void part_block(v16 acc[Q16_ROWS][Q16_PANEL], struct tile s, const uint8_t *w, int b,
                           const uint8_t *x, int half)
{
    int groups = s.panel ? s.panel : 1, n_half = s.p.scales == SCALES_K_HALF ? 2 : 1;
    int j0 = 8 / n_half * half, j1 = j0 + 8 / n_half;
    const uint8_t *block =
        s.panel ? w + (size_t)b * panel_block_bytes(s.p, groups) : packed_block(s.p, w, b);
    q16 sum[Q16_ROWS][Q16_PANEL], part[Q16_ROWS][Q16_PANEL];

    V16_UNROLL for (int t = 0; t < s.mr; t++) V16_UNROLL for (int g = 0; g < groups; g++)
        sum[t][g] = sum_start(s, x + 4 * t, j0);

    V16_UNROLL for (int j = j0; j < j1; j++)
    {
        q16 codes[Q16_PANEL];
        V16_UNROLL for (int g = 0; g < groups; g++) codes[g] =
            s.panel ? q16_load(block + 64 * (j * groups + g)) : packed_codes(s.p, block, j);
        V16_UNROLL for (int t = 0; t < s.mr; t++)
        {
            q16 v = q16_spread(x + (j * s.rows + t) * 4);
            V16_UNROLL for (int g = 0; g < groups; g++)
                q16_dot(&sum[t][g], &part[t][g], codes[g], v, s.p.bits, j);
        }
    }

    V16_UNROLL for (int g = 0; g < groups; g++)
    {
        v16 d = s.panel ? v16_load((const void *)(block + 512 * groups + 64 * (half * groups + g)))
                        : packed_scale(s.p, w, b, half);
        V16_UNROLL for (int t = 0; t < s.mr; t++)
        {
            v16 sx = spread_f32(x + Q8_SX * s.rows + 4 * t);
            acc[t][g] = v16_fma(v16_mul(q16_to_f32(sum[t][g]), sx), d, acc[t][g]);
        }
    }
}

V16_INLINE void add_min(v16 acc[Q16_ROWS][Q16_PANEL], struct tile s, const uint8_t *w, int b,
                        const uint8_t *x)
{
    int groups = s.panel ? s.panel : 1;
    const uint8_t *block = w + (size_t)b * panel_block_bytes(s.p, groups);

    V16_UNROLL for (int g = 0; g < groups; g++)
    {
        v16 m = s.panel ? v16_load((const void *)(block + 512 * groups + 64 * (groups + g)))
                        : packed_scale(s.p, w, b, 1);
        V16_UNROLL for (int t = 0; t < s.mr; t++) acc[t][g] =
            v16_fma(spread_f32(x + Q8_SUM * s.rows + 4 * t), m, acc[t][g]);
    }
}

/* Rows [i, i + mr) of x, which lie in the activation tile of row t0, times group g (and the next
 * ones, if w is a panel). */
V16_INLINE void tile(const struct matmul_args *a, struct tile s, const uint8_t *w, int g, int t0,
                     int i)
{
    const uint8_t *x = (const uint8_t *)a->x + q8_tile_offset(t0, a->k) + 4 * (i - t0);
    int groups = s.panel ? s.panel : 1, n_block = a->k / BLOCK_K;
    v16 acc[Q16_ROWS][Q16_PANEL];

    V16_UNROLL for (int t = 0; t < s.mr; t++) V16_UNROLL for (int c = 0; c < groups; c++)
        acc[t][c] = v16_set(0);
    for (int b = 0; b < n_block; b++, x += Q8_BLOCK * s.rows) {
        if (!s.panel && s.mr <= 4) {
            const char *ahead = (const char *)packed_block(s.p, w, b) + PREFETCH_AHEAD;
            V16_UNROLL for (int line = 0; line < packed_block_bytes(s.p); line += 64)
                _mm_prefetch(ahead + line, _MM_HINT_T0);
        }
        part_block(acc, s, w, b, x, 0);
        if (s.p.scales == SCALES_K_HALF) part_block(acc, s, w, b, x, 1);
        if (has_min(s.p)) add_min(acc, s, w, b, x);
    }
    V16_UNROLL for (int t = 0; t < s.mr; t++) V16_UNROLL for (int c = 0; c < groups; c++)
        v16_put(a->y + (size_t)(i + t) * a->ld_y + (size_t)(g + c) * R16, acc[t][c],
                a->n - (g + c) * R16, a->add);
}

/* --- few rows: straight from the packed weights --- */

/* Rows [i, i + n) of x, in the activation tile of row t0, times group g; n <= Q16_ROWS. */
V16_INLINE void stream_rows(const struct matmul_args *a, struct packed p, int g, int t0, int i,
                            int n)
{
    const uint8_t *w = (const uint8_t *)a->w + (size_t)g * packed_bytes(p, a->k / BLOCK_K);
    int rows = q8_tile_rows(a->m, t0);

    switch (n) {
    case 1:
        tile(a, (struct tile){ p, 0, 1, rows }, w, g, t0, i);
        break;
    case 2:
        tile(a, (struct tile){ p, 0, 2, rows }, w, g, t0, i);
        break;
    case 3:
        tile(a, (struct tile){ p, 0, 3, rows }, w, g, t0, i);
        break;
    case 4:
        tile(a, (struct tile){ p, 0, 4, rows }, w, g, t0, i);
        break;
#if Q16_ROWS == 8
    case 5:
        tile(a, (struct tile){ p, 0, 5, rows }, w, g, t0, i);
        break;
    case 6:
        tile(a, (struct tile){ p, 0, 6, rows }, w, g, t0, i);
        break;
    case 7:
        tile(a, (struct tile){ p, 0, 7, rows }, w, g, t0, i);
        break;
    case 8:
        tile(a, (struct tile){ p, 0, 8, rows }, w, g, t0, i);
        break;
#endif
    }
}

/* Groups [g, g1) against the rows from t0 on, which starts an activation tile. */
V16_INLINE void stream(const struct matmul_args *a, struct packed p, int g, int g1, int t0)
{
    for (; g < g1; g++)
        for (int i = t0; i < a->m; i += Q16_ROWS) {
            int in = i - i % Q8_TILE, left = in + q8_tile_rows(a->m, in) - i;
            stream_rows(a, p, g, in, i, left < Q16_ROWS ? left : Q16_ROWS);
        }
}

/* --- many rows: through a panel of bytes --- */

/* Groups [g, g + Q16_PANEL) against all full tiles of activations. */
V16_INLINE void panel(const struct matmul_args *a, struct packed p, int g)
{
    const uint8_t *w = (const uint8_t *)a->w + (size_t)g * packed_bytes(p, a->k / BLOCK_K);
    uint8_t *codes = a->scratch;

    panel_fill(codes, p, w, a->k / BLOCK_K, Q16_PANEL);
    for (int i = 0; i < a->m / Q8_TILE * Q8_TILE; i += PANEL_ROWS)
        tile(a, (struct tile){ p, Q16_PANEL, PANEL_ROWS, Q8_TILE }, codes, g, i - i % Q8_TILE, i);
}

V16_INLINE void matmul(const struct matmul_args *a, struct packed p)
{
    int many = a->m >= PANEL_FROM && !(Q16_PANEL == 1 && p.bits == 8), step = 1;

    for (int g = a->g0; g < a->g1; g += step) {
        int through = many && g + Q16_PANEL <= a->g1;
        step = through ? Q16_PANEL : 1;
        if (through) panel(a, p, g);
        stream(a, p, g, g + step, through ? a->m / Q8_TILE * Q8_TILE : 0);
    }
}

#define PACKED(type, bits, scales, zero)                   \
    static void matmul_##type(const struct matmul_args *a) \
    {                                                      \
        matmul(a, (struct packed){ bits, scales, zero });  \
    }
#include "kernels/packed.def"
#undef PACKED

void V16_NAME(kernels_fill_matmul)(struct kernels *k)
{
#define PACKED(type, bits, scales, zero) k->matmul[QT_##type] = matmul_##type;
#include "kernels/packed.def"
#undef PACKED
}
