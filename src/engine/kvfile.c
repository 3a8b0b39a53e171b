/* SPDX-License-Identifier: MIT */
/* kvfile.c - see kvfile.h. */
#include "engine/kvfile.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>
#include <xxhash.h>

enum { VERSION = 1, ENDIAN = 0x01020304, PAGE = 4096, NAME_SEED = 0x6b76 };

/* Linux fetches no more than a device's read-ahead for one advice, 128 KiB unless it was changed.
 */
enum { AHEAD = 128 << 10 };

static const uint64_t HEAD_MAGIC = 0x0a766b7272726221u, REC_MAGIC = 0x636572766b727262u;

/* The first page of NAME.idx. */
struct head {
    uint64_t magic;
    uint32_t version, endian;
    uint64_t secret;
    uint64_t kind_bytes[KV_KINDS];
    char text[256];
    struct prefix_key check; /* of all before it */
    uint8_t spare[PAGE - 312];
};

_Static_assert(sizeof(struct head) == PAGE, "a page");
_Static_assert(sizeof(struct kvfile_rec) == 256, "records do not cross pages");

static struct prefix_key sum(const void *p, size_t n, uint64_t seed)
{
    XXH128_hash_t h = XXH3_128bits_withSeed(p, n, seed);

    return (struct prefix_key){ h.low64, h.high64 };
}

static bool same(struct prefix_key a, struct prefix_key b)
{
    return a.low == b.low && a.high == b.high;
}

/* --- sizes and names --- */

size_t kvfile_slot_cost(const struct kvfile_id *id)
{
    size_t bytes = PAGE - 1;

    for (int k = 0; k < KV_KINDS; k++)
        if (!size_add(&bytes, bytes, id->kind_bytes[k])) return SIZE_MAX;
    bytes &= ~(size_t)(PAGE - 1);
    return size_add(&bytes, bytes, sizeof(struct kvfile_rec)) ? bytes : SIZE_MAX;
}

size_t kvfile_head_cost(void)
{
    return sizeof(struct head);
}

static struct head head_of(const struct kvfile_id *id, uint64_t secret)
{
    struct head h = { .magic = HEAD_MAGIC, .version = VERSION, .endian = ENDIAN, .secret = secret };

    for (int k = 0; k < KV_KINDS; k++)
        h.kind_bytes[k] = id->kind_bytes[k];
    snprintf(h.text, sizeof(h.text), "%s", id->text);
    h.check = sum(&h, offsetof(struct head, check), 0);
    return h;
}

void kvfile_name(const struct kvfile_id *id, char out[KVFILE_NAME])
{
    struct head h = head_of(id, 0);
    struct prefix_key k = sum(&h, offsetof(struct head, check), NAME_SEED);

    snprintf(out, KVFILE_NAME, "%016llx%016llx", (unsigned long long)k.high,
             (unsigned long long)k.low);
}

/* --- all or nothing --- */

/* False with errno 0: the file ends before that. */
static bool read_all(const struct kvfile *f, int fd, void *buf, size_t n, off_t at)
{
    for (size_t done = 0; done < n;) {
        ssize_t got = f->io.read(fd, (char *)buf + done, n - done, at + (off_t)done);
        if (got < 0 && errno == EINTR) continue;
        if (got == 0) errno = 0;
        if (got <= 0) return false;
        done += (size_t)got;
    }
    errno = 0;
    return true;
}

static bool write_all(const struct kvfile *f, int fd, const void *buf, size_t n, off_t at)
{
    for (size_t done = 0; done < n;) {
        ssize_t got = f->io.write(fd, (const char *)buf + done, n - done, at + (off_t)done);
        if (got < 0 && errno == EINTR) continue;
        if (got == 0) errno = ENOSPC;
        if (got <= 0) return false;
        done += (size_t)got;
    }
    return true;
}

static off_t rec_at(int slot)
{
    return (off_t)(sizeof(struct head) + (size_t)slot * sizeof(struct kvfile_rec));
}

static off_t data_at(const struct kvfile *f, int slot)
{
    return (off_t)((size_t)slot * f->slot_bytes);
}

/* --- open --- */

static bool good_head(const struct head *h, const struct kvfile_id *id)
{
    struct head want = head_of(id, h->secret);

    return memcmp(h, &want, offsetof(struct head, spare)) == 0;
}

static enum brrr_status start_empty(struct kvfile *f, const struct kvfile_id *id,
                                    struct brrr_error *err)
{
    uint64_t secret;

    if (getrandom(&secret, sizeof(secret), 0) != sizeof(secret))
        return fail(err, BRRR_E_IO, "no random number: %s", strerror(errno));
    struct head h = head_of(id, secret);
    if (f->io.resize(f->index_fd, 0) || f->io.resize(f->data_fd, 0) ||
        !write_all(f, f->index_fd, &h, sizeof(h), 0))
        return fail(err, BRRR_E_IO, "cannot write: %s", strerror(errno));
    f->secret = secret;
    return BRRR_OK;
}

static const struct kvfile_io system_io = { .read = pread, .write = pwrite, .resize = ftruncate };

enum brrr_status kvfile_init(struct kvfile *f, const struct kvfile_id *id, const int fd[2],
                             const struct kvfile_io *io, int *n_slot, struct brrr_error *err)
{
    struct head h;

    *f = (struct kvfile){
        .io = io ? *io : system_io, .id = *id, .index_fd = fd[0], .data_fd = fd[1]
    };
    *n_slot = 0;
    for (int k = 0; k < KV_KINDS; k++) {
        f->kind_off[k] = f->payload_bytes;
        f->payload_bytes += id->kind_bytes[k];
    }
    f->slot_bytes = (f->payload_bytes + PAGE - 1) & ~(size_t)(PAGE - 1);
    if (!read_all(f, f->index_fd, &h, sizeof(h), 0)) {
        if (errno != 0) return fail(err, BRRR_E_IO, "cannot read: %s", strerror(errno));
        return start_empty(f, id, err);
    }
    if (!good_head(&h, id)) return start_empty(f, id, err);
    f->secret = h.secret;
    off_t end = lseek(f->index_fd, 0, SEEK_END);
    if (end > (off_t)sizeof(h))
        *n_slot = (int)MIN(((size_t)end - sizeof(h)) / sizeof(struct kvfile_rec), INT32_MAX / 2);
    return BRRR_OK;
}

bool kvfile_cut(const struct kvfile *f, int n)
{
    return f->io.resize(f->index_fd, rec_at(n)) == 0 &&
           f->io.resize(f->data_fd, data_at(f, n)) == 0;
}

/* --- records --- */

static struct prefix_key check_of(const struct kvfile *f, int slot, const struct kvfile_rec *rec)
{
    struct {
        uint64_t slot;
        struct kvfile_what what;
        struct prefix_key sum[KV_KINDS];
    } in = { .slot = (uint64_t)slot, .what = rec->what };

    memcpy(in.sum, rec->sum, sizeof(in.sum));
    return sum(&in, sizeof(in), f->secret);
}

bool kvfile_is_whole(const struct kvfile *f, int slot, const struct kvfile_rec *rec)
{
    return rec->magic == REC_MAGIC && same(rec->check, check_of(f, slot, rec));
}

bool kvfile_look(const struct kvfile *f, int slot, struct kvfile_rec *rec)
{
    return kvfile_look_many(f, slot, 1, rec) == 1 && kvfile_is_whole(f, slot, rec);
}

int kvfile_look_many(const struct kvfile *f, int slot, int n, struct kvfile_rec *rec)
{
    return read_all(f, f->index_fd, rec, (size_t)n * sizeof(*rec), rec_at(slot)) ? n : 0;
}

bool kvfile_erase(const struct kvfile *f, int slot)
{
    static const struct kvfile_rec none;

    return write_all(f, f->index_fd, &none, sizeof(none), rec_at(slot));
}

bool kvfile_mark(const struct kvfile *f, int slot, uint64_t used)
{
    off_t at = rec_at(slot) + (off_t)offsetof(struct kvfile_rec, used);

    return write_all(f, f->index_fd, &used, sizeof(used), at);
}

/* --- slots --- */

bool kvfile_write(const struct kvfile *f, int slot, const struct kvfile_what *what, uint64_t used,
                  const uint8_t *payload)
{
    struct kvfile_rec rec = { .magic = REC_MAGIC, .used = used, .what = *what };

    for (int k = 0; k < KV_KINDS; k++)
        rec.sum[k] = sum(payload + f->kind_off[k], f->id.kind_bytes[k], f->secret);
    rec.check = check_of(f, slot, &rec);
    return kvfile_erase(f, slot) &&
           write_all(f, f->data_fd, payload, f->payload_bytes, data_at(f, slot)) &&
           write_all(f, f->index_fd, &rec, sizeof(rec), rec_at(slot));
}

enum kvfile_got kvfile_read(const struct kvfile *f, int slot, const struct kvfile_what *what,
                            uint8_t *const dst[KV_KINDS])
{
    struct kvfile_rec rec;

    errno = 0;
    if (!kvfile_look(f, slot, &rec)) return errno ? KVFILE_ERROR : KVFILE_BAD;
    if (memcmp(&rec.what, what, sizeof(*what)) != 0) return KVFILE_BAD;
    for (int k = 0; k < KV_KINDS; k++) {
        size_t n = f->id.kind_bytes[k];
        off_t at = data_at(f, slot) + (off_t)f->kind_off[k];
        if (!dst[k] || n == 0) continue;
        if (!read_all(f, f->data_fd, dst[k], n, at)) return errno ? KVFILE_ERROR : KVFILE_BAD;
        if (!same(rec.sum[k], sum(dst[k], n, f->secret))) return KVFILE_BAD;
    }
    return KVFILE_GOT;
}

void kvfile_expect(const struct kvfile *f, int slot)
{
    off_t at = data_at(f, slot), end = at + (off_t)f->payload_bytes;

    for (; at < end; at += AHEAD)
        posix_fadvise(f->data_fd, at, MIN(end - at, AHEAD), POSIX_FADV_WILLNEED);
}
