/* SPDX-License-Identifier: MIT */
/*
 * hparams.h - what a model file says about its shape, checked.
 *
 * Read once from the metadata; after hparams_read() returned BRRR_OK every
 * number is in a range that the rest of the engine can use without checks.
 */
#ifndef MODEL_HPARAMS_H
#define MODEL_HPARAMS_H

#include "base/status.h"

struct gguf;

enum rope_scaling { ROPE_NONE, ROPE_LINEAR, ROPE_YARN, ROPE_LONG };

/* One way of rotating; Gemma has two, by kind of layer. */
struct rope {
    enum rope_scaling scaling;
    double base, factor;         /* theta; how much longer than trained       */
    double orig_ctx;             /* trained context (YaRN, longrope)          */
    double beta_fast, beta_slow; /* YaRN, arXiv:2309.00071 section 3.2       */
    double attn_factor;          /* cos and sin are scaled by this            */
};

struct hparams {
    int n_layer, d_model, n_head, n_kv, d_k, d_v, d_ff, n_vocab, ctx_max;
    int n_rot; /* leading elements of a head that rotate, even      */
    float eps;
    float embd_scale, attn_scale, softcap_attn, softcap_final;
    int window;          /* tokens a window layer sees, itself included; 0: none */
    int window_period;   /* every n-th layer is global; 0: none, 1: all global */
    struct rope rope[2]; /* [0] global layers, [1] window layers             */
};

/*
 * Read the keys that most architectures share ("<arch>.block_count", ...) and
 * preset the rest. `arch` is the value of general.architecture.
 */
enum brrr_status hparams_read(struct hparams *h, const struct gguf *g, const char *arch,
                              struct brrr_error *err);

/* "<arch>.<key>" in buf (at least 128 bytes), for the readers of architectures. */
const char *hparams_key(char *buf, const char *arch, const char *key);

/* True if layer i sees the whole context (not a window). */
static inline bool hparams_is_global(const struct hparams *h, int layer)
{
    return h->window == 0 || (h->window_period && (layer + 1) % h->window_period == 0);
}

#endif
