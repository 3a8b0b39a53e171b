/* SPDX-License-Identifier: MIT */
/*
 * attend.c - tests of attention and of the KV cache's slots.
 *
 * Random shapes; every slot that no query may see is NaN, every block that no
 * query may see has an impossible number, and blocks lie in random order. Each
 * instruction set must equal the C reference to the last bit, a chunk must equal
 * its tokens one by one, and the reference must be near a plain softmax in double
 * precision.
 */
#include <math.h>
#include <string.h>

#include "base/f16.h"
#include "kt.h"

struct shape {
    int d_k, d_v, group, n_tok, pos0, window, kv_type;
    float softcap;
    int alibi, sink;
    int nan_last; /* the last token's key and value are NaN: earlier tokens must not notice */
};

/* A sequence's cache, its queries, and how to call attention on it. */
struct scene {
    struct shape s;
    struct attend_args a;
    size_t n_out;
    float *out;
};

void test_kv_store(struct ktest *t);
void test_attend(struct ktest *t);
void test_attend_merge(struct ktest *t);

/* Number d of the key, or the value, in a slot of a block. */
static double k_at(const uint8_t *k, int d, int slot, int d_k, int type)
{
    size_t i = (size_t)d * KV_BLOCK + slot, ld = (size_t)(d_k + 3) / 4 * 4;
    float scale;

    if (type == KV_F32) return ((const float *)(const void *)k)[i];
    if (type == KV_F16) return f16_to_f32(((const uint16_t *)(const void *)k)[i]);
    if (type == KV_BF16) return bf16_to_f32(((const uint16_t *)(const void *)k)[i]);
    memcpy(&scale, k + KV_BLOCK * ld + 4 * slot, 4);
    return (k[(d / 4 * KV_BLOCK + slot) * 4 + d % 4] - 128) * (double)scale;
}

static double v_at(const uint8_t *v, int d, int slot, int d_v, int type)
{
    size_t i = (size_t)slot * d_v + d, ld = (size_t)(d_v + 15) / 16 * 16;
    float scale;

    if (type == KV_F32) return ((const float *)(const void *)v)[i];
    if (type == KV_F16) return f16_to_f32(((const uint16_t *)(const void *)v)[i]);
    if (type == KV_BF16) return bf16_to_f32(((const uint16_t *)(const void *)v)[i]);
    memcpy(&scale, v + KV_BLOCK * ld + 4 * slot, 4);
    return (int8_t)v[(slot / 4 * ld + d) * 4 + slot % 4] * (double)scale;
}

/* --- kv_store --- */

/* By the definition: entry (i, j) of the matrix is -1 to the number of bits that i and j share. */
static void hadamard(double *y, const float *x, int n, int run)
{
    for (int i = 0; i < n; i++) {
        y[i] = 0;
        for (int j = i - i % run, k = 0; k < run; k++)
            y[i] +=
                __builtin_parity((unsigned)(i % run & k)) ? -(double)x[j + k] : (double)x[j + k];
    }
}

/* What a value is stored as, but for rounding. */
static double stored(float x, int kv_type)
{
    double largest = kv_type == KV_F32 ? INFINITY : kv_type == KV_BF16 ? KV_BF16_MAX : KV_F16_MAX;

    return fmax(fmin((double)x, largest), -largest);
}

static void rotated_key(double *y, const float *x, int n, int kv_type)
{
    float t[512] = { 0 };

    for (int i = 0; i < n; i++)
        t[i] = (float)stored(x[i], kv_type);
    hadamard(y, t, n, kv_type == KV_INT8 ? kv_rotation(n) : 1);
}

/* Half a unit of the last place: of the value, or of the largest beside it. */
static void check_value(struct ktest *t, double exact, double got, int kv_type, double amax)
{
    double bound = 0;

    if (kv_type == KV_F16) bound = fabs(exact) * 0x1p-11 + 0x1p-25;
    if (kv_type == KV_BF16) bound = fabs(exact) * 0x1p-8 + 0x1p-134;
    if (kv_type == KV_INT8) bound = amax / 254 * 1.001 + 0x1p-100;
    kt_true(t, fabs(got - exact) <= bound, "type %d: %g for %g", kv_type, got, exact);
}

static void check_store(struct ktest *t, int d_k, int d_v, int slot, int kv_type)
{
    size_t nk = kv_k_bytes(kv_type, d_k), nv = kv_v_bytes(kv_type, d_v);
    double amax_k = 0, amax_v = 0, key[512];
    float *k = kt_f32_hard(t, (size_t)d_k), *v = kt_f32_hard(t, (size_t)d_v);
    uint8_t *want_k = kt_out_bytes(t, nk), *want_v = kt_out_bytes(t, nv);
    uint8_t *got_k = kt_out_bytes(t, nk), *got_v = kt_out_bytes(t, nv);

    t->ref->kv_store(want_k, want_v, k, v, d_k, d_v, slot, kv_type);
    t->got->kv_store(got_k, got_v, k, v, d_k, d_v, slot, kv_type);
    kt_same(t, want_k, got_k, nk, "K, d %d slot %d type %d", d_k, slot, kv_type);
    kt_same(t, want_v, got_v, nv, "V, d %d slot %d type %d", d_v, slot, kv_type);
    rotated_key(key, k, d_k, kv_type);
    for (int d = 0; d < d_k; d++)
        amax_k = fmax(amax_k, fabs(key[d]));
    for (int d = 0; d < d_v; d++)
        amax_v = fmax(amax_v, fabs(stored(v[d], kv_type)));
    for (int d = 0; d < d_k; d++)
        check_value(t, key[d], k_at(got_k, d, slot, d_k, kv_type), kv_type, amax_k);
    for (int d = 0; d < d_v; d++)
        check_value(t, stored(v[d], kv_type), v_at(got_v, d, slot, d_v, kv_type), kv_type, amax_v);
}

/* Awkward values, NaN among them, give the reference's bytes. */
static void same_corners(struct ktest *t, const float *x, int n, int kv_type)
{
    size_t nk = kv_k_bytes(kv_type, n), nv = kv_v_bytes(kv_type, n);
    uint8_t *want = kt_out_bytes(t, nk + nv), *got = kt_out_bytes(t, nk + nv);

    t->ref->kv_store(want, want + nk, x, x, n, n, 5, kv_type);
    t->got->kv_store(got, got + nk, x, x, n, n, 5, kv_type);
    kt_same(t, want, got, nk + nv, "corners of type %d", kv_type);
}

void test_kv_store(struct ktest *t)
{
    static const int dims[] = { 1, 6, 8, 15, 16, 17, 20, 64, 80, 128, 256, 512 };

    for (size_t i = 0; i < COUNT(dims) * KV_TYPES; i++) {
        int d = dims[i / KV_TYPES], d2 = dims[(i / KV_TYPES * 7 + 3) % COUNT(dims)];

        check_store(t, d, d2, kt_int(t, 0, KV_BLOCK - 1), (int)(i % KV_TYPES));
        check_store(t, d, d2, d & 1 ? 0 : KV_BLOCK - 1, (int)(i % KV_TYPES));
        kt_reset(t);
    }
    /* One of each corner of the conversion: ties, the largest, subnormals, too large. */
    const float odd[] = { 65504.0f, 65519.9f, 65520.0f, -1e30f,  INFINITY, -INFINITY,   0x1p-24f,
                          0x1p-25f, NAN,      -0.0f,    2049.0f, 2051.0f,  0x1.004p-14f };
    const uint16_t want[] = { 0x7bff, 0x7bff, 0x7bff, 0xfbff, 0x7bff, 0xfbff, 0x0001,
                              0x0000, 0x7e00, 0x8000, 0x6800, 0x6802, 0x0401 };
    uint16_t *k = kt_out_bytes(t, COUNT(odd) * KV_BLOCK * 2),
             *v = kt_out_bytes(t, sizeof(want) * 32);

    t->got->kv_store(k, v, odd, odd, COUNT(odd), COUNT(odd), 0, KV_F16);
    kt_same(t, want, v, sizeof(want), "corners of f16");
    for (int type = 0; type < KV_TYPES; type++)
        same_corners(t, odd, (int)COUNT(odd), type);
    kt_reset(t);
}

/* --- attend --- */

static int block_visible(const struct shape *s, int b)
{
    int lo = s->window > 0 ? s->pos0 + 1 - s->window : 0;

    return b * KV_BLOCK <= s->pos0 + s->n_tok - 1 && (b + 1) * KV_BLOCK > lo;
}

/* Fill the cache: NaN everywhere, then the positions that some query sees. */
static void fill_cache(struct ktest *t, const struct scene *c, uint8_t *kb, uint8_t *vb)
{
    const struct shape *s = &c->s;
    int last = s->pos0 + s->n_tok - 1, lo = s->window > 0 ? s->pos0 + 1 - s->window : 0;
    float k[512], v[512];

    for (int p = lo > 0 ? lo : 0; p <= last; p++) {
        size_t b = (size_t)c->a.block[p / KV_BLOCK];

        for (int d = 0; d < s->d_k; d++)
            k[d] = s->nan_last && p == last ? NAN : kt_unit(t) * 3.0f;
        for (int d = 0; d < s->d_v; d++)
            v[d] = s->nan_last && p == last ? NAN : kt_unit(t);
        t->ref->kv_store(kb + b * c->a.k_stride, vb + b * c->a.v_stride, k, v, s->d_k, s->d_v,
                         p % KV_BLOCK, s->kv_type);
    }
}

/* Of ALiBi: positive, so that what is far away counts less. */
static const float *slopes(struct ktest *t, int n)
{
    float *x = kt_f32(t, (size_t)n);

    for (int i = 0; i < n; i++)
        x[i] = fabsf(x[i]) / 8;
    return x;
}

static void build(struct ktest *t, struct scene *c, const struct shape *s)
{
    int n_blocks = (s->pos0 + s->n_tok - 1) / KV_BLOCK + 1, used = 0;
    int32_t *block = kt_in(t, (size_t)n_blocks * sizeof(*block));

    c->s = *s;
    for (int i = 0; i < n_blocks; i++)
        used += block_visible(s, i);
    /* Physical blocks: a rotation of the visible ones, the others far outside. */
    int turn = kt_int(t, 0, used - 1);

    for (int i = 0, j = 0; i < n_blocks; i++)
        block[i] = block_visible(s, i) ? (j++ * 7 + turn) % used : INT32_MAX;
    for (int i = 0, j = 0; i < n_blocks && used % 7 == 0; i++)
        if (block_visible(s, i)) block[i] = (j++ + turn) % used;
    c->a = (struct attend_args){
        .ld_out = (size_t)s->group * s->d_v + 3,
        .ld_q = (size_t)s->group * s->d_k + 5,
        .n_tok = s->n_tok,
        .n_group = s->group,
        .d_k = s->d_k,
        .d_v = s->d_v,
        .pos0 = s->pos0,
        .window = s->window,
        .scale = 1.0f / sqrtf((float)s->d_k),
        .softcap = s->softcap,
        .alibi = s->alibi ? slopes(t, s->group) : NULL,
        .sink = s->sink ? kt_f32(t, (size_t)s->group) : NULL,
        .block = block,
        .k_stride = kv_k_bytes(s->kv_type, s->d_k) + 64,
        .v_stride = kv_v_bytes(s->kv_type, s->d_v) + 32,
        .kv_type = s->kv_type,
    };
    size_t nk = c->a.k_stride * (size_t)used - 64, nv = c->a.v_stride * (size_t)used - 32;
    uint8_t *kb = kt_in(t, nk), *vb = kt_in(t, nv);

    memset(kb, 0xff, nk);
    memset(vb, 0xff, nv);
    c->a.k_base = kb;
    c->a.v_base = vb;
    fill_cache(t, c, kb, vb);
    size_t nq = c->a.ld_q * (size_t)(s->n_tok - 1) + (size_t)s->group * s->d_k;
    float *q = kt_f32(t, nq);

    for (size_t i = 0; i < nq; i++)
        q[i] *= 4.0f;
    c->a.q = q;
    c->n_out = c->a.ld_out * (size_t)(s->n_tok - 1) + (size_t)s->group * s->d_v;
}

/* Run `attend` on tokens [t0, t1) of the scene, into out. */
static void run(struct ktest *t, const struct scene *c, const struct kernels *k, int t0, int t1)
{
    struct attend_args a = c->a;
    size_t n = ATTEND_SCRATCH((t1 - t0) * a.n_group, a.d_k, a.d_v);

    a.scratch = kt_out_bytes(t, n);
    memset(a.scratch, 0xff, n);
    a.q += (size_t)t0 * a.ld_q;
    a.out = c->out + (size_t)t0 * a.ld_out;
    a.pos0 += t0;
    a.n_tok = t1 - t0;
    k->attend(&a);
}

/* q as the kernel sees it: in int8 rotated as the keys are, with 127 steps to its largest. */
static void query(const struct scene *c, const float *q, double *out)
{
    int n = c->s.d_k, run = kv_rotation(n);
    double x[512];
    float amax = 0;

    hadamard(x, q, n, c->s.kv_type == KV_INT8 ? run : 1);
    for (int d = 0; d < n; d++)
        amax = fmaxf(amax, fabsf((float)x[d]));
    for (int d = 0; d < n; d++)
        out[d] = c->s.kv_type != KV_INT8 || amax == 0
                     ? x[d]
                     : nearbyint(x[d] * 127.0 / (double)amax) * (double)amax / 127.0 / run;
}

/* Plain softmax attention of one row, in double precision. */
static void exact_row(const struct scene *c, int tok, int head, double *out)
{
    const struct attend_args *a = &c->a;
    const float *q = a->q + (size_t)tok * a->ld_q + (size_t)head * a->d_k;
    int hi = a->pos0 + tok + 1, lo = a->window > 0 && hi > a->window ? hi - a->window : 0;
    double sum = 0, qx[512];

    query(c, q, qx);
    memset(out, 0, (size_t)a->d_v * sizeof(*out));
    for (int p = lo; p < hi; p++) {
        const uint8_t *k = a->k_base + (size_t)a->block[p / KV_BLOCK] * a->k_stride;
        const uint8_t *v = a->v_base + (size_t)a->block[p / KV_BLOCK] * a->v_stride;
        double s = 0;

        for (int d = 0; d < a->d_k; d++)
            s += qx[d] * k_at(k, d, p % KV_BLOCK, a->d_k, a->kv_type);
        s *= (double)a->scale;
        if (a->softcap != 0) s = a->softcap * tanh(s / a->softcap);
        if (a->alibi) s += (double)a->alibi[head] * (p - (hi - 1));
        sum += exp(s);
        for (int d = 0; d < a->d_v; d++)
            out[d] += exp(s) * v_at(v, d, p % KV_BLOCK, a->d_v, a->kv_type);
    }
    if (a->sink) sum += exp((double)a->sink[head]);
    for (int d = 0; d < a->d_v; d++)
        out[d] /= sum;
}

/*
 * A few rows against double precision. |v| <= 1, so the error is absolute: the chain over the
 * positions of a split alone may lose KV_SPLIT half ulps, 1.5e-5; scores and merging add a little.
 * With int8 each position of a split may lose half of 1 / KV_P_MAX.
 */
static void check_exact(struct ktest *t, const struct scene *c, const float *out)
{
    double exact[512], bound = 2e-5;

    if (c->s.kv_type == KV_INT8) bound += KV_SPLIT * 0.5 / KV_P_MAX;
    for (int i = 0; i < 3; i++) {
        int tok = kt_int(t, 0, c->s.n_tok - 1 - c->s.nan_last), head = kt_int(t, 0, c->s.group - 1);
        double worst = 0;

        if (tok < 0) return;
        exact_row(c, tok, head, exact);
        for (int d = 0; d < c->s.d_v; d++)
            worst = fmax(worst, fabs(out[(size_t)tok * c->a.ld_out + (size_t)head * c->s.d_v + d] -
                                     exact[d]));
        kt_true(t, worst < bound, "token %d head %d is %g off", tok, head, worst);
    }
}

static void check_shape(struct ktest *t, const struct shape *s)
{
    struct scene c = { 0 };
    float *want, *got, *single;

    build(t, &c, s);
    c.out = want = kt_out(t, c.n_out);
    run(t, &c, t->ref, 0, s->n_tok);
    c.out = got = kt_out(t, c.n_out);
    run(t, &c, t->got, 0, s->n_tok);
    kt_equal(t, want, got, c.n_out,
             "d %d/%d group %d tokens %d at %d window %d type %d cap %g nan %d", s->d_k, s->d_v,
             s->group, s->n_tok, s->pos0, s->window, s->kv_type, (double)s->softcap, s->nan_last);
    check_exact(t, &c, got);
    /* Chunks of random length, down to single tokens. */
    c.out = single = kt_out(t, c.n_out);
    for (int i = 0, n; i < s->n_tok; i += n) {
        n = kt_int(t, 0, 2) ? 1 : kt_int(t, 1, s->n_tok - i);
        run(t, &c, t->got, i, i + n);
    }
    kt_equal(t, got, single, c.n_out, "chunks: d %d/%d group %d tokens %d at %d window %d", s->d_k,
             s->d_v, s->group, s->n_tok, s->pos0, s->window);
    kt_reset(t);
}

/* Every split by a call of its own, last one first, then merged. */
static void run_parts(struct ktest *t, const struct scene *c, const struct kernels *k)
{
    struct attend_args a = c->a;
    int rows = a.n_tok * a.n_group, n_split = (a.pos0 + a.n_tok - 1) / KV_SPLIT + 1;
    size_t n = ATTEND_SCRATCH(rows, a.d_k, a.d_v), part = (size_t)rows * ATTEND_PART(a.d_v);
    float *parts = kt_out(t, part * (size_t)n_split);

    a.scratch = kt_out_bytes(t, n);
    a.out = c->out;
    for (a.split = n_split - 1; a.split >= 0; a.split--) {
        memset(a.scratch, 0xff, n);
        a.part = parts + part * (size_t)a.split;
        k->attend(&a);
    }
    a.part = parts;
    k->attend_merge(&a, n_split);
}

static void check_parts(struct ktest *t, const struct shape *s)
{
    struct scene c = { 0 };
    float *want, *got;

    build(t, &c, s);
    c.out = want = kt_out(t, c.n_out);
    run(t, &c, t->got, 0, s->n_tok);
    c.out = got = kt_out(t, c.n_out);
    run_parts(t, &c, t->got);
    kt_equal(t, want, got, c.n_out, "parts: d %d/%d group %d tokens %d at %d window %d type %d",
             s->d_k, s->d_v, s->group, s->n_tok, s->pos0, s->window, s->kv_type);
    kt_reset(t);
}

static int pick(struct ktest *t, const int *of, int n)
{
    return of[kt_int(t, 0, n - 1)];
}

static void random_shape(struct ktest *t, struct shape *s)
{
    /* also what is no multiple of the 4 codes of int8 or of 16 lanes, and the largest */
    static const int dims[] = { 1,  6,  8,  16, 18, 20, 24,  32,  33,  40,
                                48, 64, 64, 72, 80, 96, 128, 192, 256, 512 };
    static const int windows[] = { 0, 0, 0, 1, 2, 16, 31, 100, 256, 512 };
    static const int starts[] = { 0, 0, 1, 31, 32, 200, 255, 256, 500, 1024, 1500 };
    int rich = 60000000 / (t->c ? 4 : 1);

    do {
        s->d_k = pick(t, dims, COUNT(dims));
        s->d_v = kt_int(t, 0, 3) ? s->d_k : pick(t, dims, COUNT(dims));
        s->group = kt_int(t, 1, 8);
        s->n_tok = kt_int(t, 0, 2) ? kt_int(t, 1, 40) : 1;
        s->pos0 = kt_int(t, 0, 1) ? pick(t, starts, COUNT(starts)) : kt_int(t, 0, 1500);
        s->window = pick(t, windows, COUNT(windows));
        s->kv_type = kt_int(t, 0, KV_TYPES - 1);
        s->softcap = kt_int(t, 0, 4) ? 0.0f : 50.0f;
        s->alibi = kt_int(t, 0, 3) == 0;
        s->sink = kt_int(t, 0, 3) == 0;
        s->nan_last = kt_int(t, 0, 3) == 0 && s->n_tok > 1;
    } while ((double)s->group * s->n_tok * (s->pos0 + s->n_tok) * (s->d_k + s->d_v) > rich);
}

void test_attend_merge(struct ktest *t)
{
    struct shape s;

    for (int i = 0; i < (t->c ? 15 : 60); i++) {
        random_shape(t, &s);
        check_parts(t, &s);
    }
}

/* --- speed: one call per tile of 32 tokens (prefill) or per token, all kv heads --- */

struct speed {
    const struct kernels *k;
    struct attend_args a;
    int n_tok, n_kv, tile;
    float *q, *out;
};

static void bench_run(void *arg)
{
    struct speed *b = arg;
    struct attend_args a = b->a;

    for (int h = 0; h < b->n_kv; h++) {
        a.k_base = b->a.k_base + (size_t)h * kv_k_bytes(a.kv_type, a.d_k);
        a.v_base = b->a.v_base + (size_t)h * kv_v_bytes(a.kv_type, a.d_v);
        for (int i = 0; i < b->n_tok; i += b->tile) {
            a.n_tok = b->n_tok - i < b->tile ? b->n_tok - i : b->tile;
            a.pos0 = b->a.pos0 + i;
            a.q = b->q + (size_t)i * a.ld_q + (size_t)h * a.n_group * a.d_k;
            a.out = b->out + (size_t)i * a.ld_out + (size_t)h * a.n_group * a.d_v;
            b->k->attend(&a);
        }
    }
}

static void bench_shape(struct ktest *t, int n_tok, int pos0, int kv_type)
{
    enum { D = 64, GROUP = 3, N_KV = 3, TILE = 32 };
    struct speed b = { .k = t->got, .n_tok = n_tok, .n_kv = N_KV, .tile = TILE };
    int n_blocks = (pos0 + n_tok - 1) / KV_BLOCK + 1;
    size_t stride = kv_k_bytes(kv_type, D) * N_KV, n = (size_t)n_blocks * stride;
    int32_t *block = kt_in(t, (size_t)n_blocks * sizeof(*block));
    uint8_t *cache = kt_out_bytes(t, n * 2);
    float x[D];
    double rows = 0;

    for (int i = 0; i < n_blocks; i++)
        block[i] = (i * 17 + 5) % n_blocks;
    for (int i = 0; i < n_blocks && n_blocks % 17 == 0; i++)
        block[i] = i;
    for (int i = 0; i < n_blocks * N_KV * KV_BLOCK; i++) {
        uint8_t *k = cache + (size_t)(i / KV_BLOCK) * kv_k_bytes(kv_type, D);

        for (int d = 0; d < D; d++)
            x[d] = kt_unit(t);
        t->got->kv_store(k, k + n, x, x, D, D, i % KV_BLOCK, kv_type);
    }
    b.q = kt_f32(t, (size_t)n_tok * GROUP * N_KV * D);
    b.out = kt_out(t, (size_t)n_tok * GROUP * N_KV * D);
    b.a = (struct attend_args){ .ld_out = GROUP * N_KV * D,
                                .ld_q = GROUP * N_KV * D,
                                .n_group = GROUP,
                                .d_k = D,
                                .d_v = D,
                                .pos0 = pos0,
                                .scale = 0.125f,
                                .block = block,
                                .k_base = cache,
                                .v_base = cache + n,
                                .k_stride = stride,
                                .v_stride = stride,
                                .kv_type = kv_type,
                                .scratch = kt_out_bytes(t, ATTEND_SCRATCH(TILE * GROUP, D, D)) };
    for (int i = 0; i < n_tok; i++)
        rows += pos0 + i + 1;
    struct kt_speed s = { bench_run, &b, n_tok == 1 ? rows / KV_BLOCK * (double)stride * 2 : 0,
                          rows * GROUP * N_KV * D * 2 };

    kt_bench(t, &s, "%s, %d tokens at %d", kv_types[kv_type].name, n_tok, pos0);
    kt_reset(t);
}

void test_attend(struct ktest *t)
{
    struct shape s = { 64, 64, 3, 32, 240, 0, KV_F16, 0, 0, 0, 0 };
    int n = t->c ? 30 : 150;

    check_shape(t, &s);
    for (int i = 0; i < n; i++) {
        random_shape(t, &s);
        check_shape(t, &s);
    }
    if (!t->bench || t->c) return;
    for (int type = 0; type < KV_TYPES; type++) {
        bench_shape(t, 512, 0, type);
        bench_shape(t, 1, 1023, type);
        bench_shape(t, 1, 8191, type);
        bench_shape(t, 1, 65535, type); /* 100 MB of keys and values in f16: from memory */
    }
}
