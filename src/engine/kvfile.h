/* SPDX-License-Identifier: MIT */
/*
 * kvfile.h - blocks of the KV cache in two files: what is where, and whether it is whole.
 *
 *     NAME.idx   a head (format, what model and numerics the blocks belong to, the secret of
 *                their names), then one record for each slot: the block's name, its tokens,
 *                checksums of what it holds, and a checksum of all that
 *     NAME.kv    the slots, equally large: the blocks of all cache kinds of one name
 *
 * NAME is the hash of everything that must be equal for a block to be of use, so stores of several
 * models lie beside each other and none is mistaken for another. Few files, of slots that are
 * overwritten: nothing has to be compacted, deleted or synced, a start reads one file from its
 * beginning to its end, and the longest gap is one slot.
 *
 * A record that is written says that its slot is whole: it is erased first, then the slot is
 * written, then the record. What a kill leaves between is no record; what a power cut leaves in
 * any order, and what a disk makes of it in a year, is found by the checksums (XXH3-128 with the
 * secret as its seed), which are compared before anything is used. Numbers are in the machine's
 * byte order, which the head tells.
 *
 * Not here: which slot is whose, and when (kvdisk.h). The files are input from outside: any bytes
 * in them end in "not there". Two threads may use different slots at the same time.
 */
#ifndef ENGINE_KVFILE_H
#define ENGINE_KVFILE_H

#include <sys/types.h>

#include "engine/prefix.h"

/* The system's calls, so that tests can make them fail. As pread, pwrite and ftruncate. */
struct kvfile_io {
    ssize_t (*read)(int fd, void *buf, size_t n, off_t at);
    ssize_t (*write)(int fd, const void *buf, size_t n, off_t at);
    int (*resize)(int fd, off_t n);
};

/* What must be equal. The text ends in NUL; bytes of a block of each kind, 0: there is none. */
struct kvfile_id {
    char text[256];
    size_t kind_bytes[KV_KINDS];
};

enum { KVFILE_NAME = 33 }; /* 32 digits and a NUL */

/* What a block holds: its name in the chain, the one before, its tokens. */
struct kvfile_what {
    struct prefix_key key, before;
    int32_t token[KV_BLOCK];
};

/* A record as it lies in the file. */
struct kvfile_rec {
    uint64_t magic;
    uint64_t used; /* larger: used later. A hint, not part of the checksum */
    struct kvfile_what what;
    struct prefix_key sum[KV_KINDS];
    struct prefix_key check; /* of the three fields before it, and the slot's number */
    uint8_t spare[32];
};

struct kvfile {
    struct kvfile_io io;
    struct kvfile_id id;
    int index_fd, data_fd;
    uint64_t secret;
    size_t kind_off[KV_KINDS]; /* within a slot    */
    size_t payload_bytes;      /* of all kinds     */
    size_t slot_bytes;         /* in NAME.kv       */
};

/* Bytes that one block takes on disk, and the head. SIZE_MAX on overflow. */
size_t kvfile_slot_cost(const struct kvfile_id *id);
size_t kvfile_head_cost(void);
void kvfile_name(const struct kvfile_id *id, char out[KVFILE_NAME]);

/*
 * Use two open files, which the caller closes. Files that are empty, or whose head is damaged,
 * start as an empty store with a new secret. io NULL: the system's. *n_slot: records to look at.
 */
enum brrr_status kvfile_init(struct kvfile *f, const struct kvfile_id *id, const int fd[2],
                             const struct kvfile_io *io, int *n_slot, struct brrr_error *err);
/* Forget all slots from n on, and give their room back. */
bool kvfile_cut(const struct kvfile *f, int n);

/* Record of a slot; false: there is none, or it can not be read. */
bool kvfile_look(const struct kvfile *f, int slot, struct kvfile_rec *rec);
/* The same for up to n slots from `slot` on, in one piece: how many were read. */
int kvfile_look_many(const struct kvfile *f, int slot, int n, struct kvfile_rec *rec);
bool kvfile_is_whole(const struct kvfile *f, int slot, const struct kvfile_rec *rec);

/* payload: the kinds at kind_off. False with errno: it could not be written. */
bool kvfile_write(const struct kvfile *f, int slot, const struct kvfile_what *what, uint64_t used,
                  const uint8_t *payload);
enum kvfile_got { KVFILE_GOT, KVFILE_BAD, KVFILE_ERROR };
/* The blocks of a slot that holds `what`, each kind whose dst is not NULL: whole and as they were
 * written, or not KVFILE_GOT, and anything may be in dst. */
enum kvfile_got kvfile_read(const struct kvfile *f, int slot, const struct kvfile_what *what,
                            uint8_t *const dst[KV_KINDS]);
bool kvfile_erase(const struct kvfile *f, int slot);
bool kvfile_mark(const struct kvfile *f, int slot, uint64_t used);
/* The system may fetch this slot ahead. */
void kvfile_expect(const struct kvfile *f, int slot);

#endif
