/* SPDX-License-Identifier: MIT */
/*
 * tiles.c - how the attention of a step is cut into tasks (step.h).
 *
 * A task is a tile: up to TILE_TOKENS rows of one sequence for one kv head. A tile
 * that alone would be a good part of a worker's share, as in decoding a long
 * context, is cut further into the splits that attention is made of anyway
 * (kernels/attend.h), so its bits stay. Who finishes a tile's last split merges them.
 * Tasks are taken from the longest to the shortest.
 */
#include "model/step.h"

/* A tile is split if it is more than one in so many of what a worker has to do. */
enum { SHARE = 4 };

static int splits_to(int pos)
{
    return pos / KV_SPLIT + 1;
}

static int seq_splits(const struct batch_seq *seq, int r, int n)
{
    return splits_to(seq->pos0 + r + n - 1);
}

size_t tiles_cap(const struct model *m, const struct step_opts *o)
{
    size_t split = (size_t)SPLIT_TOKENS * (size_t)splits_to(o->ctx);

    return ((size_t)o->max_row + split) * (size_t)m->hp.n_kv;
}

size_t tiles_part_floats(const struct model *m, const struct step_opts *o)
{
    size_t rows = (size_t)SPLIT_TOKENS * (size_t)m->hp.n_head;

    return rows * (size_t)splits_to(o->ctx) * ATTEND_PART(m->hp.d_v);
}

/* Longest first. Shell's sort: no memory, and a few thousand tasks at most. */
static void sort(struct tile *t, int n)
{
    for (int gap = n / 2; gap > 0; gap /= 2)
        for (int i = gap; i < n; i++) {
            struct tile x = t[i];
            int j = i;

            for (; j >= gap && t[j - gap].cost < x.cost; j -= gap)
                t[j] = t[j - gap];
            t[j] = x;
        }
}

/* What is left of the memory for parts, while tiles are made. */
struct room {
    float *part;
    size_t n_float;
    int n_group;
};

static void add(struct step *s, struct tile t, bool split, struct room *room)
{
    const struct hparams *hp = &s->m->hp;
    size_t rows = (size_t)(t.n_row * (hp->n_head / hp->n_kv));
    size_t need = rows * (size_t)t.n_split * ATTEND_PART(hp->d_v);

    if (!split || t.n_split == 1 || need > room->n_float || room->n_group == s->n_group_max) {
        s->tile[s->n_task++] = t;
        return;
    }
    t.part = room->part;
    t.left = &s->left[room->n_group++];
    atomic_store(t.left, t.n_split);
    room->part += need;
    room->n_float -= need;
    t.cost = t.n_row;
    for (t.split = 0; t.split < t.n_split; t.split++)
        s->tile[s->n_task++] = t;
}

void tiles_make(struct step *s)
{
    int n_kv = s->m->hp.n_kv;
    struct room room = { s->part, tiles_part_floats(s->m, &s->o), 0 };
    int64_t total = 0;
    int n_workers = s->b->n_workers ? s->b->n_workers : s->o.n_workers;

    s->n_task = 0;
    for (int i = 0; i < s->b->n_seq; i++) {
        const struct batch_seq *seq = &s->b->seq[i];

        total += (int64_t)seq->n_row * seq_splits(seq, 0, seq->n_row) * n_kv;
    }
    for (int i = 0; i < s->b->n_seq; i++) {
        const struct batch_seq *seq = &s->b->seq[i];

        for (int r = 0; r < seq->n_row; r += TILE_TOKENS) {
            int n = MIN(TILE_TOKENS, seq->n_row - r), n_split = seq_splits(seq, r, n);
            bool split = n_workers > 1 && (int64_t)n * n_split * SHARE * n_workers > total;

            for (int g = 0; g < n_kv; g++)
                add(s,
                    (struct tile){ .seq = seq,
                                   .row = seq->row0 + r,
                                   .n_row = n,
                                   .kv_head = g,
                                   .n_split = n_split,
                                   .cost = n * n_split },
                    split, &room);
        }
        for (int r = 0; r < seq->n_row; r++)
            s->row_seq[seq->row0 + r] = seq;
    }
    sort(s->tile, s->n_task);
}
