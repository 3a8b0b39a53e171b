/* SPDX-License-Identifier: MIT */
/* kvident.c - see kvident.h. */
#include "engine/kvident.h"

#include <stdio.h>
#include <xxhash.h>

#include "engine/kvpool.h"

enum { PIECES = 8, PIECE = 512 }; /* of each tensor that are looked at: places, bytes */

/* All of a small tensor; of a large one, pieces at equal distances, the first and the last bytes
 * among them. */
static uint64_t sample(const struct gguf_tensor *t, uint64_t h)
{
    if (t->n_bytes <= PIECES * PIECE) return XXH3_64bits_withSeed(t->data, t->n_bytes, h);
    for (size_t i = 0; i < PIECES; i++)
        h = XXH3_64bits_withSeed(t->data + (t->n_bytes - PIECE) / (PIECES - 1) * i, PIECE, h);
    return XXH3_64bits_withSeed(t->data + t->n_bytes - PIECE, PIECE, h);
}

struct kvfile_id kvident(const struct brrr_model *m, int kv_type, int ctx)
{
    struct kvfile_id id = { { 0 }, { 0 } };
    const struct globals *g = &m->model->g;
    uint64_t weights = 0;
    char profile[64];

    for (size_t i = 0; i < gguf_n_tensors(m->file); i++)
        weights = sample(gguf_tensor_at(m->file, i), weights);
    model_profile_kv(m->model, kv_type, profile, sizeof(profile));
    snprintf(id.text, sizeof(id.text),
             "file %zu header %016llx weights %016llx profile %s version %s block %d ctx %d",
             gguf_file_bytes(m->file), (unsigned long long)gguf_header_hash(m->file),
             (unsigned long long)weights, profile, BRRR_VERSION, KV_BLOCK,
             g->rope_long && g->rope_short ? ctx : 0);
    kvpool_kind_bytes(&m->model->hp, kv_type, id.kind_bytes);
    return id;
}
