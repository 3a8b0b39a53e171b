/* SPDX-License-Identifier: MIT */
/*
 * test_cost.c - what a step reads and computes, against figures worked out by hand.
 *
 * The models are shapes only: no weight is read.
 */
#include "model/arch.h"
#include "model/cost.h"

#include "kernels/attend.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { MAX_LAYER = 30 };

static struct layer layers[MAX_LAYER];

static struct matrix matrix(int n, int k, enum qtype t, bool packed)
{
    size_t group = packed ? packed_group_bytes(t, k) : 0;

    return (struct matrix){
        .w = layers, .n = n, .k = k, .type = t, .group_bytes = group, .packed = packed
    };
}

static struct model shapes(const char *arch, struct hparams hp, enum qtype t)
{
    struct model m = { .arch = arch_find((struct slice){ arch, strlen(arch) }),
                       .hp = hp,
                       .layer = layers };
    int q = hp.n_head * hp.d_k, kv = hp.n_kv * hp.d_k;

    assert_non_null(m.arch);
    for (int i = 0; i < hp.n_layer; i++)
        layers[i] = (struct layer){ .wq = matrix(q, hp.d_model, t, true),
                                    .wk = matrix(kv, hp.d_model, t, true),
                                    .wv = matrix(kv, hp.d_model, t, true),
                                    .wo = matrix(hp.d_model, q, t, true),
                                    .w_gate = matrix(hp.d_ff, hp.d_model, t, true),
                                    .w_up = matrix(hp.d_ff, hp.d_model, t, true),
                                    .w_down = matrix(hp.d_model, hp.d_ff, t, true) };
    return m;
}

/* SmolLM2-135M in Q4_1 with its embedding in Q8_0, which is also the output matrix. */
static void test_smollm2(void **state)
{
    struct hparams hp = { .n_layer = 30,
                          .d_model = 576,
                          .n_head = 9,
                          .n_kv = 3,
                          .d_k = 64,
                          .d_v = 64,
                          .d_ff = 1536,
                          .n_vocab = 49152,
                          .ctx_max = 8192 };
    struct model m = shapes("llama", hp, QT_Q4_1);
    struct model_cost c;

    (void)state;
    m.g.embd = matrix(49152, 576, QT_Q8_0, false);
    m.g.lm_head = matrix(49152, 576, QT_Q8_0, true);
    model_cost(&c, &m, KV_F16);
    /* 30 x (2 x 576 x 576 + 2 x 576 x 192 + 3 x 576 x 1536) */
    assert_float_equal(c.linear_macs, 106168320, 0);
    assert_float_equal(c.head_macs, 28311552, 0);
    /* 20 bytes for 32 weights of Q4_1, 34 for 32 of Q8_0 */
    assert_float_equal(c.layer_bytes, 66355200, 0);
    assert_float_equal(c.head_bytes, 30081024, 0);
    assert_float_equal(cost_weight_bytes(&c), 96436224, 0);
    assert_float_equal(c.embd_bytes, 612, 0);
    /* 30 layers x 3 heads x (64 + 64) x 2 bytes; 30 x 9 x 128 multiply-adds */
    assert_float_equal(cost_kv_bytes(&c, 1), 23040, 0);
    assert_float_equal(cost_kv_bytes(&c, 1000), 23040000, 0);
    assert_float_equal(cost_attend_macs(&c, 1000), 34560000, 0);
    model_cost(&c, &m, KV_F32);
    assert_float_equal(cost_kv_bytes(&c, 1), 46080, 0);
}

/* Every third layer sees everything, the others the last 100 positions. */
static void test_window(void **state)
{
    struct hparams hp = { .n_layer = 6,
                          .d_model = 64,
                          .n_head = 4,
                          .n_kv = 1,
                          .d_k = 32,
                          .d_v = 32,
                          .d_ff = 96,
                          .n_vocab = 100,
                          .window = 100,
                          .window_period = 3 };
    struct model m = shapes("gemma3", hp, QT_Q8_0);
    struct model_cost c;

    (void)state;
    m.g.embd = m.g.lm_head = matrix(100, 64, QT_F16, false);
    model_cost(&c, &m, KV_F16);
    assert_float_equal(cost_kv_bytes(&c, 50), 6 * 128 * 50, 0);
    assert_float_equal(cost_kv_bytes(&c, 1000), 2 * 128 * 1000 + 4 * 128 * 100, 0);
    assert_float_equal(cost_attend_macs(&c, 1000), 2 * 256 * 1000 + 4 * 256 * 100, 0);
    /* As the file has it: 100 rows, not 112. */
    assert_float_equal(c.head_bytes, 100 * 64 * 2, 0);
    m.g.lm_head = matrix(100, 64, QT_Q8_0, true);
    model_cost(&c, &m, KV_F16);
    assert_float_equal(c.head_bytes, 112 * 68, 0);
    assert_float_equal(c.head_macs, 6400, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_smollm2),
        cmocka_unit_test(test_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
