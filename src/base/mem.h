/* SPDX-License-Identifier: MIT */
/*
 * mem.h - large memory: mapped at 2 MiB boundaries with huge pages asked for,
 * carved up by a bump allocator, given back whole.
 *
 * An arena is sized once. Untouched pages cost nothing; a page belongs to the
 * memory node of the thread that touches it first.
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include "base/status.h"

struct arena {
    char *base;
    size_t n_bytes, used;
    size_t map_bytes; /* of the mapping behind it */
    void *map;
};

enum { ARENA_ALIGN = 64 };

/* Bytes that an allocation of n takes in an arena; 0 on overflow. */
static inline size_t arena_round(size_t n)
{
    return n > SIZE_MAX - ARENA_ALIGN ? 0 : (n + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
}

enum brrr_status arena_init(struct arena *a, size_t n_bytes, const char *what,
                            struct brrr_error *err);
/* An arena without memory that only adds up what would be taken: read `used`, follow no pointer. */
void arena_measure(struct arena *a);
/* 64-byte aligned, zero when fresh; NULL when the arena is too small. */
void *arena_take(struct arena *a, size_t n_bytes);
void arena_fini(struct arena *a); /* zeroed arenas are allowed */

/* Bytes that can be allocated now without swapping: the least of what the system says and of what
 * the control groups of this process leave (v1 and v2, each with all that are above it; caches of
 * files count as free, they make way). */
size_t mem_available(void);
/* The same below another root than "", for tests. */
size_t mem_available_at(const char *root);
/* Anonymous and file-backed resident bytes of this process. */
void mem_resident(size_t *anon, size_t *file);

#endif
