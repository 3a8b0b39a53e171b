/* SPDX-License-Identifier: MIT */
/* kvdir.c - see kvdir.h. */
#include "engine/kvdir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAME_DIGITS = KVFILE_NAME - 1, FILE_NAME = NAME_DIGITS + 8 };

static const char *const suffix[2] = { ".idx", ".kv" };

/* --- open --- */

static enum brrr_status check_owner(int fd, struct brrr_error *err)
{
    struct stat st;

    if (fstat(fd, &st)) return fail(err, BRRR_E_IO, "%s", strerror(errno));
    if (st.st_uid != geteuid())
        return fail(err, BRRR_E_IO, "it belongs to user %u, we are %u", st.st_uid, geteuid());
    if (st.st_mode & (S_IWGRP | S_IWOTH))
        return fail(err, BRRR_E_IO, "others may write to it (mode %04o): chmod go-w",
                    (unsigned)(st.st_mode & 07777));
    return BRRR_OK;
}

enum brrr_status kvdir_open(struct kvdir *d, const char *path, struct brrr_error *err)
{
    enum brrr_status st;

    *d = (struct kvdir){ -1, -1 };
    if (mkdir(path, 0700) && errno != EEXIST)
        return fail(err, BRRR_E_IO, "cannot make it: %s", strerror(errno));
    d->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (d->fd < 0) return fail(err, BRRR_E_IO, "%s", strerror(errno));
    if ((st = check_owner(d->fd, err))) goto error;
    d->lock_fd = openat(d->fd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (d->lock_fd < 0) {
        st = fail(err, BRRR_E_IO, "lock: %s", strerror(errno));
    } else if (flock(d->lock_fd, LOCK_EX | LOCK_NB)) {
        st = errno == EWOULDBLOCK ? fail(err, BRRR_E_IO, "another process uses it")
                                  : fail(err, BRRR_E_IO, "lock: %s", strerror(errno));
    } else return BRRR_OK;

error:
    kvdir_close(d);
    return st;
}

void kvdir_close(struct kvdir *d)
{
    if (d->lock_fd >= 0) close(d->lock_fd);
    if (d->fd >= 0) close(d->fd);
    *d = (struct kvdir){ -1, -1 };
}

/* --- sizes --- */

/* True for NAME.idx and NAME.kv, whatever 32 digits NAME is. */
static bool is_store(const char *file)
{
    return strspn(file, "0123456789abcdef") == NAME_DIGITS &&
           (strcmp(file + NAME_DIGITS, suffix[0]) == 0 ||
            strcmp(file + NAME_DIGITS, suffix[1]) == 0);
}

struct others {
    size_t bytes;             /* of all files but those of the store `mine`   */
    char oldest[KVFILE_NAME]; /* the store used longest ago; empty: none     */
    struct timespec used;
};

static bool earlier(struct timespec a, struct timespec b)
{
    return a.tv_sec != b.tv_sec ? a.tv_sec < b.tv_sec : a.tv_nsec < b.tv_nsec;
}

static void count_file(const struct kvdir *d, const char *file, const char *mine, struct others *o)
{
    struct stat st;
    bool store = is_store(file);

    if (fstatat(d->fd, file, &st, AT_SYMLINK_NOFOLLOW) || !S_ISREG(st.st_mode)) return;
    if (store && strncmp(file, mine, NAME_DIGITS) == 0) return;
    o->bytes += (size_t)st.st_blocks * 512;
    if (!store || (o->oldest[0] && !earlier(st.st_mtim, o->used))) return;
    memcpy(o->oldest, file, NAME_DIGITS);
    o->used = st.st_mtim;
}

static struct others look_around(const struct kvdir *d, const char *mine)
{
    struct others o = { 0 };
    struct dirent *e;
    int fd = openat(d->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);

    if (!dir) {
        if (fd >= 0) close(fd);
        return o;
    }
    while ((e = readdir(dir)))
        count_file(d, e->d_name, mine, &o);
    closedir(dir);
    return o;
}

static bool delete_store(const struct kvdir *d, const char *name)
{
    char file[FILE_NAME];
    bool ok = true;

    for (int i = 0; i < 2; i++) {
        snprintf(file, sizeof(file), "%s%s", name, suffix[i]);
        ok = (unlinkat(d->fd, file, 0) == 0 || errno == ENOENT) && ok;
    }
    return ok;
}

size_t kvdir_share(const struct kvdir *d, const char *name, size_t bytes)
{
    struct others o = look_around(d, name);

    while (o.bytes > bytes / 2 && o.oldest[0] && delete_store(d, o.oldest))
        o = look_around(d, name);
    return bytes - MIN(bytes, o.bytes);
}

/* --- files --- */

static enum brrr_status open_file(const struct kvdir *d, const char *name, int *fd,
                                  struct brrr_error *err)
{
    struct stat st;

    *fd = openat(d->fd, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    if (*fd < 0 || fstat(*fd, &st)) return fail(err, BRRR_E_IO, "%s: %s", name, strerror(errno));
    if (!S_ISREG(st.st_mode)) return fail(err, BRRR_E_IO, "%s is not a regular file", name);
    return BRRR_OK;
}

enum brrr_status kvdir_store(const struct kvdir *d, const char *name, int fd[2],
                             struct brrr_error *err)
{
    char file[FILE_NAME];
    enum brrr_status st = BRRR_OK;

    fd[0] = fd[1] = -1;
    for (int i = 0; i < 2 && !st; i++) {
        snprintf(file, sizeof(file), "%s%s", name, suffix[i]);
        st = open_file(d, file, &fd[i], err);
        /* When it was used last, for other models' sake. */
        if (!st && futimens(fd[i], NULL))
            st = fail(err, BRRR_E_IO, "%s: %s", file, strerror(errno));
    }
    for (int i = 0; i < 2 && st; i++) {
        if (fd[i] >= 0) close(fd[i]);
        fd[i] = -1;
    }
    return st;
}
