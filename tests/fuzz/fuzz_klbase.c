/* SPDX-License-Identifier: MIT */
/*
 * fuzz_klbase.c - any bytes as a file of reference distributions: refused with a
 * message, or read to the end, where every row is a distribution. Seeds:
 * tests/fuzz/corpus/klbase (tools/gen-klbase-corpus.py).
 */
#include <stdlib.h>

#include "format/klbase.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
    if (!ok) abort();
}

static void check_row(const struct klbase_row *row, int n_vocab)
{
    double total = 0;

    for (int i = 0; i < n_vocab; i++)
        total += row->p[row->down[i]];
    require(total >= 1 && total <= n_vocab && row->sum == total && row->nll > -1);
    require(row->top >= 0 && row->top < n_vocab && row->down[row->top] == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct brrr_error err = { 0 };
    struct klbase_row row;
    struct klbase *k;
    FILE *f = fmemopen((void *)(uintptr_t)data, size, "rb");
    enum brrr_status st;

    if (!f) return 0;
    if ((st = klbase_open_file(&k, f, "input", &err)) == BRRR_OK) {
        const struct klbase_head *h = klbase_head(k);
        require(h->n_vocab > 0 && h->n_row > 0 && h->ctx > 1 && h->profile[0]);
        /* A few likelihoods: which id comes next is the caller's. */
        for (int i = 0; !st && i < h->n_row; i++)
            if (!(st = klbase_get(k, i % MIN(h->n_vocab, 3), &row, &err)))
                check_row(&row, h->n_vocab);
    }
    if (st) require(err.status == st && strstr(err.text, "input: ") == err.text);
    klbase_close(k);
    return 0;
}
