/* SPDX-License-Identifier: MIT */
/*
 * tune.c - `brrr tune`: measure, show, and keep the plan that the other verbs use.
 *
 * The table and the JSON go to stdout; the plan and the drawing are files, named in both.
 */
#include "cmd/tune.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cpu.h"
#include "cmd/session.h"
#include "cmd/term.h"

struct watch {
    struct progress bar;
};

static bool on_progress(void *arg, double done)
{
    struct watch *w = arg;

    progress_show(&w->bar, done, 1);
    return !session_interrupted();
}

const char *tune_model_name(const struct brrr_model *m)
{
    const char *path = gguf_path(m->file), *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

struct step_work tune_one_token(const struct tune_result *r)
{
    for (int i = 0; i < r->n_batch; i++)
        if (r->batch[i].n == 1) return r->phase[1 + i].work;
    return (struct step_work){ 0 };
}

/* --- the table --- */

static void print_machine(const struct tune_result *r)
{
    printf("machine: %s, %d threads\n\n%-16s", cpu_name(), r->threads[r->n_threads - 1].n,
           "read, GB/s");
    for (int i = 0; i < r->n_size; i++)
        printf(" %6.4g MiB", r->size[i] / (1 << 20));
    printf(" %11s\n", "barrier, ns");
    for (int t = 0; t < r->n_threads; t++) {
        printf("%3d thread%-6s", r->threads[t].n, r->threads[t].n == 1 ? "" : "s");
        for (int i = 0; i < r->n_size; i++)
            printf(" %10.1f", r->threads[t].read[i]);
        if (r->threads[t].n > 1) printf(" %11.0f", r->threads[t].barrier_ns);
        putchar('\n');
    }
    printf("\n%-18s %14s %10s %14s %10s %14s %10s\n", "peak, GMAC/s", "int8, 1 thread", "int8, all",
           "bf16, 1 thread", "bf16, all", "f32, 1 thread", "f32, all");
    for (int i = 0; i < r->n_isa; i++)
        printf("kernels %-10s %14.1f %10.1f %14.1f %10.1f %14.1f %10.1f\n", r->isa[i].name,
               r->isa[i].dot8_one, r->isa[i].dot8_all, r->isa[i].bf16_one, r->isa[i].bf16_all,
               r->isa[i].fma_one, r->isa[i].fma_all);
}

static void print_model(const struct tune_result *r, const struct brrr_model *m)
{
    const struct machine_limits *l = &r->limits;
    char clean[TERM_ROOM(256)];
    const char *name = tune_model_name(m), *kind;
    size_t n = term_clean(clean, name, MIN(strlen(name), 256));

    printf("\nmodel: %.*s, profile %s, kernels %s\n\n", (int)n, clean, model_profile(m->model),
           m->model->kernels.isa);
    printf("%-16s %14s %14s   (tok/s)\n", "threads", r->phase[0].name, "decode");
    for (int i = 0; i < r->n_threads; i++)
        printf("%-16d %14.1f %14.1f\n", r->threads[i].n, r->threads[i].prefill,
               r->threads[i].decode);
    printf("\n%-16s %14s   (tok/s)\n", "chunk", r->phase[0].name);
    for (int i = 0; i < r->n_chunk; i++)
        printf("%-16d %14.1f\n", r->chunk[i].rows, r->chunk[i].tok_s);
    printf("\n%-16s %14s %14s   (tok/s)\n", "prefetch, bytes", "", "decode");
    for (int i = 0; i < r->n_ahead; i++)
        printf("%-16d %14s %14.1f%s\n", r->ahead[i].bytes, "", r->ahead[i].tok_s,
               i == 0 ? "   (stays unless another is clearly faster)" : "");
    double peak = machine_peak(l, &r->phase[0].work, &kind);
    printf("\nprefill reaches %.0f %% of the %s peak (multiply-adds of the matrices)\n",
           100 * r->phase[0].work.linear_macs / r->phase[0].seconds / (peak * 1e9), kind);
    printf("\n%-16s %14s %14s %14s %14s\n", "decode, batch", "tok/s, summed", "ms a step",
           "bound, ms", "of the bound");
    for (int i = 0; i < r->n_batch; i++) {
        const struct tune_batch *b = &r->batch[i];
        printf("%-16d %14.1f %14.2f %14.2f %12.0f %%\n", b->n, b->n / b->step_s, 1e3 * b->step_s,
               1e3 * b->bound_s, 100 * b->bound_s / b->step_s);
    }
    printf("bound: the roofline of %d thread%s, reads at %.1f GB/s, int8 at %.0f, bf16 at %.0f "
           "and f32 at %.0f GMAC/s\n",
           l->n_threads, l->n_threads == 1 ? "" : "s", l->read, l->dot8, l->bf16, l->fma);
}

/* B* with its numbers in the formula, and the knee. */
static void print_critical(const struct tune_result *r)
{
    const struct machine_limits *l = &r->limits;
    struct step_work w = tune_one_token(r);
    double read_ms = w.weight_bytes / l->read * 1e-6, macs = w.linear_macs;
    double best = 0;
    int at = 0;

    for (int i = 0; i < r->n_batch; i++)
        if (r->batch[i].n / r->batch[i].step_s > best) {
            best = r->batch[i].n / r->batch[i].step_s;
            at = r->batch[i].n;
        }
    printf("\ncritical batch size: where reading the weights takes as long as computing with them\n"
           "  predicted %5.1f = (weights / read rate) / (multiply-adds of a token / peak)\n"
           "                  = (%.1f MB / %.1f GB/s) / (%.1f M / %.0f G/s) = %.2f ms / %.3f ms\n"
           "  measured  %5.1f = best summed rate / rate of one sequence\n"
           "                  = %.0f tok/s (batch %d) / %.0f tok/s\n",
           r->plan.batch_predicted, w.weight_bytes * 1e-6, l->read, macs * 1e-6,
           macs / (read_ms / r->plan.batch_predicted) * 1e-6, read_ms,
           read_ms / r->plan.batch_predicted, r->plan.batch_measured, best, at,
           r->batch[0].n / r->batch[0].step_s);
}

static void print_table(const struct tune_result *r, const struct brrr_model *m, const char *plan,
                        const char *svg)
{
    print_machine(r);
    print_model(r, m);
    print_critical(r);
    printf("\nplan: %d thread%s to read prompts, %d to decode, chunk %d, prefetch %d%s%s\n",
           r->plan.n_threads, r->plan.n_threads == 1 ? "" : "s", r->plan.n_threads_decode,
           r->plan.chunk, r->plan.ahead, plan ? "\n  kept in " : " (not kept)", plan ? plan : "");
    if (svg) printf("roofline: %s\n", svg);
}

/* --- files --- */

/* The drawing's name: what was asked for, else the plan's with another ending. */
static const char *svg_path(char buf[PLAN_PATH], const struct options *o, const char *plan)
{
    if (o->svg_file) return o->svg_file;
    if (!plan) return NULL;
    snprintf(buf, PLAN_PATH, "%.*s.svg", (int)(strlen(plan) - strlen(".json")), plan);
    return buf;
}

static int draw(const char *path, const struct tune_result *r, const struct brrr_model *m)
{
    FILE *f = fopen(path, "we");
    bool ok = f && tune_svg(f, r, m);

    if (f && fclose(f)) ok = false;
    if (ok) return EXIT_OK;
    fprintf(stderr, "brrr: %s: %s\n", path, strerror(errno));
    return EXIT_DISK;
}

/* Decoding differs by a few percent on a machine at rest. */
static const double DISTURBED = 1.5;

static void warn_if_disturbed(const struct tune_result *r)
{
    double least, most;

    tune_decode_range(r, &least, &most);
    if (most < DISTURBED * least) return;
    fprintf(stderr,
            "brrr tune: decoding one sequence came to %.0f and to %.0f tok/s within this run: "
            "something "
            "else had the processors, and the plan may be wrong; run it again on a quiet machine\n",
            least, most);
}

static int show(const struct options *o, const struct tune_result *r, const struct brrr_model *m)
{
    char path[PLAN_PATH], buf[PLAN_PATH];
    struct brrr_error err;
    const char *plan = plan_path(path, m) ? path : NULL;
    int code = EXIT_OK;

    warn_if_disturbed(r);
    if (plan_write(&r->plan, m, &err)) {
        cmd_fail(&err);
        code = EXIT_DISK;
        plan = NULL;
    }
    const char *svg = svg_path(buf, o, plan);
    if (svg && draw(svg, r, m)) {
        code = EXIT_DISK;
        svg = NULL;
    }
    if (!o->json) {
        print_table(r, m, plan, svg);
        return code;
    }
    int printed = cmd_print_answer(tune_json(r, m, plan, svg));
    return printed ? printed : code;
}

int verb_tune(const struct options *o)
{
    struct tune_result *r = malloc(sizeof(*r));
    struct brrr_model *m = NULL;
    struct engine_opts eo;
    struct watch w;
    struct brrr_error err;
    int code = r ? session_engine_opts(&eo, o) : EXIT_NOMEM;

    if (!code) code = session_open(&m, o);
    if (!code) {
        struct tune_opts to = { .kv_type = eo.kv_type,
                                .n_threads = eo.n_threads,
                                .progress = on_progress,
                                .progress_arg = &w };
        session_catch_interrupt();
        progress_start(&w.bar, "measuring", o->quiet);
        enum brrr_status st = tune_run(r, m, &to, &err);
        progress_end(&w.bar);
        if (session_interrupted()) code = session_terminated() ? EXIT_TERM : EXIT_INT;
        else code = st ? cmd_fail(&err) : show(o, r, m);
    }
    brrr_model_close(m);
    free(r);
    return code;
}
