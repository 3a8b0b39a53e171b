/* SPDX-License-Identifier: MIT */
/*
 * arch_gemma3.c - Gemma 3 (text).
 *
 * It is Llama with these changes: the embedding is scaled by sqrt(D); q and k
 * are RMS-normalised per head; a norm after each half as well as before it;
 * GELU (tanh form) for SiLU; five layers of six see a sliding window and
 * rotate with their own base; embedding and output matrix are one.
 * (The file stores 1 + w for the norms' w.)
 * Source: Gemma 3 Technical Report, arXiv:2503.19786, section 2.
 *
 * Shapes: step.h.
 */
#include <math.h>

#include "base/limits.h"
#include "format/gguf.h"
#include "model/arch.h"

/* clang-format off */
static const struct weight_rule globals[] = {
    { "token_embd.weight",  GLOBAL(embd),     WEIGHT_ROWS,   DIM_VOCAB, DIM_MODEL, false },
    { "output_norm.weight", GLOBAL(out_norm), WEIGHT_VECTOR, DIM_NONE,  DIM_MODEL, false },
    { "output.weight",      GLOBAL(lm_head),  WEIGHT_MATRIX, DIM_VOCAB, DIM_MODEL, true },
};

static const struct weight_rule layers[] = {
    { "blk.%d.attn_norm.weight",           PER_LAYER(attn_norm),      WEIGHT_VECTOR, DIM_NONE,  DIM_MODEL, false },
    { "blk.%d.attn_q.weight",              PER_LAYER(wq),             WEIGHT_MATRIX, DIM_Q,     DIM_MODEL, false },
    { "blk.%d.attn_k.weight",              PER_LAYER(wk),             WEIGHT_MATRIX, DIM_K,     DIM_MODEL, false },
    { "blk.%d.attn_v.weight",              PER_LAYER(wv),             WEIGHT_MATRIX, DIM_V,     DIM_MODEL, false },
    { "blk.%d.attn_q_norm.weight",         PER_LAYER(q_norm),         WEIGHT_VECTOR, DIM_NONE,  DIM_HEAD,  false },
    { "blk.%d.attn_k_norm.weight",         PER_LAYER(k_norm),         WEIGHT_VECTOR, DIM_NONE,  DIM_HEAD,  false },
    { "blk.%d.attn_output.weight",         PER_LAYER(wo),             WEIGHT_MATRIX, DIM_MODEL, DIM_ATT,   false },
    { "blk.%d.post_attention_norm.weight", PER_LAYER(attn_post_norm), WEIGHT_VECTOR, DIM_NONE,  DIM_MODEL, false },
    { "blk.%d.ffn_norm.weight",            PER_LAYER(ffn_norm),       WEIGHT_VECTOR, DIM_NONE,  DIM_MODEL, false },
    { "blk.%d.ffn_gate.weight",            PER_LAYER(w_gate),         WEIGHT_MATRIX, DIM_FF,    DIM_MODEL, false },
    { "blk.%d.ffn_up.weight",              PER_LAYER(w_up),           WEIGHT_MATRIX, DIM_FF,    DIM_MODEL, false },
    { "blk.%d.ffn_down.weight",            PER_LAYER(w_down),         WEIGHT_MATRIX, DIM_MODEL, DIM_FF,    false },
    { "blk.%d.post_ffw_norm.weight",       PER_LAYER(ffn_post_norm),  WEIGHT_VECTOR, DIM_NONE,  DIM_MODEL, false },
};
/* clang-format on */

enum { PERIOD = 6, LAYERS_OF_27B = 62 };

static enum brrr_status hparams(struct hparams *h, const struct gguf *g, struct brrr_error *err)
{
    int64_t period = PERIOD;
    double base = 10000, cap = 0;
    enum brrr_status st;

    st = gguf_int(g, "gemma3.attention.sliding_window_pattern", GGUF_OPTIONAL, 1, LIMIT_LAYERS,
                  &period, err);
    if (st) return st;
    st = gguf_float(g, "gemma3.rope.freq_base_swa", GGUF_OPTIONAL, 1e-3, 1e15, &base, err);
    if (st) return st;
    st = gguf_float(g, "gemma3.final_logit_softcapping", GGUF_OPTIONAL, 0, 1e6, &cap, err);
    if (st) return st;

    h->window_period = (int)period;
    h->softcap_final = (float)cap;
    h->embd_scale = sqrtf((float)h->d_model);
    /* The long-context scaling belongs to the global layers only. */
    h->rope[1] =
        (struct rope){ .base = base, .factor = 1, .orig_ctx = h->ctx_max, .attn_factor = 1 };
    /* query_pre_attn_scalar is the head width but in the 27B model, where it is D / H. */
    if (h->n_layer == LAYERS_OF_27B && !gguf_find(g, "gemma3.attention.scale"))
        h->attn_scale = (float)(1 / sqrt((double)h->d_model / h->n_head));
    return BRRR_OK;
}

static void layer(struct worker *w, const struct layer *l)
{
    struct step *s = w->s;

    op_qkv(w, op_norm(w, s->x, l->attn_norm), l);
    op_rotate_store(w, l);
    op_attend(w, l);
    op_project_norm_add(w, op_rows(w, s->att, l->wo.k), &l->wo, l->attn_post_norm);

    struct act ff = op_gated(w, op_norm(w, s->x, l->ffn_norm), l, true);
    op_project_norm_add(w, ff, &l->w_down, l->ffn_post_norm);
}

const struct arch arch_gemma3 = {
    .name = "gemma3",
    .globals = globals,
    .n_globals = COUNT(globals),
    .layers = layers,
    .n_layers = COUNT(layers),
    .rope_neox = true,
    .hparams = hparams,
    .layer = layer,
};
