/* SPDX-License-Identifier: MIT */
/*
 * bench.c - `brrr bench`: how fast a model reads and writes on this machine, and
 * how much of what the machine can do that is.
 *
 * For each prompt length (-p) a prefill; for each depth of context (-d) and each
 * batch size (-b) a decode of -n tokens; for each prompt length and each number in
 * --mixed, so many sequences that decode while prompts are read. The list of
 * cases is run in order; Ctrl-C reports what is there so far. bench.h names the
 * files that do the rest.
 */
#include <stdlib.h>

#include "cmd/plot.h"
#include "cmd/servesim.h"

/* The four lists of options, parsed. */
struct lists {
    int len[BENCH_MAX_LIST], depth[BENCH_MAX_LIST], batch[BENCH_MAX_LIST], mixed[BENCH_MAX_LIST];
    int n_len, n_depth, n_batch, n_mixed;
    int n_gen;
};

/* "1,8,32" to numbers from `least` to `most`; -1 for anything else. */
static int parse_list(const char *s, int *out, int least, int most)
{
    int n = 0;

    while (*s && n < BENCH_MAX_LIST) {
        char *end;
        long v = strtol(s, &end, 10);
        if (end == s || v < least || v > most || (*end && *end != ',')) return -1;
        if (*end == ',' && !end[1]) return -1;
        out[n++] = (int)v;
        s = *end ? end + 1 : end;
    }
    return *s || n == 0 ? -1 : n;
}

static int parse_lists(struct lists *l, const struct options *o)
{
    int n_gen[BENCH_MAX_LIST];

    l->n_len = parse_list(o->lengths ? o->lengths : "512", l->len, 0, LIMIT_CTX);
    if (l->n_len < 0)
        return cmd_usage("bench", "-p takes numbers from 0 to %d, as 128,512", LIMIT_CTX);
    l->n_depth = parse_list(o->depth ? o->depth : "0", l->depth, 0, LIMIT_CTX);
    if (l->n_depth < 0)
        return cmd_usage("bench", "-d takes numbers from 0 to %d, as 0,4096", LIMIT_CTX);
    l->n_batch = parse_list(o->batch ? o->batch : "1", l->batch, 1, LIMIT_PARALLEL);
    if (l->n_batch < 0)
        return cmd_usage("bench", "-b takes numbers from 1 to %d, as 1,8,32", LIMIT_PARALLEL);
    if (o->mixed && l->n_len == 1 && l->len[0] == 0)
        return cmd_usage("bench", "--mixed reads prompts: give their lengths with -p");
    l->n_mixed = o->mixed ? parse_list(o->mixed, l->mixed, 1, LIMIT_PARALLEL - 1) : 0;
    if (l->n_mixed < 0)
        return cmd_usage("bench", "--mixed takes numbers from 1 to %d, as 4,16",
                         LIMIT_PARALLEL - 1);
    if (parse_list(o->n_decode ? o->n_decode : "128", n_gen, 0, LIMIT_CTX) != 1)
        return cmd_usage("bench", "-n is from 0 to %d", LIMIT_CTX);
    l->n_gen = n_gen[0];
    if (o->repeats < 1 || o->repeats > BENCH_MAX_REPEATS)
        return cmd_usage("bench", "--repeats is from 1 to %d", BENCH_MAX_REPEATS);
    return EXIT_OK;
}

static int make_cases(struct bench *b, const struct lists *l)
{
    int n_gen = l->n_gen, n = l->n_len * (1 + l->n_mixed) + l->n_depth * l->n_batch;

    b->c = calloc((size_t)n, sizeof(*b->c));
    if (!b->c) {
        fputs("brrr: no memory for the cases\n", stderr);
        return EXIT_NOMEM;
    }
    for (int i = 0; i < l->n_len; i++)
        if (l->len[i] > 0)
            b->c[b->n_case++] = (struct bench_case){
                .kind = BENCH_PREFILL, .n_prompt = l->len[i], .n_gen = 1, .batch = 1
            };
    for (int i = 0; n_gen > 0 && i < l->n_depth; i++)
        for (int j = 0; j < l->n_batch; j++)
            b->c[b->n_case++] = (struct bench_case){ .kind = BENCH_DECODE,
                                                     .n_prompt = MAX(l->depth[i], 1),
                                                     .n_gen = n_gen,
                                                     .depth = l->depth[i],
                                                     .batch = l->batch[j] };
    for (int i = 0; i < l->n_len; i++)
        for (int j = 0; l->len[i] > 0 && j < l->n_mixed; j++)
            b->c[b->n_case++] = (struct bench_case){
                .kind = BENCH_MIXED, .n_prompt = l->len[i], .n_gen = 1, .batch = l->mixed[j]
            };
    if (b->n_case == 0) return cmd_usage("bench", "nothing to measure: -p and -n leave no case");
    return EXIT_OK;
}

/* Threads and chunk as the engine will have them; every case must fit the context. */
static int settle(struct bench *b)
{
    struct engine_opts eo;
    struct brrr_error err;
    int most = brrr_model_ctx_max(b->m);
    char name[64];

    b->planned = session_plan(&b->eo, b->o, b->m);
    model_profile_kv(b->m->model, b->eo.kv_type, b->profile, sizeof(b->profile));
    eo = b->eo;
    if (engine_opts_settle(&eo, b->m, &err)) return cmd_fail_engine(&err);
    b->eo.n_threads = eo.n_threads;
    b->eo.n_threads_decode = eo.n_threads_decode;
    b->eo.chunk = eo.chunk;
    for (int i = 0; i < b->n_case; i++) {
        int need = bench_case_ctx(b, &b->c[i]);
        bench_case_name(name, sizeof(name), &b->c[i]);
        if (need > most)
            return cmd_usage("bench", "%s needs a context of %d tokens, this model has %d", name,
                             need, most);
        if (b->eo.ctx > 0 && need > b->eo.ctx)
            return cmd_usage("bench", "%s needs a context of %d tokens, --ctx-size says %d", name,
                             need, b->eo.ctx);
    }
    model_cost(&b->cost, b->m->model, b->eo.kv_type);
    return EXIT_OK;
}

/* One case, and before and after it how fast its working set can be read. */
static enum brrr_status measure_case(struct bench *b, struct bench_case *c, struct brrr_error *err)
{
    int held = c->kind == BENCH_DECODE ? c->depth + c->n_gen / 2 : c->n_prompt;
    double bytes = cost_weight_bytes(&b->cost) + c->batch * cost_kv_bytes(&b->cost, held);

    if (c->kind == BENCH_MIXED) bytes = cost_weight_bytes(&b->cost);
    c->read = bench_limits_read(b, bytes);
    enum brrr_status st = bench_case_run(b, c, err);
    if (!st && c->read > 0 && !session_interrupted())
        c->read = MAX(c->read, bench_limits_read(b, bytes));
    return st;
}

/* All cases, as far as they go. */
static enum brrr_status measure(struct bench *b, struct brrr_error *err)
{
    enum brrr_status st = bench_limits_measure(b, err);

    while (!st && b->n_done < b->n_case && !session_interrupted()) {
        struct bench_case *c = &b->c[b->n_done];
        st = measure_case(b, c, err);
        if (c->tok_s.n == 0) break;
        b->n_done++;
    }
    b->interrupted = session_interrupted();
    if (!st && !b->interrupted) st = bench_limits_measure(b, err);
    for (int i = 0; i < b->n_done; i++)
        if (b->c[i].read == 0) b->c[i].read = b->limits.read;
    return st;
}

/* What was measured goes out even when the last case failed or was interrupted. */
static int report(struct bench *b, bench_report_fn *print, int code)
{
    int written = EXIT_OK;

    if (b->n_done == 0 && code != EXIT_OK) return code;
    written = print(b);
    if (b->o->plots && written == EXIT_OK) written = bench_plot(b, b->o->plots);
    return code != EXIT_OK ? code : written;
}

static void close_bench(struct bench *b)
{
    for (int i = 0; i < b->n_case; i++) {
        free(b->c[i].tok_s.v);
        free(b->c[i].ttft_s.v);
        free(b->c[i].itl_s.v);
    }
    free(b->c);
    brrr_model_close(b->m);
}

/* An option that only --serve-sim looks at, or NULL. */
static const char *stray(const struct options *o)
{
    if (o->concurrency) return "--concurrency";
    if (o->rate) return "--rate";
    if (o->shared_prefix) return "--shared-prefix";
    if (o->slo) return "--slo";
    if (o->file) return "--file";
    if (o->speculate) return "--speculate";
    if (o->draft_model) return "--draft-model";
    if (OPTION_GIVEN(o, draft_max)) return "--draft-max";
    if (OPTION_GIVEN(o, requests)) return "--requests";
    if (OPTION_GIVEN(o, beams)) return "--beams";
    return OPTION_GIVEN(o, samples) ? "--samples" : NULL;
}

int verb_bench(const struct options *o)
{
    const char *format = o->format ? o->format : o->json ? "json" : "text";
    bench_report_fn *print = bench_report_find(format);
    struct bench b = { .o = o };
    struct brrr_error err = { 0 };
    struct lists lists;
    int code;

    if (o->serve_sim || o->trace) return servesim(o);
    if (stray(o)) return cmd_usage("bench", "%s belongs to --serve-sim", stray(o));
    if (!print) return cmd_usage("bench", "--format is " BENCH_FORMATS ", not '%s'", format);
    if (o->json && strcmp(format, "json") != 0)
        return cmd_usage("bench", "--json or --format %s, not both", format);
    if ((code = session_engine_opts(&b.eo, o)) || (code = parse_lists(&lists, o))) return code;
    if ((code = make_cases(&b, &lists)) || (code = session_open(&b.m, o))) goto end;
    if ((code = settle(&b)) || (o->plots && (code = plot_folder(o->plots)))) goto end;
    session_catch_interrupt();
    enum brrr_status st = measure(&b, &err);
    if (b.interrupted) code = session_terminated() ? EXIT_TERM : EXIT_INT;
    else if (st) code = cmd_fail(&err);
    code = report(&b, print, code);
end:
    close_bench(&b);
    return code;
}
