/* SPDX-License-Identifier: MIT */
/*
 * gguf.c - opening and closing GGUF files (gguf.h): the mapping, not the format.
 *
 * Only regular files are mapped: a FIFO or a device has no size to check
 * against and could block. The mapping is private and read-only.
 */
#include "format/gguf_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum brrr_status gguf_fail(const struct gguf *g, struct brrr_error *err, enum brrr_status st,
                           struct gguf_place place, const char *fmt, ...)
{
    char what[200];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(what, sizeof(what), fmt, ap);
    va_end(ap);
    return fail(err, st, "%s: %s: %s, at byte %llu", g->shown, place.field, what,
                (unsigned long long)place.at);
}

static struct gguf *gguf_new(const char *path)
{
    struct gguf *g = calloc(1, sizeof(*g));
    size_t n = strlen(path);

    if (!g) return NULL;
    g->path = strdup(path);
    if (!g->path) {
        free(g);
        return NULL;
    }
    if (n < sizeof(g->shown)) slice_print(g->shown, sizeof(g->shown), (struct slice){ path, n });
    else {
        size_t keep = sizeof(g->shown) - 4;
        memcpy(g->shown, "...", 3);
        slice_print(g->shown + 3, keep + 1, (struct slice){ path + n - keep, keep });
    }
    return g;
}

/* What a file is if it is not a regular one. */
static const char *kind_of(mode_t mode)
{
    if (S_ISDIR(mode)) return "a directory";
    if (S_ISFIFO(mode)) return "a pipe";
    if (S_ISSOCK(mode)) return "a socket";
    return "a device";
}

static enum brrr_status map_file(struct gguf *g, struct brrr_error *err)
{
    struct stat st;
    /* Non-blocking: opening a FIFO must not wait for a writer. */
    int fd = open(g->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    enum brrr_status res = BRRR_OK;
    void *p;

    if (fd < 0) return fail(err, BRRR_E_IO, "%s: %s", g->shown, strerror(errno));
    if (fstat(fd, &st) != 0) {
        res = fail(err, BRRR_E_IO, "%s: %s", g->shown, strerror(errno));
        goto done;
    }
    if (!S_ISREG(st.st_mode)) {
        res = fail(err, BRRR_E_UNSUPPORTED, "%s: is %s; a GGUF file is needed", g->shown,
                   kind_of(st.st_mode));
        goto done;
    }
    if (st.st_size <= 0) {
        res = gguf_fail(g, err, BRRR_E_FORMAT, (struct gguf_place){ "magic", 0 },
                        "the file is empty");
        goto done;
    }
    if ((uintmax_t)st.st_size > SIZE_MAX) {
        res = fail(err, BRRR_E_UNSUPPORTED, "%s: larger than the address space", g->shown);
        goto done;
    }
    p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p == MAP_FAILED) {
        res = fail(err, errno == ENOMEM ? BRRR_E_NOMEM : BRRR_E_IO,
                   "%s: cannot map its %jd bytes: %s", g->shown, (intmax_t)st.st_size,
                   strerror(errno));
        goto done;
    }
    g->base = p;
    g->n_bytes = (size_t)st.st_size;
    g->mapped = true;
done:
    close(fd);
    return res;
}

enum brrr_status gguf_open(struct gguf **out, const char *path, struct brrr_error *err)
{
    enum brrr_status st;
    struct gguf *g = gguf_new(path);

    *out = NULL;
    if (!g) return fail(err, BRRR_E_NOMEM, "no memory to open a model");
    st = map_file(g, err);
    if (st == BRRR_OK) st = gguf_parse(g, err);
    if (st != BRRR_OK) {
        gguf_close(g);
        return st;
    }
    *out = g;
    return BRRR_OK;
}

enum brrr_status gguf_open_memory(struct gguf **out, const void *bytes, size_t n, const char *name,
                                  struct brrr_error *err)
{
    enum brrr_status st;
    struct gguf *g = gguf_new(name);

    *out = NULL;
    if (!g) return fail(err, BRRR_E_NOMEM, "no memory to open a model");
    g->base = bytes;
    g->n_bytes = n;
    st = gguf_parse(g, err);
    if (st != BRRR_OK) {
        gguf_close(g);
        return st;
    }
    *out = g;
    return BRRR_OK;
}

bool gguf_is_mapped(const struct gguf *g)
{
    return g->mapped;
}

/* Word by word, since vocabularies make headers of megabytes; the rest as one padded word. */
uint64_t gguf_header_hash(const struct gguf *g)
{
    uint64_t h = 0x9e3779b97f4a7c15u ^ g->data_off;

    for (size_t at = 0; at < g->data_off; at += 8) {
        uint64_t w = 0;
        memcpy(&w, g->base + at, MIN(8, g->data_off - at));
        h = (h ^ w) * 0xff51afd7ed558ccdu;
        h ^= h >> 32;
    }
    return h;
}

void gguf_close(struct gguf *g)
{
    if (!g) return;
    if (g->mapped) munmap((void *)(uintptr_t)g->base, g->n_bytes);
    free(g->kv);
    free(g->path);
    free(g);
}
