/* SPDX-License-Identifier: MIT */
/*
 * kvdir.h - the directory of the disk tier: whose it is, who uses it, how full it may get.
 *
 * It holds `lock` and for each model and numerics a store of two files (kvfile.h). What lies in it
 * is trusted as far as checksums go, so it must belong to us and nobody else may write there. One
 * process uses it at a time (flock, which ends with the process). The bound in bytes holds for all
 * files in it, whoever made them. Only stores are ever deleted, whole and the longest unused
 * first, when those of other models leave less than half of the bound for this one.
 */
#ifndef ENGINE_KVDIR_H
#define ENGINE_KVDIR_H

#include "engine/kvfile.h"

struct kvdir {
    int fd, lock_fd; /* -1: not open */
};

/* Made (mode 0700) where it is not there; its parent must be. */
enum brrr_status kvdir_open(struct kvdir *d, const char *path, struct brrr_error *err);
void kvdir_close(struct kvdir *d);

/* Of `bytes` for the whole directory, how many are left to the store of this name. */
size_t kvdir_share(const struct kvdir *d, const char *name, size_t bytes);
/* The store's two files, NAME.idx and NAME.kv; made (mode 0600) where they are not there. */
enum brrr_status kvdir_store(const struct kvdir *d, const char *name, int fd[2],
                             struct brrr_error *err);

#endif
