/* SPDX-License-Identifier: MIT */
/*
 * bench.c - `brrr bench`: how fast a model reads and writes on this machine.
 *
 * For each prompt length: one request that reads random tokens and makes one
 * (prefill tok/s and TTFT). For each batch size: that many sequences that start
 * from one token and decode -n tokens together (tok/s summed, ITL). Median,
 * least and most over --repeats runs after one that is not counted. Next to the decode
 * figure: the bytes of weights that a step reads, as a share of the rate at
 * which a plain loop reads the same memory with the same threads.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "cmd/session.h"
#include "cmd/term.h"

enum { MAX_CASES = 32, MAX_REPEATS = 1000 };

struct stat {
    double median, min, max;
};

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static struct stat stat_of(double *v, int n)
{
    qsort(v, (size_t)n, sizeof(*v), by_value);
    return (struct stat){ n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2, v[0], v[n - 1] };
}

/* One measured case. */
struct result {
    const char *name; /* "prefill" or "decode" */
    int n_prompt, n_gen, batch;
    struct stat tok_s, latency_s; /* latency: TTFT or ITL */
};

struct bench {
    const struct options *o;
    struct brrr_model *m;
    struct engine_opts eo;
    struct result result[2 * MAX_CASES];
    int n_result;
    double read_gb_s, weight_gb;
    bool planned; /* threads or chunk come from a plan of `brrr tune` */
};

/* "1,8,32" to numbers from 1 to `most`; 0 for anything else. */
static int parse_list(const char *s, int *out, int most)
{
    int n = 0;

    while (*s && n < MAX_CASES) {
        char *end;
        long v = strtol(s, &end, 10);
        if (end == s || v < 1 || v > most || (*end && *end != ',')) return 0;
        out[n++] = (int)v;
        s = *end ? end + 1 : end;
    }
    return *s ? 0 : n;
}

/* Random but fixed ids: the same work every time, none of it special. */
static int32_t nth_token(int i, int n_vocab)
{
    uint32_t x = (uint32_t)i * 2654435761u + 12345u;
    return (int32_t)((x >> 8) % (uint32_t)n_vocab);
}

/* `batch` equal requests from submission to the last token; seconds, and the sum of a timing. */
static enum brrr_status run_once(struct brrr_engine *e, const struct result *r, int n_vocab,
                                 double *wall, double *latency, struct brrr_error *err)
{
    struct engine_event ev[LIMIT_PARALLEL];
    struct gen_params *g = malloc(sizeof(*g));
    int32_t *prompt = malloc((size_t)r->n_prompt * sizeof(*prompt));
    enum brrr_status st = g && prompt ? BRRR_OK : fail(err, BRRR_E_NOMEM, "no memory");
    uint64_t id;
    int n;

    for (int i = 0; !st && i < r->n_prompt; i++)
        prompt[i] = nth_token(i, n_vocab);
    if (!st) {
        gen_params_init(g);
        g->sample.temperature = 0;
        g->n_predict = r->n_gen;
        g->ignore_eos = true;
    }
    for (int i = 0; !st && i < r->batch; i++)
        st = engine_submit(e, prompt, (size_t)r->n_prompt, g, &id, err);
    *latency = 0;
    double t0 = clock_now(), first = 0;
    while (!st && !session_interrupted() && (n = engine_poll(e, ev, LIMIT_PARALLEL)) >= 0) {
        if (first == 0 && n > 0) first = clock_now();
        for (int i = 0; i < n; i++)
            if (ev[i].finish && r->n_gen > 1)
                *latency += ev[i].timings.decode_s / (r->n_gen - 1) / r->batch;
    }
    *wall = clock_now() - t0;
    if (r->n_gen == 1) *latency = *wall;
    /* Decoding is timed from the first token on. */
    if (r->n_gen > 1) *wall -= first - t0;
    free(g);
    free(prompt);
    return st;
}

static enum brrr_status run_case(struct bench *b, struct result *r, struct brrr_error *err)
{
    struct engine_opts eo = b->eo;
    struct brrr_engine *e;
    int n = b->o->repeats;
    double speed[MAX_REPEATS], latency[MAX_REPEATS], wall;
    struct progress bar;
    int tokens = r->n_gen > 1 ? r->batch * (r->n_gen - 1) : r->n_prompt;

    eo.n_parallel = r->batch;
    eo.ctx = MAX(eo.ctx, r->n_prompt + r->n_gen);
    progress_start(&bar, r->name, b->o->quiet);
    enum brrr_status st = engine_open(&e, b->m, &eo, err);
    for (int i = -1; !st && i < n; i++) {
        double *lat = &latency[MAX(i, 0)];
        st = run_once(e, r, brrr_model_n_vocab(b->m), &wall, lat, err);
        speed[MAX(i, 0)] = tokens / wall;
        progress_show(&bar, i + 1, n);
        if (session_interrupted()) st = fail(err, BRRR_E_IO, "interrupted");
    }
    progress_end(&bar);
    brrr_engine_close(e);
    if (st) return st;
    r->tok_s = stat_of(speed, n);
    r->latency_s = stat_of(latency, n);
    return BRRR_OK;
}

/* --- the read limit --- */

struct reading {
    const uint64_t *p;
    size_t n; /* words */
    uint64_t sum[LIMIT_THREADS];
};

static void read_program(void *arg, int worker, int n_workers)
{
    struct reading *r = arg;
    size_t lo = r->n * (size_t)worker / (size_t)n_workers & ~(size_t)7;
    size_t hi = r->n * (size_t)(worker + 1) / (size_t)n_workers & ~(size_t)7;
    uint64_t s[8] = { 0 };

    for (size_t i = lo; i < hi; i += 8)
        for (int j = 0; j < 8; j++)
            s[j] += r->p[i + (size_t)j];
    for (int j = 0; j < 8; j++)
        r->sum[worker] += s[j];
}

/* Best of several passes of all workers over the packed weights, in GB/s. */
static enum brrr_status measure_read(struct bench *b, struct brrr_error *err)
{
    const struct arena *w = &b->m->model->weights;
    struct reading r = { .p = (const uint64_t *)(const void *)w->base, .n = w->used / 8 };
    int n = b->eo.n_threads ? b->eo.n_threads : cpu_count();
    struct pool *pool;
    enum brrr_status st = pool_new(&pool, n, err);

    if (st) return st;
    for (int i = 0; i < 8; i++) {
        double t0 = clock_now();
        pool_run(pool, read_program, &r);
        b->read_gb_s = MAX(b->read_gb_s, (double)w->used / (clock_now() - t0) / 1e9);
    }
    b->weight_gb = (double)w->used / 1e9;
    pool_free(pool);
    return BRRR_OK;
}

/* The share of the read limit that a decode step of one sequence reaches. */
static double read_share(const struct bench *b, const struct result *r)
{
    double steps = r->tok_s.median / r->batch;
    return b->read_gb_s > 0 ? steps * b->weight_gb / b->read_gb_s : 0;
}

/* --- output --- */

static void print_table(const struct bench *b)
{
    printf("%-8s %7s %6s %6s %10s %10s %10s %12s\n", "case", "prompt", "tokens", "batch", "tok/s",
           "least", "most", "latency");
    for (int i = 0; i < b->n_result; i++) {
        const struct result *r = &b->result[i];
        printf("%-8s %7d %6d %6d %10.1f %10.1f %10.1f %8.2f ms\n", r->name, r->n_prompt, r->n_gen,
               r->batch, r->tok_s.median, r->tok_s.min, r->tok_s.max, 1e3 * r->latency_s.median);
    }
    printf("latency: TTFT of prefill, ITL of decode (medians)\n%s, %d threads, kernels %s, "
           "profile %s\n",
           cpu_name(), b->eo.n_threads, b->m->model->kernels.isa, model_profile(b->m->model));
    if (b->planned)
        printf("plan of brrr tune: %d threads to decode, chunk %d\n",
               b->eo.n_threads_decode ? b->eo.n_threads_decode : b->eo.n_threads, b->eo.chunk);
    else puts("no plan of brrr tune");
    printf("weights %.1f MB; a plain read of them runs at %.1f GB/s", 1e3 * b->weight_gb,
           b->read_gb_s);
    for (int i = 0; i < b->n_result; i++)
        if (b->result[i].n_gen > 1 && b->result[i].batch == 1)
            printf("; decode reaches %.0f %% of that", 100 * read_share(b, &b->result[i]));
    putchar('\n');
}

static json_t *stat_json(const struct stat *s)
{
    return json_pack("{s:f, s:f, s:f}", "median", s->median, "min", s->min, "max", s->max);
}

static int print_json(const struct bench *b)
{
    json_t *cases = json_array();
    size_t anon, file;

    for (int i = 0; i < b->n_result; i++) {
        const struct result *r = &b->result[i];
        bool decode = r->n_gen > 1;
        json_t *c =
            json_pack("{s:s, s:i, s:i, s:i, s:o, s:o}", "case", r->name, "n_prompt", r->n_prompt,
                      "n_gen", r->n_gen, "batch", r->batch, "tok_s", stat_json(&r->tok_s),
                      decode ? "itl_s" : "ttft_s", stat_json(&r->latency_s));
        if (decode) json_object_set_new(c, "read_share", json_real(read_share(b, r)));
        json_array_append_new(cases, c);
    }
    mem_resident(&anon, &file);
    return cmd_print_json(json_pack(
        "{s:s, s:i, s:b, s:s, s:s, s:{s:f, s:f}, s:{s:I, s:I}, s:o}", "cpu", cpu_name(), "threads",
        b->eo.n_threads, "planned", b->planned, "kernels", b->m->model->kernels.isa, "profile",
        model_profile(b->m->model), "limits", "read_gb_s", b->read_gb_s, "weights_gb", b->weight_gb,
        "memory", "anonymous_bytes", (json_int_t)anon, "file_bytes", (json_int_t)file, "cases",
        cases));
}

static int make_cases(struct bench *b)
{
    const char *p = b->o->lengths ? b->o->lengths : "512", *batch = b->o->batch ? b->o->batch : "1";
    int n_gen = b->o->n_decode;
    int len[MAX_CASES], size[MAX_CASES];
    int n_len = parse_list(p, len, LIMIT_CTX), n_size = parse_list(batch, size, LIMIT_PARALLEL);

    if (!n_len || !n_size)
        return cmd_usage("bench", "-p and -b take numbers from 1, as 128,512 (batch at most %d)",
                         LIMIT_PARALLEL);
    if (n_gen < 2 || n_gen > LIMIT_CTX || b->o->repeats < 1 || b->o->repeats > MAX_REPEATS)
        return cmd_usage("bench", "-n is from 2 to %d, --repeats from 1 to %d", LIMIT_CTX,
                         MAX_REPEATS);
    for (int i = 0; i < n_len; i++)
        b->result[b->n_result++] =
            (struct result){ .name = "prefill", .n_prompt = len[i], .n_gen = 1, .batch = 1 };
    for (int i = 0; i < n_size; i++)
        b->result[b->n_result++] =
            (struct result){ .name = "decode", .n_prompt = 1, .n_gen = n_gen, .batch = size[i] };
    return EXIT_OK;
}

int verb_bench(const struct options *o)
{
    struct bench b = { .o = o };
    struct brrr_error err = { 0 };
    int code;

    if ((code = session_engine_opts(&b.eo, o)) || (code = make_cases(&b))) return code;
    if ((code = session_open(&b.m, o))) return code;
    b.planned = session_plan(&b.eo, o, b.m);
    if (b.eo.n_threads == 0) b.eo.n_threads = cpu_count();
    session_catch_interrupt();
    enum brrr_status st = BRRR_OK;
    for (int i = 0; !st && i < b.n_result; i++)
        st = run_case(&b, &b.result[i], &err);
    if (!st) st = measure_read(&b, &err);
    if (session_interrupted()) code = session_terminated() ? EXIT_TERM : EXIT_INT;
    else if (st) code = cmd_fail(&err);
    else if (o->json) code = print_json(&b);
    else print_table(&b);
    brrr_model_close(b.m);
    return code;
}
