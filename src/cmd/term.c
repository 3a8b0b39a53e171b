/* SPDX-License-Identifier: MIT */
/* term.c - see term.h. Knows nothing about options or models; tested by itself. */
#include "cmd/term.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/utf8.h"

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

/* C1 controls, and what turns the direction of writing (Unicode's "Bidi_Control" but the marks). */
static bool hidden(uint32_t c)
{
    return (c >= 0x80 && c <= 0x9f) || (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

size_t term_clean(char *out, const char *text, size_t n)
{
    char *to = out;
    size_t step;

    for (size_t i = 0; i < n; i += step) {
        uint32_t c;
        int len = utf8_next(text + i, n - i, &c);
        step = len > 0 ? (size_t)len : 1;
        if (len <= 0 || hidden(c)) {
            memcpy(to, "\xef\xbf\xbd", 3); /* U+FFFD */
            to += 3;
        } else if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f) {
            *to++ = '^';
            *to++ = (char)(c ^ 0x40);
        } else {
            memcpy(to, text + i, step);
            to += step;
        }
    }
    return (size_t)(to - out);
}

bool term_write(FILE *f, const char *text, size_t n)
{
    char buf[TERM_ROOM(1024)];

    if (!isatty(fileno(f))) return fwrite(text, 1, n, f) == n;
    while (n > 0) {
        size_t take = n <= 1024 ? n : utf8_whole(text, 1024);
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
