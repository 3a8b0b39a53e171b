/* SPDX-License-Identifier: MIT */
/*
 * jmem.h - an arena with a limit: everything that one compilation or one
 * rendering of a template allocates, freed in one go.
 *
 * Nothing in it is freed alone. When the limit or the system's memory is
 * reached, jmem_alloc() returns NULL.
 */
#ifndef TEXT_JMEM_H
#define TEXT_JMEM_H

#include <stddef.h>

struct jchunk;

struct jmem {
    struct jchunk *head;
    char *at, *end;
    size_t used, limit; /* bytes taken from the system, at most */
};

void jmem_init(struct jmem *m, size_t limit);
void jmem_fini(struct jmem *m);
/* Zeroed, aligned to 16; n = 0 gives a valid pointer. */
void *jmem_alloc(struct jmem *m, size_t n);
/* An array of n elements; NULL on overflow too. */
void *jmem_array(struct jmem *m, size_t n, size_t size);

#endif
