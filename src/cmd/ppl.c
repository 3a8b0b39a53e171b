/* SPDX-License-Identifier: MIT */
/*
 * ppl.c - `brrr ppl`: perplexity of a text.
 *
 * Independent windows of --ctx tokens, BOS in front of each where the model
 * asks for one (it counts into the window). --score all: every text token but
 * the first of a window without BOS, the short last window included; half: the
 * second half of each full window. --ctx 0: one pass over everything. --kl-base keeps the
 * distributions in a file, --kl compares them with those of a file (ppl_kl.h).
 */
#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "cmd/ppl_kl.h"
#include "cmd/session.h"
#include "cmd/term.h"
#include "engine/eval.h"

struct window {
    const int32_t *id; /* with BOS in front, if any */
    int n, first;      /* row i predicts id[i + 1]; counted from token `first` */
    const struct kernels *k;
    int n_vocab;
    double nll;
    int scored;
    struct kl *kl;
};

static bool score_row(void *arg, int row, const float *logits)
{
    struct window *w = arg;
    float max, sum;

    if (row + 1 >= w->n) return false;
    if (row + 1 < w->first) return true;
    w->k->sumexp(logits, w->n_vocab, &max, &sum);
    struct kl_at at = { logits, max, log((double)sum), w->id[row + 1] };
    w->nll += (double)max + at.log_sum - (double)logits[at.next];
    w->scored++;
    return kl_take(w->kl, &at);
}

struct text {
    struct ids ids;
    bool bos;
    int32_t bos_id;
    int ctx; /* window, BOS included */
    bool half, quiet;
};

/* How many positions windows() will score. */
static int count_scored(const struct text *t)
{
    int step = t->ctx - t->bos, n = (int)t->ids.n, scored = 0;

    for (int at = 0; at < n; at += step) {
        int len = MIN(step, n - at) + t->bos;
        if (t->half && len < t->ctx) break;
        scored += len - (t->half ? MAX(t->ctx / 2, 1) : 1);
    }
    return scored;
}

static enum brrr_status windows(struct eval *v, const struct brrr_model *m, struct text *t,
                                struct window *w, struct brrr_error *err)
{
    int step = t->ctx - t->bos, n = (int)t->ids.n;
    enum brrr_status st = BRRR_OK;
    struct eval_rows rows = { true, score_row, w };
    struct progress bar;
    int32_t *buf = malloc((size_t)t->ctx * sizeof(*buf));

    if (!buf) return fail(err, BRRR_E_NOMEM, "no memory for a window");
    w->id = buf;
    w->k = &m->model->kernels;
    w->n_vocab = brrr_model_n_vocab(m);
    progress_start(&bar, "scoring", t->quiet);
    for (int at = 0; at < n && !w->kl->st; at += step) {
        int len = MIN(step, n - at);
        if (t->half && len < step) break;
        if (t->bos) buf[0] = t->bos_id;
        memcpy(buf + t->bos, t->ids.id + at, (size_t)len * sizeof(*buf));
        w->n = len + t->bos;
        w->first = t->half ? MAX(t->ctx / 2, 1) : 1;
        if (w->n > 1 && (st = eval_run(v, buf, w->n, &rows, err))) break;
        progress_show(&bar, MIN(at + len, n), n);
    }
    progress_end(&bar);
    free(buf);
    return st;
}

/* Read and tokenize: special tokens in the text are text. */
static int read_text(struct text *t, const struct brrr_model *m, const struct options *o)
{
    struct brrr_error err = { 0 };
    struct slice s;

    if (!m->tok) return cmd_usage("ppl", "the model has no tokenizer");
    if (!o->file) return cmd_usage("ppl", "give a text with -f FILE");
    if (cmd_read_file(o->file, LIMIT_LINE_BYTES, &s, &err)) return cmd_fail(&err);
    struct text_seg seg = { s.p, s.n, false };
    enum brrr_status st = tokenizer_encode(m->tok, &seg, 1, false, &t->ids, &err);
    free((char *)s.p);
    if (st) return cmd_fail(&err);
    if (OPTION_GIVEN(o, max_tokens) && o->max_tokens >= 0)
        t->ids.n = MIN(t->ids.n, (size_t)o->max_tokens);
    t->bos = tokenizer_adds_bos(m->tok);
    t->bos_id = tokenizer_bos(m->tok);
    if (t->ids.n < 2) return cmd_usage("ppl", "%s has fewer than two tokens", o->file);
    return EXIT_OK;
}

static int print(const struct options *o, const struct text *t, const struct window *w)
{
    double nll = w->nll / MAX(w->scored, 1), ppl = MIN(exp(nll), DBL_MAX);
    struct brrr_error err;

    if (!isfinite(nll)) {
        fail(&err, BRRR_E_LIMIT, "the model's logits are not finite: no perplexity");
        return cmd_fail(&err);
    }
    if (o->json) {
        json_t *all = json_pack("{s:i, s:i, s:f, s:f}", "tokens", (int)t->ids.n, "scored",
                                w->scored, "nll", nll, "ppl", ppl);
        if (all && o->kl) json_object_set_new(all, "kl", kl_json(w->kl, nll));
        return cmd_print_answer(all);
    }
    printf("perplexity %.4f (%d of %d tokens scored, windows of %d, mean nll %.5f)\n", ppl,
           w->scored, (int)t->ids.n, t->ctx, nll);
    if (o->kl) kl_print(w->kl, o, nll);
    return EXIT_OK;
}

static int start_kl(struct kl *kl, const struct options *o, const struct brrr_model *m,
                    const struct text *t, int kv_type)
{
    struct klbase_head h = { .n_vocab = brrr_model_n_vocab(m),
                             .ctx = t->ctx,
                             .n_id = (int)t->ids.n,
                             .n_row = count_scored(t),
                             .bos = t->bos,
                             .half = t->half,
                             .id_sum = klbase_id_sum(t->ids.id, t->ids.n) };

    if (h.n_row == 0)
        return cmd_usage("ppl", "no token counts: the text is shorter than a window of %d tokens",
                         t->ctx);
    model_profile_kv(m->model, kv_type, h.profile, sizeof(h.profile));
    return kl_start(kl, o, &h);
}

static int run(const struct options *o, const struct brrr_model *m, struct engine_opts *eo)
{
    struct brrr_error err = { 0 };
    struct text t = { 0 };
    struct eval *v = NULL;
    struct kl kl = { 0 };
    struct window w = { .kl = &kl };
    int code = read_text(&t, m, o);

    if (code) goto out;
    t.quiet = o->quiet;
    t.half = o->score && strcmp(o->score, "half") == 0;
    t.ctx = OPTION_GIVEN(o, ctx) ? o->ctx : MIN(512, brrr_model_ctx_max(m));
    if (t.ctx == 0) t.ctx = (int)t.ids.n + t.bos;
    if (t.ctx < 2) {
        code = cmd_usage("ppl", "--ctx-size must be 0 or at least 2");
        goto out;
    }
    eo->ctx = t.ctx;
    session_plan(eo, o, m);
    if (eval_new(&v, m, eo, &err)) {
        code = cmd_fail(&err);
        goto out;
    }
    if ((code = start_kl(&kl, o, m, &t, eo->kv_type)))
        goto out; /* from here on an old base is lost */
    if (windows(v, m, &t, &w, &err)) code = cmd_fail(&err);
    else if ((code = kl_end(&kl)) == EXIT_OK) code = print(o, &t, &w);
out:
    kl_fini(&kl);
    eval_free(v);
    ids_free(&t.ids);
    return code;
}

int verb_ppl(const struct options *o)
{
    struct brrr_model *m;
    struct engine_opts eo;
    int code;

    if (o->score && strcmp(o->score, "all") != 0 && strcmp(o->score, "half") != 0)
        return cmd_usage("ppl", "--score is 'all' or 'half', not '%s'", o->score);
    if (o->kl && o->kl_base) return cmd_usage("ppl", "--kl reads a file, --kl-base makes one");
    if ((code = session_engine_opts(&eo, o))) return code;
    if ((code = session_open(&m, o))) return code;
    code = run(o, m, &eo);
    brrr_model_close(m);
    return code;
}
