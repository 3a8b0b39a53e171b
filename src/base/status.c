/* SPDX-License-Identifier: MIT */
/* status.c - see status.h. */
#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>

/* n, or less: without the character that is cut off at the end of s[0..n), if one is. */
static size_t whole_utf8(const char *s, size_t n)
{
    size_t tail = 0;

    while (tail < 3 && tail < n && ((unsigned char)s[n - 1 - tail] & 0xc0) == 0x80)
        tail++;
    if (tail == n) return n;
    unsigned char lead = (unsigned char)s[n - 1 - tail];
    size_t want = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
    return want > tail + 1 ? n - 1 - tail : n;
}

enum brrr_status fail(struct brrr_error *err, enum brrr_status st, const char *fmt, ...)
{
    va_list ap;

    if (!err) return st;
    err->status = st;
    va_start(ap, fmt);
    int n = vsnprintf(err->text, sizeof(err->text), fmt, ap);
    va_end(ap);
    if (n >= (int)sizeof(err->text)) err->text[whole_utf8(err->text, sizeof(err->text) - 1)] = 0;
    return st;
}

const char *slice_print(char *buf, size_t cap, struct slice s)
{
    size_t n = s.n < cap ? s.n : whole_utf8(s.p, cap - 1);

    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        buf[i] = c < 0x20 || c == 0x7f ? '?' : (char)c;
    }
    buf[n] = 0;
    return buf;
}
