/* SPDX-License-Identifier: MIT */
/*
 * servesim.c - `brrr bench --serve-sim`: options to a list of runs; see servesim.h.
 *
 * A run for each number of --concurrency or --rate (or for the load as it is), --repeats times.
 * Each has an engine of its own, whose cache is empty. Ctrl-C reports what there is, the run that
 * was interrupted included.
 */
#include "cmd/servesim.h"

#include <math.h>
#include <stdlib.h>

#include "cmd/plot.h"
#include "cmd/term.h"

enum { OPEN_PARALLEL = 64, CTX_UNIT = 256, TRACE_BYTES = 256 << 20 };

/* What the options ask for. */
struct request {
    const char *name; /* of the load */
    struct simload_spec spec;
    struct slice trace; /* its text; p NULL: made by spec */
    double number[BENCH_MAX_LIST];
    int n_number, n_repeat;
    bool closed; /* the numbers are concurrencies, else rates; none: as the load is */
    struct sim_slo slo;
};

/* --- options --- */

/* "8,32" or "0.5,2,inf": numbers from `least` to `most`; -1 for anything else. */
static int parse_numbers(const char *s, double *out, double least, double most, bool whole)
{
    int n = 0;

    while (n < BENCH_MAX_LIST) {
        char *end;
        double v = strtod(s, &end);
        if (end == s || !(v >= least && v <= most) || (whole && floor(v) != v)) return -1;
        out[n++] = v;
        if (*end == 0) return n;
        if (*end != ',') return -1;
        s = end + 1;
    }
    return -1;
}

static int parse_arrivals(struct request *q, const struct options *o, const char *preset)
{
    const char *list = o->concurrency ? o->concurrency : o->rate ? NULL : preset;

    if (o->concurrency && o->rate) return cmd_usage("bench", "--concurrency or --rate, not both");
    q->closed = list != NULL;
    if (list) q->n_number = parse_numbers(list, q->number, 1, LIMIT_PARALLEL, true);
    if (q->n_number < 0)
        return cmd_usage("bench", "--concurrency takes numbers from 1 to %d, as 8,32",
                         LIMIT_PARALLEL);
    if (o->rate) q->n_number = parse_numbers(o->rate, q->number, 1e-6, INFINITY, false);
    if (q->n_number < 0)
        return cmd_usage("bench", "--rate takes requests a second, as 0.5,2 or inf");
    if (o->rate && o->trace)
        return cmd_usage("bench", "a trace has its own arrivals: --concurrency, but no --rate");
    return EXIT_OK;
}

/* What options say of the last part of a load. */
static int change_part(struct simload_part *p, const struct options *o)
{
    char *end;

    if (o->lengths && !simload_parse_len(&p->prompt, o->lengths))
        return cmd_usage("bench", "-p is 329, uniform:100-400 or lognormal:MEAN,SIGMA, not '%s'",
                         o->lengths);
    if (o->n_decode && !simload_parse_len(&p->output, o->n_decode))
        return cmd_usage("bench", "-n is 64, uniform:16-128 or lognormal:MEAN,SIGMA, not '%s'",
                         o->n_decode);
    if (OPTION_GIVEN(o, requests)) p->n = o->requests;
    if (p->n < 1 || p->n > LIMIT_SIM_REQUESTS)
        return cmd_usage("bench", "--requests is from 1 to %d", LIMIT_SIM_REQUESTS);
    if (!o->shared_prefix) return EXIT_OK;
    long n = strtol(o->shared_prefix, &end, 10);
    p->share = 1;
    if (*end == ':') p->share = strtod(end + 1, &end);
    if (*end || end == o->shared_prefix || n < 0 || n > LIMIT_CTX ||
        !(p->share >= 0 && p->share <= 1))
        return cmd_usage("bench", "--shared-prefix is tokens, or tokens:part as 200:0.8, not '%s'",
                         o->shared_prefix);
    p->n_prefix = (int)n;
    return EXIT_OK;
}

static int unknown_load(const char *name)
{
    char names[256] = "";

    for (const struct simload_preset *p = simload_presets; p->name; p++)
        snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%s",
                 p == simload_presets ? "" : ", ", p->name);
    return cmd_usage("bench", "--serve-sim is one of %s, not '%s'", names, name);
}

static int read_trace(struct request *q, const struct options *o)
{
    struct brrr_error err;

    if (o->serve_sim && strcmp(o->serve_sim, "trace") != 0)
        return cmd_usage("bench", "--serve-sim %s or --trace, not both", o->serve_sim);
    if (o->lengths || o->n_decode || o->shared_prefix || OPTION_GIVEN(o, requests))
        return cmd_usage("bench", "a trace says how many requests there are and how long");
    q->name = o->trace;
    return cmd_read_file(o->trace, TRACE_BYTES, &q->trace, &err) ? cmd_fail(&err) : EXIT_OK;
}

static int parse(struct request *q, const struct options *o)
{
    const struct simload_preset *p = NULL;
    int code;

    if (o->slo && !sim_slo_parse(&q->slo, o->slo))
        return cmd_usage("bench", "--slo is a list of ttft=, itl=, tpot=, e2e= seconds, not '%s'",
                         o->slo);
    if (o->samples < 1 || o->samples > LIMIT_CHOICES)
        return cmd_usage("bench", "--samples is from 1 to %d", LIMIT_CHOICES);
    if (OPTION_GIVEN(o, beams) && (o->beams < 1 || o->beams > LIMIT_BEAMS))
        return cmd_usage("bench", "--beams is from 1 to %d", LIMIT_BEAMS);
    if (o->beams > 0 && o->samples > 1) return cmd_usage("bench", "--samples or --beams, not both");
    q->n_repeat = OPTION_GIVEN(o, repeats) ? o->repeats : 1;
    if (o->trace) {
        if ((code = read_trace(q, o))) return code;
    } else {
        p = simload_preset_find(o->serve_sim);
        if (!p) return unknown_load(o->serve_sim);
        q->name = p->name;
        q->spec = p->spec;
        if ((code = change_part(&q->spec.part[q->spec.n_part - 1], o))) return code;
        if (o->samples > 1 && q->spec.part[0].turns > 1)
            return cmd_usage("bench", "--samples: a chat goes on from one answer");
    }
    q->spec.seed = OPTION_GIVEN(o, seed) ? o->seed : 1;
    if ((code = parse_arrivals(q, o, p ? p->concurrency : NULL))) return code;
    if (q->n_repeat < 1 || MAX(q->n_number, 1) * q->n_repeat > SIM_RUNS)
        return cmd_usage("bench", "--serve-sim makes up to %d runs at once", SIM_RUNS);
    return EXIT_OK;
}

/* --- one run --- */

/* A file's name may be any bytes. */
static void name_load(struct sim_run *run, const char *name)
{
    char print[sizeof(run->load_name) / 3], clean[TERM_ROOM(sizeof(print))];
    const char *slash = strrchr(name, '/');

    if (slash) name = slash + 1;
    slice_print(print, sizeof(print), (struct slice){ name, strlen(name) });
    size_t n = term_clean(clean, print, strlen(print));
    snprintf(run->load_name, sizeof(run->load_name), "%.*s", (int)n, clean);
}

static void name_run(struct sim_run *run)
{
    if (run->concurrency)
        snprintf(run->name, sizeof(run->name), "concurrency %d", run->concurrency);
    else if (isinf(run->rate)) snprintf(run->name, sizeof(run->name), "all at once");
    else if (run->rate > 0) snprintf(run->name, sizeof(run->name), "%g a second", run->rate);
    else snprintf(run->name, sizeof(run->name), "as they come");
}

static enum brrr_status make_load(struct simload *l, const struct request *q, double rate,
                                  const struct bench *b, struct brrr_error *err)
{
    struct simload_spec s = q->spec;
    int most = b->eo.ctx > 0 ? b->eo.ctx : brrr_model_ctx_max(b->m);
    enum brrr_status st;

    if (rate > 0) s.part[s.n_part - 1].rate = isinf(rate) ? 0 : rate;
    s.n_max = most;
    st = q->trace.p ? simload_read(l, q->name, q->trace, err) : simload_make(l, &s, err);
    if (q->trace.p) l->seed = s.seed;
    return st ? st : simload_check(l, q->name, most, err);
}

/* Slots for all that can be open, and a context that the longest request fits in. */
static enum brrr_status settle(struct sim_run *run, const struct bench *b, struct brrr_error *err)
{
    int longest = 1, each = MAX(run->n_samples, run->n_beams);
    int open = run->concurrency ? run->concurrency : OPEN_PARALLEL;

    for (int i = 0; i < run->load->n; i++)
        longest = MAX(longest, run->load->r[i].n_prompt + run->load->r[i].n_out);
    run->eo = b->eo;
    if (!OPTION_GIVEN(b->o, parallel))
        run->eo.n_parallel = (int)MIN((int64_t)open * each, LIMIT_PARALLEL);
    if (run->eo.ctx == 0)
        run->eo.ctx = MIN((longest + CTX_UNIT - 1) / CTX_UNIT * CTX_UNIT, brrr_model_ctx_max(b->m));
    return engine_opts_settle(&run->eo, b->m, err);
}

static enum brrr_status one_run(struct servesim *s, const struct request *q, double number,
                                const struct simload_text *text, struct brrr_error *err)
{
    struct sim_run *run = &s->run[s->n_run];
    struct simload *l = calloc(1, sizeof(*l));
    enum brrr_status st;

    *run = (struct sim_run){ .load = l,
                             .concurrency = q->closed ? (int)number : 0,
                             .rate = q->closed ? 0 : number,
                             .n_samples = s->b.o->samples,
                             .n_beams = s->b.o->beams,
                             .slo = q->slo };
    if (!l) return fail(err, BRRR_E_NOMEM, "no memory for a load");
    s->n_run++;
    name_load(run, q->name);
    name_run(run);
    if ((st = make_load(l, q, run->rate, &s->b, err))) return st;
    if ((st = settle(run, &s->b, err))) return st;
    st = sim_replay(run, &s->b, text, err);
    if (!run->r || !sim_summarize(run, &s->b))
        st = st ? st : fail(err, BRRR_E_NOMEM, "no memory for the sum of a run");
    return st;
}

static enum brrr_status all_runs(struct servesim *s, const struct request *q,
                                 const struct simload_text *text, struct brrr_error *err)
{
    enum brrr_status st = bench_limits_measure(&s->b, err);

    for (int k = 0; k < q->n_repeat; k++)
        for (int i = 0; i < MAX(q->n_number, 1); i++)
            if (!st && !session_interrupted()) st = one_run(s, q, q->number[i], text, err);
    s->b.interrupted = session_interrupted();
    return st;
}

/* --- the verb --- */

/* Where prompts come from: a text, or ids of the vocabulary. */
static int open_text(struct simload_text *t, struct ids *ids, const struct servesim *s)
{
    const struct options *o = s->b.o;
    struct brrr_error err = { 0 };
    struct slice text;

    *t = (struct simload_text){ .n_vocab = brrr_model_n_vocab(s->b.m) };
    if (!o->file) return EXIT_OK;
    if (!s->b.m->tok) return cmd_usage("bench", "-f: the model has no tokenizer");
    if (cmd_read_file(o->file, LIMIT_LINE_BYTES, &text, &err)) return cmd_fail(&err);
    struct text_seg seg = { text.p, text.n, false };
    enum brrr_status st = tokenizer_encode(s->b.m->tok, &seg, 1, false, ids, &err);
    free((char *)(uintptr_t)text.p);
    if (st) return cmd_fail(&err);
    if (ids->n == 0 || ids->n > INT32_MAX) return cmd_usage("bench", "-f: the text has no tokens");
    t->id = ids->id;
    t->n = (int)ids->n;
    return EXIT_OK;
}

static int open_bench(struct servesim *s, const struct options *o)
{
    struct engine_opts eo;
    struct brrr_error err;
    int code;

    s->b.o = o;
    if ((code = session_engine_opts(&s->b.eo, o)) || (code = session_open(&s->b.m, o))) return code;
    s->b.planned = session_plan(&s->b.eo, o, s->b.m);
    model_profile_kv(s->b.m->model, s->b.eo.kv_type, s->b.profile, sizeof(s->b.profile));
    if ((code = session_open_draft(&s->b.eo, o))) return code;
    eo = s->b.eo;
    if (engine_opts_settle(&eo, s->b.m, &err)) return cmd_fail_engine(&err);
    s->b.eo.n_threads = eo.n_threads;
    s->b.eo.n_threads_decode = eo.n_threads_decode;
    s->b.eo.chunk = eo.chunk;
    model_cost(&s->b.cost, s->b.m->model, s->b.eo.kv_type);
    return EXIT_OK;
}

static void close_all(struct servesim *s, struct request *q, struct ids *ids)
{
    for (int i = 0; i < s->n_run; i++) {
        sim_run_fini(&s->run[i]);
        simload_free((struct simload *)(uintptr_t)s->run[i].load);
        free((void *)(uintptr_t)s->run[i].load);
    }
    session_close_draft(&s->b.eo);
    brrr_model_close(s->b.m);
    free((char *)(uintptr_t)q->trace.p);
    ids_free(ids);
    free(s);
}

int servesim(const struct options *o)
{
    const char *format = o->format ? o->format : o->json ? "json" : "text";
    servesim_report_fn *print = servesim_report_find(format);
    struct servesim *s = calloc(1, sizeof(*s));
    struct request q = { 0 };
    struct simload_text text;
    struct brrr_error err = { 0 };
    struct ids ids = { 0 };
    int code = s ? EXIT_OK : EXIT_NOMEM, written = EXIT_OK;

    if (!s) return code;
    if (!print) code = cmd_usage("bench", "--format is " BENCH_FORMATS ", not '%s'", format);
    if (code || (code = parse(&q, o)) || (code = open_bench(s, o))) goto end;
    if ((code = open_text(&text, &ids, s))) goto end;
    if (o->plots && (code = plot_folder(o->plots))) goto end;
    session_catch_interrupt();
    enum brrr_status st = all_runs(s, &q, &text, &err);
    if (s->b.interrupted) code = session_terminated() ? EXIT_TERM : EXIT_INT;
    else if (st) code = cmd_fail_engine(&err);
    if (s->n_run > 0 && s->run[0].wall > 0) {
        written = print(s);
        if (written == EXIT_OK && o->plots) written = servesim_plot(s, o->plots);
    }
    code = code ? code : written;
end:
    close_all(s, &q, &ids);
    return code;
}
