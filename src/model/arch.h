/* SPDX-License-Identifier: MIT */
/*
 * arch.h - what an architecture is: a table of weights and a layer function.
 *
 * To add one: arch_x.c and a row in arch.def.
 */
#ifndef MODEL_ARCH_H
#define MODEL_ARCH_H

#include "model/model.h"
#include "model/step.h"

/* Dimensions that weights are checked against. */
enum dim {
    DIM_NONE,
    DIM_MODEL,
    DIM_Q,
    DIM_K,
    DIM_V,
    DIM_ATT,
    DIM_FF,
    DIM_VOCAB,
    DIM_HEAD,
    DIM_ROT_HALF
};

enum weight_kind {
    WEIGHT_MATRIX, /* stays quantised, packed at load */
    WEIGHT_VECTOR, /* widened to f32                  */
    WEIGHT_ROWS,   /* read row by row from the file: the embedding */
};

/* One tensor: its name, where it goes, its shape; `optional`: may be missing. */
struct weight_rule {
    const char *gguf; /* with %d for the layer number, or without for globals */
    size_t off;       /* in struct layer, or in struct globals */
    enum weight_kind kind;
    enum dim rows, cols; /* cols = length of a row; a vector has only cols */
    bool optional;
};

#define PER_LAYER(field) offsetof(struct layer, field)
#define GLOBAL(field)    offsetof(struct globals, field)

struct arch {
    const char *name; /* general.architecture */
    const struct weight_rule *globals, *layers;
    int n_globals, n_layers;
    bool rope_neox; /* rotate pairs (i, i + n/2), else (2i, 2i + 1) */
    /* Read what hparams_read() does not know; may be NULL. */
    enum brrr_status (*hparams)(struct hparams *h, const struct gguf *g, struct brrr_error *err);
    void (*layer)(struct worker *w, const struct layer *l);
};

#define ARCH(name) extern const struct arch arch_##name;
#include "model/arch.def"
#undef ARCH

/* The architecture with this name, or NULL. */
const struct arch *arch_find(struct slice name);
/* "llama, gemma3", for messages. */
const char *arch_names(void);

#endif
