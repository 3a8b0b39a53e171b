/* SPDX-License-Identifier: MIT */
/*
 * ppl_kl.c - see ppl_kl.h.
 *
 * The divergence of a position is D(base || here) = sum of p (log p - log q) over the vocabulary,
 * in nats: how much the model at hand surprises a reader who expects the base. It is 0 only where
 * both say the same. Sums are doubles.
 */
#include "cmd/ppl_kl.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#define NOT_FINITE "the model's logits are not finite: nothing to compare"

/* Does the base belong to this text, cut this way? */
static enum brrr_status check(const struct klbase_head *b, const struct klbase_head *h,
                              const char *path, struct brrr_error *err)
{
    const char *what = NULL;

    if (b->n_vocab != h->n_vocab)
        return fail(err, BRRR_E_FORMAT, "%s has %d logits in a row, the model %d", path, b->n_vocab,
                    h->n_vocab);
    if (b->ctx != h->ctx)
        return fail(err, BRRR_E_FORMAT,
                    "%s was made with windows of %d tokens, not %d (--ctx-size)", path, b->ctx,
                    h->ctx);
    if (b->half != h->half) what = "was made with another --score";
    else if (b->bos != h->bos) what = "was made by a model with another rule for BOS";
    else if (b->n_id != h->n_id || b->id_sum != h->id_sum || b->n_row != h->n_row)
        what = "was made of other token ids (--file, --max-tokens, the tokenizer)";
    if (what) return fail(err, BRRR_E_FORMAT, "%s %s", path, what);
    return BRRR_OK;
}

static enum brrr_status start_compare(struct kl *k, const char *path, const struct klbase_head *h)
{
    enum brrr_status st = klbase_open(&k->file, path, &k->err);

    if (st) return st;
    if ((st = check(klbase_head(k->file), h, path, &k->err))) return st;
    k->each = malloc((size_t)h->n_row * sizeof(*k->each));
    return k->each ? BRRR_OK : fail(&k->err, BRRR_E_NOMEM, "no memory to compare");
}

/* A base that could not be written is an answer that could not. */
static int tell(const struct kl *k)
{
    int code = cmd_fail(&k->err);

    return !k->compare && k->st == BRRR_E_IO ? EXIT_DISK : code;
}

int kl_start(struct kl *k, const struct options *o, const struct klbase_head *h)
{
    *k = (struct kl){ .compare = o->kl != NULL };
    memcpy(k->profile, h->profile, sizeof(k->profile));
    if (k->compare) k->st = start_compare(k, o->kl, h);
    else if (o->kl_base) k->st = klbase_make(&k->file, o->kl_base, h, &k->err);
    return k->st ? tell(k) : EXIT_OK;
}

static double divergence(const struct klbase_row *b, const struct kl_at *at, int n_vocab)
{
    double log_p0 = -log(b->sum), log_q0 = -((double)at->max + at->log_sum), d = 0;

    for (int i = 0; i < n_vocab; i++) {
        double log_p = log_p0 - (double)b->down[i] / KLBASE_UNIT;
        d += b->p[b->down[i]] * (log_p - (log_q0 + (double)at->logits[i]));
    }
    return MAX(d / b->sum, 0);
}

/* The lowest id among equals, as in a greedy choice. */
static int32_t top_of(const struct kl_at *at)
{
    int32_t i = 0;

    while (at->logits[i] != at->max)
        i++;
    return i;
}

bool kl_take(struct kl *k, const struct kl_at *at)
{
    double nll = (double)at->max + at->log_sum - (double)at->logits[at->next];
    struct klbase_row row;

    if (!k->file) return true;
    if (!isfinite(nll)) k->st = fail(&k->err, BRRR_E_LIMIT, NOT_FINITE);
    else if (!k->compare) k->st = klbase_put(k->file, at->logits, at->max, nll, &k->err);
    else k->st = klbase_get(k->file, at->next, &row, &k->err);
    if (k->st || !k->compare) return !k->st;
    double d = divergence(&row, at, klbase_head(k->file)->n_vocab);
    if (!isfinite(d)) {
        k->st = fail(&k->err, BRRR_E_LIMIT, NOT_FINITE);
        return false;
    }
    k->each[k->n++] = d;
    k->n_same += row.top == top_of(at);
    k->base_nll += row.nll;
    return true;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

int kl_end(struct kl *k)
{
    if (!k->file) return EXIT_OK;
    if (!k->st && !k->compare) k->st = klbase_finish(k->file, &k->err);
    if (k->st) return tell(k);
    if (k->compare) qsort(k->each, (size_t)k->n, sizeof(*k->each), by_value);
    return EXIT_OK;
}

void kl_fini(struct kl *k)
{
    klbase_close(k->file);
    free(k->each);
}

struct summary {
    double mean, median, p99, max, same, base_ppl, ratio;
    double error; /* of the mean: standard deviation / sqrt(n) */
};

static struct summary summarize(const struct kl *k, double nll)
{
    const double *v = k->each;
    int n = k->n;
    struct summary s = { 0 };

    for (int i = 0; i < n; i++)
        s.mean += v[i] / n;
    for (int i = 0; i < n; i++)
        s.error += (v[i] - s.mean) * (v[i] - s.mean);
    s.error = sqrt(s.error / MAX(n - 1, 1) / n);
    s.median = n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
    s.p99 = v[(int)ceil(0.99 * n) - 1];
    s.max = v[n - 1];
    s.same = (double)k->n_same / n;
    s.base_ppl = MIN(exp(k->base_nll / n), DBL_MAX);
    s.ratio = MIN(exp(nll - k->base_nll / n), DBL_MAX);
    return s;
}

void kl_print(struct kl *k, const struct options *o, double nll)
{
    struct summary s = summarize(k, nll);

    printf("profile %s against %s (profile %s, perplexity %.4f): perplexity ratio %.5f\n"
           "KL divergence: mean %.6f +- %.6f, median %.6f, 99 %% %.6f, largest %.6f\n"
           "same first choice: %.2f %% of %d positions\n",
           k->profile, o->kl, klbase_head(k->file)->profile, s.base_ppl, s.ratio, s.mean, s.error,
           s.median, s.p99, s.max, 100 * s.same, k->n);
}

json_t *kl_json(struct kl *k, double nll)
{
    struct summary s = summarize(k, nll);

    return json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:s, s:s}", "mean", s.mean, "error",
                     s.error, "median", s.median, "p99", s.p99, "max", s.max, "top1", s.same,
                     "base_ppl", s.base_ppl, "ppl_ratio", s.ratio, "base_profile",
                     klbase_head(k->file)->profile, "profile", k->profile);
}
