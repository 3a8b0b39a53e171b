/* SPDX-License-Identifier: MIT */
/*
 * rng.h - counter-based random numbers: a pure function of a key and a place.
 *
 * A draw is named by (seed, choice, position): the request's seed, which of its
 * parallel answers, and the position of the token in the sequence; the noise of
 * a token id at that place by the id as well. Nothing is carried from one draw to
 * the next, so batching, preemption, restarts and speculation can not change what
 * a seed produces. What is internal to an engine is never part of the name.
 *
 * Not for secrets: the generator is statistical, not cryptographic.
 *
 * Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2,
 * 3" (2011): Philox4x32 with 10 rounds. Key: the seed, low word first. Counter:
 * position (low, high), choice, and what for: 0 rng_uniform(), from 1 on
 * rng_bytes(), 2^31 + id rng_bits(). The mapping is fixed for good, since users
 * keep seeds; tests/unit/test_rng.c holds known answers.
 */
#ifndef BASE_RNG_H
#define BASE_RNG_H

#include <stdint.h>

/* The block function: 128 random bits for a counter and a key. */
void rng_philox(uint32_t out[4], const uint32_t ctr[4], const uint32_t key[2]);

/* Uniform in [0, 1), a multiple of 2^-53. */
double rng_uniform(uint64_t seed, uint32_t choice, uint64_t position);

/* A draw's name, ready to be used for many token ids. */
struct rng_place {
    uint32_t key[2], ctr[3];
};

struct rng_place rng_place(uint64_t seed, uint32_t choice, uint64_t position);

/* Eight bits for each of the ids RNG_GROUP * group + (0 .. RNG_GROUP - 1): 16 ids share a block. */
enum { RNG_GROUP = 64 };
void rng_bytes(uint8_t out[RNG_GROUP], const struct rng_place *p, uint32_t group);
/* 53 further bits for one id, below 2^31. */
uint64_t rng_bits(const struct rng_place *p, uint32_t id);

#endif
