/* SPDX-License-Identifier: MIT */
/*
 * merge.c - join the parts of a word pair by pair, the best pair first.
 *
 * One loop for both families: byte-level BPE asks a table of pairs for their
 * rank, SentencePiece-style ones ask for the score of the joined text. A heap
 * of (priority, place) orders the pairs; the leftmost of equals goes first. A
 * pair that changed meanwhile is recognised by its priority, which is renewed
 * whenever a neighbour changes: an entry that no longer fits is dropped, and
 * one that happens to fit does what the fresh entry would do.
 *
 * Cost: O(n log n) for a word of n parts. Words met before in the same call
 * are copied from its own output: the cache holds places, no text and no ids.
 * Source: own; the algorithms are those of SentencePiece (Kudo and Richardson,
 * 2018) and BPE (Sennrich, Haddow and Birch, 2016).
 */
#include <stdlib.h>

#include "base/limits.h"
#include "base/utf8.h"
#include "text/encode.h"
#include "text/hash.h"

enum { CACHED_WORD_MAX = 64, CACHE_SLOTS_MIN = 64, CACHE_SLOTS_MAX = 1 << 15 };

struct word_slot {
    uint32_t tag, off; /* upper half of the hash; where the word stands in the text  */
    uint32_t at;       /* where its ids stand in the output                          */
    uint8_t n, n_id;   /* bytes and ids; n = 0: free                                 */
};

bool merge_init(struct encoder *e)
{
    size_t n = CACHE_SLOTS_MIN;

    while (n < CACHE_SLOTS_MAX && n * 32 < e->n_text)
        n *= 2;
    e->cache = calloc(n, sizeof(*e->cache));
    e->cache_mask = (uint32_t)n - 1;
    return e->cache != NULL;
}

void merge_fini(struct encoder *e)
{
    free(e->cache);
    free(e->part);
    free(e->heap);
}

static bool reserve(struct encoder *e, size_t n)
{
    if (n <= e->cap_part) return true;
    size_t cap = MAX(n + n / 2, 256);
    struct part *p = realloc(e->part, cap * sizeof(*p));
    if (!p) return false;
    e->part = p;
    e->cap_part = cap;
    return true;
}

static bool heap_push(struct encoder *e, uint64_t v)
{
    if (e->n_heap == e->cap_heap) {
        size_t cap = MAX(2 * e->cap_heap, 256);
        uint64_t *p = realloc(e->heap, cap * sizeof(*p));
        if (!p) return false;
        e->heap = p;
        e->cap_heap = cap;
    }
    size_t i = e->n_heap++;
    for (; i > 0 && v < e->heap[(i - 1) / 2]; i = (i - 1) / 2)
        e->heap[i] = e->heap[(i - 1) / 2];
    e->heap[i] = v;
    return true;
}

static uint64_t heap_pop(struct encoder *e)
{
    uint64_t *h = e->heap, top = h[0], v = h[--e->n_heap];
    size_t n = e->n_heap, i = 0;

    for (;;) {
        size_t k = 2 * i + 1;
        if (k >= n) break;
        if (k + 1 < n && h[k + 1] < h[k]) k++;
        if (v <= h[k]) break;
        h[i] = h[k];
        i = k;
    }
    h[i] = v;
    return top;
}

/* Look again at part i and the one behind it. */
static bool renew(struct encoder *e, int32_t i)
{
    struct part *a;

    if (i < 0) return true;
    a = &e->part[i];
    a->prio = UINT32_MAX;
    if (a->next < 0) return true;
    const struct part *b = &e->part[a->next];
    bool may = e->t->family == FAMILY_BPE ? bpe_pair(e, a, b) : spm_pair(e, a, b);
    if (!may) return true;
    return heap_push(e, (uint64_t)a->prio << 32 | (uint32_t)i);
}

/* The parts of a word: bytes, or characters where pieces are real text. Returns how many. */
static size_t make_parts(struct encoder *e, size_t off, size_t n)
{
    const struct vocab *v = &e->t->vocab;
    size_t k = 0, at = off, end = off + n;

    while (at < end) {
        uint32_t cp;
        int len = e->t->spaces ? utf8_next(e->text + at, end - at, &cp) : 1;
        if (len <= 0) len = 1;
        struct part *p = &e->part[k];
        p->off = (uint32_t)at;
        p->end = (uint32_t)(at + (size_t)len);
        p->id = e->t->spaces ? vocab_find(v, e->text + at, (size_t)len)
                             : v->byte[(unsigned char)e->text[at]];
        p->prev = (int32_t)k - 1;
        p->next = p->end < end ? (int32_t)k + 1 : -1;
        at = p->end;
        k++;
    }
    return k;
}

/* A part that is no token: byte tokens, or else the unknown token. */
static bool emit_bytes(struct encoder *e, const struct part *p)
{
    const struct tokenizer *t = e->t;

    for (uint32_t i = p->off; i < p->end; i++) {
        int32_t id = t->vocab.byte[(unsigned char)e->text[i]];
        if (id < 0) return t->unk < 0 || ids_push(e->out, t->unk) == BRRR_OK;
        if (ids_push(e->out, id)) return false;
    }
    return true;
}

static bool merge_parts(struct encoder *e, size_t n)
{
    e->n_heap = 0;
    for (size_t i = 0; i < n; i++)
        if (!renew(e, (int32_t)i)) return false;
    while (e->n_heap > 0) {
        uint64_t top = heap_pop(e);
        int32_t i = (int32_t)(uint32_t)top;
        struct part *a = &e->part[i];
        if (a->prio != (uint32_t)(top >> 32)) continue;
        struct part *b = &e->part[a->next];
        a->id = a->to;
        a->end = b->end;
        a->next = b->next;
        b->prio = UINT32_MAX;
        if (a->next >= 0) e->part[a->next].prev = i;
        if (!renew(e, a->prev) || !renew(e, i)) return false;
    }
    for (int32_t i = 0; i >= 0; i = e->part[i].next) {
        const struct part *p = &e->part[i];
        if (p->id < 0 ? !emit_bytes(e, p) : ids_push(e->out, p->id) != BRRR_OK) return false;
    }
    return true;
}

static bool new_word(struct encoder *e, size_t off, size_t n)
{
    const struct tokenizer *t = e->t;
    /* Gemma 4 takes a run of newlines as it is, whatever its merges say. */
    bool newlines = t->family == FAMILY_BPE && t->spaces && e->text[off] == '\n';

    if ((t->whole_words || newlines) && n <= t->vocab.piece_max) {
        int32_t id = vocab_find(&t->vocab, e->text + off, n);
        if (id >= 0) return ids_push(e->out, id) == BRRR_OK;
    }
    if (!reserve(e, n)) return false;
    return merge_parts(e, make_parts(e, off, n));
}

static bool copy_ids(struct encoder *e, uint32_t at, uint8_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (ids_push(e->out, e->out->id[at + i])) return false;
    return true;
}

bool merge_word(struct encoder *e, size_t off, size_t n)
{
    /* A word beyond all bounds is cut, between characters: its parts and their heap take 60 times
     * its size. */
    while (n > LIMIT_WORD_BYTES) {
        size_t k = utf8_whole(e->text + off, LIMIT_WORD_BYTES);
        if (!new_word(e, off, k)) return false;
        off += k;
        n -= k;
    }
    if (n > CACHED_WORD_MAX) return new_word(e, off, n);
    if (n == 0) return true;

    uint64_t h = hash_bytes(e->t->vocab.key, e->text + off, n);
    struct word_slot *w = &e->cache[h & e->cache_mask];
    if (w->n == n && w->tag == (uint32_t)(h >> 32) &&
        memcmp(e->text + w->off, e->text + off, n) == 0)
        return copy_ids(e, w->at, w->n_id);
    size_t at = e->out->n;
    if (!new_word(e, off, n)) return false;
    if (at <= UINT32_MAX)
        *w = (struct word_slot){ (uint32_t)(h >> 32), (uint32_t)off, (uint32_t)at, (uint8_t)n,
                                 (uint8_t)(e->out->n - at) };
    return true;
}
