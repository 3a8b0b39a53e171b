/* SPDX-License-Identifier: MIT */
/* klbase.c - see klbase.h, which has the layout. Own format. */
#include "format/klbase.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/le.h"
#include "base/limits.h"

enum { VERSION = 1, FLAG_BOS = 1, FLAG_HALF = 2, ROW_HEAD = 8 };
static const char magic[8] = { 'b', 'r', 'r', 'r', '-', 'k', 'l', '\n' };

struct klbase {
    FILE *f;
    char shown[160];
    struct klbase_head head;
    int at;            /* rows put or got */
    uint8_t *bytes;    /* one row as in the file */
    uint16_t *down;    /* the same, as numbers */
    double p[1 << 16]; /* readers: what the numbers stand for */
};

uint64_t klbase_id_sum(const int32_t *id, size_t n)
{
    uint64_t h = 0xcbf29ce484222325u;

    for (size_t i = 0; i < n; i++)
        for (int b = 0; b < 32; b += 8)
            h = (h ^ ((uint32_t)id[i] >> b & 0xff)) * 0x100000001b3u;
    return h;
}

static void put64(uint8_t *p, uint64_t v)
{
    le32_put(p, (uint32_t)v);
    le32_put(p + 4, (uint32_t)(v >> 32));
}

static size_t row_bytes(const struct klbase *k)
{
    return ROW_HEAD + 2 * (size_t)k->head.n_vocab;
}

static enum brrr_status bad(const struct klbase *k, struct brrr_error *err, const char *what)
{
    return fail(err, BRRR_E_FORMAT, "%s: %s", k->shown, what);
}

static struct klbase *new (const char *name)
{
    struct klbase *k = calloc(1, sizeof(*k));

    if (k) slice_print(k->shown, sizeof(k->shown), (struct slice){ name, strlen(name) });
    return k;
}

static enum brrr_status new_row(struct klbase *k, struct brrr_error *err)
{
    k->bytes = malloc(row_bytes(k));
    k->down = malloc((size_t)k->head.n_vocab * sizeof(*k->down));
    if (k->bytes && k->down) return BRRR_OK;
    return fail(err, BRRR_E_NOMEM, "%s: no memory for a row of %d logits", k->shown,
                k->head.n_vocab);
}

void klbase_close(struct klbase *k)
{
    if (!k) return;
    if (k->f) fclose(k->f);
    free(k->bytes);
    free(k->down);
    free(k);
}

/* --- writing --- */

static enum brrr_status write_all(struct klbase *k, const void *p, size_t n, struct brrr_error *err)
{
    if (fwrite(p, 1, n, k->f) == n) return BRRR_OK;
    return fail(err, BRRR_E_IO, "%s: cannot write: %s", k->shown, strerror(errno));
}

static enum brrr_status write_head(struct klbase *k, int n_row, struct brrr_error *err)
{
    const struct klbase_head *h = &k->head;
    uint8_t b[KLBASE_HEAD] = { 0 };

    memcpy(b, magic, sizeof(magic));
    le32_put(b + 8, VERSION);
    le32_put(b + 12, (h->bos ? FLAG_BOS : 0) | (h->half ? FLAG_HALF : 0));
    le32_put(b + 16, (uint32_t)h->n_vocab);
    le32_put(b + 20, (uint32_t)h->ctx);
    le32_put(b + 24, (uint32_t)h->n_id);
    le32_put(b + 28, (uint32_t)n_row);
    put64(b + 32, h->id_sum);
    memcpy(b + 40, h->profile, strnlen(h->profile, KLBASE_PROFILE));
    return write_all(k, b, sizeof(b), err);
}

enum brrr_status klbase_make(struct klbase **out, const char *path, const struct klbase_head *h,
                             struct brrr_error *err)
{
    struct klbase *k = new (path);
    enum brrr_status st;

    *out = NULL;
    if (!k) return fail(err, BRRR_E_NOMEM, "no memory to write reference logits");
    k->head = *h;
    if (!(k->f = fopen(path, "wbe"))) {
        st = fail(err, BRRR_E_IO, "%s: %s", k->shown, strerror(errno));
        goto error;
    }
    if ((st = new_row(k, err)) || (st = write_head(k, 0, err))) goto error;
    *out = k;
    return BRRR_OK;

error:
    klbase_close(k);
    return st;
}

enum brrr_status klbase_put(struct klbase *k, const float *logits, float max, double nll,
                            struct brrr_error *err)
{
    uint64_t bits;
    bool top_seen = false;

    if (!isfinite(nll) || !isfinite(max))
        return fail(err, BRRR_E_LIMIT, "the model's logits are not finite: no reference");
    memcpy(&bits, &nll, sizeof(bits));
    put64(k->bytes, bits);
    for (int i = 0; i < k->head.n_vocab; i++) {
        double u = ((double)max - (double)logits[i]) * KLBASE_UNIT + 0.5;
        uint32_t v = u < KLBASE_FAR ? MAX((uint32_t)u, 1) : KLBASE_FAR;
        if (!top_seen && logits[i] == max) {
            top_seen = true;
            v = 0;
        }
        k->bytes[ROW_HEAD + 2 * i] = (uint8_t)v;
        k->bytes[ROW_HEAD + 2 * i + 1] = (uint8_t)(v >> 8);
    }
    k->at++;
    return write_all(k, k->bytes, row_bytes(k), err);
}

enum brrr_status klbase_finish(struct klbase *k, struct brrr_error *err)
{
    enum brrr_status st;

    if (fseeko(k->f, 0, SEEK_SET) != 0)
        return fail(err, BRRR_E_IO, "%s: cannot go back to its head: %s", k->shown,
                    strerror(errno));
    if ((st = write_head(k, k->at, err))) return st;
    int bad_close = fclose(k->f);
    k->f = NULL;
    if (bad_close) return fail(err, BRRR_E_IO, "%s: cannot write: %s", k->shown, strerror(errno));
    return BRRR_OK;
}

/* --- reading --- */

/* The name is printed: lower case, digits, '-', '_' and '/', then NUL to the end. */
static bool profile_ok(const uint8_t *p)
{
    size_t n = 0;

    while (n < KLBASE_PROFILE && p[n] &&
           strchr("abcdefghijklmnopqrstuvwxyz0123456789-_/", (char)p[n]))
        n++;
    for (size_t i = n; i < KLBASE_PROFILE; i++)
        if (p[i]) return false;
    return n > 0;
}

static enum brrr_status parse_head(struct klbase *k, const uint8_t *b, struct brrr_error *err)
{
    struct klbase_head *h = &k->head;
    uint32_t flags = le32(b + 12), n_vocab = le32(b + 16), ctx = le32(b + 20);
    uint32_t n_id = le32(b + 24), n_row = le32(b + 28);

    if (memcmp(b, magic, sizeof(magic)) != 0)
        return bad(k, err, "no reference logits (brrr ppl --kl-base writes them)");
    if (le32(b + 8) != VERSION)
        return fail(err, BRRR_E_UNSUPPORTED, "%s: version %u, this program reads version %d",
                    k->shown, le32(b + 8), VERSION);
    if (n_row == 0) return bad(k, err, "no rows: the run that wrote it has not finished");
    if (flags & ~(uint32_t)(FLAG_BOS | FLAG_HALF)) return bad(k, err, "unknown flags");
    if (n_vocab < 1 || n_vocab > LIMIT_VOCAB) return bad(k, err, "impossible number of logits");
    if (ctx < 2 || ctx > LIMIT_CTX) return bad(k, err, "impossible length of a window");
    if (n_id < 2 || n_id > LIMIT_LINE_BYTES || n_row > n_id)
        return bad(k, err, "impossible number of tokens");
    if (le64(b + 56) != 0) return bad(k, err, "bytes 56 to 63 are not zero");
    if (!profile_ok(b + 40)) return bad(k, err, "no name of a numerics profile");
    *h = (struct klbase_head){ .n_vocab = (int)n_vocab,
                               .ctx = (int)ctx,
                               .n_id = (int)n_id,
                               .n_row = (int)n_row,
                               .bos = flags & FLAG_BOS,
                               .half = flags & FLAG_HALF,
                               .id_sum = le64(b + 32) };
    memcpy(h->profile, b + 40, KLBASE_PROFILE);
    return BRRR_OK;
}

static enum brrr_status check_size(struct klbase *k, struct brrr_error *err)
{
    size_t want;

    if (fseeko(k->f, 0, SEEK_END) != 0) return bad(k, err, "cannot be seeked");
    off_t have = ftello(k->f);
    if (!size_mul(&want, (size_t)k->head.n_row, row_bytes(k)) ||
        !size_add(&want, want, KLBASE_HEAD))
        return bad(k, err, "larger than the address space");
    if (have < 0 || (size_t)have != want)
        return fail(err, BRRR_E_FORMAT, "%s: %jd bytes, its head asks for %zu", k->shown,
                    (intmax_t)have, want);
    if (fseeko(k->f, KLBASE_HEAD, SEEK_SET) != 0) return bad(k, err, "cannot be seeked");
    return BRRR_OK;
}

enum brrr_status klbase_open_file(struct klbase **out, FILE *f, const char *name,
                                  struct brrr_error *err)
{
    struct klbase *k = new (name);
    uint8_t b[KLBASE_HEAD];
    enum brrr_status st;

    *out = NULL;
    if (!k) {
        fclose(f);
        return fail(err, BRRR_E_NOMEM, "no memory to read reference logits");
    }
    k->f = f;
    if (fread(b, 1, sizeof(b), f) != sizeof(b)) {
        st = bad(k, err, "no reference logits: shorter than their head");
        goto error;
    }
    if ((st = parse_head(k, b, err)) || (st = check_size(k, err)) || (st = new_row(k, err)))
        goto error;
    for (size_t i = 0; i < COUNT(k->p); i++)
        k->p[i] = exp(-(double)i / KLBASE_UNIT);
    *out = k;
    return BRRR_OK;

error:
    klbase_close(k);
    return st;
}

enum brrr_status klbase_open(struct klbase **out, const char *path, struct brrr_error *err)
{
    struct stat s;
    /* Non-blocking: opening a FIFO must not wait for a writer. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    FILE *f = fd >= 0 ? fdopen(fd, "rb") : NULL;

    *out = NULL;
    if (!f) {
        fail(err, BRRR_E_IO, "%s: %s", path, strerror(errno));
        if (fd >= 0) close(fd);
        return BRRR_E_IO;
    }
    if (fstat(fd, &s) != 0 || !S_ISREG(s.st_mode)) {
        fclose(f);
        return fail(err, BRRR_E_UNSUPPORTED, "%s: reference logits are read from a regular file",
                    path);
    }
    return klbase_open_file(out, f, path, err);
}

const struct klbase_head *klbase_head(const struct klbase *k)
{
    return &k->head;
}

/* The nll that the row gives for `next`, as far as it can say, is the nll that stands in it. */
static bool agrees(const struct klbase_row *row, int32_t next)
{
    double nll = (double)row->down[next] / KLBASE_UNIT + log(row->sum);
    double off = row->nll - nll, room = 4.0 / KLBASE_UNIT;

    if (!isfinite(off)) return false;
    return row->down[next] == KLBASE_FAR ? off > -room : fabs(off) < room;
}

enum brrr_status klbase_get(struct klbase *k, int32_t next, struct klbase_row *row,
                            struct brrr_error *err)
{
    uint64_t bits;
    int n_top = 0;

    assert(k->at < k->head.n_row && next >= 0 && next < k->head.n_vocab);
    if (fread(k->bytes, 1, row_bytes(k), k->f) != row_bytes(k))
        return fail(err, BRRR_E_IO, "%s: cannot read row %d", k->shown, k->at);
    *row = (struct klbase_row){ .down = k->down, .p = k->p };
    bits = le64(k->bytes);
    memcpy(&row->nll, &bits, sizeof(bits));
    for (int i = 0; i < k->head.n_vocab; i++) {
        uint16_t v = le16(k->bytes + ROW_HEAD + 2 * i);
        k->down[i] = v;
        row->sum += k->p[v];
        if (v) continue;
        row->top = i;
        n_top++;
    }
    if (n_top != 1)
        return fail(err, BRRR_E_FORMAT, "%s: row %d has %d largest logits, one is needed", k->shown,
                    k->at, n_top);
    if (!agrees(row, next))
        return fail(err, BRRR_E_FORMAT, "%s: row %d does not agree with its own likelihood",
                    k->shown, k->at);
    k->at++;
    return BRRR_OK;
}
