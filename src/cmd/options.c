/* SPDX-License-Identifier: MIT */
/*
 * options.c - from argv and the environment to struct options, by one table.
 *
 * Order of strength: command line, then environment (BRRR_<LONG NAME>), then
 * default. Accepted forms: -x V, -xV, --long V, --long=V; "--" ends options.
 */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>

#include "cmd/cmd.h"
#include "cmd/suggest.h"

enum kind { FLAG, INT, REAL, STR, LIST, U64, SIZE };

#define V(name) (1u << VERB_BIT_##name)
#include "cmd/verb_sets.h"

static const struct row {
    size_t off;
    enum kind kind;
    char shrt;
    const char *name, *alias, *meta;
    unsigned verbs;
    const char *help;
} rows[] = {
#define OPT(field, kind, s, name, alias, meta, verbs, help) \
    { offsetof(struct options, field), kind, s, name, alias, meta, verbs, help },
#include "cmd/options.def"
#undef OPT
};

static const struct verb_row {
    const char *name, *operands, *help;
} verb_rows[] = {
#define VERB(name, operands, help) { #name, operands, help },
#include "cmd/verbs.def"
#undef VERB
};

/* `verb` is one of them: main.c has looked. */
static const struct verb_row *find_verb(const char *verb)
{
    const struct verb_row *row = verb_rows;

    while (strcmp(verb, row->name) != 0)
        row++;
    return row;
}

static void options_init(struct options *o, const char *verb)
{
    memset(o, 0, sizeof(*o));
    o->verb = verb;
    o->parallel = strcmp(verb, "serve") == 0 ? 32 : 1;
    o->port = 8080;
    o->n_predict = 512;
    o->temperature = 0.8;
    o->top_k = 40;
    o->top_p = 0.95;
    o->min_p = 0.05;
    o->typical_p = 1;
    o->repeat = 1;
    o->repeats = 5;
    o->samples = 1;
}

/* True if `name` (n bytes) is one of the words in `list`, separated by spaces. */
static bool in_list(const char *list, const char *name, size_t n)
{
    while (*list) {
        size_t w = strcspn(list, " ");
        if (w == n && memcmp(list, name, n) == 0) return true;
        list += w;
        while (*list == ' ')
            list++;
    }
    return false;
}

static int find_long(const char *name, size_t n, unsigned verb)
{
    for (unsigned i = 0; i < COUNT(rows); i++) {
        if (!(rows[i].verbs & verb)) continue;
        if ((strlen(rows[i].name) == n && memcmp(rows[i].name, name, n) == 0) ||
            in_list(rows[i].alias, name, n))
            return (int)i;
    }
    return -1;
}

static bool unknown(const char *arg, size_t n, const struct options *o, unsigned verb)
{
    struct suggestion s;
    char hint[64];

    suggest_start(&s, arg + 2, n > 2 ? n - 2 : 0);
    for (unsigned i = 0; i < COUNT(rows) && n > 2 && arg[1] == '-'; i++) {
        if (!(rows[i].verbs & verb)) continue;
        suggest_offer(&s, rows[i].name, strlen(rows[i].name));
        for (const char *a = rows[i].alias; *a; a += strspn(a, " ")) {
            size_t w = strcspn(a, " ");
            suggest_offer(&s, a, w);
            a += w;
        }
    }
    cmd_usage(o->verb, "unknown option '%.*s'%s", (int)n, arg,
              suggest_text(&s, "--", hint, sizeof(hint)));
    return false;
}

/* llama.cpp's two-letter options with one dash. */
static int find_short(const char *arg, unsigned verb)
{
    if (strcmp(arg, "-ctk") == 0 || strcmp(arg, "-ctv") == 0) return find_long("kv-type", 7, verb);
    for (unsigned i = 0; i < COUNT(rows); i++)
        if ((rows[i].verbs & verb) && rows[i].shrt && rows[i].shrt == arg[1]) return (int)i;
    return -1;
}

static bool parse_int(const char *s, int *out)
{
    char *end;

    errno = 0;
    long v = strtol(s, &end, 10);
    if (errno || end == s || *end || v < -1 || v > INT32_MAX) return false;
    *out = (int)v;
    return true;
}

static bool parse_real(const char *s, double *out)
{
    char *end;

    errno = 0;
    *out = strtod(s, &end);
    return !errno && end != s && !*end && isfinite(*out);
}

static bool parse_u64(const char *s, uint64_t *out)
{
    char *end;

    errno = 0;
    *out = strtoull(s, &end, 10);
    return !errno && end != s && !*end && *s != '-';
}

bool options_size(const char *s, size_t n, uint64_t *bytes)
{
    static const char units[] = "KMGTP";
    uint64_t v = 0, scale = 1;
    size_t i = 0;

    for (; i < n && s[i] >= '0' && s[i] <= '9'; i++)
        if (__builtin_mul_overflow(v, 10, &v) ||
            __builtin_add_overflow(v, (uint64_t)(s[i] - '0'), &v))
            return false;
    if (i == 0) return false;
    const char *unit = i < n ? memchr(units, toupper((unsigned char)s[i]), 5) : NULL;
    if (unit) {
        scale <<= 10 * (unit - units + 1);
        i++;
        if (i + 1 < n && s[i] == 'i') i++; /* KiB; KB means the same to most who write it */
    }
    if (i < n && toupper((unsigned char)s[i]) == 'B') i++;
    return i == n && !__builtin_mul_overflow(v, scale, bytes);
}

/* In the environment a flag needs a value. */
static bool parse_flag(const char *s, bool *out)
{
    static const char *const words[] = { "0", "1", "false", "true", "no", "yes", "off", "on" };

    for (size_t i = 0; i < COUNT(words); i++) {
        if (strcmp(s, words[i]) != 0) continue;
        *out = i % 2;
        return true;
    }
    return false;
}

static bool store(struct options *o, const struct row *r, const char *value)
{
    void *to = (char *)o + r->off;

    switch (r->kind) {
    case FLAG:
        *(bool *)to = true;
        return !value || parse_flag(value, to);
    case INT:
        return parse_int(value, to);
    case REAL:
        return parse_real(value, to);
    case U64:
        return parse_u64(value, to);
    case SIZE:
        return options_size(value, strlen(value), to);
    case STR:
        *(const char **)to = value;
        return true;
    case LIST: {
        struct str_list *l = to;
        if (l->n >= LIMIT_STOPS) return false;
        l->v[l->n++] = value;
        return true;
    }
    }
    return false;
}

static const char *const kind_wants[] = {
    "1 or 0",
    "a whole number from -1",
    "a number",
    "a text",
    "a text (16 times at most)",
    "a whole number from 0",
    "a size in bytes, as 512M or 8G",
};

static bool set(struct options *o, int i, const char *shown, const char *value)
{
    if (!store(o, &rows[i], value)) {
        cmd_usage(o->verb, "%s: '%s' is not %s", shown, value, kind_wants[rows[i].kind]);
        return false;
    }
    o->given[i] = true;
    return true;
}

/* BRRR_CTX_SIZE=4096 and so on, for every row that has a long name. */
static bool from_environment(struct options *o, unsigned verb)
{
    for (unsigned i = 0; i < COUNT(rows); i++) {
        char env[64];
        int n = snprintf(env, sizeof(env), "BRRR_%s", rows[i].name);
        if (!(rows[i].verbs & verb) || rows[i].kind == LIST || rows[i].shrt == 'h') continue;
        for (int j = 0; j < n; j++)
            env[j] = env[j] == '-' ? '_' : (char)toupper((unsigned char)env[j]);
        const char *v = getenv(env);
        if (v && *v && !set(o, (int)i, env, v)) return false;
    }
    return true;
}

/* One argument that starts with a dash; *i moves when its value is the next one. */
static bool parse_option(struct options *o, unsigned verb, int argc, char **argv, int *i)
{
    const char *arg = argv[*i], *value = NULL;
    size_t n = strcspn(arg, "=");
    bool is_long = arg[1] == '-';
    int r = is_long ? find_long(arg + 2, n - 2, verb) : find_short(arg, verb);

    if (r < 0) return unknown(arg, is_long ? n : strlen(arg), o, verb);
    if (is_long && arg[n] == '=') value = arg + n + 1;
    if (!is_long && arg[2] && strncmp(arg, "-ct", 3) != 0) value = arg + 2;
    if (rows[r].kind == FLAG) {
        if (value && !is_long) {
            cmd_usage(o->verb, "unknown option '%s'", arg);
            return false;
        }
        if (value) {
            cmd_usage(o->verb, "%.*s takes no value", (int)n, arg);
            return false;
        }
        return set(o, r, arg, value);
    }
    if (!value) {
        if (*i + 1 >= argc) {
            cmd_usage(o->verb, "%s needs a value (%s)", arg, rows[r].meta);
            return false;
        }
        value = argv[++*i];
    }
    return set(o, r, arg, value);
}

/* What verbs.def says about operands: none, one model, or whatever the verb makes of them. */
static bool check_operands(struct options *o, const char *operands)
{
    bool is_model = strstr(operands, "MODEL") != NULL;

    if (o->n_arg > 0 && !*operands) {
        cmd_usage(o->verb, "unexpected operand '%s'", o->arg[0]);
        return false;
    }
    if (o->n_arg > 1 && is_model) {
        cmd_usage(o->verb, "one model at a time, not '%s' too", o->arg[1]);
        return false;
    }
    if (o->n_arg == 1 && is_model) o->model = o->arg[0];
    return true;
}

bool options_parse(struct options *o, const char *verb, int argc, char **argv)
{
    const struct verb_row *row = find_verb(verb);
    unsigned bit = 1u << (row - verb_rows);

    options_init(o, verb);
    if (!from_environment(o, bit)) return false;
    for (int i = 0; i < argc; i++) {
        if (argv[i][0] == '-' && argv[i][1] && strcmp(argv[i], "--") != 0) {
            if (!parse_option(o, bit, argc, argv, &i)) return false;
            continue;
        }
        bool rest = strcmp(argv[i], "--") == 0;
        for (i += rest; i < argc; i++) {
            if (o->n_arg == (int)COUNT(o->arg)) {
                cmd_usage(verb, "too many operands (%d at most)", (int)COUNT(o->arg));
                return false;
            }
            o->arg[o->n_arg++] = argv[i];
            if (!rest) break;
        }
    }
    return check_operands(o, row->operands);
}

void options_help(const char *verb, FILE *to)
{
    const struct verb_row *row = find_verb(verb);
    unsigned bit = 1u << (row - verb_rows);

    fprintf(to, "usage: brrr %s [options]%s%s\n%s\n\n", verb, *row->operands ? " " : "",
            row->operands, row->help);
    for (unsigned i = 0; i < COUNT(rows); i++) {
        char left[64], sh[8] = "    ";
        if (!(rows[i].verbs & bit)) continue;
        if (rows[i].shrt) snprintf(sh, sizeof(sh), "-%c, ", rows[i].shrt);
        snprintf(left, sizeof(left), "%s--%s %s", sh, rows[i].name, rows[i].meta);
        fprintf(to, "  %-34s %s\n", left, rows[i].help);
    }
    fprintf(to,
            "\nEvery option can be given in the environment: --ctx-size as BRRR_CTX_SIZE.\n"
            "Exit codes: 0 ok, 1 run-time failure, 2 usage, 3 model file invalid or unsupported,\n"
            "4 not enough memory, 8 answer not written (disk), 130 interrupted, 143 terminated.\n");
}
