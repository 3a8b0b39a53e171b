/* SPDX-License-Identifier: MIT */
/* rng.c - Philox4x32-10 (rng.h); the constants are those of the paper. */
#include "base/rng.h"

void rng_philox(uint32_t out[4], const uint32_t ctr[4], const uint32_t key[2])
{
    uint32_t a = ctr[0], b = ctr[1], c = ctr[2], d = ctr[3], k0 = key[0], k1 = key[1];

    for (int round = 0; round < 10; round++) {
        uint64_t p = (uint64_t)0xD2511F53u * a, q = (uint64_t)0xCD9E8D57u * c;

        a = (uint32_t)(q >> 32) ^ b ^ k0;
        c = (uint32_t)(p >> 32) ^ d ^ k1;
        b = (uint32_t)q;
        d = (uint32_t)p;
        k0 += 0x9E3779B9u; /* golden ratio   */
        k1 += 0xBB67AE85u; /* sqrt(3) - 1    */
    }
    out[0] = a;
    out[1] = b;
    out[2] = c;
    out[3] = d;
}

double rng_uniform(uint64_t seed, uint32_t choice, uint64_t position)
{
    const uint32_t ctr[4] = { (uint32_t)position, (uint32_t)(position >> 32), choice, 0 };
    const uint32_t key[2] = { (uint32_t)seed, (uint32_t)(seed >> 32) };
    uint32_t r[4];

    rng_philox(r, ctr, key);
    uint64_t bits = (uint64_t)r[1] << 32 | r[0];
    return (double)(bits >> 11) * 0x1p-53;
}
