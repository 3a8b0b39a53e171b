/* SPDX-License-Identifier: MIT */
/*
 * draft.h - guesses of what a sequence will say next, from what was said before.
 *
 * The model verifies guesses in one step, many rows at once (spec.h says how many are worth
 * it); a wrong guess costs time and never changes a token. Here is who guesses, a row of draft.def
 * each (a draft model, which needs more than tokens, is second.h):
 *
 *   ngram   prompt lookup: the longest of the last 4, 3, 2, 1 tokens that stood in the sequence
 *           before, at its newest place, and what followed there (Saxena, "Prompt Lookup
 *           Decoding", 2023). Hash tables of places, so that a guess looks at few of them.
 *   suffix  a suffix automaton over the sequence, and one over the answers of earlier
 *           requests (suffix.h); the longer match guesses.
 *
 * All memory is taken by draft_new() and draft_shared_new(). Owned by: the engine's thread.
 */
#ifndef ENGINE_DRAFT_H
#define ENGINE_DRAFT_H

#include "base/status.h"

enum draft_kind {
#define DRAFTER(id, name, ops, help) id,
#include "engine/draft.def"
#undef DRAFTER
    DRAFT_KINDS,
};

/* The drafter's name, and back; DRAFT_KINDS for a name that is none. */
const char *draft_name(enum draft_kind k);
enum draft_kind draft_find(const char *name);

/*
 * What the answers of earlier requests said. Two generations: when the young one is full it
 * becomes the old one, and the old one is forgotten.
 */
struct draft_shared;
enum brrr_status draft_shared_new(struct draft_shared **out, int n_token, struct brrr_error *err);
void draft_shared_free(struct draft_shared *s); /* NULL is allowed */
/* An answer that has ended: n tokens, the last ones of its prompt before them. */
void draft_shared_learn(struct draft_shared *s, const int32_t *id, int n);

/* The guesses for one sequence. */
struct draft;

/* Memory that draft_new() takes, about. */
size_t draft_bytes(enum draft_kind k, int n_token);
/* n_token: as many as the sequence can come to. shared: NULL for one that learns from itself only;
 * it must stay as long. DRAFT_NONE: *out is NULL. */
enum brrr_status draft_new(struct draft **out, enum draft_kind k, int n_token,
                           const struct draft_shared *shared, struct brrr_error *err);
void draft_free(struct draft *d); /* NULL is allowed */

/*
 * The sequence has these n tokens, and at each call the ones of the last call and more.
 * Writes at most cap guesses of what follows to `out` and returns how many; *match: so many tokens
 * at the end of the sequence stood before the place that the guess is from. A long prompt is looked
 * at in parts, so that no step waits for all of it: there is no guess before the last part.
 */
int draft_guess(struct draft *d, const int32_t *id, int n, int32_t *out, int cap, int *match);

#endif
