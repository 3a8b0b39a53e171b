/* SPDX-License-Identifier: MIT */
/*
 * kvident.h - what a block of the KV cache on disk depends on, as text that must be equal.
 *
 * The model file's size, the hash of its header and of a sample of its weights (checkpoints of one
 * training may differ in nothing else), the numerics profile with the cache's type, the program's
 * version and, where frequencies depend on it, the context.
 */
#ifndef ENGINE_KVIDENT_H
#define ENGINE_KVIDENT_H

#include "engine/bundle.h"
#include "engine/kvfile.h"

struct kvfile_id kvident(const struct brrr_model *m, int kv_type, int ctx);

#endif
