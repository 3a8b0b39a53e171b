/* SPDX-License-Identifier: MIT */
/*
 * fuzz_tokenizer.c - hostile text and hostile vocabularies.
 *
 * The first byte chooses: bits 0-1 one of the three sample vocabularies, or a
 * file of the input's own (3); bit 2 whether special tokens are parsed; bits 3-7
 * where the text is cut in segments and which pre-tokenizer a byte-level
 * vocabulary has. The rest is the text, or a GGUF file with some text of ours.
 *
 * Checked: nothing crashes; ids are in range; cutting a text changes nothing;
 * control tokens only come from where they are allowed; streaming and whole
 * decoding agree; byte-level text comes back as it was.
 */
#include <stdint.h>
#include <stdlib.h>

#include "text/pretokenize.h"
#include "text/tokenizer.h"
#include "vocab_samples.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
    if (!ok) abort();
}

static struct tokenizer *open_sample(int which, const char *pre)
{
    static struct vf_vocab v;
    static const char *const model[] = { "gpt2", "llama", "bert" };
    struct vf f = { 0 };
    struct gguf *g = NULL;
    struct tokenizer *t = NULL;
    struct brrr_error err;

    if (which == 0) vf_sample_bpe(&v);
    if (which == 1) vf_sample_spm(&v);
    if (which == 2) vf_sample_wordpiece(&v);
    vf_file(&f, &v, model[which], which == 0 ? pre : NULL);
    require(gguf_open_memory(&g, f.b, f.n, "sample", &err) == BRRR_OK);
    require(tokenizer_open(&t, g, &err) == BRRR_OK);
    gguf_close(g);
    free(f.b);
    return t;
}

static void encode(const struct tokenizer *t, const struct text_seg *seg, size_t n, bool special,
                   struct ids *out)
{
    struct brrr_error err;

    out->n = 0;
    require(tokenizer_encode(t, seg, n, special, out, &err) == BRRR_OK);
    for (size_t i = 0; i < out->n; i++)
        require(out->id[i] >= 0 && out->id[i] < tokenizer_n_vocab(t));
}

static void decode(const struct tokenizer *t, const struct ids *ids, struct slice *out)
{
    struct brrr_error err;
    struct detok d;
    size_t at = 0;

    require(tokenizer_decode(t, ids->id, ids->n, true, out, &err) == BRRR_OK);
    require(detok_init(&d, t, true));
    for (size_t i = 0; i <= ids->n; i++) {
        struct slice s = i < ids->n ? detok_push(&d, ids->id[i]) : detok_flush(&d);
        require(s.n <= out->n - at && memcmp(s.p, out->p + at, s.n) == 0);
        at += s.n;
    }
    require(at == out->n);
    detok_fini(&d);
}

/* The same text whole and in pieces, all with the same permission. */
static void check(const struct tokenizer *t, const char *p, size_t n, unsigned how)
{
    struct ids whole = { 0 }, cut = { 0 };
    struct slice text;
    bool parse = how & 4;
    size_t at = n * (how >> 3) / 32;
    struct text_seg one = { p, n, parse };
    struct text_seg two[3] = { { p, at, parse }, { p, 0, !parse }, { p + at, n - at, parse } };

    encode(t, &one, 1, true, &whole);
    encode(t, two, 3, true, &cut);
    require(whole.n == cut.n);
    require(whole.n == 0 || memcmp(whole.id, cut.id, whole.n * sizeof(*whole.id)) == 0);
    encode(t, &one, 1, false, &whole);
    decode(t, &whole, &text);
    bool same = text.n == n && (n == 0 || memcmp(text.p, p, n) == 0);
    bool utf8 = true;
    for (size_t i = 0; i < n; i++)
        utf8 &= (unsigned char)p[i] < 0x80;
    /* The sample has every byte, so what it reads comes back. */
    if (utf8 && (how & 3) == 0 && tokenizer_piece(t, 32 + 128).n == 1) require(same);
    for (size_t i = 0; !parse && (how & 3) == 0 && i < whole.n; i++)
        require(whole.id[i] < 266 || whole.id[i] > 268);
    free((void *)text.p);
    ids_free(&whole);
    ids_free(&cut);
}

static void check_own_vocab(const uint8_t *data, size_t size, unsigned how)
{
    static const char text[] =
        "Hello w\xc3\xb6rld, 12345 <|im_end|>\n\n\xe2\x96\x81 \xff\xe2\x82 a a a"
        "<s></s>\xe6\x97\xa5\xf0\x9f\x98\x80    x";
    struct brrr_error err = { 0 };
    struct gguf *g = NULL;
    struct tokenizer *t = NULL;

    if (gguf_open_memory(&g, data, size, "input", &err) != BRRR_OK) return;
    if (tokenizer_open(&t, g, &err) == BRRR_OK) {
        check(t, text, sizeof(text) - 1, how);
        for (int32_t i = -1; i <= tokenizer_n_vocab(t) && i < 4096; i++) {
            tokenizer_piece(t, i);
            tokenizer_is_stop(t, i);
        }
    } else {
        require(t == NULL && err.status != BRRR_OK && err.text[0]);
    }
    gguf_close(g);
    tokenizer_close(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tokenizer *sample[3], *other[128];

    if (size == 0) return 0;
    unsigned how = data[0];
    data++;
    size--;
    if ((how & 3) == 3) {
        check_own_vocab(data, size, how);
        return 0;
    }
    for (int i = 0; i < 3; i++)
        if (!sample[i]) sample[i] = open_sample(i, "gpt-2");
    const struct tokenizer *t = sample[how & 3];
    if ((how & 3) == 0 && size > 0) {
        /* The next byte: the pre-tokenizer. */
        size_t n = 0;
        while (pretok_name(n))
            n++;
        size_t i = data[0] % n;
        if (!other[i]) other[i] = open_sample(0, pretok_name(i));
        t = other[i];
        data++;
        size--;
    }
    check(t, (const char *)data, size, how);
    return 0;
}
