/* SPDX-License-Identifier: MIT */
/* keys.c - see keys.h. */
#include "server/keys.h"

#include <errno.h>
#include <math.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

enum {
    BAD_ADDRS = 1024, /* addresses remembered for wrong keys, hashed */
    BAD_PER_S = 10,
};

struct key {
    unsigned char hash[SHA256_DIGEST_LENGTH];
    char name[64];
    double per_min[2]; /* requests, tokens: 0 without limit */
    double left[2];
    double filled; /* when the buckets were filled last */
    int at_once, n_now;
    bool from_file, gone; /* gone: not in the file any more */
};

struct bad_addr {
    uint64_t addr; /* its hash */
    double second; /* when this second began */
    int n;
};

struct keys {
    char *path;
    int n;
    struct key key[LIMIT_API_KEYS];
    struct bad_addr bad[BAD_ADDRS];
};

/* --- reading --- */

static bool from_hex(unsigned char *out, const char *hex)
{
    for (int i = 0; i < SHA256_DIGEST_LENGTH; i++) {
        unsigned v;
        int n = 0;
        if (sscanf(hex + 2 * i, "%2x%n", &v, &n) != 1 || n != 2) return false;
        out[i] = (unsigned char)v;
    }
    return hex[2 * SHA256_DIGEST_LENGTH] == 0;
}

static enum brrr_status set_hash(struct key *k, const char *text, struct brrr_error *err)
{
    size_t n = strlen(text);

    if (strncmp(text, "sha256:", 7) == 0)
        return from_hex(k->hash, text + 7)
                   ? BRRR_OK
                   : fail(err, BRRR_E_FORMAT, "an API key: 'sha256:' needs 64 hexadecimal digits");
    if (n < LIMIT_API_KEY_LEAST || n > LIMIT_API_KEY_BYTES)
        return fail(err, BRRR_E_LIMIT, "an API key has %zu characters: it must have %d to %d", n,
                    LIMIT_API_KEY_LEAST, LIMIT_API_KEY_BYTES);
    SHA256((const unsigned char *)text, n, k->hash);
    return BRRR_OK;
}

/* "name=alice", "tokens=20000" and so on. */
static bool set_property(struct key *k, const char *word)
{
    const char *value = strchr(word, '=');
    char *end;
    double d;

    if (!value || !value[1]) return false;
    size_t n = (size_t)(value++ - word);
    if (n == 4 && strncmp(word, "name", 4) == 0)
        return snprintf(k->name, sizeof(k->name), "%s", value) < (int)sizeof(k->name);
    d = strtod(value, &end);
    if (*end || !(d >= 1 && d <= 1e12)) return false;
    if (n == 8 && strncmp(word, "requests", 8) == 0) k->per_min[0] = d;
    else if (n == 6 && strncmp(word, "tokens", 6) == 0) k->per_min[1] = d;
    else if (n == 7 && strncmp(word, "at_once", 7) == 0 && d <= 1e6) k->at_once = (int)d;
    else return false;
    return true;
}

static enum brrr_status read_line(struct key *k, char *line, int number, struct brrr_error *err)
{
    char *at = NULL, *word = strtok_r(line, " \t\r\n", &at);
    struct brrr_error why;

    *k = (struct key){ .from_file = true };
    if (set_hash(k, word, &why)) return fail(err, BRRR_E_FORMAT, "line %d: %s", number, why.text);
    while ((word = strtok_r(NULL, " \t\r\n", &at)))
        if (!set_property(k, word))
            return fail(err, BRRR_E_FORMAT,
                        "line %d: '%.40s' is none of name=, requests=, tokens=, at_once=", number,
                        word);
    memcpy(k->left, k->per_min, sizeof(k->left));
    return BRRR_OK;
}

static enum brrr_status read_lines(FILE *f, struct key *key, int *n, struct brrr_error *err)
{
    char line[LIMIT_API_KEY_BYTES + 512];
    enum brrr_status st = BRRR_OK;
    int number = 0;

    while (!st && fgets(line, sizeof(line), f)) {
        number++;
        if (!strchr(line, '\n') && !feof(f))
            st = fail(err, BRRR_E_LIMIT, "line %d is longer than %zu bytes", number,
                      sizeof(line) - 2);
        line[strcspn(line, "#")] = 0;
        if (st || line[strspn(line, " \t\r\n")] == 0) continue;
        if (*n == LIMIT_API_KEYS) st = fail(err, BRRR_E_LIMIT, "more than %d keys", LIMIT_API_KEYS);
        else if (!(st = read_line(&key[*n], line, number, err))) ++*n;
    }
    OPENSSL_cleanse(line, sizeof(line));
    return st;
}

static enum brrr_status read_file(const char *path, struct key *key, int *n, struct brrr_error *err)
{
    struct brrr_error why;
    FILE *f = fopen(path, "re");

    *n = 0;
    if (!f) return fail(err, BRRR_E_IO, "%s: %s", path, strerror(errno));
    enum brrr_status st = read_lines(f, key, n, &why);
    bool broken = ferror(f);
    fclose(f);
    if (st) return fail(err, st, "%s: %s", path, why.text);
    if (broken) return fail(err, BRRR_E_IO, "%s: it could not be read", path);
    return *n ? BRRR_OK : fail(err, BRRR_E_FORMAT, "%s: there is no key in it", path);
}

static struct key *same(struct keys *k, const struct key *other)
{
    for (int i = 0; i < k->n; i++)
        if (CRYPTO_memcmp(k->key[i].hash, other->hash, sizeof(other->hash)) == 0) return &k->key[i];
    return NULL;
}

/* Numbers of keys stay what they are while requests may hold them. */
static enum brrr_status take(struct keys *k, const struct key *fresh, struct brrr_error *err)
{
    struct key *old = same(k, fresh);

    if (!old && k->n == LIMIT_API_KEYS)
        return fail(err, BRRR_E_LIMIT, "more than %d keys since the start", LIMIT_API_KEYS);
    if (!old) {
        k->key[k->n++] = *fresh;
        return BRRR_OK;
    }
    int n_now = old->n_now;
    *old = *fresh;
    old->n_now = n_now;
    return BRRR_OK;
}

enum brrr_status keys_reload(struct keys *k, struct brrr_error *err)
{
    struct key *fresh;
    enum brrr_status st;
    int n;

    if (!k->path) return BRRR_OK;
    if (!(fresh = calloc(LIMIT_API_KEYS, sizeof(*fresh))))
        return fail(err, BRRR_E_NOMEM, "no memory for the keys");
    if (!(st = read_file(k->path, fresh, &n, err))) {
        for (int i = 0; i < k->n; i++)
            k->key[i].gone = k->key[i].from_file;
        for (int i = 0; i < n && !st; i++)
            st = take(k, &fresh[i], err);
    }
    free(fresh);
    return st;
}

enum brrr_status keys_add(struct keys *k, const char *key, struct brrr_error *err)
{
    struct key fresh = { 0 };
    enum brrr_status st = set_hash(&fresh, key, err);

    return st ? st : take(k, &fresh, err);
}

enum brrr_status keys_open(struct keys **out, const char *path, struct brrr_error *err)
{
    struct keys *k = calloc(1, sizeof(*k));
    enum brrr_status st;

    *out = NULL;
    if (k && path) k->path = strdup(path);
    if (!k || (path && !k->path)) {
        free(k);
        return fail(err, BRRR_E_NOMEM, "no memory for the keys");
    }
    if ((st = keys_reload(k, err))) {
        keys_close(k);
        return st;
    }
    *out = k;
    return BRRR_OK;
}

void keys_close(struct keys *k)
{
    if (!k) return;
    free(k->path);
    OPENSSL_cleanse(k->key, sizeof(k->key));
    free(k);
}

int keys_count(const struct keys *k)
{
    return k->n;
}

/* --- who --- */

/* One more wrong key of this address; false: too many in this second. */
static bool count_bad(struct keys *k, const char *address, double now, bool more)
{
    uint64_t addr = XXH3_64bits(address, strlen(address));
    struct bad_addr *b = &k->bad[addr % BAD_ADDRS];

    if (b->addr != addr || now - b->second >= 1) *b = (struct bad_addr){ addr, now, 0 };
    b->n += more;
    return b->n <= BAD_PER_S;
}

bool keys_find(struct keys *k, const char *presented, const char *address, double now, int *who,
               struct problem *p)
{
    unsigned char hash[SHA256_DIGEST_LENGTH];
    int found = KEYS_NONE;

    *who = KEYS_NONE;
    if (k->n == 0) return true;
    if (!count_bad(k, address, now, false)) {
        problem(p, PROBLEM_OVERLOADED, NULL, "too many wrong keys: wait a second");
        p->retry_s = 1;
        return false;
    }
    SHA256((const unsigned char *)(presented ? presented : ""), presented ? strlen(presented) : 0,
           hash);
    for (int i = 0; i < k->n; i++)
        if (CRYPTO_memcmp(hash, k->key[i].hash, sizeof(hash)) == 0 && !k->key[i].gone) found = i;
    if (found >= 0) {
        *who = found;
        return true;
    }
    if (presented) count_bad(k, address, now, true);
    return problem(p, PROBLEM_KEY, NULL,
                   presented ? "this API key is not known here"
                             : "an API key is needed: Authorization: Bearer KEY");
}

/* --- how much --- */

static void fill(struct key *key, double now)
{
    for (int i = 0; i < 2; i++) {
        double gained = (now - key->filled) / 60 * key->per_min[i];
        key->left[i] = fmin(key->per_min[i], key->left[i] + gained);
    }
    key->filled = now;
}

static bool wait_for(struct problem *p, double seconds, const char *what, double limit)
{
    problem(p, PROBLEM_OVERLOADED, NULL, "this key's limit of %.0f %s is used up", limit, what);
    p->retry_s = (int)fmin(fmax(ceil(seconds), 1), 60);
    return false;
}

bool keys_begin(struct keys *k, int who, double now, struct problem *p)
{
    static const char *const what[] = { "requests a minute", "tokens a minute" };
    struct key *key;

    if (who < 0) return true;
    key = &k->key[who];
    if (key->at_once && key->n_now >= key->at_once)
        return wait_for(p, 1, "requests at once", key->at_once);
    fill(key, now);
    for (int i = 0; i < 2; i++) {
        double need =
            i == 0 ? 1 : 0; /* tokens are taken when they are known: the rest may be negative */
        if (key->per_min[i] > 0 && key->left[i] < need)
            return wait_for(p, (need - key->left[i]) / key->per_min[i] * 60, what[i],
                            key->per_min[i]);
    }
    key->left[0] -= key->per_min[0] > 0;
    key->n_now++;
    return true;
}

void keys_end(struct keys *k, int who, int n_token, double now)
{
    struct key *key;

    if (who < 0) return;
    key = &k->key[who];
    key->n_now--;
    fill(key, now);
    if (key->per_min[1] > 0) key->left[1] -= n_token;
}

uint64_t keys_user(const struct keys *k, int who)
{
    uint64_t user = 0;

    if (who >= 0) memcpy(&user, k->key[who].hash, sizeof(user));
    return user;
}

const char *keys_name(const struct keys *k, int who)
{
    return who >= 0 ? k->key[who].name : "";
}
