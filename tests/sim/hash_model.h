/* SPDX-License-Identifier: MIT */
/*
 * hash_model.h - an architecture whose next token is a hash of its context.
 *
 * Each position has a state of 64 bits: a hash of its token, its place and the states of
 * all positions that it sees, in full layers all before it, in window layers the last
 * `window`. The state is kept in the KV cache where keys would be, and read back from it
 * for every later position, through the block tables. So one block that is wrong, missing,
 * stale or shared by mistake changes every token after it. The logits follow from the state.
 *
 * The same definition without an engine or a cache is hash_alone(): what every request must
 * come to, whatever happened around it.
 */
#ifndef TESTS_SIM_HASH_MODEL_H
#define TESTS_SIM_HASH_MODEL_H

#include "engine/bundle.h"

enum { HASH_VOCAB = 128 };

/* The visible states folded together, from any start. */
static inline uint64_t hash_fold(uint64_t sum, uint64_t state)
{
    return (sum ^ state) * 0x9e3779b97f4a7c15u + (sum >> 29);
}

static inline uint64_t hash_state(uint64_t seen_full, uint64_t seen_window, int32_t token, int pos)
{
    uint64_t x = seen_full ^ (seen_window << 32 | seen_window >> 32);

    x ^= ((uint64_t)(uint32_t)token << 32 | (uint32_t)pos) * 0xd6e8feb86659fd93u;
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93u;
    return x ^ x >> 32;
}

/* First position that position `pos` sees in a window (0: all). */
static inline int hash_first(int window, int pos)
{
    return window > 0 && pos + 1 > window ? pos + 1 - window : 0;
}

/*
 * Text that repeats, so that there is something to guess: with a period p > 0 the token after
 * t is nearly always (t + 1) % p. Once in eight places the state decides alone, so that whatever is
 * wrong with it shows.
 */
extern int hash_period;
/* What a step takes on the simulated clock: this, and this for each row. */
extern double hash_step_s, hash_row_s;

/* [HASH_VOCAB] from the state of the last position and its token. */
void hash_logits(float *logits, uint64_t state, int32_t token);

/* [d] likewise. */
void hash_hidden(float *h, int d, uint64_t state);

struct hash_alone {
    int n;           /* positions that have states            */
    uint64_t *state; /* [cap]                                 */
    int window;      /* of the window layers, if there are any */
    bool full, windowed;
};

/* The state of position n from its token. */
uint64_t hash_alone_next(struct hash_alone *a, int32_t token);

#endif
