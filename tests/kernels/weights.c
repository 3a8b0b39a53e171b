/* SPDX-License-Identifier: MIT */
/* weights.c - see weights.h. */
#include "weights.h"

#include <math.h>

#include "base/f16.h"
#include "kernels/packed.h"

/* Where the f16 scales lie in a block of the packed types; -1: none (float types have none). */
static const int scale_at[QT_COUNT][2] = {
    [QT_Q4_0] = { 0, -1 },   [QT_Q4_1] = { 0, 2 },    [QT_Q5_0] = { 0, -1 },
    [QT_Q5_1] = { 0, 2 },    [QT_Q8_0] = { 0, -1 },   [QT_Q2_K] = { 80, 82 },
    [QT_Q3_K] = { 108, -1 }, [QT_Q4_K] = { 0, 2 },    [QT_Q5_K] = { 0, 2 },
    [QT_Q6_K] = { 208, -1 }, [QT_IQ4_NL] = { 0, -1 }, [QT_IQ4_XS] = { 0, -1 },
    [QT_MXFP4] = { -1, -1 },
};

static bool has_scales(enum qtype qt)
{
    return !packed_wide(qt) && packed_group_bytes(qt, (int)qtypes[qt].block) != 0;
}

static bool all_finite(const struct ktest *t, enum qtype qt, const uint8_t *block)
{
    float y[256];

    t->ref->dequant[qt](y, block, qtypes[qt].block);
    for (uint32_t i = 0; i < qtypes[qt].block; i++)
        if (!isfinite(y[i])) return false;
    return true;
}

static void random_bytes(struct ktest *t, uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)(kt_rand(t) >> 40);
}

/* All codes at one end, and a scale of the awkward sort. */
static void extreme(struct ktest *t, uint8_t *p, enum qtype qt)
{
    static const uint8_t codes[] = { 0x00, 0xff, 0x80, 0x7f, 0x0f, 0xf0 };
    static const uint16_t scales[] = { 0, 0x8000, 1, 0x8001, 0x03ff, 0x7bff, 0xfbff, 0x3c00 };

    memset(p, codes[kt_int(t, 0, COUNT(codes) - 1)], qtypes[qt].bytes);
    for (int i = 0; i < 2; i++) {
        uint16_t s = scales[kt_int(t, 0, COUNT(scales) - 1)];
        if (!has_scales(qt) || scale_at[qt][i] < 0) continue;
        memcpy(p + scale_at[qt][i], &s, 2);
    }
}

/* One weight in [-1, 1). */
static void float_weight(struct ktest *t, uint8_t *p, enum qtype qt)
{
    float v = kt_unit(t);
    uint16_t h = qt == QT_F16 ? f32_to_f16(v) : f32_to_bf16(v);

    if (qt == QT_F32) memcpy(p, &v, 4);
    else memcpy(p, &h, 2);
}

/* Scales as real models have them, about 0.01; float weights of that sort too. */
static void ordinary(struct ktest *t, uint8_t *p, enum qtype qt)
{
    random_bytes(t, p, qtypes[qt].bytes);
    if (packed_wide(qt)) float_weight(t, p, qt);
    if (qt == QT_MXFP4) p[0] = (uint8_t)kt_int(t, 115, 125);
    if (!has_scales(qt)) return;
    for (int i = 0; i < 2; i++) {
        uint16_t s = (uint16_t)(0x2000 + kt_int(t, 0, 0x7ff) + kt_int(t, 0, 1) * 0x8000);
        if (scale_at[qt][i] >= 0) memcpy(p + scale_at[qt][i], &s, 2);
    }
}

uint8_t *weights_make(struct ktest *t, enum qtype qt, int n_rows, int k, int kind)
{
    size_t bytes = qtypes[qt].bytes, n = (size_t)n_rows * (size_t)k / qtypes[qt].block;
    uint8_t *w = kt_in(t, n * bytes);

    for (size_t i = 0; i < n; i++) {
        uint8_t *p = w + i * bytes;
        int how = kind == 3 ? kt_int(t, 0, 2) : kind;
        do {
            if (how == 0) ordinary(t, p, qt);
            else if (how == 1) random_bytes(t, p, bytes);
            else extreme(t, p, qt);
            how = how == 2 ? 1 : how; /* not finite: what extreme() does may not be repeated */
        } while (!all_finite(t, qt, p));
    }
    return w;
}

uint8_t *weights_pack(struct ktest *t, enum qtype qt, const uint8_t *src, int n_rows, int k)
{
    size_t group = packed_group_bytes(qt, k), row = qtype_row_bytes(qt, (size_t)k);
    int n_group = (n_rows + R16 - 1) / R16;
    uint8_t *w = kt_in(t, group * (size_t)n_group);

    for (int g = 0; g < n_group; g++) {
        int rows = n_rows - g * R16 < R16 ? n_rows - g * R16 : R16;
        t->ref->pack[qt](w + (size_t)g * group, src + (size_t)(g * R16) * row, rows, k);
    }
    return w;
}
