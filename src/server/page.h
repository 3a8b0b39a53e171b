/* SPDX-License-Identifier: MIT */
/*
 * page.h - the page at `/`: its files, which are in the binary.
 *
 * They ask nobody but this server for anything: the Content-Security-Policy of every one of them
 * allows no other origin, no inline script or style, no frame and no form.
 */
#ifndef SERVER_PAGE_H
#define SERVER_PAGE_H

#include <stdbool.h>

struct exchange;

/* `/`: the page for browsers; 200 without a body for others, which ask for health. */
void page_root(struct exchange *x);
/* A file of the page; false, and nothing was answered, if there is none of this name. */
bool page_file(struct exchange *x, const char *name);

#endif
