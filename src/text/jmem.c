/* SPDX-License-Identifier: MIT */
/* jmem.c - see jmem.h. Chunks double from 4 KiB to 1 MiB; larger requests get their own. */
#include "text/jmem.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"

enum { CHUNK_MIN = 4 << 10, CHUNK_MAX = 1 << 20, ALIGN = 16 };

struct jchunk {
    struct jchunk *next;
    size_t n;
};
_Static_assert(sizeof(struct jchunk) % ALIGN == 0, "the bytes behind the header are aligned");

void jmem_init(struct jmem *m, size_t limit)
{
    memset(m, 0, sizeof(*m));
    m->limit = limit;
}

void jmem_fini(struct jmem *m)
{
    struct jchunk *c = m->head;

    while (c) {
        struct jchunk *next = c->next;
        free(c);
        c = next;
    }
    memset(m, 0, sizeof(*m));
}

static struct jchunk *chunk_new(struct jmem *m, size_t n)
{
    struct jchunk *c = NULL;

    if (n <= m->limit - m->used) c = malloc(n);
    if (!c) return NULL;
    c->n = n;
    c->next = m->head;
    m->head = c;
    m->used += n;
    return c;
}

void *jmem_alloc(struct jmem *m, size_t n)
{
    if (n > m->limit) return NULL;
    n = (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    if (n > (size_t)(m->end - m->at)) {
        size_t want = m->head ? MIN(m->used, (size_t)CHUNK_MAX) : (size_t)CHUNK_MIN;
        bool own = n + sizeof(struct jchunk) > want;
        struct jchunk *c = chunk_new(m, own ? n + sizeof(struct jchunk) : want);
        if (!c) return NULL;
        /* A large block leaves the current chunk in use for the small ones to come. */
        if (own) return memset(c + 1, 0, n);
        m->at = (char *)(c + 1);
        m->end = (char *)c + c->n;
    }
    void *p = memset(m->at, 0, n);
    m->at += n;
    return p;
}

void *jmem_array(struct jmem *m, size_t n, size_t size)
{
    size_t bytes;

    return size_mul(&bytes, n, size) ? jmem_alloc(m, bytes) : NULL;
}
