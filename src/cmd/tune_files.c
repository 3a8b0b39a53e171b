/* SPDX-License-Identifier: MIT */
/* tune_files.c - the JSON and the drawing of `brrr tune` (tune.h). */
#include <math.h>

#include "base/cpu.h"
#include "cmd/svg.h"
#include "cmd/tune.h"

/* --- JSON --- */

static json_t *machine_json(const struct tune_result *r)
{
    json_t *reads = json_array(), *peaks = json_array(), *barriers = json_array();

    for (int t = 0; t < r->n_threads; t++) {
        const struct tune_threads *at = &r->threads[t];
        for (int i = 0; i < r->n_size; i++)
            json_array_append_new(reads, json_pack("{s:i, s:f, s:f}", "threads", at->n, "bytes",
                                                   r->size[i], "gb_s", at->read[i]));
        if (at->n > 1)
            json_array_append_new(barriers,
                                  json_pack("{s:i, s:f}", "threads", at->n, "ns", at->barrier_ns));
    }
    for (int i = 0; i < r->n_isa; i++)
        json_array_append_new(peaks, json_pack("{s:s, s:{s:f, s:f}, s:{s:f, s:f}, s:{s:f, s:f}}",
                                               "kernels", r->isa[i].name, "int8_gmac_s", "one",
                                               r->isa[i].dot8_one, "all", r->isa[i].dot8_all,
                                               "bf16_gmac_s", "one", r->isa[i].bf16_one, "all",
                                               r->isa[i].bf16_all, "f32_gmac_s", "one",
                                               r->isa[i].fma_one, "all", r->isa[i].fma_all));
    return json_pack("{s:s, s:i, s:o, s:o, s:o}", "cpu", cpu_name(), "threads",
                     r->threads[r->n_threads - 1].n, "read", reads, "peak", peaks, "barrier",
                     barriers);
}

static json_t *phases_json(const struct tune_result *r)
{
    json_t *list = json_array();

    for (int i = 0; i < r->n_phase; i++) {
        const struct tune_phase *p = &r->phase[i];
        json_array_append_new(list, json_pack("{s:s, s:f, s:f, s:f, s:f}", "name", p->name,
                                              "seconds", p->seconds, "linear_macs",
                                              p->work.linear_macs, "weight_bytes",
                                              p->work.weight_bytes, "kv_bytes", p->work.kv_bytes));
    }
    return list;
}

static json_t *tried_json(const struct tune_result *r)
{
    json_t *threads = json_array(), *chunks = json_array(), *batches = json_array();
    json_t *aheads = json_array();

    for (int i = 0; i < r->n_threads; i++)
        json_array_append_new(threads, json_pack("{s:i, s:f, s:f}", "threads", r->threads[i].n,
                                                 "prefill_tok_s", r->threads[i].prefill,
                                                 "decode_tok_s", r->threads[i].decode));
    for (int i = 0; i < r->n_chunk; i++)
        json_array_append_new(chunks, json_pack("{s:i, s:f}", "chunk", r->chunk[i].rows,
                                                "prefill_tok_s", r->chunk[i].tok_s));
    for (int i = 0; i < r->n_ahead; i++)
        json_array_append_new(aheads, json_pack("{s:i, s:f}", "bytes", r->ahead[i].bytes,
                                                "decode_tok_s", r->ahead[i].tok_s));
    for (int i = 0; i < r->n_batch; i++)
        json_array_append_new(batches,
                              json_pack("{s:i, s:f, s:f, s:f}", "batch", r->batch[i].n, "tok_s",
                                        r->batch[i].n / r->batch[i].step_s, "step_s",
                                        r->batch[i].step_s, "bound_s", r->batch[i].bound_s));
    return json_pack("{s:i, s:o, s:o, s:o, s:o}", "n_prompt", r->n_prompt, "threads", threads,
                     "chunks", chunks, "prefetch", aheads, "batches", batches);
}

/* Paths may be any bytes, JSON may not: such a path is left out. */
static json_t *path_json(const char *path)
{
    json_t *v = path ? json_string(path) : NULL;
    return v ? v : json_null();
}

json_t *tune_json(const struct tune_result *r, const struct brrr_model *m, const char *plan,
                  const char *svg)
{
    const struct machine_limits *l = &r->limits;

    return json_pack("{s:o, s:o, s:s, s:s, s:{s:i, s:f, s:f, s:f, s:f, s:f}, s:o, s:o, "
                     "s:{s:i, s:i, s:i, s:i}, s:{s:f, s:f}, s:o, s:o}",
                     "machine", machine_json(r), "model", path_json(tune_model_name(m)), "profile",
                     model_profile(m->model), "kernels", m->model->kernels.isa, "limits", "threads",
                     l->n_threads, "read_gb_s", l->read, "int8_gmac_s", l->dot8, "bf16_gmac_s",
                     l->bf16, "f32_gmac_s", l->fma, "barrier_ns", l->barrier_ns, "tried",
                     tried_json(r), "phases", phases_json(r), "plan", "threads_prefill",
                     r->plan.n_threads, "threads_decode", r->plan.n_threads_decode, "chunk",
                     r->plan.chunk, "prefetch_bytes", r->plan.ahead, "critical_batch", "predicted",
                     r->plan.batch_predicted, "measured", r->plan.batch_measured, "plan_file",
                     path_json(plan), "svg_file", path_json(svg));
}

/* --- SVG --- */

/* Phases that are labelled: all would cover each other. */
static bool is_shown(const struct tune_result *r, int phase)
{
    static const int shown[] = { 1, 4, 8, 16, 32 };

    if (phase == 0) return true;
    for (size_t i = 0; i < COUNT(shown); i++)
        if (r->batch[phase - 1].n == shown[i]) return true;
    return false;
}

/* min(peak, x * read) from x = lo to hi, with its corner; y in GMAC/s as both limits are. */
static void roof(struct svg_point out[3], double peak, double read, double lo, double hi)
{
    double ridge = peak / read;

    out[0] = (struct svg_point){ .x = lo, .y = MIN(peak, lo * read) };
    out[1] = (struct svg_point){ .x = MIN(MAX(ridge, lo), hi), .y = MIN(peak, hi * read) };
    out[2] = (struct svg_point){ .x = hi, .y = MIN(peak, hi * read) };
}

bool tune_svg(FILE *f, const struct tune_result *r, const struct brrr_model *m)
{
    const struct machine_limits *l = &r->limits;
    struct svg_point fast[3], f32[3], phase[TUNE_BATCHES + 1];
    char note[256], fast_name[64], f32_name[64];
    const char *kind;
    double peak = machine_peak(l, &r->phase[0].work, &kind);
    double lo = 0.5, hi = 16;
    int n = 0;

    for (int i = 0; i < r->n_phase; i++) {
        const struct tune_phase *p = &r->phase[i];
        if (!is_shown(r, i)) continue;
        phase[n++] = (struct svg_point){ .x = p->work.linear_macs /
                                              (p->work.weight_bytes + p->work.kv_bytes),
                                         .y = p->work.linear_macs / p->seconds * 1e-9,
                                         .label = p->name };
        hi = MAX(hi, 2 * phase[n - 1].x);
        lo = MIN(lo, phase[n - 1].x / 2);
    }
    hi = exp2(ceil(log2(hi))); /* to the end of the axis */
    lo = exp2(floor(log2(lo)));
    roof(fast, peak, l->read, lo, hi);
    roof(f32, l->fma, l->read, lo, hi);
    snprintf(fast_name, sizeof(fast_name), "%s %.0f GMAC/s, reads %.1f GB/s", kind, peak, l->read);
    snprintf(f32_name, sizeof(f32_name), "f32 %.0f GMAC/s", l->fma);
    snprintf(note, sizeof(note), "%s, %d threads, kernels %s, profile %s", cpu_name(), l->n_threads,
             l->isa, model_profile(m->model));
    struct svg_series series[] = {
        { .name = fast_name, .point = fast, .n = 3, .line = true },
        { .name = f32_name, .point = f32, .n = 3, .line = true, .dashed = true },
        { .name = tune_model_name(m), .point = phase, .n = n, .marker = true },
    };
    struct svg_guide ridge = { true, peak / l->read, "reading = computing" };
    struct svg_chart c = {
        .title = "Roofline",
        .note = note,
        .x = { "multiply-adds of the matrices for each byte read", SVG_LOG2, 0, 0 },
        .y = { "GMAC/s", SVG_LOG10, 0, 0 },
        .series = series,
        .n_series = COUNT(series),
        .guide = &ridge,
        .n_guide = 1,
    };
    return svg_write(f, &c);
}
