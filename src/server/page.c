/* SPDX-License-Identifier: MIT */
/* page.c - see page.h. The files come in by the assembler's .incbin: the Makefile knows. */
#include "server/page.h"

#include <stdio.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "server/http.h"

/* clang-format off */
#define PAGE_FILE(sym, file, type)                        \
    __asm__(".pushsection .rodata.page, \"a\", @progbits\n" \
            ".globl page_" #sym "_at, page_" #sym "_end\n"  \
            ".hidden page_" #sym "_at, page_" #sym "_end\n" \
            "page_" #sym "_at:\n"                           \
            ".incbin \"src/server/page/" file "\"\n"        \
            "page_" #sym "_end:\n"                          \
            ".popsection\n");                               \
    extern const char page_##sym##_at[], page_##sym##_end[];
#include "server/page.def"
#undef PAGE_FILE
/* clang-format on */

static const struct file {
    const char *name, *type, *at, *end;
} files[] = {
#define PAGE_FILE(sym, file, type) { file, type, page_##sym##_at, page_##sym##_end },
#include "server/page.def"
#undef PAGE_FILE
};

#define POLICY                                                                      \
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " \
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

static const struct file *find(const char *name)
{
    for (size_t i = 0; i < COUNT(files); i++)
        if (strcmp(files[i].name, name) == 0) return &files[i];
    return NULL;
}

/* If-None-Match may hold several tags, weak ones among them. */
static bool has_it(const struct exchange *x, const char *tag)
{
    const char *known = http_header(x, "If-None-Match");

    return known && (strstr(known, tag) || strcmp(known, "*") == 0);
}

static void send(struct exchange *x, const struct file *f)
{
    struct slice body = { f->at, (size_t)(f->end - f->at) };
    char tag[24];

    snprintf(tag, sizeof(tag), "\"%016llx\"", (unsigned long long)XXH3_64bits(body.p, body.n));
    http_set(x, "Content-Security-Policy", POLICY);
    http_set(x, "Referrer-Policy", "no-referrer");
    http_set(x, "Cross-Origin-Resource-Policy", "same-origin");
    http_set(x, "Cache-Control", "no-cache"); /* ask whether it is still this one */
    http_set(x, "ETag", tag);
    if (has_it(x, tag)) http_reply(x, 304, NULL, (struct slice){ "", 0 });
    else http_reply(x, 200, f->type, body);
}

void page_root(struct exchange *x)
{
    const char *accept = http_header(x, "Accept");

    http_set(x, "Vary", "Accept");
    if (accept && strstr(accept, "text/html")) send(x, find("index.html"));
    else http_reply(x, 200, NULL, (struct slice){ "", 0 });
}

bool page_file(struct exchange *x, const char *name)
{
    const struct file *f = find(name);

    if (!f) return false;
    send(x, f);
    return true;
}
