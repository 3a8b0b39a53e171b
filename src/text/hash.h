/* SPDX-License-Identifier: MIT */
/*
 * hash.h - the keyed hash of the tokenizer's tables.
 *
 * Vocabularies and texts come from strangers, who could otherwise choose
 * strings that all fall into one slot: the key is random per process. What the
 * tokenizer answers never depends on it. Not a cryptographic hash.
 * Source: own; 64x64 -> 128 bit multiply and fold, as in wyhash.
 */
#ifndef TEXT_HASH_H
#define TEXT_HASH_H

#include "base/status.h"

static inline uint64_t hash_fold(uint64_t a, uint64_t b)
{
    __extension__ typedef unsigned __int128 u128;
    u128 m = (u128)a * b;

    return (uint64_t)m ^ (uint64_t)(m >> 64);
}

static inline uint64_t hash_u64(uint64_t key, uint64_t x)
{
    return hash_fold(x ^ key, 0x9e3779b97f4a7c15u);
}

static inline uint64_t hash_bytes(uint64_t key, const char *p, size_t n)
{
    uint64_t h = key ^ (n * 0xd6e8feb86659fd93u), w;

    for (; n >= 8; p += 8, n -= 8) {
        memcpy(&w, p, 8);
        h = hash_fold(h ^ w, 0x9e3779b97f4a7c15u);
    }
    w = 0;
    for (size_t i = 0; i < n; i++)
        w = w << 8 | (unsigned char)p[i];
    return hash_fold(h ^ w, 0xd1342543de82ef95u);
}

uint64_t hash_key(void); /* the same in the whole process */

#endif
