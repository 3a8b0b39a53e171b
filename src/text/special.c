/* SPDX-License-Identifier: MIT */
/*
 * special.c - tokens that are recognised by their name: special tokens in text,
 * and the ones that end an answer.
 *
 * User-defined tokens (Gemma's runs of spaces, its HTML tags) are taken in any
 * text, before all else. Control and unknown tokens only where the caller said
 * that the text may hold them: they must lie inside segments with parse_special.
 * The leftmost match counts, and there the longest.
 *
 * GGUF does not carry which tokens swallow the space around them; the few models
 * where that matters are known by name, as in llama.cpp.
 */
#include <stdlib.h>

#include "text/encode.h"

/* Names of tokens that end an answer: control tokens, whatever the file calls them. */
static const char *const stop_names[] = {
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<|flush|>",
    "<|calls|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "<|eom_id|>",
    "<EOT>",
    "_<EOT>",
    "[EOT]",
    "[EOS]",
    "<|end_of_text|>",
    "<end_of_utterance>",
    "<turn|>",
    "<|tool_response>",
    /* In parentheses: two literals, since a letter after \x9c would be read as a digit. */
    ("<\xef\xbd\x9c"
     "end\xe2\x96\x81of\xe2\x96\x81sentence\xef\xbd\x9c>"),
    "[e~[",
};

/* The same, but only if the file calls them control tokens: they are also words of HTML. */
static const char *const stop_names_control[] = { "</s>", "<eos>" };

/* Fill-in-the-middle tokens after which a model talks about the next file. */
static const char *const stop_names_fill[] = { "<|fim_pad|>", "<|fim_repo|>", "<|file_sep|>",
                                               "<|repo_name|>" };

static bool is_one_of(struct slice s, const char *const *name, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (slice_is(s, name[i])) return true;
    return false;
}

bool special_ends_answer(struct slice name)
{
    return name.n >= 4 && name.n <= 32 && is_one_of(name, stop_names, COUNT(stop_names));
}

static void find_stops(struct tokenizer *t)
{
    bool has_return = false, has_call = false, has_flush = false;
    int32_t end = -1;

    for (int32_t i = 0; i < t->vocab.n; i++) {
        struct slice s = vocab_piece(&t->vocab, i);
        if (s.n < 4 || s.n > 32 || !strchr("<[_", s.p[0])) continue;
        bool control = t->vocab.kind[i] == TOKEN_CONTROL;
        bool stop = special_ends_answer(s) ||
                    (control && is_one_of(s, stop_names_control, COUNT(stop_names_control))) ||
                    (control && is_one_of(s, stop_names_fill, COUNT(stop_names_fill)));
        if (!stop) continue;
        t->flag[i] |= TOKEN_STOP;
        has_return |= slice_is(s, "<|return|>");
        has_call |= slice_is(s, "<|call|>") || slice_is(s, "<|calls|>");
        has_flush |= slice_is(s, "<|flush|>");
        if (slice_is(s, "<|end|>")) end = i;
    }
    /* Harmony (gpt-oss) and Solar: <|end|> only ends one part of an answer. */
    if (end >= 0 && has_call && (has_return || has_flush)) t->flag[end] &= (uint8_t)~TOKEN_STOP;
}

static bool contains(struct slice s, const char *what)
{
    size_t n = strlen(what);

    for (size_t i = 0; i + n <= s.n; i++) {
        size_t k = 0;
        while (k < n && (s.p[i + k] | (s.p[i + k] >= 'A' && s.p[i + k] <= 'Z' ? 32 : 0)) == what[k])
            k++;
        if (k == n) return true;
    }
    return false;
}

static void set_flag(struct tokenizer *t, const char *name, uint8_t flag, bool on)
{
    int32_t i = vocab_find_name(&t->vocab, name);

    if (i < 0) return;
    if (on) t->flag[i] |= flag;
    else t->flag[i] &= (uint8_t)~flag;
}

static enum brrr_status find_strips(struct tokenizer *t, const struct gguf *g,
                                    struct brrr_error *err)
{
    struct slice name = { 0 }, pre = { 0 }, arch = { 0 };
    enum brrr_status st = gguf_str(g, "general.name", GGUF_OPTIONAL, &name, err);

    if (st == BRRR_OK) st = gguf_str(g, "tokenizer.ggml.pre", GGUF_OPTIONAL, &pre, err);
    if (st == BRRR_OK) st = gguf_str(g, "general.architecture", GGUF_OPTIONAL, &arch, err);
    if (st) return st;
    if (contains(pre, "jina-v2-de") || contains(pre, "jina-v2-es") ||
        contains(pre, "jina-v2-code") || contains(arch, "nomic-bert-moe") ||
        contains(arch, "jina-bert-v3")) {
        set_flag(t, "<mask>", TOKEN_STRIPS_LEFT, true);
    } else if (contains(name, "phi-3") || contains(name, "phi3")) {
        for (int32_t i = 0; i < t->vocab.n; i++) {
            enum token_kind k = t->vocab.kind[i];
            if (k == TOKEN_UNKNOWN || k == TOKEN_CONTROL || k == TOKEN_USER)
                t->flag[i] |= TOKEN_STRIPS_RIGHT;
        }
        set_flag(t, "</s>", TOKEN_STRIPS_RIGHT, true);
        set_flag(t, "<unk>", TOKEN_STRIPS_RIGHT, false);
        set_flag(t, "<s>", TOKEN_STRIPS_RIGHT, false);
        set_flag(t, "<|endoftext|>", TOKEN_STRIPS_RIGHT, false);
    } else if (contains(name, "modern-bert")) {
        set_flag(t, "[MASK]", TOKEN_STRIPS_LEFT, true);
    }
    return BRRR_OK;
}

static bool list_stops(struct tokenizer *t)
{
    size_t n = 0;

    for (int32_t i = 0; i < t->vocab.n; i++)
        n += (t->flag[i] & TOKEN_STOP) != 0;
    t->stop = malloc((n + 1) * sizeof(*t->stop));
    for (int32_t i = 0; t->stop && i < t->vocab.n; i++)
        if (t->flag[i] & TOKEN_STOP) t->stop[t->n_stop++] = i;
    return t->stop;
}

enum brrr_status special_open(struct tokenizer *t, const struct gguf *g, struct brrr_error *err)
{
    if (!trie_init(&t->special)) goto nomem;
    for (int32_t i = 0; i < t->vocab.n; i++) {
        enum token_kind k = t->vocab.kind[i];
        if (k != TOKEN_CONTROL && k != TOKEN_UNKNOWN && k != TOKEN_USER) continue;
        if (!trie_add(&t->special, vocab_piece(&t->vocab, i), i)) goto nomem;
    }
    find_stops(t);
    if (t->eos >= 0) t->flag[t->eos] |= TOKEN_STOP;
    if (!list_stops(t)) goto nomem;
    return find_strips(t, g, err);
nomem:
    return fail(err, BRRR_E_NOMEM, "%s: no memory for the special tokens", gguf_path(g));
}

/* Where the caller allows special tokens: [from, to), moved on as the text is read. */
struct region {
    size_t seg, seg_end; /* the segment being read and where it ends */
    size_t to;           /* 0: not allowed here                      */
};

/* The region around `at`, which never goes back. */
static void region_move(struct region *r, const struct encoder *e, size_t at)
{
    while (r->seg_end <= at && r->seg + 1 < e->n_seg)
        r->seg_end += e->seg[++r->seg].n;
    if (e->n_seg == 0 || !e->seg[r->seg].parse_special) {
        r->to = 0;
        return;
    }
    if (r->to > at) return;
    r->to = r->seg_end;
    for (size_t i = r->seg + 1; i < e->n_seg && (e->seg[i].parse_special || e->seg[i].n == 0); i++)
        r->to += e->seg[i].n;
}

/* The longest special token at `at`; returns its length, 0: none. */
static size_t match(const struct encoder *e, size_t at, size_t region_end, int32_t *id)
{
    const struct trie *s = &e->t->special;
    size_t best = 0;
    uint32_t node = 0;

    for (size_t i = at; i < e->n_text; i++) {
        node = trie_step(s, node, (unsigned char)e->text[i]);
        if (node == 0) break;
        int32_t v = s->value[node];
        if (v < 0) continue;
        if (e->t->vocab.kind[v] != TOKEN_USER && i >= region_end) continue;
        best = i + 1 - at;
        *id = v;
    }
    return best;
}

static bool is_ascii_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

bool special_split(struct encoder *e)
{
    const uint32_t *first = e->t->special.first;
    struct region r = { .seg_end = e->n_seg ? e->seg[0].n : 0 };
    size_t from = 0, at = 0;

    while (at < e->n_text) {
        int32_t id = -1;
        if (!first[(unsigned char)e->text[at]]) {
            at++;
            continue;
        }
        region_move(&r, e, at);
        size_t n = match(e, at, r.to, &id);
        if (n == 0) {
            at++;
            continue;
        }
        size_t end = at;
        while (end > from && (e->t->flag[id] & TOKEN_STRIPS_LEFT) &&
               is_ascii_space(e->text[end - 1]))
            end--;
        if (end > from && !encode_fragment(e, from, end - from)) return false;
        if (ids_push(e->out, id)) return false;
        at += n;
        while (at < e->n_text && (e->t->flag[id] & TOKEN_STRIPS_RIGHT) &&
               is_ascii_space(e->text[at]))
            at++;
        from = at;
    }
    return from == e->n_text || encode_fragment(e, from, e->n_text - from);
}
