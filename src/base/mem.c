/* SPDX-License-Identifier: MIT */
/* mem.c - see mem.h. */
#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { HUGE_PAGE = 2 << 20 };

enum brrr_status arena_init(struct arena *a, size_t n_bytes, const char *what,
                            struct brrr_error *err)
{
    size_t map;

    *a = (struct arena){ 0 };
    if (n_bytes == 0) return BRRR_OK;
    if (!size_add(&map, n_bytes, HUGE_PAGE))
        return fail(err, BRRR_E_NOMEM, "%s: the size overflows", what);
    void *p =
        mmap(NULL, map, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        return fail(err, BRRR_E_NOMEM, "%s: cannot map %zu bytes: %s", what, map, strerror(errno));
    a->map = p;
    a->map_bytes = map;
    a->base = (char *)(((uintptr_t)p + HUGE_PAGE - 1) & ~(uintptr_t)(HUGE_PAGE - 1));
    a->n_bytes = n_bytes;
    /* Refused on kernels without transparent huge pages: slower, not wrong. */
    madvise(a->base, n_bytes, MADV_HUGEPAGE);
    return BRRR_OK;
}

void arena_measure(struct arena *a)
{
    *a = (struct arena){ .base = (char *)(uintptr_t)ARENA_ALIGN, .n_bytes = SIZE_MAX / 2 };
}

void *arena_take(struct arena *a, size_t n_bytes)
{
    size_t n = arena_round(n_bytes);

    if ((n == 0 && n_bytes != 0) || n > a->n_bytes - a->used) return NULL;
    void *p = a->base + a->used;
    a->used += n;
    return p;
}

void arena_fini(struct arena *a)
{
    if (a->map) munmap(a->map, a->map_bytes);
    *a = (struct arena){ 0 };
}

/* The number in the first line "<key> <number> ..." of a file, or `none`. */
static size_t read_number(const char *path, const char *key, size_t none)
{
    char line[256];
    size_t n = none;
    FILE *f = fopen(path, "re");

    if (!f) return none;
    while (fgets(line, sizeof(line), f)) {
        if (strncmp(line, key, strlen(key)) != 0) continue;
        char *end, *s = line + strlen(key);
        unsigned long long v = strtoull(s, &end, 10);
        if (end != s) n = v;
        break;
    }
    fclose(f);
    return n;
}

size_t mem_available(void)
{
    size_t kib = read_number("/proc/meminfo", "MemAvailable:", SIZE_MAX / 1024);
    size_t limit = read_number("/sys/fs/cgroup/memory.max", "", SIZE_MAX);
    size_t used = read_number("/sys/fs/cgroup/memory.current", "", 0);
    size_t left = limit == SIZE_MAX ? SIZE_MAX : limit > used ? limit - used : 0;

    return MIN(kib * 1024, left);
}

void mem_resident(size_t *anon, size_t *file)
{
    *anon = read_number("/proc/self/status", "RssAnon:", 0) * 1024;
    *file = read_number("/proc/self/status", "RssFile:", 0) * 1024;
}
