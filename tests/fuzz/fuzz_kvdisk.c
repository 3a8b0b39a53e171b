/* SPDX-License-Identifier: MIT */
/*
 * fuzz_kvdisk.c - any bytes as the records and slots of a store of blocks, behind a good head: a
 * block that is read is one whose checksums hold, and new ones can be written over what was there.
 * The input is the index's records, then, after as many as its first byte says, the slots.
 */
#include "engine/kvfile.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FULL = 64, WINDOW = 32 };

static void require(bool ok)
{
    if (!ok) abort();
}

static void put(int fd, const void *p, size_t n, off_t at)
{
    require(pwrite(fd, p, n, at) == (ssize_t)n);
}

static void read_back(const struct kvfile *f, int slot)
{
    uint8_t got[KV_KINDS][FULL], payload[FULL + WINDOW] = { 1, 2, 3 };
    uint8_t *const dst[KV_KINDS] = { got[0], got[1] };
    struct kvfile_what what = { .key = { 1, 2 }, .token = { 7 } };

    require(kvfile_write(f, slot, &what, 1, payload));
    require(kvfile_read(f, slot, &what, dst) == KVFILE_GOT);
    require(memcmp(got[0], payload, FULL) == 0 && memcmp(got[1], payload + FULL, WINDOW) == 0);
    what.token[3]++;
    require(kvfile_read(f, slot, &what, dst) == KVFILE_BAD);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct kvfile_id id = { "fuzz", { FULL, WINDOW } };
    int fd[2] = { memfd_create("idx", MFD_CLOEXEC), memfd_create("kv", MFD_CLOEXEC) };
    uint8_t got[KV_KINDS][FULL];
    uint8_t *const dst[KV_KINDS] = { got[0], got[1] };
    struct kvfile_rec rec;
    struct kvfile f;
    int n;

    require(fd[0] >= 0 && fd[1] >= 0);
    require(kvfile_init(&f, &id, fd, NULL, &n, NULL) == BRRR_OK && n == 0);
    size_t cut = size ? MIN((size_t)data[0] * sizeof(rec), size - 1) : 0;
    if (size) put(fd[0], data + 1, cut, (off_t)kvfile_head_cost());
    if (size) put(fd[1], data + 1 + cut, size - 1 - cut, 0);
    require(kvfile_init(&f, &id, fd, NULL, &n, NULL) == BRRR_OK);
    require((size_t)n == cut / sizeof(rec));
    for (int i = 0; i < n; i++)
        if (kvfile_look(&f, i, &rec)) kvfile_read(&f, i, &rec.what, dst);
    read_back(&f, n / 2);
    /* The same bytes as a whole index: whatever the head says, it is a store. */
    put(fd[0], data, size, 0);
    require(kvfile_init(&f, &id, fd, NULL, &n, NULL) == BRRR_OK);
    read_back(&f, 0);
    close(fd[0]);
    close(fd[1]);
    return 0;
}
