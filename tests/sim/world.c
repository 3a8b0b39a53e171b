/* SPDX-License-Identifier: MIT */
/* world.c - see world.h. */
#include "world.h"

#include <errno.h>
#include <ftw.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <time.h>

#include "base/rng.h"

/* --- the clock --- */

static _Atomic double now = 1000;

int __wrap_clock_gettime(clockid_t id, struct timespec *t);
int __real_clock_gettime(clockid_t id, struct timespec *t);

/* Time of day is what threads wait by. */
int __wrap_clock_gettime(clockid_t id, struct timespec *t)
{
    double s = now;

    if (id != CLOCK_MONOTONIC) return __real_clock_gettime(id, t);
    t->tv_sec = (time_t)s;
    t->tv_nsec = (long)((s - (double)t->tv_sec) * 1e9);
    return 0;
}

double world_now(void)
{
    return now;
}

void world_pass(double seconds)
{
    now = now + seconds; /* one thread does this */
}

double world_wall(void)
{
    struct timespec t;

    __real_clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* --- chance --- */

static uint64_t state;

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u; /* splitmix64 */
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

void chance_begin(uint64_t seed, uint64_t life)
{
    uint32_t bits[4], ctr[4] = { (uint32_t)life, (uint32_t)(life >> 32), 0, 0 };
    uint32_t key[2] = { (uint32_t)seed, (uint32_t)(seed >> 32) };

    rng_philox(bits, ctr, key);
    state = (uint64_t)bits[0] << 32 | bits[1];
}

uint64_t chance(void)
{
    return mix(state += 0x9e3779b97f4a7c15u);
}

int below(int n)
{
    return (int)(chance() % (uint64_t)n);
}

bool one_in(int n)
{
    return below(n) == 0;
}

/* --- the disk --- */

static atomic_int error_in, cut_in, damage_in;
static atomic_uint n_call;

ssize_t __wrap_pread(int fd, void *buf, size_t n, off_t at);
ssize_t __real_pread(int fd, void *buf, size_t n, off_t at);
ssize_t __wrap_pwrite(int fd, const void *buf, size_t n, off_t at);
ssize_t __real_pwrite(int fd, const void *buf, size_t n, off_t at);

static bool hit(int one_of, unsigned what, uint64_t call)
{
    return one_of > 0 && mix(call * 4 + what) % (uint64_t)one_of == 0;
}

ssize_t __wrap_pread(int fd, void *buf, size_t n, off_t at)
{
    uint64_t call = atomic_fetch_add(&n_call, 1);

    if (hit(error_in, 0, call)) {
        errno = EIO;
        return -1;
    }
    ssize_t got = __real_pread(fd, buf, n > 1 && hit(cut_in, 1, call) ? n / 2 : n, at);
    if (got > 0 && hit(damage_in, 2, call))
        ((unsigned char *)buf)[mix(call) % (uint64_t)got] ^= 1u << call % 8;
    return got;
}

ssize_t __wrap_pwrite(int fd, const void *buf, size_t n, off_t at)
{
    uint64_t call = atomic_fetch_add(&n_call, 1);

    if (hit(error_in, 0, call)) {
        errno = ENOSPC;
        return -1;
    }
    return __real_pwrite(fd, buf, n > 1 && hit(cut_in, 1, call) ? n / 2 : n, at);
}

void world_disk(struct world_faults f)
{
    error_in = f.error;
    cut_in = f.cut;
    damage_in = f.damage;
}

void world_folder(char path[64])
{
    snprintf(path, 64, "/tmp/brrr-sim-XXXXXX");
    if (!mkdtemp(path)) {
        perror(path);
        exit(1);
    }
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

void world_remove(const char *path)
{
    nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}
