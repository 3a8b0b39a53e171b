/* SPDX-License-Identifier: MIT */
/* status.c - see status.h. */
#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/utf8.h"

enum brrr_status fail(struct brrr_error *err, enum brrr_status st, const char *fmt, ...)
{
    va_list ap;

    if (!err) return st;
    err->status = st;
    va_start(ap, fmt);
    int n = vsnprintf(err->text, sizeof(err->text), fmt, ap);
    va_end(ap);
    if (n >= (int)sizeof(err->text)) err->text[utf8_whole(err->text, sizeof(err->text) - 1)] = 0;
    return st;
}

const char *slice_print(char *buf, size_t cap, struct slice s)
{
    size_t n = s.n < cap ? s.n : utf8_whole(s.p, cap - 1);

    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        buf[i] = c < 0x20 || c == 0x7f ? '?' : (char)c;
    }
    buf[n] = 0;
    return buf;
}
