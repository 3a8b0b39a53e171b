/* SPDX-License-Identifier: MIT */
/* utf8.c - see utf8.h. Source: the Unicode standard, section 3.9, table 3-7. */
#include "base/utf8.h"

#include <string.h>

/* The length that a lead byte announces, and the range of the byte after it. */
static int lead(unsigned c, unsigned *lo, unsigned *hi)
{
    *lo = 0x80;
    *hi = 0xbf;
    if (c >= 0xc2 && c <= 0xdf) return 2;
    if (c >= 0xe0 && c <= 0xef) {
        if (c == 0xe0) *lo = 0xa0; /* else over-long */
        if (c == 0xed) *hi = 0x9f; /* else a surrogate */
        return 3;
    }
    if (c >= 0xf0 && c <= 0xf4) {
        if (c == 0xf0) *lo = 0x90;
        if (c == 0xf4) *hi = 0x8f; /* else above U+10FFFF */
        return 4;
    }
    return 0;
}

int utf8_next(const char *p, size_t n, uint32_t *cp)
{
    unsigned c = (unsigned char)p[0], lo, hi;

    *cp = c;
    if (c < 0x80) return 1;
    int len = lead(c, &lo, &hi);
    if (len == 0) return -1;
    uint32_t v = c & (0xffu >> (len + 1));
    for (int i = 1; i < len; i++) {
        if ((size_t)i >= n) return 0;
        c = (unsigned char)p[i];
        if (c < lo || c > hi) return -i;
        v = v << 6 | (c & 0x3f);
        lo = 0x80;
        hi = 0xbf;
    }
    *cp = v;
    return len;
}

int utf8_last(const char *p, size_t n, uint32_t *cp)
{
    size_t k = 1;

    while (k < 4 && k < n && ((unsigned char)p[n - k] & 0xc0) == 0x80)
        k++;
    return utf8_next(p + n - k, k, cp) == (int)k ? (int)k : -1;
}

size_t utf8_whole(const char *p, size_t n)
{
    uint32_t cp;

    for (size_t k = 1; k < 4 && k <= n; k++)
        if (utf8_next(p + n - k, k, &cp) == 0) return n - k;
    return n;
}

size_t utf8_valid_run(const char *p, size_t n)
{
    size_t i = 0;

    while (i < n) {
        uint64_t w;
        uint32_t cp;
        if (n - i >= sizeof(w)) {
            memcpy(&w, p + i, sizeof(w));
            if ((w & 0x8080808080808080u) == 0) {
                i += sizeof(w);
                continue;
            }
        }
        int k = utf8_next(p + i, n - i, &cp);
        if (k <= 0) break;
        i += (size_t)k;
    }
    return i;
}

int utf8_put(char out[4], uint32_t cp)
{
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    if (cp < 0x800) {
        out[0] = (char)(0xc0 | cp >> 6);
        out[1] = (char)(0x80 | (cp & 0x3f));
        return 2;
    }
    if (cp < 0x10000) {
        out[0] = (char)(0xe0 | cp >> 12);
        out[1] = (char)(0x80 | (cp >> 6 & 0x3f));
        out[2] = (char)(0x80 | (cp & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | cp >> 18);
    out[1] = (char)(0x80 | (cp >> 12 & 0x3f));
    out[2] = (char)(0x80 | (cp >> 6 & 0x3f));
    out[3] = (char)(0x80 | (cp & 0x3f));
    return 4;
}
