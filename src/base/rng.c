/* SPDX-License-Identifier: MIT */
/* rng.c - Philox4x32-10 (rng.h); the constants are those of the paper. */
#include "base/rng.h"

#include <string.h>

#include "base/le.h"

#define FACTOR_0   0xD2511F53u
#define FACTOR_1   0xCD9E8D57u
#define KEY_STEP_0 0x9E3779B9u /* golden ratio   */
#define KEY_STEP_1 0xBB67AE85u /* sqrt(3) - 1    */

void rng_philox(uint32_t out[4], const uint32_t ctr[4], const uint32_t key[2])
{
    uint32_t a = ctr[0], b = ctr[1], c = ctr[2], d = ctr[3], k0 = key[0], k1 = key[1];

    for (int round = 0; round < 10; round++) {
        uint64_t p = (uint64_t)FACTOR_0 * a, q = (uint64_t)FACTOR_1 * c;

        a = (uint32_t)(q >> 32) ^ b ^ k0;
        c = (uint32_t)(p >> 32) ^ d ^ k1;
        b = (uint32_t)q;
        d = (uint32_t)p;
        k0 += KEY_STEP_0;
        k1 += KEY_STEP_1;
    }
    out[0] = a;
    out[1] = b;
    out[2] = c;
    out[3] = d;
}

struct rng_place rng_place(uint64_t seed, uint32_t choice, uint64_t position)
{
    return (struct rng_place){ { (uint32_t)seed, (uint32_t)(seed >> 32) },
                               { (uint32_t)position, (uint32_t)(position >> 32), choice } };
}

static void block(uint32_t out[4], const struct rng_place *p, uint32_t purpose)
{
    const uint32_t ctr[4] = { p->ctr[0], p->ctr[1], p->ctr[2], purpose };

    rng_philox(out, ctr, p->key);
}

static uint64_t bits_53(const uint32_t r[4])
{
    return ((uint64_t)r[1] << 32 | r[0]) >> 11;
}

double rng_uniform(uint64_t seed, uint32_t choice, uint64_t position)
{
    struct rng_place p = rng_place(seed, choice, position);
    uint32_t r[4];

    block(r, &p, 0);
    return (double)bits_53(r) * 0x1p-53;
}

/*
 * Four blocks side by side, in a form that compilers turn into vectors. Byte b of word w of
 * block l is that of the id with 16 w + 4 l + b.
 */
void rng_bytes(uint8_t out[RNG_GROUP], const struct rng_place *p, uint32_t group)
{
    enum { L = RNG_GROUP / 16 };
    uint32_t a[L], b[L], c[L], d[L], k0 = p->key[0], k1 = p->key[1];

    for (uint32_t l = 0; l < L; l++) {
        a[l] = p->ctr[0];
        b[l] = p->ctr[1];
        c[l] = p->ctr[2];
        d[l] = 1 + L * group + l;
    }
    for (int round = 0; round < 10; round++, k0 += KEY_STEP_0, k1 += KEY_STEP_1)
        for (int l = 0; l < L; l++) {
            uint64_t x = (uint64_t)FACTOR_0 * a[l], y = (uint64_t)FACTOR_1 * c[l];

            a[l] = (uint32_t)(y >> 32) ^ b[l] ^ k0;
            c[l] = (uint32_t)(x >> 32) ^ d[l] ^ k1;
            b[l] = (uint32_t)y;
            d[l] = (uint32_t)x;
        }
    le32_put_row(out, a, L);
    le32_put_row(out + 16, b, L);
    le32_put_row(out + 32, c, L);
    le32_put_row(out + 48, d, L);
}

uint64_t rng_bits(const struct rng_place *p, uint32_t id)
{
    uint32_t r[4];

    block(r, p, 1u << 31 | id);
    return bits_53(r);
}
