/* SPDX-License-Identifier: MIT */
/*
 * keys.h - who may ask, and how much: API keys and their limits.
 *
 * A file of keys has a key a line: the key itself or sha256:HEX of it, then a name and limits in
 * any order, '#' begins a comment:
 *
 *     sk-alice-0123456789   name=alice requests=60 tokens=20000 at_once=4
 *
 * requests and tokens are for a minute (buckets that fill steadily). Keys are kept as
 * SHA-256 only; a presented key is compared with each of them, in a time that does not depend on
 * which bytes agree. Addresses that keep presenting wrong keys are told to wait.
 *
 * Owned by: the server's thread.
 */
#ifndef SERVER_KEYS_H
#define SERVER_KEYS_H

#include "base/limits.h"
#include "server/problem.h"

struct keys;

/* path NULL, and no key added: everybody may ask. */
enum brrr_status keys_open(struct keys **out, const char *path, struct brrr_error *err);
/* One more, without limits; from the command line or the environment. */
enum brrr_status keys_add(struct keys *k, const char *key, struct brrr_error *err);
/* Read the file again; on failure the old keys stay. What is in use goes on. */
enum brrr_status keys_reload(struct keys *k, struct brrr_error *err);
void keys_close(struct keys *k); /* NULL is allowed */
int keys_count(const struct keys *k);

enum { KEYS_NONE = -1 }; /* no keys are asked for */

/*
 * Whose key is `presented` (NULL: none was)? *who is its number or KEYS_NONE. False: *p says 401,
 * or 429 for an address of which too many were wrong.
 */
bool keys_find(struct keys *k, const char *presented, const char *address, double now, int *who,
               struct problem *p);
/* May it ask now? Counts the request; false: *p says 429, and when to come again. */
bool keys_begin(struct keys *k, int who, double now, struct problem *p);
/* A request has ended that took so many tokens. */
void keys_end(struct keys *k, int who, int n_token, double now);
/* A number for the engine's fairness: the same for the same key, also after a restart. */
uint64_t keys_user(const struct keys *k, int who);
const char *keys_name(const struct keys *k, int who); /* "" for none */

#endif
