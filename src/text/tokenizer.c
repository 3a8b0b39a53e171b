/* SPDX-License-Identifier: MIT */
/*
 * tokenizer.c - open a tokenizer from GGUF metadata and encode text with it.
 *
 * What the file leaves open follows the habits of the format: "llama" files add
 * BOS and a leading space, "bert" files [CLS] and [SEP], "gpt2" files what their
 * pre-tokenizer is known to want. A special id of 0xffffffff means none.
 */
#include "text/tokenizer.h"

#include <stdlib.h>

#include "base/limits.h"
#include "text/encode.h"

static const struct model_row {
    const char *name;
    enum family family;
    enum vocab_spelling spell;
    int32_t bos, eos, sep, unk; /* where the file does not say; -1: none */
    bool add_bos, space_prefix;
} models[] = {
    { "gpt2", FAMILY_BPE, SPELL_BYTE_LEVEL, -1, -1, -1, -1, false, false },
    { "gemma4", FAMILY_BPE, SPELL_SPACES, -1, -1, -1, -1, true, false },
    { "llama", FAMILY_SPM, SPELL_SPACES, 1, 2, -1, 0, true, true },
    { "bert", FAMILY_WORDPIECE, SPELL_SPACES, 101, -1, 102, 100, true, false },
};

/* --- lists of ids --- */

enum brrr_status ids_push(struct ids *v, int32_t id)
{
    if (v->n == v->cap) {
        size_t cap, bytes;
        if (!size_mul(&cap, MAX(v->cap, 32), 2) || !size_mul(&bytes, cap, sizeof(*v->id)))
            return BRRR_E_NOMEM;
        int32_t *p = realloc(v->id, bytes);
        if (!p) return BRRR_E_NOMEM;
        v->id = p;
        v->cap = cap;
    }
    v->id[v->n++] = id;
    return BRRR_OK;
}

void ids_free(struct ids *v)
{
    free(v->id);
    *v = (struct ids){ 0 };
}

/* --- opening --- */

static enum brrr_status special_id(const struct tokenizer *t, const struct gguf *g, const char *key,
                                   int32_t *id, struct brrr_error *err)
{
    int64_t v = *id < t->vocab.n ? *id : -1;
    enum brrr_status st = gguf_int(g, key, GGUF_OPTIONAL, -1, UINT32_MAX, &v, err);

    if (st) return st;
    if (v == UINT32_MAX) v = -1;
    if (v >= t->vocab.n)
        return fail(err, BRRR_E_FORMAT, "%s: %s is %lld, but there are %d tokens", gguf_path(g),
                    key, (long long)v, t->vocab.n);
    *id = (int32_t)v;
    return BRRR_OK;
}

static enum brrr_status read_special_ids(struct tokenizer *t, const struct gguf *g,
                                         struct brrr_error *err)
{
    int32_t eot = -1, eom = -1, cls = t->bos, sep = t->sep;
    /* "seperator" is how the format spells it. */
    const struct {
        const char *key;
        int32_t *id;
    } row[] = {
        { "tokenizer.ggml.cls_token_id", &cls },
        { "tokenizer.ggml.seperator_token_id", &sep },
        { "tokenizer.ggml.separator_token_id", &sep },
        { "tokenizer.ggml.bos_token_id", &t->bos },
        { "tokenizer.ggml.eos_token_id", &t->eos },
        { "tokenizer.ggml.eot_token_id", &eot },
        { "tokenizer.ggml.eom_token_id", &eom },
        { "tokenizer.ggml.unknown_token_id", &t->unk },
    };

    if (t->family == FAMILY_WORDPIECE) t->bos = -1;
    for (size_t i = 0; i < COUNT(row); i++) {
        enum brrr_status st = special_id(t, g, row[i].key, row[i].id, err);
        if (st) return st;
    }
    t->sep = sep;
    if (t->family == FAMILY_WORDPIECE && t->bos < 0) t->bos = cls;
    /* Byte-level BPE has no unknown text; some files name a special token here. */
    if (t->family == FAMILY_BPE) t->unk = -1;
    if (eot >= 0) t->flag[eot] |= TOKEN_STOP;
    if (eom >= 0) t->flag[eom] |= TOKEN_STOP;
    return BRRR_OK;
}

static enum brrr_status read_switches(struct tokenizer *t, const struct gguf *g, unsigned pre,
                                      struct brrr_error *err)
{
    const struct {
        const char *key;
        bool *on;
    } row[] = {
        { "tokenizer.ggml.add_bos_token", &t->add_bos },
        { "tokenizer.ggml.add_eos_token", &t->add_eos },
        { "tokenizer.ggml.add_space_prefix", &t->space_prefix },
    };

    if (pre & PRE_ADD_BOS) t->add_bos = true;
    for (size_t i = 0; i < COUNT(row); i++) {
        enum brrr_status st = gguf_bool(g, row[i].key, GGUF_OPTIONAL, row[i].on, err);
        if (st) return st;
    }
    if (t->family != FAMILY_SPM) t->space_prefix = false;
    return BRRR_OK;
}

bool tokenizer_present(const struct gguf *g)
{
    struct slice name = { 0 };

    if (!gguf_find(g, "tokenizer.ggml.model")) return false;
    /* A model of the wrong type is for tokenizer_open() to report. */
    if (gguf_str(g, "tokenizer.ggml.model", GGUF_OPTIONAL, &name, NULL)) return true;
    return !slice_is(name, "no_vocab") && !slice_is(name, "none");
}

static enum brrr_status find_model(const struct model_row **out, const struct gguf *g,
                                   struct brrr_error *err)
{
    struct slice name;
    char shown[64];
    enum brrr_status st = gguf_str(g, "tokenizer.ggml.model", GGUF_NEEDED, &name, err);

    if (st) return st;
    for (size_t i = 0; i < COUNT(models); i++) {
        *out = &models[i];
        if (slice_is(name, models[i].name)) return BRRR_OK;
    }
    return fail(err, BRRR_E_UNSUPPORTED,
                "%s: tokenizer.ggml.model is '%s'; gpt2, llama, bert and gemma4 are supported",
                gguf_path(g), slice_print(shown, sizeof(shown), name));
}

/* The pre-tokenizer: its flags, and itself where the family has one. */
static enum brrr_status open_pre(struct tokenizer *t, const struct gguf *g, unsigned *flags,
                                 struct brrr_error *err)
{
    struct slice name = { 0 };
    char shown[64];
    enum brrr_status st = gguf_str(g, "tokenizer.ggml.pre", GGUF_OPTIONAL, &name, err);

    *flags = 0;
    if (st || t->family != FAMILY_BPE) return st;
    if (name.n == 0) name = (struct slice){ "default", 7 };
    if (strcmp(t->model_name, "gemma4") == 0) name = (struct slice){ "gemma4", 6 };
    if (!pretok_flags(name, flags))
        return fail(err, BRRR_E_UNSUPPORTED,
                    "%s: tokenizer.ggml.pre is '%s', which is not in the table of pre-tokenizers",
                    gguf_path(g), slice_print(shown, sizeof(shown), name));
    t->whole_words = *flags & PRE_WHOLE_WORDS;
    t->spaces = *flags & PRE_SPACES;
    return t->spaces ? BRRR_OK : pretok_new(&t->pretok, name, err);
}

static enum brrr_status open_family(struct tokenizer *t, const struct gguf *g,
                                    struct brrr_error *err)
{
    switch (t->family) {
    case FAMILY_BPE:
        return bpe_open(t, g, err);
    case FAMILY_SPM:
        return spm_open(t, g, err);
    case FAMILY_WORDPIECE:
        return wordpiece_open(t, g, err);
    }
    return BRRR_E_UNSUPPORTED;
}

enum brrr_status tokenizer_open(struct tokenizer **out, const struct gguf *g,
                                struct brrr_error *err)
{
    const struct model_row *m;
    unsigned pre = 0;
    enum brrr_status st = find_model(&m, g, err);

    *out = NULL;
    if (st) return st;
    struct tokenizer *t = calloc(1, sizeof(*t));
    if (!t) return fail(err, BRRR_E_NOMEM, "%s: no memory for a tokenizer", gguf_path(g));
    t->family = m->family;
    t->model_name = m->name;
    t->spaces = m->spell == SPELL_SPACES;
    t->bos = m->bos;
    t->eos = m->eos;
    t->sep = m->sep;
    t->unk = m->unk;
    t->add_bos = m->add_bos;
    t->space_prefix = m->space_prefix;
    if ((st = open_pre(t, g, &pre, err)) != BRRR_OK) goto error;
    st = vocab_open(&t->vocab, g, t->spaces ? SPELL_SPACES : SPELL_BYTE_LEVEL, special_ends_answer,
                    err);
    if (st) goto error;
    t->flag = calloc((size_t)t->vocab.n, sizeof(*t->flag));
    if (!t->flag) {
        st = fail(err, BRRR_E_NOMEM, "%s: no memory for %d tokens", gguf_path(g), t->vocab.n);
        goto error;
    }
    if ((st = read_special_ids(t, g, err)) != BRRR_OK) goto error;
    if ((st = read_switches(t, g, pre, err)) != BRRR_OK) goto error;
    if ((st = special_open(t, g, err)) != BRRR_OK) goto error;
    if ((st = open_family(t, g, err)) != BRRR_OK) goto error;
    *out = t;
    return BRRR_OK;

error:
    tokenizer_close(t);
    return st;
}

void tokenizer_close(struct tokenizer *t)
{
    if (!t) return;
    vocab_close(&t->vocab);
    trie_fini(&t->special);
    trie_fini(&t->words);
    bpe_close(t);
    free(t->prio);
    free(t->flag);
    free(t->stop);
    free(t);
}

/* --- encoding --- */

bool encode_fragment(struct encoder *e, size_t off, size_t n)
{
    switch (e->t->family) {
    case FAMILY_BPE:
        return bpe_fragment(e, off, n);
    case FAMILY_SPM:
        return spm_fragment(e, off, n);
    case FAMILY_WORDPIECE:
        return wordpiece_fragment(e, off, n);
    }
    return false;
}

/* The segments as one text: theirs if there is one, else a copy in *own. False: no memory. */
static bool join(struct encoder *e, char **own)
{
    size_t at = 0;

    if (e->n_seg == 1) {
        e->text = e->seg[0].p;
        return true;
    }
    *own = malloc(e->n_text + 1);
    if (!*own) return false;
    for (size_t i = 0; i < e->n_seg; i++) {
        if (e->seg[i].n) memcpy(*own + at, e->seg[i].p, e->seg[i].n);
        at += e->seg[i].n;
    }
    e->text = *own;
    return true;
}

static bool put_special(struct encoder *e, bool wanted, int32_t id)
{
    return !wanted || id < 0 || ids_push(e->out, id) == BRRR_OK;
}

enum brrr_status tokenizer_encode(const struct tokenizer *t, const struct text_seg *seg,
                                  size_t n_seg, bool add_special, struct ids *out,
                                  struct brrr_error *err)
{
    struct encoder e = { .t = t, .out = out, .seg = seg, .n_seg = n_seg };
    char *own = NULL;
    size_t n_before = out->n;
    bool sep = t->family == FAMILY_WORDPIECE;

    for (size_t i = 0; i < n_seg; i++)
        if (!size_add(&e.n_text, e.n_text, seg[i].n) || e.n_text > INT32_MAX)
            return fail(err, BRRR_E_LIMIT, "the text is larger than 2 GiB");
    bool ok = join(&e, &own) && merge_init(&e);
    ok = ok && put_special(&e, add_special && (t->add_bos || sep), t->bos);
    ok = ok && (e.n_text == 0 || special_split(&e));
    ok = ok && put_special(&e, add_special && sep, t->sep);
    ok = ok && put_special(&e, add_special && t->add_eos && !sep, t->eos);
    merge_fini(&e);
    pretok_run_free(e.run);
    free(e.norm);
    free(own);
    if (ok) return BRRR_OK;
    out->n = n_before;
    return fail(err, BRRR_E_NOMEM, "no memory to tokenize %zu bytes", e.n_text);
}

/* --- questions --- */

int32_t tokenizer_n_vocab(const struct tokenizer *t)
{
    return t->vocab.n;
}

int32_t tokenizer_bos(const struct tokenizer *t)
{
    return t->bos;
}

int32_t tokenizer_eos(const struct tokenizer *t)
{
    return t->eos;
}

bool tokenizer_adds_bos(const struct tokenizer *t)
{
    return t->bos >= 0 && (t->add_bos || t->family == FAMILY_WORDPIECE);
}

bool tokenizer_is_stop(const struct tokenizer *t, int32_t id)
{
    return id >= 0 && id < t->vocab.n && (t->flag[id] & TOKEN_STOP);
}

bool tokenizer_is_special(const struct tokenizer *t, int32_t id)
{
    return id >= 0 && id < t->vocab.n && t->vocab.kind[id] == TOKEN_CONTROL;
}

const int32_t *tokenizer_stops(const struct tokenizer *t, int *n)
{
    *n = t->n_stop;
    return t->stop;
}

struct slice tokenizer_piece(const struct tokenizer *t, int32_t id)
{
    if (id < 0 || id >= t->vocab.n) return (struct slice){ "", 0 };
    return vocab_piece(&t->vocab, id);
}

const char *tokenizer_model_name(const struct tokenizer *t)
{
    return t->model_name;
}
