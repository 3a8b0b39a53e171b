/* SPDX-License-Identifier: MIT */
/*
 * arch_llama.c - Llama, SmolLM2, Mistral: the pre-norm decoder that most others
 * are variants of.
 *
 * RMSNorm before each half of a layer, rotary positions, grouped-query
 * attention (MHA and MQA are its limits), SwiGLU feed-forward, residual
 * stream in f32. Biases where the file has them. A sliding window on every
 * layer where the file names one (Mistral 7B v0.1).
 * Sources: Touvron et al., arXiv:2302.13971; Ainslie et al., arXiv:2305.13245;
 * Shazeer, arXiv:2002.05202; Jiang et al., arXiv:2310.06825.
 *
 * Shapes: step.h.
 */
#include "model/arch.h"

/* clang-format off */
static const struct weight_rule globals[] = {
    { "token_embd.weight",  GLOBAL(embd),     WEIGHT_ROWS,   DIM_VOCAB, DIM_MODEL, false },
    { "output_norm.weight", GLOBAL(out_norm), WEIGHT_VECTOR, DIM_NONE,  DIM_MODEL, false },
    { "output.weight",      GLOBAL(lm_head),  WEIGHT_MATRIX, DIM_VOCAB, DIM_MODEL, true },
    { "rope_freqs.weight",         GLOBAL(rope_freqs), WEIGHT_VECTOR, DIM_NONE, DIM_ROT_HALF, true },
    { "rope_factors_long.weight",  GLOBAL(rope_long),  WEIGHT_VECTOR, DIM_NONE, DIM_ROT_HALF, true },
    { "rope_factors_short.weight", GLOBAL(rope_short), WEIGHT_VECTOR, DIM_NONE, DIM_ROT_HALF, true },
};

static const struct weight_rule layers[] = {
    { "blk.%d.attn_norm.weight",   PER_LAYER(attn_norm), WEIGHT_VECTOR, DIM_NONE,  DIM_MODEL, false },
    { "blk.%d.attn_q.weight",      PER_LAYER(wq),        WEIGHT_MATRIX, DIM_Q,     DIM_MODEL, false },
    { "blk.%d.attn_k.weight",      PER_LAYER(wk),        WEIGHT_MATRIX, DIM_K,     DIM_MODEL, false },
    { "blk.%d.attn_v.weight",      PER_LAYER(wv),        WEIGHT_MATRIX, DIM_V,     DIM_MODEL, false },
    { "blk.%d.attn_output.weight", PER_LAYER(wo),        WEIGHT_MATRIX, DIM_MODEL, DIM_ATT,   false },
    { "blk.%d.attn_q.bias",        PER_LAYER(bq),        WEIGHT_VECTOR, DIM_NONE,  DIM_Q,     true },
    { "blk.%d.attn_k.bias",        PER_LAYER(bk),        WEIGHT_VECTOR, DIM_NONE,  DIM_K,     true },
    { "blk.%d.attn_v.bias",        PER_LAYER(bv),        WEIGHT_VECTOR, DIM_NONE,  DIM_V,     true },
    { "blk.%d.attn_output.bias",   PER_LAYER(bo),        WEIGHT_VECTOR, DIM_NONE,  DIM_MODEL, true },
    { "blk.%d.ffn_norm.weight",    PER_LAYER(ffn_norm),  WEIGHT_VECTOR, DIM_NONE,  DIM_MODEL, false },
    { "blk.%d.ffn_gate.weight",    PER_LAYER(w_gate),    WEIGHT_MATRIX, DIM_FF,    DIM_MODEL, false },
    { "blk.%d.ffn_up.weight",      PER_LAYER(w_up),      WEIGHT_MATRIX, DIM_FF,    DIM_MODEL, false },
    { "blk.%d.ffn_down.weight",    PER_LAYER(w_down),    WEIGHT_MATRIX, DIM_MODEL, DIM_FF,    false },
    { "blk.%d.ffn_gate.bias",      PER_LAYER(b_gate),    WEIGHT_VECTOR, DIM_NONE,  DIM_FF,    true },
    { "blk.%d.ffn_up.bias",        PER_LAYER(b_up),      WEIGHT_VECTOR, DIM_NONE,  DIM_FF,    true },
    { "blk.%d.ffn_down.bias",      PER_LAYER(b_down),    WEIGHT_VECTOR, DIM_NONE,  DIM_MODEL, true },
};
/* clang-format on */

static void layer(struct worker *w, const struct layer *l)
{
    struct step *s = w->s;

    op_qkv(w, op_norm(w, s->x, l->attn_norm), l);
    op_rotate_store(w, l);
    op_attend(w, l);
    op_project_add(w, op_rows(w, s->att, l->wo.k), &l->wo, l->bo);

    struct act ff = op_gated(w, op_norm(w, s->x, l->ffn_norm), l, false);
    op_project_add(w, ff, &l->w_down, l->b_down);
}

const struct arch arch_llama = {
    .name = "llama",
    .globals = globals,
    .n_globals = COUNT(globals),
    .layers = layers,
    .n_layers = COUNT(layers),
    .rope_neox = false,
    .layer = layer,
};
