/* SPDX-License-Identifier: MIT */
/* mem.c - see mem.h. */
#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { HUGE_PAGE = 2 << 20, PATH = 2048 };

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

/* The two generations of control groups: where they are, and what their files are called. */
static const struct cgroup {
    const char *line; /* in /proc/self/cgroup, what stands before the group's path */
    const char *mount, *limit, *used, *cached;
} cgroups[] = {
    { "0::", "/sys/fs/cgroup", "memory.max", "memory.current", "inactive_file " },
    { ":memory:", "/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes",
      "total_inactive_file " },
};

/* What one group leaves; SIZE_MAX where it has no limit or is not there. */
static size_t left_in(const char *dir, const struct cgroup *g)
{
    char path[2 * PATH + 64];

    snprintf(path, sizeof(path), "%s/%s", dir, g->limit);
    size_t limit = read_number(path, "", SIZE_MAX);
    if (limit == SIZE_MAX) return SIZE_MAX; /* "max" */
    snprintf(path, sizeof(path), "%s/%s", dir, g->used);
    size_t used = read_number(path, "", 0);
    snprintf(path, sizeof(path), "%s/memory.stat", dir);
    size_t cached = read_number(path, g->cached, 0);
    used -= MIN(used, cached);
    return limit > used ? limit - used : 0;
}

/* The group's path of this process, "" where it is not known. */
static void group_path(char path[PATH], const char *root, const struct cgroup *g)
{
    char file[PATH], line[PATH];

    *path = 0;
    snprintf(file, sizeof(file), "%s/proc/self/cgroup", root);
    FILE *f = fopen(file, "re");
    while (f && fgets(line, sizeof(line), f)) {
        char *at = strstr(line, g->line);
        if (!at || (*g->line == '0' && at != line)) continue;
        line[strcspn(line, "\n")] = 0;
        snprintf(path, PATH, "%s", at + strlen(g->line));
        break;
    }
    if (f) fclose(f);
}

/* A group, and all that are above it. Inside a container the path may be the host's: what is not
 * there has no limit. */
static size_t left_in_groups(const char *root, const struct cgroup *g)
{
    char path[PATH], dir[2 * PATH];
    size_t left = SIZE_MAX;

    group_path(path, root, g);
    for (;;) {
        snprintf(dir, sizeof(dir), "%s%s%s", root, g->mount, path);
        size_t here = left_in(dir, g);
        left = MIN(left, here);
        char *slash = strrchr(path, '/');
        if (!slash) return left;
        *slash = 0;
    }
}

size_t mem_available_at(const char *root)
{
    char path[PATH];

    snprintf(path, sizeof(path), "%s/proc/meminfo", root);
    size_t left = read_number(path, "MemAvailable:", SIZE_MAX / 1024) * 1024;
    for (size_t i = 0; i < COUNT(cgroups); i++) {
        size_t here = left_in_groups(root, &cgroups[i]);
        left = MIN(left, here);
    }
    return left;
}

size_t mem_available(void)
{
    return mem_available_at("");
}

void mem_resident(size_t *anon, size_t *file)
{
    *anon = read_number("/proc/self/status", "RssAnon:", 0) * 1024;
    *file = read_number("/proc/self/status", "RssFile:", 0) * 1024;
}
