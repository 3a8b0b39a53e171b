/* SPDX-License-Identifier: MIT */
/* term.c - see term.h. Knows nothing about options or models; tested by itself. */
#include "cmd/term.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Quick work stays silent; redrawing faster than a person sees is waste. */
#define FIRST_MS  500
#define BAR_MS    100
#define LINE_MS   5000
#define BAR_CELLS 30

bool term_tty(FILE *f)
{
    const char *term = getenv("TERM");

    return isatty(fileno(f)) && !(term && strcmp(term, "dumb") == 0);
}

bool term_color(FILE *f)
{
    const char *no = getenv("NO_COLOR");

    return term_tty(f) && !(no && *no);
}

/*
 * One character at p (n >= 1 bytes left): its length, and its number in *code, by the table of
 * well-formed sequences of the Unicode standard (3-7). What is malformed is one byte, *code -1.
 */
static size_t decode(const unsigned char *p, size_t n, int32_t *code)
{
    static const struct {
        unsigned char first, last; /* of the lead byte        */
        unsigned char low, high;   /* what may follow it      */
        unsigned char len;
    } rows[] = {
        { 0x00, 0x7f, 0, 0, 1 },       { 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 },
        { 0xe1, 0xec, 0x80, 0xbf, 3 }, { 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
        { 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
    };
    size_t r = 0, len;

    *code = -1;
    while (r < sizeof(rows) / sizeof(rows[0]) && (p[0] < rows[r].first || p[0] > rows[r].last))
        r++;
    if (r == sizeof(rows) / sizeof(rows[0]) || rows[r].len > n) return 1;
    len = rows[r].len;
    if (len > 1 && (p[1] < rows[r].low || p[1] > rows[r].high)) return 1;
    int32_t c = len == 1 ? p[0] : p[0] & (0x7f >> len);
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80) return 1;
        c = c << 6 | (p[i] & 0x3f);
    }
    *code = c;
    return len;
}

/* C1 controls, and what turns the direction of writing (Unicode's "Bidi_Control" but the marks). */
static bool hidden(int32_t c)
{
    return c < 0 || (c >= 0x80 && c <= 0x9f) || (c >= 0x202a && c <= 0x202e) ||
           (c >= 0x2066 && c <= 0x2069);
}

size_t term_clean(char *out, const char *text, size_t n)
{
    const unsigned char *p = (const unsigned char *)text;
    char *to = out;

    for (size_t i = 0, len; i < n; i += len) {
        int32_t c;
        len = decode(p + i, n - i, &c);
        if (hidden(c)) {
            memcpy(to, "\xef\xbf\xbd", 3); /* U+FFFD */
            to += 3;
        } else if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f) {
            *to++ = '^';
            *to++ = (char)(c ^ 0x40);
        } else {
            memcpy(to, p + i, len);
            to += len;
        }
    }
    return (size_t)(to - out);
}

bool term_write(FILE *f, const char *text, size_t n)
{
    char buf[TERM_ROOM(1024)];

    if (!isatty(fileno(f))) return fwrite(text, 1, n, f) == n;
    while (n > 0) {
        size_t take = n < 1024 ? n : 1024;
        /* Not in the middle of a character. */
        while (take > 1021 && take < n && ((unsigned char)text[take] & 0xc0) == 0x80)
            take--;
        size_t m = term_clean(buf, text, take);
        if (fwrite(buf, 1, m, f) != m) return false;
        text += take;
        n -= take;
    }
    return true;
}

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void progress_start(struct progress *p, const char *label, bool quiet)
{
    *p = (struct progress){ .label = label, .quiet = quiet, .tty = term_tty(stderr) };
    p->start_ms = p->last_ms = now_ms();
}

static void draw_bar(const struct progress *p, double share)
{
    char bar[BAR_CELLS + 1];
    int full = (int)(share * BAR_CELLS);

    memset(bar, '.', BAR_CELLS);
    memset(bar, '#', (size_t)full);
    bar[BAR_CELLS] = 0;
    fprintf(stderr, "\r%s [%s] %3d%%", p->label, bar, (int)(share * 100));
    fflush(stderr);
}

void progress_show(struct progress *p, double done, double total)
{
    int64_t now = p->quiet ? 0 : now_ms();
    double share = total > 0 ? done / total : 0;

    share = share > 0 ? share < 1 ? share : 1 : 0;
    if (p->quiet || now - p->start_ms < FIRST_MS) return;
    if (now - p->last_ms < (p->tty ? p->shown ? BAR_MS : 0 : LINE_MS)) return;
    p->last_ms = now;
    p->shown = true;
    if (p->tty) draw_bar(p, share);
    else fprintf(stderr, "%s: %d%%\n", p->label, (int)(share * 100));
}

void progress_end(struct progress *p)
{
    if (!p->quiet && p->tty && p->shown) fputs("\r\033[K", stderr);
    p->shown = false;
}

void progress_callback(void *arg, double done)
{
    progress_show(arg, done, 1);
}
