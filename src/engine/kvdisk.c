/* SPDX-License-Identifier: MIT */
/* kvdisk.c - see kvdisk.h. */
#include "engine/kvdisk.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "engine/kvdir.h"

enum {
    QUEUE = 256,   /* blocks that wait to be written                               */
    TOUCHES = 256, /* uses that wait to be noted in the file                       */
    LOOK = 64,     /* records that are read at once at start                       */
    RETRY = 32,    /* reading that does not pay is tried once in so many times     */
    AHEAD = 1024,  /* blocks that wait to be fetched                               */
    NICE = 5,      /* of the writer                                                */
};

static const double CLOSE_S = 5; /* what is queued at the end may take so long */

struct entry {
    struct prefix_key key;
    uint64_t used;
    int32_t next;           /* with the same hash, or free; -1    */
    int32_t older, younger; /* -1                                 */
    bool live, reading;     /* being read: it stays               */
};

struct job {
    struct kvfile_what what;
    const uint8_t *mem[KV_KINDS];
};

struct touch {
    int32_t slot;
    uint64_t used;
};

struct kvdisk {
    struct kvdir dir;
    int fd[2];
    struct kvfile f;
    uint8_t *staging; /* [payload_bytes], the writer's */

    pthread_mutex_t lock; /* of all that follows                      */
    pthread_cond_t work, moved, expected;
    pthread_t writer, reader;
    bool writes, reads; /* the threads are there */
    bool stop, copying, busy;
    bool no_write, no_read;

    int n_slot, n_live, n_fresh; /* slots; of them live; n_fresh: the rest was never used  */
    struct entry *entry;         /* [n_slot]                                               */
    int32_t *head;               /* [n_head], a power of two                               */
    int n_head;
    int32_t free, oldest, youngest;
    uint64_t now;

    struct job job[QUEUE]; /* a ring */
    int first_job, n_job;
    struct touch touch[TOUCHES];
    int n_touch;
    int32_t ahead[AHEAD]; /* slots, a ring */
    int first_ahead, n_ahead;

    struct brrr_error note;
    bool has_note;
    uint64_t n_asked;
    double s_per_block; /* of reading; 0: not known */
    struct kvdisk_stats stats;
};

/* --- the index: what is in which slot, and when it was used last --- */

static int32_t *list(const struct kvdisk *d, struct prefix_key key)
{
    return &d->head[key.low & (uint64_t)(d->n_head - 1)];
}

static int32_t find(const struct kvdisk *d, struct prefix_key key)
{
    for (int32_t i = *list(d, key); i >= 0; i = d->entry[i].next)
        if (d->entry[i].key.low == key.low && d->entry[i].key.high == key.high) return i;
    return -1;
}

static void append(struct kvdisk *d, int32_t i)
{
    struct entry *e = &d->entry[i];

    e->older = d->youngest;
    e->younger = -1;
    *(d->youngest < 0 ? &d->oldest : &d->entry[d->youngest].younger) = i;
    d->youngest = i;
}

static void unlink_entry(struct kvdisk *d, int32_t i)
{
    struct entry *e = &d->entry[i];

    *(e->older < 0 ? &d->oldest : &d->entry[e->older].younger) = e->younger;
    *(e->younger < 0 ? &d->youngest : &d->entry[e->younger].older) = e->older;
}

static void insert(struct kvdisk *d, int32_t i, struct prefix_key key, uint64_t used)
{
    int32_t *at = list(d, key);

    d->entry[i] = (struct entry){ .key = key, .used = used, .next = *at, .live = true };
    *at = i;
    append(d, i);
    d->n_live++;
}

/* The slot is nobody's then, and not yet free. */
static void take_out(struct kvdisk *d, int32_t i)
{
    int32_t *at = list(d, d->entry[i].key);

    while (*at != i)
        at = &d->entry[*at].next;
    *at = d->entry[i].next;
    unlink_entry(d, i);
    d->entry[i].live = false;
    d->n_live--;
}

static void put_free(struct kvdisk *d, int32_t i)
{
    d->entry[i].next = d->free;
    d->free = i;
}

/* A slot for a new block: one that is free, or that of the block used longest ago. -1: none. */
static int32_t take_slot(struct kvdisk *d)
{
    int32_t i = d->free;

    if (i >= 0) {
        d->free = d->entry[i].next;
        return i;
    }
    if (d->n_fresh < d->n_slot) return d->n_fresh++;
    for (i = d->oldest; i >= 0 && d->entry[i].reading; i = d->entry[i].younger)
        ;
    if (i < 0) return -1;
    take_out(d, i);
    d->stats.n_evicted++;
    return i;
}

static void use(struct kvdisk *d, int32_t i)
{
    d->entry[i].used = ++d->now;
    unlink_entry(d, i);
    append(d, i);
    if (d->no_write || d->n_touch == TOUCHES) return;
    d->touch[d->n_touch++] = (struct touch){ i, d->now };
    pthread_cond_signal(&d->work);
}

/* --- trouble --- */

static void say(struct kvdisk *d, const char *what, int error)
{
    d->stats.n_error++;
    if (d->has_note) return;
    d->has_note = true;
    fail(&d->note, BRRR_E_IO, "%s: %s", what, strerror(error));
}

static void give_up_writing(struct kvdisk *d, int error)
{
    if (!d->no_write) say(d, "no more blocks are written to disk", error);
    d->no_write = true;
    d->stats.n_dropped += (uint64_t)d->n_job;
    d->n_job = d->n_touch = 0;
}

/* --- the writer --- */

static void copy_job(struct kvdisk *d, const struct job *j)
{
    for (int k = 0; k < KV_KINDS; k++)
        if (j->mem[k]) memcpy(d->staging + d->f.kind_off[k], j->mem[k], d->f.id.kind_bytes[k]);
}

/* With the lock held, which is let go of meanwhile. */
static void write_next(struct kvdisk *d)
{
    struct job j = d->job[d->first_job];

    d->first_job = (d->first_job + 1) % QUEUE;
    d->n_job--;
    if (find(d, j.what.key) >= 0) return;
    d->copying = true;
    pthread_mutex_unlock(&d->lock);
    copy_job(d, &j);
    pthread_mutex_lock(&d->lock);
    d->copying = false;
    pthread_cond_broadcast(&d->moved);
    int32_t slot = take_slot(d);
    if (slot < 0) {
        d->stats.n_dropped++;
        return;
    }
    uint64_t used = ++d->now;
    pthread_mutex_unlock(&d->lock);
    bool ok = kvfile_write(&d->f, slot, &j.what, used, d->staging);
    int error = errno;
    pthread_mutex_lock(&d->lock);
    if (ok) {
        insert(d, slot, j.what.key, used);
        d->stats.n_written++;
    } else {
        put_free(d, slot);
        give_up_writing(d, error);
    }
}

static void note_use(struct kvdisk *d)
{
    struct touch t = d->touch[--d->n_touch];

    /* A newer use was noted already, or something else is there. */
    if (!d->entry[t.slot].live || d->entry[t.slot].used != t.used) return;
    pthread_mutex_unlock(&d->lock);
    bool ok = kvfile_mark(&d->f, t.slot, t.used);
    int error = errno;
    pthread_mutex_lock(&d->lock);
    if (!ok) give_up_writing(d, error);
}

static void *writer(void *arg)
{
    struct kvdisk *d = arg;

    /* Its time is nobody's loss: what it does not come to is computed once more, some day. */
    setpriority(PRIO_PROCESS, (id_t)gettid(), NICE);
    pthread_mutex_lock(&d->lock);
    for (;;) {
        d->busy = d->n_job > 0 || d->n_touch > 0;
        if (d->n_job > 0) write_next(d);
        else if (d->n_touch > 0) note_use(d);
        else {
            pthread_cond_broadcast(&d->moved);
            if (d->stop) break;
            pthread_cond_wait(&d->work, &d->lock);
        }
    }
    pthread_mutex_unlock(&d->lock);
    return NULL;
}

/* --- the reader: what is expected is fetched into the system's cache, and not looked at --- */

static void *reader(void *arg)
{
    struct kvdisk *d = arg;

    pthread_mutex_lock(&d->lock);
    while (!d->stop) {
        if (d->n_ahead == 0) {
            pthread_cond_wait(&d->expected, &d->lock);
            continue;
        }
        int32_t slot = d->ahead[d->first_ahead];
        d->first_ahead = (d->first_ahead + 1) % AHEAD;
        d->n_ahead--;
        pthread_mutex_unlock(&d->lock);
        kvfile_expect(&d->f, slot);
        pthread_mutex_lock(&d->lock);
    }
    pthread_mutex_unlock(&d->lock);
    return NULL;
}

/* Signals are for the other threads; a file that may not grow is an error, not a signal. */
static enum brrr_status start_thread(pthread_t *thread, bool *running, void *(*run)(void *),
                                     struct kvdisk *d, struct brrr_error *err)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(thread, NULL, run, d);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error) return fail(err, BRRR_E_IO, "cannot start a thread: %s", strerror(error));
    *running = true;
    return BRRR_OK;
}

static enum brrr_status start_threads(struct kvdisk *d, struct brrr_error *err)
{
    enum brrr_status st = start_thread(&d->writer, &d->writes, writer, d, err);

    return st ? st : start_thread(&d->reader, &d->reads, reader, d, err);
}

/* --- open and close --- */

static int by_use(const void *a, const void *b)
{
    uint64_t x = ((const struct touch *)a)->used, y = ((const struct touch *)b)->used;

    return (x > y) - (x < y);
}

/* The whole records among the first n become entries, in the order of their last use. */
static enum brrr_status scan(struct kvdisk *d, int n, struct brrr_error *err)
{
    struct touch *order = calloc((size_t)n + 1, sizeof(*order));
    struct kvfile_rec rec[LOOK];
    int n_whole = 0, got;

    if (!order) return fail(err, BRRR_E_NOMEM, "no memory for the names of %d blocks", n);
    for (int i = 0; i < n; i += LOOK) {
        got = kvfile_look_many(&d->f, i, MIN(LOOK, n - i), rec);
        for (int j = 0; j < MIN(LOOK, n - i); j++) {
            if (j < got && kvfile_is_whole(&d->f, i + j, &rec[j])) {
                d->entry[i + j].key = rec[j].what.key;
                order[n_whole++] = (struct touch){ i + j, rec[j].used };
            } else put_free(d, i + j);
        }
    }
    qsort(order, (size_t)n_whole, sizeof(*order), by_use);
    for (int i = 0; i < n_whole; i++) {
        int32_t slot = order[i].slot;
        /* A strange file may have any number here, and a name twice. */
        if (find(d, d->entry[slot].key) >= 0) put_free(d, slot);
        else
            insert(d, slot, d->entry[slot].key,
                   d->now = MAX(d->now, MIN(order[i].used, INT64_MAX)));
    }
    d->n_fresh = n;
    free(order);
    return BRRR_OK;
}

static enum brrr_status take_tables(struct kvdisk *d, struct brrr_error *err)
{
    for (d->n_head = 1; d->n_head < d->n_slot;)
        d->n_head *= 2;
    d->entry = calloc((size_t)d->n_slot, sizeof(*d->entry));
    d->head = malloc((size_t)d->n_head * sizeof(*d->head));
    d->staging = calloc(1, d->f.slot_bytes);
    if (!d->entry || !d->head || !d->staging)
        return fail(err, BRRR_E_NOMEM, "no memory for the names of %d blocks", d->n_slot);
    for (int i = 0; i < d->n_head; i++)
        d->head[i] = -1;
    return BRRR_OK;
}

static enum brrr_status open_store(struct kvdisk *d, const struct kvdisk_opts *o,
                                   struct brrr_error *err)
{
    char name[KVFILE_NAME];
    size_t cost = kvfile_slot_cost(&o->id);
    enum brrr_status st;
    int n;

    if ((st = kvdir_open(&d->dir, o->dir, err))) return st;
    kvfile_name(&o->id, name);
    size_t share = kvdir_share(&d->dir, name, o->bytes), head = kvfile_head_cost();
    d->n_slot = share < head ? 0 : (int)MIN((share - head) / cost, LIMIT_KVDISK);
    if (d->n_slot < 1)
        return fail(err, BRRR_E_LIMIT, "%zu bytes are left to it, the first block takes %zu", share,
                    head + cost);
    if ((st = kvdir_store(&d->dir, name, d->fd, err))) return st;
    if ((st = kvfile_init(&d->f, &o->id, d->fd, o->io, &n, err))) return st;
    if ((st = take_tables(d, err))) return st;
    /* Less room than last time: what lies behind it goes. */
    if (n > d->n_slot) {
        n = d->n_slot;
        if (!kvfile_cut(&d->f, n)) return fail(err, BRRR_E_IO, "cannot cut: %s", strerror(errno));
    }
    return scan(d, n, err);
}

enum brrr_status kvdisk_open(struct kvdisk **out, const struct kvdisk_opts *o,
                             struct brrr_error *err)
{
    struct kvdisk *d = calloc(1, sizeof(*d));
    struct brrr_error why = { 0 };
    enum brrr_status st;

    *out = NULL;
    if (!d) return fail(err, BRRR_E_NOMEM, "no memory for the disk tier of the KV cache");
    d->fd[0] = d->fd[1] = -1;
    d->dir = (struct kvdir){ -1, -1 };
    d->free = d->oldest = d->youngest = -1;
    pthread_mutex_init(&d->lock, NULL);
    pthread_cond_init(&d->work, NULL);
    pthread_cond_init(&d->moved, NULL);
    pthread_cond_init(&d->expected, NULL);
    st = open_store(d, o, &why);
    if (!st) st = start_threads(d, &why);
    if (st) {
        kvdisk_close(d);
        return fail(err, st, "%s: %s", o->dir, why.text);
    }
    *out = d;
    return BRRR_OK;
}

void kvdisk_stop(struct kvdisk *d)
{
    if (!d) return;
    bool done = !d->writes || kvdisk_flush(d, CLOSE_S);
    pthread_mutex_lock(&d->lock);
    if (!done) d->n_job = d->n_touch = 0;
    d->stop = true;
    pthread_cond_signal(&d->work);
    pthread_cond_signal(&d->expected);
    pthread_mutex_unlock(&d->lock);
    if (d->writes) pthread_join(d->writer, NULL);
    if (d->reads) pthread_join(d->reader, NULL);
    d->writes = d->reads = false;
}

void kvdisk_close(struct kvdisk *d)
{
    if (!d) return;
    kvdisk_stop(d);
    for (int i = 0; i < 2; i++)
        if (d->fd[i] >= 0) close(d->fd[i]);
    kvdir_close(&d->dir);
    pthread_mutex_destroy(&d->lock);
    pthread_cond_destroy(&d->work);
    pthread_cond_destroy(&d->moved);
    pthread_cond_destroy(&d->expected);
    free(d->entry);
    free(d->head);
    free(d->staging);
    free(d);
}

uint64_t kvdisk_secret(const struct kvdisk *d)
{
    return d->f.secret;
}

/* --- what the engine's thread does --- */

static bool is_queued(const struct kvdisk *d, struct prefix_key key)
{
    for (int i = 0; i < d->n_job; i++) {
        const struct prefix_key *k = &d->job[(d->first_job + i) % QUEUE].what.key;
        if (k->low == key.low && k->high == key.high) return true;
    }
    return false;
}

void kvdisk_offer(struct kvdisk *d, const struct kvfile_what *what,
                  const uint8_t *const mem[KV_KINDS])
{
    pthread_mutex_lock(&d->lock);
    int32_t i = find(d, what->key);
    if (d->no_write) {
        /* Nothing to do. */
    } else if (i >= 0) {
        use(d, i);
    } else if (d->n_job == QUEUE) {
        d->stats.n_dropped++;
    } else if (!is_queued(d, what->key)) {
        struct job *j = &d->job[(d->first_job + d->n_job++) % QUEUE];
        j->what = *what;
        for (int k = 0; k < KV_KINDS; k++)
            j->mem[k] = mem[k];
        pthread_cond_signal(&d->work);
    }
    pthread_mutex_unlock(&d->lock);
}

static bool reads_from(const struct job *j, const uint8_t *mem)
{
    for (int k = 0; k < KV_KINDS; k++)
        if (j->mem[k] == mem) return true;
    return false;
}

void kvdisk_let_go(struct kvdisk *d, const uint8_t *mem)
{
    int kept = 0;

    pthread_mutex_lock(&d->lock);
    while (d->copying)
        pthread_cond_wait(&d->moved, &d->lock);
    for (int i = 0; i < d->n_job; i++) {
        const struct job *j = &d->job[(d->first_job + i) % QUEUE];
        if (!reads_from(j, mem)) d->job[(d->first_job + kept++) % QUEUE] = *j;
    }
    d->stats.n_dropped += (uint64_t)(d->n_job - kept);
    d->n_job = kept;
    pthread_mutex_unlock(&d->lock);
}

bool kvdisk_has(struct kvdisk *d, struct prefix_key key)
{
    pthread_mutex_lock(&d->lock);
    bool has = !d->no_read && find(d, key) >= 0;
    pthread_mutex_unlock(&d->lock);
    return has;
}

/* By the last times, as far as both are known. */
static bool is_faster(const struct kvdisk *d, double compute_s)
{
    return compute_s <= 0 || d->s_per_block <= compute_s;
}

bool kvdisk_expect(struct kvdisk *d, struct prefix_key key, double compute_s)
{
    pthread_mutex_lock(&d->lock);
    int32_t i = d->no_read || !is_faster(d, compute_s) ? -1 : find(d, key);
    if (i >= 0 && d->n_ahead < AHEAD) {
        d->ahead[(d->first_ahead + d->n_ahead++) % AHEAD] = i;
        pthread_cond_signal(&d->expected);
    }
    pthread_mutex_unlock(&d->lock);
    return i >= 0;
}

/* What reading a block came to; with the lock held. */
static void count_read(struct kvdisk *d, int32_t slot, enum kvfile_got got, double seconds)
{
    if (got == KVFILE_GOT) {
        use(d, slot);
        d->stats.n_read++;
        d->stats.read_s += seconds;
        d->s_per_block = d->s_per_block > 0 ? 0.75 * d->s_per_block + 0.25 * seconds : seconds;
        return;
    }
    take_out(d, slot);
    put_free(d, slot);
    d->stats.n_bad += got == KVFILE_BAD;
}

bool kvdisk_read(struct kvdisk *d, const struct kvfile_what *what, uint8_t *const dst[KV_KINDS])
{
    double start = clock_now();

    pthread_mutex_lock(&d->lock);
    int32_t slot = d->no_read ? -1 : find(d, what->key);
    if (slot >= 0) d->entry[slot].reading = true;
    pthread_mutex_unlock(&d->lock);
    if (slot < 0) return false;
    enum kvfile_got got = kvfile_read(&d->f, slot, what, dst);
    int error = errno;
    pthread_mutex_lock(&d->lock);
    d->entry[slot].reading = false;
    count_read(d, slot, got, clock_now() - start);
    if (got == KVFILE_ERROR) {
        say(d, "no more blocks are read from disk", error);
        d->no_read = true;
    }
    pthread_mutex_unlock(&d->lock);
    return got == KVFILE_GOT;
}

bool kvdisk_pays(struct kvdisk *d, double compute_s)
{
    return is_faster(d, compute_s) || d->n_asked++ % RETRY == RETRY - 1;
}

bool kvdisk_note(struct kvdisk *d, struct brrr_error *note)
{
    pthread_mutex_lock(&d->lock);
    bool has = d->has_note;
    if (has) *note = d->note;
    d->has_note = false;
    pthread_mutex_unlock(&d->lock);
    return has;
}

bool kvdisk_flush(struct kvdisk *d, double seconds)
{
    struct timespec until;
    bool done;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += (time_t)seconds + 1;
    pthread_mutex_lock(&d->lock);
    pthread_cond_signal(&d->work);
    while (!(done = d->n_job == 0 && d->n_touch == 0 && !d->busy))
        if (pthread_cond_timedwait(&d->moved, &d->lock, &until)) break;
    pthread_mutex_unlock(&d->lock);
    return done;
}

void kvdisk_stats(struct kvdisk *d, struct kvdisk_stats *out)
{
    size_t cost = kvfile_slot_cost(&d->f.id);

    pthread_mutex_lock(&d->lock);
    *out = d->stats;
    out->n_block = d->n_live;
    out->n_block_max = d->n_slot;
    out->bytes = (size_t)d->n_live * cost;
    out->bytes_max = (size_t)d->n_slot * cost;
    pthread_mutex_unlock(&d->lock);
}
