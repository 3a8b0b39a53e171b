/* SPDX-License-Identifier: MIT */
/* stats.c - see stats.h. */
#include "server/stats.h"

#include "base/clock.h"
#include "server/runner.h"
#include "server/server.h"

enum { STATS_STEPS = 240 }; /* the newest: more than bars fit into the drawing */

static json_int_t whole(uint64_t n)
{
    return (json_int_t)n;
}

static json_t *times_json(const struct metric_times *m)
{
    json_t *bucket = json_array();

    for (int i = 0; i < METRIC_BUCKETS; i++)
        json_array_append_new(bucket, json_integer(whole(m->bucket[i])));
    return json_pack("{s:o, s:I, s:f}", "bucket", bucket, "n", whole(m->n), "sum_s", m->sum);
}

static json_t *requests_json(const struct metrics *m)
{
    json_int_t done = 0;

    for (int i = 0; i < METRIC_FINISH; i++)
        if (i != BRRR_FINISH_CANCELLED) done += whole(m->n_finished[i]);
    return json_pack("{s:i, s:i, s:I, s:I, s:I, s:I, s:I}", "running", m->n_running, "waiting",
                     m->n_waiting, "submitted", whole(m->n_submitted), "refused",
                     whole(m->n_refused), "done", done, "cancelled",
                     whole(m->n_finished[BRRR_FINISH_CANCELLED]), "preempted",
                     whole(m->n_preempted));
}

static json_t *tokens_json(const struct metrics *m)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I}", "prompt", whole(m->n_prompt), "cached",
                     whole(m->n_cached), "made", whole(m->n_made), "drafted", whole(m->n_drafted),
                     "accepted", whole(m->n_accepted));
}

/* [index of the first, [rows of prompts, decoding rows, guesses, milliseconds], ...] */
static json_t *steps_json(struct runner *r)
{
    static struct metric_step step[STATS_STEPS]; /* the server's thread's */
    int n = runner_steps(r, step, STATS_STEPS);
    json_t *out = json_array();

    for (int i = 0; i < n; i++) {
        const struct metric_step *s = &step[i];
        double ms = 0;
        for (int k = 0; k < PHASES; k++)
            ms += 1e3 * s->phase_s[k];
        json_array_append_new(out,
                              json_pack("[i, i, i, f]", s->n_prompt, s->n_decode, s->n_draft, ms));
    }
    return json_pack("{s:I, s:o}", "first", whole(n ? step[0].index : 0), "rows", out);
}

static bool is_free(const struct kv_cell *c)
{
    return c->used == 0 && c->shared == 0 && c->cached == 0;
}

static json_t *cell_json(const struct kv_cell *c)
{
    if (is_free(c)) return json_integer(0);
    return json_pack("[i, i, i]", c->used, c->shared, c->cached);
}

/* [used by one, shared, cached] of each cell; 0: all free, and so are those behind the last. */
static json_t *map_json(struct runner *r, enum kv_kind kind)
{
    static struct kv_map m; /* the server's thread's */
    json_t *cells = json_array();
    int n;

    runner_kv_map(r, kind, &m);
    for (n = m.n_cell; n > 0 && is_free(&m.cell[n - 1]);)
        n--;
    for (int i = 0; i < n; i++)
        json_array_append_new(cells, cell_json(&m.cell[i]));
    return json_pack("{s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:o}", "kind",
                     kind == KV_FULL ? "full" : "window", "blocks", m.n_block, "used", m.n_used,
                     "shared", m.n_shared, "cached", m.n_cached, "per_cell", m.per, "n_cells",
                     m.n_cell, "cells", cells);
}

static json_t *kv_json(struct runner *r, const struct metrics *m)
{
    json_t *maps = json_array();

    for (int k = 0; k < KV_KINDS; k++) {
        json_t *map = map_json(r, (enum kv_kind)k);
        if (json_integer_value(json_object_get(map, "blocks")) > 0) json_array_append(maps, map);
        json_decref(map);
    }
    return json_pack("{s:I, s:I, s:I, s:I, s:i, s:o}", "budget", whole(m->kv.budget), "used",
                     whole(m->kv.used), "cached", whole(m->kv.cached), "evicted",
                     whole(m->kv.evicted), "block_tokens", KV_BLOCK, "maps", maps);
}

json_t *stats_json(struct server *s)
{
    struct runner *r = server_runner(s);
    const struct engine_opts *o = runner_options(r);
    struct metrics m;

    runner_metrics(r, &m);
    return json_pack("{s:s, s:s, s:f, s:I, s:i, s:i, s:o, s:o, s:f, s:o, s:o, s:o, s:o, s:o}",
                     "version", BRRR_VERSION, "model", server_options(s)->name, "now_s",
                     clock_now(), "started", (json_int_t)server_started(s), "ctx", o->ctx,
                     "parallel", o->n_parallel, "requests", requests_json(&m), "tokens",
                     tokens_json(&m), "bucket_least_s", METRIC_LEAST, "ttft", times_json(&m.ttft),
                     "itl", times_json(&m.itl), "queue", times_json(&m.queue), "steps",
                     steps_json(r), "kv", kv_json(r, &m));
}
