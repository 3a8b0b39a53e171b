/* SPDX-License-Identifier: MIT */
/*
 * rng.h - counter-based random numbers: a pure function of a key and a place.
 *
 * A draw is named by (seed, choice, position): the request's seed, which of its
 * parallel answers, and the position of the token in the sequence. Nothing is
 * carried from one draw to the next, so batching, preemption, restarts and
 * speculation can not change what a seed produces. Internal ids are never part
 * of the name.
 *
 * Not for secrets: the generator is statistical, not cryptographic.
 *
 * Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2,
 * 3" (2011): Philox4x32 with 10 rounds. Key: the seed, low word first. Counter:
 * position (low, high), choice, 0. The mapping is fixed for good, since users
 * keep seeds; tests/unit/test_rng.c holds known answers.
 */
#ifndef BASE_RNG_H
#define BASE_RNG_H

#include <stdint.h>

/* The block function: 128 random bits for a counter and a key. */
void rng_philox(uint32_t out[4], const uint32_t ctr[4], const uint32_t key[2]);

/* Uniform in [0, 1), a multiple of 2^-53. */
double rng_uniform(uint64_t seed, uint32_t choice, uint64_t position);

#endif
