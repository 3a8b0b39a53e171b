/* SPDX-License-Identifier: MIT */
/*
 * api.c - the public functions on an engine (include/brrr.h), in terms of engine.h.
 */
#include <stdlib.h>

#include "engine/engine.h"

enum brrr_status brrr_engine_open(struct brrr_engine **out, const struct brrr_model *m,
                                  const struct brrr_engine_opts *opts, struct brrr_error *err)
{
    struct engine_opts o = { 0 };

    if (opts)
        o = (struct engine_opts){ .n_threads = opts->n_threads,
                                  .ctx = opts->ctx_size,
                                  .chunk = opts->n_chunk,
                                  .n_parallel = opts->n_parallel };
    o.kv_type = m->model->precision == BRRR_PRECISION_F32 ? KV_F32 : KV_F16;
    return engine_open(out, m, &o, err);
}

void brrr_gen_default(struct brrr_gen *g)
{
    *g = (struct brrr_gen){ .n_predict = 128, .top_p = 1, .typical_p = 1, .repetition_penalty = 1 };
}

enum brrr_status brrr_engine_submit(struct brrr_engine *e, const int32_t *prompt, size_t n_prompt,
                                    const struct brrr_gen *gen, uint64_t *id,
                                    struct brrr_error *err)
{
    struct gen_params *g = malloc(sizeof(*g)); /* large: it holds the stop strings */
    enum brrr_status st = BRRR_OK;

    *id = 0;
    if (!g) return fail(err, BRRR_E_NOMEM, "no memory for a request");
    gen_params_init(g);
    g->n_predict = gen->n_predict > 0 ? gen->n_predict : -1;
    g->ignore_eos = gen->ignore_eos;
    g->sample.seed = gen->seed;
    g->sample.temperature = gen->temperature;
    g->sample.top_k = gen->top_k;
    g->sample.top_p = gen->top_p;
    g->sample.min_p = gen->min_p;
    g->sample.typical_p = gen->typical_p;
    g->sample.repetition_penalty = gen->repetition_penalty;
    g->sample.frequency_penalty = gen->frequency_penalty;
    g->sample.presence_penalty = gen->presence_penalty;
    for (size_t i = 0; !st && i < gen->n_stop; i++)
        st = gen_params_add_stop(g, gen->stop[i], strlen(gen->stop[i]), err);
    if (!st)
        st = engine_submit(
            e, &(struct engine_request){ .prompt = prompt, .n_prompt = n_prompt, .gen = g }, id,
            err);
    free(g);
    return st;
}

void brrr_engine_cancel(struct brrr_engine *e, uint64_t id)
{
    engine_cancel(e, id);
}

int brrr_engine_poll(struct brrr_engine *e, struct brrr_event *ev, int cap)
{
    struct engine_event in[LIMIT_PARALLEL];
    int n = engine_poll(e, in, MIN(cap, LIMIT_PARALLEL));

    for (int i = 0; i < n; i++)
        ev[i] = (struct brrr_event){ .id = in[i].id,
                                     .text = in[i].text.p,
                                     .n_text = in[i].text.n,
                                     .token = in[i].token,
                                     .finish = in[i].finish };
    return n;
}
