/* SPDX-License-Identifier: MIT */
/*
 * pretokenize.c - see pretokenize.h. Regexes run in PCRE2, compiled by its JIT
 * where the system allows writable code (systemd's MemoryDenyWriteExecute does
 * not: then they are interpreted, some ten times slower).
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/pretokenize.h"

#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <utf8proc.h>

#include "base/utf8.h"
#include "text/unicode.h"

enum {
    REGEXES_MAX = 6,
    PATTERN_MAX = 8 << 10,     /* bytes of a regex with \s written out            */
    MATCH_LIMIT = 50 << 20,    /* PCRE2's counter: far above one honest word      */
    HEAP_LIMIT_KIB = 64 << 10, /* of the interpreter                              */
    JIT_STACK_MIN = 32 << 10,
    JIT_STACK_MAX = 8 << 20,
};

static const struct row {
    const char *name;
    unsigned flags;
    const char *regex[REGEXES_MAX + 1];
} rows[] = {
#define PRETOKENIZER(name, flags, ...) { name, flags, { __VA_ARGS__ } },
#include "text/pretokenizers.def"
#undef PRETOKENIZER
};

struct pretok {
    int n;
    struct level {
        pcre2_code *code; /* NULL: a scanner         */
        bool jit;
        bool word_end; /* scanner: only runs that end a word */
    } level[REGEXES_MAX];
};

struct pretok_run {
    const struct pretok *p;
    pcre2_match_data *data;
    pcre2_match_context *ctx;
    pcre2_jit_stack *stack;
    pretok_word_fn *fn;
    void *arg;
};

static const struct row *find_row(struct slice name)
{
    for (size_t i = 0; i < COUNT(rows); i++)
        if (slice_is(name, rows[i].name)) return &rows[i];
    return NULL;
}

const char *pretok_name(size_t i)
{
    return i < COUNT(rows) ? rows[i].name : NULL;
}

bool pretok_flags(struct slice name, unsigned *flags)
{
    const struct row *r = find_row(name);

    *flags = r ? r->flags : 0;
    return r != NULL;
}

/* Copy a regex with \s and \S written out. False: longer than `cap`. */
static bool spell_out_spaces(const char *rx, char *out, size_t cap)
{
    size_t n = 0;
    bool in_class = false;

    for (size_t i = 0; rx[i]; i++) {
        char one[3] = { rx[i], 0, 0 };
        const char *put = one;
        char word[sizeof(UNI_SPACE_CLASS) + 8];
        if (rx[i] == '\\') {
            one[1] = rx[++i];
            if (rx[i] == 's' || rx[i] == 'S') {
                const char *open = in_class ? "" : rx[i] == 's' ? "[" : "[^";
                snprintf(word, sizeof(word), "%s%s%s", open, UNI_SPACE_CLASS, in_class ? "" : "]");
                put = word;
            }
        } else if (rx[i] == '[') {
            in_class = true;
        } else if (rx[i] == ']') {
            in_class = false;
        }
        size_t k = strlen(put);
        if (k >= cap - n) return false;
        memcpy(out + n, put, k);
        n += k;
    }
    out[n] = 0;
    return true;
}

static enum brrr_status compile(struct level *l, const char *rx, struct brrr_error *err)
{
    char text[PATTERN_MAX];
    int code;
    PCRE2_SIZE at;
    PCRE2_UCHAR why[128];

    if (rx[0] == '@') {
        l->word_end = strcmp(rx, "@triples") != 0;
        return BRRR_OK;
    }
    if (!spell_out_spaces(rx, text, sizeof(text)))
        return fail(err, BRRR_E_LIMIT, "a pre-tokenizer regex is longer than %d bytes",
                    PATTERN_MAX);
    l->code = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED,
                            PCRE2_UTF | PCRE2_UCP | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C |
                                PCRE2_NO_AUTO_CAPTURE,
                            &code, &at, NULL);
    if (!l->code && code == PCRE2_ERROR_HEAP_FAILED)
        return fail(err, BRRR_E_NOMEM, "no memory for a pre-tokenizer");
    if (!l->code) {
        pcre2_get_error_message(code, why, sizeof(why));
        return fail(err, BRRR_E_UNSUPPORTED, "a pre-tokenizer regex: %s at byte %zu", (char *)why,
                    (size_t)at);
    }
    l->jit = pcre2_jit_compile(l->code, PCRE2_JIT_COMPLETE) == 0;
    return BRRR_OK;
}

enum brrr_status pretok_new(struct pretok **out, struct slice name, struct brrr_error *err)
{
    const struct row *r = find_row(name);
    char shown[64];

    *out = NULL;
    if (!r)
        return fail(err, BRRR_E_UNSUPPORTED, "the pre-tokenizer '%s' is not known",
                    slice_print(shown, sizeof(shown), name));
    struct pretok *p = calloc(1, sizeof(*p));
    if (!p) return fail(err, BRRR_E_NOMEM, "no memory for a pre-tokenizer");
    for (p->n = 0; r->regex[p->n]; p->n++) {
        enum brrr_status st = compile(&p->level[p->n], r->regex[p->n], err);
        if (st) {
            pretok_free(p);
            return st;
        }
    }
    *out = p;
    return BRRR_OK;
}

void pretok_free(struct pretok *p)
{
    if (!p) return;
    for (int i = 0; i < REGEXES_MAX; i++)
        pcre2_code_free(p->level[i].code);
    free(p);
}

struct pretok_run *pretok_run_new(const struct pretok *p)
{
    struct pretok_run *r = calloc(1, sizeof(*r));

    if (!r) return NULL;
    r->p = p;
    r->data = pcre2_match_data_create(1, NULL);
    r->ctx = pcre2_match_context_create(NULL);
    if (!r->data || !r->ctx) {
        pretok_run_free(r);
        return NULL;
    }
    pcre2_set_match_limit(r->ctx, MATCH_LIMIT);
    pcre2_set_heap_limit(r->ctx, HEAP_LIMIT_KIB);
    /* NULL, where the JIT is not allowed, is no error. */
    r->stack = pcre2_jit_stack_create(JIT_STACK_MIN, JIT_STACK_MAX, NULL);
    if (r->stack) pcre2_jit_stack_assign(r->ctx, NULL, r->stack);
    return r;
}

void pretok_run_free(struct pretok_run *r)
{
    if (!r) return;
    pcre2_match_data_free(r->data);
    pcre2_match_context_free(r->ctx);
    pcre2_jit_stack_free(r->stack);
    free(r);
}

static bool split(struct pretok_run *r, int level, const char *p, size_t n);

/* What \w is to the regexes of the models (Oniguruma's tables: Latin-1 has its own). */
static bool word_char(uint32_t cp)
{
    utf8proc_category_t k = utf8proc_category((utf8proc_int32_t)cp);

    if (k == UTF8PROC_CATEGORY_NO) return cp < 0x100;
    if (cp >= 0x24b6 && cp <= 0x24e9) return true; /* circled letters: symbols, but alphabetic */
    return (k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_NL) || k == UTF8PROC_CATEGORY_PC;
}

/* The run of decimal digits at p: its bytes, how many there are, and what follows. */
static size_t digit_run(const char *p, size_t n, size_t *n_digit, bool *word_behind)
{
    size_t at = 0;

    *n_digit = 0;
    *word_behind = false;
    while (at < n) {
        uint32_t cp;
        int k = utf8_next(p + at, n - at, &cp);
        if (k <= 0) break;
        if (utf8proc_category((utf8proc_int32_t)cp) != UTF8PROC_CATEGORY_ND) {
            *word_behind = word_char(cp);
            break;
        }
        at += (size_t)k;
        (*n_digit)++;
    }
    return at;
}

static size_t char_bytes(const char *p, size_t n)
{
    uint32_t cp;
    int k = utf8_next(p, n, &cp);

    return k > 0 ? (size_t)k : 1;
}

/*
 * The scanners, in linear time: (?=(\d{3})+(?!\d)) cuts a run of digits in threes
 * counted from its end; \d{1,3}(?=(?:\d{3})*\b) does so too, but only if no word
 * goes on behind the run, and cuts at the run's ends as well.
 */
static bool split_triples(struct pretok_run *r, int level, const char *p, size_t n)
{
    bool word_end = r->p->level[level].word_end, word_behind;
    size_t from = 0, i = 0, n_digit;

    while (i < n) {
        size_t end = i + digit_run(p + i, n - i, &n_digit, &word_behind);
        bool cuts = !(word_end && word_behind);
        for (size_t d = n_digit; d > 0; d--) {
            if (cuts && i > from && (d % 3 == 0 || (word_end && d == n_digit))) {
                if (!split(r, level + 1, p + from, i - from)) return false;
                from = i;
            }
            i += char_bytes(p + i, n - i);
        }
        if (n_digit > 0 && cuts && word_end) {
            if (!split(r, level + 1, p + from, end - from)) return false;
            from = end;
        }
        if (n_digit == 0) i += char_bytes(p + i, n - i);
    }
    return from == n || split(r, level + 1, p + from, n - from);
}

/* Cut p[0, n) by the regexes from `level` on; the depth is the number of regexes. */
static bool split(struct pretok_run *r, int level, const char *p, size_t n)
{
    const PCRE2_SIZE *o = pcre2_get_ovector_pointer(r->data);
    size_t from = 0, at = 0;

    if (n == 0) return true;
    if (level == r->p->n) return r->fn(r->arg, p, n);
    const struct level *l = &r->p->level[level];
    if (!l->code) return split_triples(r, level, p, n);
    while (at < n) {
        PCRE2_SPTR s = (PCRE2_SPTR)p;
        int rc = l->jit ? pcre2_jit_match(l->code, s, n, at, 0, r->data, r->ctx)
                        : pcre2_match(l->code, s, n, at, PCRE2_NO_UTF_CHECK, r->data, r->ctx);
        if (rc < 0) break;         /* no match, or a limit: the rest stays whole */
        size_t a = o[0], b = o[1]; /* before split() below uses r->data again */
        if (b <= a) break;         /* no row matches nothing; never loop, though */
        if (a > from && !split(r, level + 1, p + from, a - from)) return false;
        if (!split(r, level + 1, p + a, b - a)) return false;
        from = at = b;
    }
    return from == n || split(r, level + 1, p + from, n - from);
}

bool pretok_split(struct pretok_run *r, const char *p, size_t n, pretok_word_fn *fn, void *arg)
{
    r->fn = fn;
    r->arg = arg;
    return split(r, 0, p, n);
}
