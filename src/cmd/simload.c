/* SPDX-License-Identifier: MIT */
/*
 * simload.c - loads by specification, and the tokens of their prompts; see simload.h.
 *
 * Arrivals of a rate are a Poisson process: gaps of -ln(1 - u) / rate. A log-normal length with
 * mean m is exp(ln m - sigma^2 / 2 + sigma z), z by Box and Muller.
 */
#include "cmd/simload.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/rng.h"

/* What a draw is for; a part has as many numbers of its own. */
enum draw { DRAW_GAP, DRAW_PROMPT, DRAW_PROMPT_2, DRAW_OUTPUT, DRAW_OUTPUT_2, DRAW_SHARED, DRAWS };
/* Streams of tokens lie above those of parts. */
static const uint32_t OWN_TOKENS = 1u << 30, PREFIX_TOKENS = 1u << 31;

#define LEN(x)                \
    {                         \
        SIMLOAD_FIXED, (x), 0 \
    }
#define LOGN(mean, sigma)                  \
    {                                      \
        SIMLOAD_LOGNORMAL, (mean), (sigma) \
    }

/* clang-format off */
const struct simload_preset simload_presets[] = {
    { "standard", { .n_part = 1, .part = { { .n = 64, .prompt = LEN(329), .output = LEN(64), .n_prefix = 219, .share = 1, .turns = 1 } } },
      "8,32", "64 prompts of 329 tokens that share 219, 64 tokens each" },
    { "prefix", { .n_part = 1, .part = { { .n = 64, .prompt = LEN(220), .output = LEN(32), .n_prefix = 200, .share = 1, .turns = 1 } } },
      "1,8", "questions of 20 tokens behind a system prompt of 200" },
    { "chat", { .n_part = 1, .part = { { .n = 8, .prompt = LEN(40), .output = LEN(64), .share = 0, .turns = 8 } } },
      "4", "8 chats of 8 turns, 40 tokens asked and 64 answered in each" },
    { "sarathi", { .n_part = 2, .part = { { .n = 16, .prompt = LEN(32), .output = LEN(800), .turns = 1 },
                                          { .n = 24, .prompt = LEN(1024), .output = LEN(8), .turns = 1, .start = 0.2, .rate = 3 } } },
      NULL, "prompts of 1024 tokens arrive, 3 a second, while 16 sequences decode" },
    { "alpaca", { .n_part = 1, .part = { { .n = 256, .prompt = LOGN(19.31, 0.8), .output = LOGN(58.45, 0.8), .turns = 1 } } },
      NULL, "256 at once, log-normal lengths with the means of Alpaca" },
    { "sharegpt", { .n_part = 1, .part = { { .n = 128, .prompt = LOGN(161.31, 1), .output = LOGN(337.99, 1), .turns = 1 } } },
      NULL, "128 at once, log-normal lengths with the means of ShareGPT" },
    { NULL, { .n_part = 0 }, NULL, NULL },
};
/* clang-format on */

const struct simload_preset *simload_preset_find(const char *name)
{
    for (const struct simload_preset *p = simload_presets; p->name; p++)
        if (strcmp(p->name, name) == 0) return p;
    return NULL;
}

/* --- lengths --- */

static bool number(const char **s, double *out, double least, double most)
{
    char *end;

    *out = strtod(*s, &end);
    if (end == *s || !(*out >= least && *out <= most)) return false;
    *s = end;
    return true;
}

/* Two numbers behind `word`, with `between` between them. */
static bool two(const char *s, const char *word, char between, struct simload_len *out,
                enum simload_kind kind)
{
    size_t n = strlen(word);
    double least = kind == SIMLOAD_LOGNORMAL ? 0 : 1, most = least > 0 ? LIMIT_CTX : 10;

    if (strncmp(s, word, n) != 0) return false;
    s += n;
    out->kind = kind;
    if (!number(&s, &out->a, 1, LIMIT_CTX) || *s++ != between) return false;
    return number(&s, &out->b, least, most) && *s == 0;
}

bool simload_parse_len(struct simload_len *out, const char *s)
{
    *out = (struct simload_len){ .kind = SIMLOAD_FIXED };
    if (two(s, "uniform:", '-', out, SIMLOAD_UNIFORM))
        return out->a <= out->b && floor(out->a) == out->a && floor(out->b) == out->b;
    if (two(s, "lognormal:", ',', out, SIMLOAD_LOGNORMAL)) return true;
    out->kind = SIMLOAD_FIXED;
    return number(&s, &out->a, 1, LIMIT_CTX) && *s == 0 && floor(out->a) == out->a;
}

/* --- drawing --- */

/* Of which request of which part. */
struct draws {
    uint64_t seed;
    uint32_t part;
    uint64_t i;
};

static double draw(const struct draws *d, enum draw what)
{
    return rng_uniform(d->seed, d->part * DRAWS + what, d->i);
}

static int length(const struct simload_len *l, const struct draws *d, enum draw what)
{
    double u = draw(d, what), x = l->a;

    if (l->kind == SIMLOAD_UNIFORM) x = floor(l->a + u * (l->b - l->a + 1));
    if (l->kind == SIMLOAD_LOGNORMAL) {
        double z = sqrt(-2 * log(1 - u)) * cos(2 * M_PI * draw(d, what + 1));
        x = round(exp(log(l->a) - l->b * l->b / 2 + l->b * z));
    }
    return (int)fmin(fmax(x, 1), LIMIT_CTX);
}

/* One turn, behind what its chat holds already. */
static void make_request(struct simload_request *r, const struct simload_part *p,
                         const struct draws *d, int held, int n_max)
{
    int n_prompt = length(&p->prompt, d, DRAW_PROMPT);

    r->n_out = length(&p->output, d, DRAW_OUTPUT);
    if (p->n_prefix > 0 && r->after < 0 && draw(d, DRAW_SHARED) < p->share)
        r->n_prefix = p->n_prefix;
    /* A prompt has a token of its own; the cut takes from the answer last. */
    r->n_new = MAX(n_prompt - r->n_prefix, 1);
    held += r->n_prefix;
    if (n_max > 0 && p->prompt.kind != SIMLOAD_FIXED)
        r->n_new = MAX(MIN(r->n_new, n_max - 1 - held), 1);
    r->n_prompt = held + r->n_new;
    if (n_max > 0 && p->output.kind != SIMLOAD_FIXED)
        r->n_out = MAX(MIN(r->n_out, n_max - r->n_prompt), 1);
}

static void make_part(struct simload *l, const struct simload_spec *s, uint32_t part)
{
    const struct simload_part *p = &s->part[part];
    double at = p->start;

    for (int c = 0; c < p->n; c++) {
        struct draws d = { s->seed, part, (uint64_t)c * (uint64_t)p->turns };
        if (p->rate > 0) at += -log(1 - draw(&d, DRAW_GAP)) / p->rate;
        for (int t = 0, held = 0; t < p->turns; t++, d.i++) {
            struct simload_request *r = &l->r[l->n];
            *r = (struct simload_request){ .at = at, .after = t > 0 ? l->n - 1 : -1 };
            make_request(r, p, &d, held, s->n_max);
            held = r->n_prompt + r->n_out;
            l->n++;
        }
    }
}

enum brrr_status simload_make(struct simload *l, const struct simload_spec *s,
                              struct brrr_error *err)
{
    size_t n = 0, more;

    *l = (struct simload){ .seed = s->seed };
    for (int i = 0; i < s->n_part; i++)
        if (!size_mul(&more, (size_t)s->part[i].n, (size_t)s->part[i].turns) ||
            !size_add(&n, n, more) || n > LIMIT_SIM_REQUESTS)
            return fail(err, BRRR_E_LIMIT, "a load has up to %d requests", LIMIT_SIM_REQUESTS);
    l->r = calloc(n + 1, sizeof(*l->r));
    if (!l->r) return fail(err, BRRR_E_NOMEM, "no memory for %zu requests", n);
    for (int i = 0; i < s->n_part; i++)
        make_part(l, s, (uint32_t)i);
    return BRRR_OK;
}

void simload_free(struct simload *l)
{
    free(l->r);
    *l = (struct simload){ 0 };
}

enum brrr_status simload_check(const struct simload *l, const char *name, int ctx,
                               struct brrr_error *err)
{
    char where[64] = "";

    for (int i = 0; i < l->n; i++) {
        const struct simload_request *r = &l->r[i];
        if ((int64_t)r->n_prompt + r->n_out <= ctx) continue;
        if (r->line) snprintf(where, sizeof(where), " line %d", r->line);
        return fail(err, BRRR_E_LIMIT,
                    "%s%s: a prompt of %d tokens and an answer of %d; the context holds %d", name,
                    where, r->n_prompt, r->n_out, ctx);
    }
    return BRRR_OK;
}

/* --- tokens --- */

static void fill(const struct simload *l, uint32_t stream, const struct simload_text *t,
                 int32_t *out, int n)
{
    int at = 0;

    if (t->n > 0) at = (int)(rng_uniform(l->seed, stream, 0) * t->n);
    for (int k = 0; k < n; k++)
        if (t->n > 0) out[k] = t->id[((int64_t)at + k) % t->n];
        else out[k] = (int32_t)(rng_uniform(l->seed, stream, (uint64_t)k) * t->n_vocab);
}

void simload_tokens(const struct simload *l, int i, const struct simload_text *t, int32_t *out)
{
    const struct simload_request *r = &l->r[i];

    fill(l, PREFIX_TOKENS + (uint32_t)r->prefix, t, out, r->n_prefix);
    fill(l, OWN_TOKENS + (uint32_t)i, t, out + r->n_prefix, r->n_new);
}
