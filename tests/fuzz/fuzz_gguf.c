/* SPDX-License-Identifier: MIT */
/*
 * fuzz_gguf.c - any bytes as a GGUF file: refused with a message, or opened and
 * used completely. Seeds: tests/fuzz/corpus/gguf (tools/gen-gguf-corpus.py).
 */
#include "gguf_walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct brrr_error err = { 0 };
    struct gguf *g;

    if (gguf_open_memory(&g, data, size, "input", &err) != BRRR_OK) {
        walk_require(g == NULL && err.status != BRRR_OK);
        walk_require(strstr(err.text, "input: ") == err.text && strstr(err.text, "at byte "));
        return 0;
    }
    walk(g);
    gguf_close(g);
    return 0;
}
