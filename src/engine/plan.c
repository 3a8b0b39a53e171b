/* SPDX-License-Identifier: MIT */
/* plan.c - see plan.h. */
#include "engine/plan.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cpu.h"
#include "base/limits.h"

enum { FORMAT_VERSION = 4, FILE_BYTES = 16 << 10 };

/* The key as an object, a new reference; NULL without memory. */
static json_t *key_of(const struct brrr_model *m)
{
    char hash[17];

    snprintf(hash, sizeof(hash), "%016llx", (unsigned long long)gguf_header_hash(m->file));
    return json_pack("{s:I, s:s, s:s, s:i, s:s, s:s, s:s}", "file_bytes",
                     (json_int_t)gguf_file_bytes(m->file), "header_hash", hash, "cpu", cpu_name(),
                     "cores", cpu_count(), "kernels", m->model->kernels.isa, "version",
                     BRRR_VERSION, "profile", model_profile(m->model));
}

/* FNV-1a (Fowler, Noll, Vo) over the key's text: a name, not a check. */
static uint64_t key_hash(const json_t *key)
{
    char *s = json_dumps(key, JSON_COMPACT | JSON_SORT_KEYS);
    uint64_t h = 0xcbf29ce484222325u;

    for (const char *p = s; p && *p; p++)
        h = (h ^ (unsigned char)*p) * 0x100000001b3u;
    free(s);
    return h;
}

/* $XDG_CACHE_HOME/brrr/plans, or below ~/.cache; false without a home. */
static bool folder(char path[PLAN_PATH])
{
    const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    int n;

    if (xdg && *xdg) n = snprintf(path, PLAN_PATH, "%s/brrr/plans", xdg);
    else if (home && *home) n = snprintf(path, PLAN_PATH, "%s/.cache/brrr/plans", home);
    else return false;
    return n > 0 && n < PLAN_PATH - 64; /* room for the file's name */
}

bool plan_path(char path[PLAN_PATH], const struct brrr_model *m)
{
    json_t *key = key_of(m);
    bool ok = key && folder(path);

    if (ok) {
        size_t n = strlen(path);
        snprintf(path + n, PLAN_PATH - n, "/%016llx.json", (unsigned long long)key_hash(key));
    }
    json_decref(key);
    return ok;
}

/* --- reading --- */

static bool in_range(double v, double lo, double hi)
{
    return isfinite(v) && v >= lo && v <= hi;
}

/* [[rows, seconds], ...], rows ascending. */
static enum brrr_status parse_steps(struct pace_known known[PACE_PRIOR], int *n, const json_t *list,
                                    const char *name, struct brrr_error *err)
{
    json_int_t rows, before = 0;

    if (!json_is_array(list) || json_array_size(list) > PACE_PRIOR)
        return fail(err, BRRR_E_FORMAT, "%s is no list of at most %d steps", name, PACE_PRIOR);
    for (*n = 0; *n < (int)json_array_size(list); before = rows, ++*n) {
        struct pace_known *k = &known[*n];
        if (json_unpack(json_array_get(list, (size_t)*n), "[I, F !]", &rows, &k->seconds))
            return fail(err, BRRR_E_FORMAT, "%s has a step that is not [rows, seconds]", name);
        if (rows <= before || rows > LIMIT_CHUNK || !in_range(k->seconds, 1e-9, 1e6))
            return fail(err, BRRR_E_FORMAT, "a number is out of range");
        k->rows = (int)rows;
    }
    return BRRR_OK;
}

/* Every field of the right kind, none missing, none unknown, each in its range. */
static enum brrr_status parse(struct plan *p, const json_t *root, const json_t *want,
                              struct brrr_error *err)
{
    json_error_t je = { 0 };
    json_t *key = NULL, *decoded = NULL, *read = NULL;
    struct machine_limits *l = &p->limits;
    json_t *format = json_object_get(root, "brrr_plan");
    json_int_t threads = 0, decode = 0, chunk = 0, ahead = 0; /* "i" would cut them to 32 bits */
    int version;                                              /* has been looked at */

    /* First: another format has other fields. */
    if (json_is_integer(format) && json_integer_value(format) != FORMAT_VERSION)
        return fail(err, BRRR_E_FORMAT, "format %lld, this program reads %d",
                    (long long)json_integer_value(format), FORMAT_VERSION);
    if (json_unpack_ex((json_t *)root, &je, JSON_STRICT,
                       "{s:i, s:o, s:I, s:I, s:I, s:I, s:{s:F, s:F !}, "
                       "s:{s:F, s:F, s:F, s:F !}, s:o, s:o !}",
                       "brrr_plan", &version, "key", &key, "threads_prefill", &threads,
                       "threads_decode", &decode, "chunk", &chunk, "prefetch_bytes", &ahead,
                       "critical_batch", "predicted", &p->batch_predicted, "measured",
                       &p->batch_measured, "limits", "int8_gmac_s", &l->dot8, "bf16_gmac_s",
                       &l->bf16, "f32_gmac_s", &l->fma, "read_gb_s", &l->read, "decode_steps",
                       &decoded, "prompt_steps", &read))
        return fail(err, BRRR_E_FORMAT, "%s", je.text);
    if (!json_equal(key, want))
        return fail(err, BRRR_E_FORMAT, "it belongs to another model, machine or version");
    if (!in_range((double)threads, 1, LIMIT_THREADS) ||
        !in_range((double)decode, 1, LIMIT_THREADS) || !in_range((double)chunk, 1, LIMIT_CHUNK) ||
        !in_range((double)ahead, 1, LIMIT_AHEAD) || !in_range(p->batch_predicted, 0, 1e9) ||
        !in_range(p->batch_measured, 0, 1e9) || !in_range(l->dot8, 0, 1e9) ||
        !in_range(l->bf16, 0, 1e9) || !in_range(l->fma, 0, 1e9) || !in_range(l->read, 0, 1e9))
        return fail(err, BRRR_E_FORMAT, "a number is out of range");
    p->n_threads = (int)threads;
    p->n_threads_decode = (int)decode;
    p->chunk = (int)chunk;
    p->ahead = (int)ahead;
    enum brrr_status st =
        parse_steps(p->pace.decode, &p->pace.n_decode, decoded, "decode_steps", err);
    return st ? st : parse_steps(p->pace.prompt, &p->pace.n_prompt, read, "prompt_steps", err);
}

static enum brrr_status read_file(struct plan *p, FILE *f, const json_t *want,
                                  struct brrr_error *err)
{
    char buf[FILE_BYTES];
    size_t n = fread(buf, 1, sizeof(buf), f);
    json_error_t je = { 0 };

    if (n == sizeof(buf)) return fail(err, BRRR_E_FORMAT, "it is too large");
    json_t *root = json_loadb(buf, n, JSON_REJECT_DUPLICATES, &je);
    if (!root) return fail(err, BRRR_E_FORMAT, "%s", je.text);
    enum brrr_status st = parse(p, root, want, err);
    json_decref(root);
    return st;
}

enum brrr_status plan_read(struct plan *p, bool *found, const struct brrr_model *m,
                           struct brrr_error *err)
{
    char path[PLAN_PATH];
    struct brrr_error why = { 0 };
    enum brrr_status st = BRRR_OK;

    *found = false;
    *p = (struct plan){ 0 };
    /* Without waiting: what stands there may be a pipe that nobody writes to. */
    int fd = plan_path(path, m) ? open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC) : -1;
    if (fd < 0) return BRRR_OK;
    FILE *f = fdopen(fd, "rb");
    if (!f) {
        close(fd);
        return BRRR_OK;
    }
    json_t *want = key_of(m);
    st = want ? read_file(p, f, want, &why) : fail(&why, BRRR_E_NOMEM, "no memory");
    fclose(f);
    json_decref(want);
    *found = st == BRRR_OK;
    if (!st) return BRRR_OK;
    *p = (struct plan){ 0 };
    return fail(err, st, "%s: %s", path, why.text);
}

/* --- writing --- */

/* mkdir -p of the folder, for its owner alone where it is new. */
static bool make_folder(char path[PLAN_PATH])
{
    for (char *s = path + 1;; s++) {
        char was = *s;
        if (was && was != '/') continue;
        *s = 0;
        bool ok = mkdir(path, 0700) == 0 || errno == EEXIST;
        *s = was;
        if (!ok) return false;
        if (!was) return true;
    }
}

static enum brrr_status write_text(const char *path, const char *text, struct brrr_error *err)
{
    char tmp[PLAN_PATH + 8];

    snprintf(tmp, sizeof(tmp), "%s.XXXXXX", path);
    int fd = mkstemp(tmp);
    if (fd < 0) return fail(err, BRRR_E_IO, "%s: %s", tmp, strerror(errno));
    FILE *f = fdopen(fd, "w");
    if (!f) {
        close(fd);
        goto error;
    }
    bool ok = fprintf(f, "%s\n", text) > 0 && fchmod(fd, 0644) == 0;
    ok = fclose(f) == 0 && ok;
    if (ok && rename(tmp, path) == 0) return BRRR_OK;

error:
    fail(err, BRRR_E_IO, "%s: %s", path, strerror(errno));
    unlink(tmp);
    return BRRR_E_IO;
}

static json_t *steps_json(const struct pace_known *known, int n)
{
    json_t *list = json_array();

    for (int i = 0; i < n; i++)
        if (json_array_append_new(list, json_pack("[i, f]", known[i].rows, known[i].seconds))) {
            json_decref(list);
            return NULL;
        }
    return list;
}

enum brrr_status plan_write(const struct plan *p, const struct brrr_model *m,
                            struct brrr_error *err)
{
    char path[PLAN_PATH], dir[PLAN_PATH];

    if (!plan_path(path, m) || !folder(dir))
        return fail(err, BRRR_E_IO,
                    "no place for the plan: neither XDG_CACHE_HOME nor HOME is set");
    if (!make_folder(dir)) return fail(err, BRRR_E_IO, "%s: %s", dir, strerror(errno));
    json_t *root = json_pack(
        "{s:i, s:o, s:i, s:i, s:i, s:i, s:{s:f, s:f}, s:{s:f, s:f, s:f, s:f}, "
        "s:o, s:o}",
        "brrr_plan", FORMAT_VERSION, "key", key_of(m), "threads_prefill", p->n_threads,
        "threads_decode", p->n_threads_decode, "chunk", p->chunk, "prefetch_bytes", p->ahead,
        "critical_batch", "predicted", p->batch_predicted, "measured", p->batch_measured, "limits",
        "int8_gmac_s", p->limits.dot8, "bf16_gmac_s", p->limits.bf16, "f32_gmac_s", p->limits.fma,
        "read_gb_s", p->limits.read, "decode_steps", steps_json(p->pace.decode, p->pace.n_decode),
        "prompt_steps", steps_json(p->pace.prompt, p->pace.n_prompt));
    char *text = root ? json_dumps(root, JSON_INDENT(2)) : NULL;
    enum brrr_status st =
        text ? write_text(path, text, err) : fail(err, BRRR_E_NOMEM, "no memory for the plan");

    free(text);
    json_decref(root);
    return st;
}
