/* SPDX-License-Identifier: MIT */
/*
 * noalloc.h - threads that must not allocate: the engine's while it polls, and the workers.
 *
 * In the debug build (BRRR_DEBUG) malloc() and its kin assert that their thread is not between
 * noalloc_begin() and noalloc_end(); in other builds these do nothing. To give memory back is
 * always allowed.
 */
#ifndef BASE_NOALLOC_H
#define BASE_NOALLOC_H

#ifdef BRRR_DEBUG
/* They nest, and are of the thread that calls them. */
void noalloc_begin(void);
void noalloc_end(void);
#else
static inline void noalloc_begin(void) {}
static inline void noalloc_end(void) {}
#endif

#endif
