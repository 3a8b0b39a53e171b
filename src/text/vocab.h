/* SPDX-License-Identifier: MIT */
/*
 * vocab.h - token ids and the bytes they stand for, both ways.
 *
 * A piece is the text a token contributes, as real bytes: the byte-level
 * alphabet is undone, U+2581 is a space, "<0x0A>" is one byte. Control, unknown
 * and user-defined tokens keep their literal name. Only pieces that plain text
 * may become are found by vocab_find(): control, unknown and byte tokens are
 * not, so no text can be merged into one.
 *
 * Memory: own copies; the GGUF file may be closed. Threads: immutable once built.
 */
#ifndef TEXT_VOCAB_H
#define TEXT_VOCAB_H

#include "format/gguf.h"

/* Values of tokenizer.ggml.token_type. */
enum token_kind {
    TOKEN_UNDEFINED,
    TOKEN_NORMAL,
    TOKEN_UNKNOWN,
    TOKEN_CONTROL,
    TOKEN_USER, /* matched in any text, before all else */
    TOKEN_UNUSED,
    TOKEN_BYTE,
    TOKEN_KINDS
};

/* How the file spells pieces. */
enum vocab_spelling {
    SPELL_BYTE_LEVEL, /* GPT-2's alphabet: one printable character for every byte */
    SPELL_SPACES      /* U+2581 for a space, <0xNN> for a byte                    */
};

struct vocab {
    int32_t n;
    char *bytes;   /* all pieces, one after the other               */
    uint32_t *off; /* [n + 1] where the piece of each id begins     */
    uint8_t *kind; /* [n] enum token_kind                           */
    struct vocab_slot {
        uint32_t tag; /* upper half of the hash              */
        int32_t id;   /* -1: free                            */
    } * slot;
    size_t mask;
    uint64_t key;
    size_t longest;    /* bytes of the longest piece of all                  */
    size_t piece_max;  /* bytes of the longest piece that vocab_find() knows */
    int32_t byte[256]; /* the token of a single byte; -1: none               */
};

/* `is_control`: names that are control tokens even where the file calls them something else. */
enum brrr_status vocab_open(struct vocab *v, const struct gguf *g, enum vocab_spelling spell,
                            bool (*is_control)(struct slice name), struct brrr_error *err);
void vocab_close(struct vocab *v); /* zeroed and half-built ones are allowed */

static inline struct slice vocab_piece(const struct vocab *v, int32_t id)
{
    return (struct slice){ v->bytes + v->off[id], v->off[id + 1] - v->off[id] };
}

/* The id of exactly these bytes; -1: none. */
int32_t vocab_find(const struct vocab *v, const char *p, size_t n);
/* The id of a token with this name, whatever its kind; -1: none. Slow. */
int32_t vocab_find_name(const struct vocab *v, const char *name);
/* True for the kinds that plain text may become. */
bool vocab_is_text(enum token_kind k);

/* Undo GPT-2's byte alphabet; false if a character is not of it. *n_out <= s.n. */
bool vocab_unmap_bytes(struct slice s, char *out, size_t *n_out);
/* U+2581 becomes a space. Returns the length, at most s.n. */
size_t vocab_unmap_spaces(struct slice s, char *out);

#endif
