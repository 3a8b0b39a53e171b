/* SPDX-License-Identifier: MIT */
/*
 * encode.h - what the tokenizer's own files share: the open tokenizer and the
 * state of one call of tokenizer_encode().
 *
 * From text to ids: special.c finds the tokens that stand as they are; what
 * lies between them goes to one of three families (bpe.c, spm.c, wordpiece.c),
 * which cut it into words; a word goes through the cache of this call and, if
 * it is new, through the merge loop (merge.c).
 *
 * Owned by: struct tokenizer is immutable and shared, struct encoder belongs to
 * one call.
 */
#ifndef TEXT_ENCODE_H
#define TEXT_ENCODE_H

#include "text/pretokenize.h"
#include "text/tokenizer.h"
#include "text/trie.h"
#include "text/vocab.h"

enum token_flag {
    TOKEN_STOP = 1,         /* ends an answer                          */
    TOKEN_STRIPS_LEFT = 2,  /* swallows the white space in front of it */
    TOKEN_STRIPS_RIGHT = 4, /* ... behind it                           */
};

/* Byte-level BPE: which two tokens merge, and when. */
struct merges {
    struct merge_slot {
        int32_t left, right; /* left < 0: free */
        uint32_t rank;
    } * slot;
    size_t mask;
    int32_t *to; /* [n] the token that the merge of this rank makes; -1: garbage */
    uint32_t n;
};

enum family { FAMILY_BPE, FAMILY_SPM, FAMILY_WORDPIECE };

struct tokenizer {
    enum family family;
    const char *model_name;
    struct vocab vocab;
    uint8_t *flag; /* [n_vocab] enum token_flag                               */
    int32_t *stop; /* [n_stop] the ids with TOKEN_STOP, ascending             */
    int n_stop;
    struct trie special; /* control, unknown and user-defined tokens, by their name */
    int32_t bos, eos, sep, unk;
    bool add_bos, add_eos;
    bool space_prefix; /* a space in front of text that follows nothing or a token   */
    bool spaces;       /* words begin at spaces, pieces are real text (not byte-level) */
    bool whole_words;  /* BPE: a word that is a token is that token                    */

    struct pretok *pretok;  /* BPE                                    */
    struct merges merges;   /* BPE                                    */
    uint32_t *prio;         /* SPM: [n_vocab] by score, small is early */
    bool no_cut_after[256]; /* spaces: bytes that a piece may have before an inner space */
    struct trie words;      /* WordPiece                               */
    bool lower, strip;      /* WordPiece: to lower case, without accents */
};

/* A part of a word on its way to being a token; parts lie side by side in the text. */
struct part {
    int32_t id; /* -1: no token has this text */
    uint32_t off, end;
    int32_t prev, next; /* -1: none */
    uint32_t prio;      /* of merging it with the next one; UINT32_MAX: never */
    int32_t to;         /* what that gives */
};

struct word_slot;

struct encoder {
    const struct tokenizer *t;
    struct ids *out;
    const char *text; /* the joined segments, or the normalised text (`norm`) */
    size_t n_text;
    const struct text_seg *seg;
    size_t n_seg;
    char *norm; /* grows while fragments are normalised; words are offsets into it */
    size_t n_norm, cap_norm;
    struct word_slot *cache;
    uint32_t cache_mask;
    struct part *part;
    uint64_t *heap;
    size_t cap_part, n_heap, cap_heap;
    struct pretok_run *run;
};

/* All of these: false means no memory. */

/* special.c: cut the text at special tokens; fragments go to encode_fragment(). */
bool special_split(struct encoder *e);
bool special_ends_answer(struct slice name); /* "<|im_end|>" and the like */
enum brrr_status special_open(struct tokenizer *t, const struct gguf *g, struct brrr_error *err);

/* tokenizer.c: text without special tokens; before it there is nothing or a special token. */
bool encode_fragment(struct encoder *e, size_t off, size_t n);

bool bpe_fragment(struct encoder *e, size_t off, size_t n);
enum brrr_status bpe_open(struct tokenizer *t, const struct gguf *g, struct brrr_error *err);
void bpe_close(struct tokenizer *t);

bool spm_fragment(struct encoder *e, size_t off, size_t n);
enum brrr_status spm_open(struct tokenizer *t, const struct gguf *g, struct brrr_error *err);
/* Words of e->norm from `off` on, cut before spaces. Also for BPE on real text. */
bool spm_words(struct encoder *e, size_t off);
/* Append text with U+2581 as spaces to e->norm. */
bool spm_normalise(struct encoder *e, const char *p, size_t n);
/* Find no_cut_after[]. */
void spm_find_cuts(struct tokenizer *t);

bool wordpiece_fragment(struct encoder *e, size_t off, size_t n);
enum brrr_status wordpiece_open(struct tokenizer *t, const struct gguf *g, struct brrr_error *err);

/* merge.c: the ids of the word text[off, off + n), through the cache. */
bool merge_word(struct encoder *e, size_t off, size_t n);
bool merge_init(struct encoder *e);
void merge_fini(struct encoder *e);

/* bpe.c, spm.c: sets prio and to of part a for merging with part b; false: they do not. */
bool bpe_pair(const struct encoder *e, struct part *a, const struct part *b);
bool spm_pair(const struct encoder *e, struct part *a, const struct part *b);

#endif
