/* SPDX-License-Identifier: MIT */
/*
 * kvdisk.h - the second tier of the prefix cache: blocks that are kept on disk.
 *
 * A block that is full is offered when it gets its name, and again whenever a sequence
 * starts from it: if it is on disk, it counts as used (least recently used go first),
 * else it is queued to be written. Written early, not when memory lets go of it, because
 * what is worth most after a restart, a system prompt in use, is never let go of.
 * What a sequence had to give back (preemption) is therefore on disk like any other block.
 *
 * One thread writes. The queue holds no memory of its own: jobs point into the cache, whose
 * blocks do not change while they have a name. Before memory is used for something else
 * kvdisk_let_go() takes the job back; a step never waits for the disk, at most
 * for the copy of one block. What does not fit into the queue is not written.
 *
 * Reading is the engine's: straight into a block, checksums compared before it is used. While what
 * needs them waits, another thread has the system fetch its blocks, so that this is a copy. Every
 * failure ends in "it is not there", and the block is computed. An error of the system
 * turns writing (or reading) off for good; kvdisk_note() has one line about it.
 *
 * Owned by: the engine's thread; its two threads share the index under a lock. No allocation after
 * kvdisk_open().
 */
#ifndef ENGINE_KVDISK_H
#define ENGINE_KVDISK_H

#include "engine/kvfile.h"

struct kvdisk;

struct kvdisk_opts {
    const char *dir;
    size_t bytes; /* for all files in dir, other models' included */
    struct kvfile_id id;
    const struct kvfile_io *io; /* NULL: the system's */
};

struct kvdisk_stats {
    size_t bytes, bytes_max;    /* of this store's blocks                          */
    int n_block, n_block_max;   /* names, with the blocks of all kinds             */
    uint64_t n_read, n_written; /* blocks since the start                          */
    uint64_t n_dropped;         /* not written: the queue was full, or memory let go first */
    uint64_t n_evicted, n_bad;  /* made way; were not what they should be          */
    uint64_t n_error;           /* calls of the system that failed                 */
    double read_s;              /* spent on reading                                */
};

enum brrr_status kvdisk_open(struct kvdisk **out, const struct kvdisk_opts *o,
                             struct brrr_error *err);
/* What is queued is written, for a few seconds at most; then its threads end, and kvdisk_note() has
 * all that there will be. NULL is allowed. */
void kvdisk_stop(struct kvdisk *d);
/* Stops it first. NULL is allowed. */
void kvdisk_close(struct kvdisk *d);

/* Of the names in this store: those of the process must use it. */
uint64_t kvdisk_secret(const struct kvdisk *d);

/* The cache holds these blocks, of each kind that there is, under this name. */
void kvdisk_offer(struct kvdisk *d, const struct kvfile_what *what,
                  const uint8_t *const mem[KV_KINDS]);
/* This block's memory is about to change. */
void kvdisk_let_go(struct kvdisk *d, const uint8_t *mem);
/* A block of this name seems to be there. */
bool kvdisk_has(struct kvdisk *d, struct prefix_key key);
/* The system fetches it ahead; false: it is not there, or faster computed in `compute_s` seconds.
 */
bool kvdisk_expect(struct kvdisk *d, struct prefix_key key, double compute_s);
/* The kinds whose dst is not NULL; false: not there, and what dst holds is not defined. */
bool kvdisk_read(struct kvdisk *d, const struct kvfile_what *what, uint8_t *const dst[KV_KINDS]);

/* Whether reading a block is expected to be faster than computing it in `compute_s` seconds (0: not
 * known). Now and then yes in any case, for reading may have become faster. */
bool kvdisk_pays(struct kvdisk *d, double compute_s);

/* One line about what went wrong, each once; false: nothing new. */
bool kvdisk_note(struct kvdisk *d, struct brrr_error *note);
/* Wait until nothing is queued; false: not within `seconds`. */
bool kvdisk_flush(struct kvdisk *d, double seconds);
void kvdisk_stats(struct kvdisk *d, struct kvdisk_stats *out);

#endif
