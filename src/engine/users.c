/* SPDX-License-Identifier: MIT */
/* users.c - see users.h. */
#include "engine/users.h"

#include <assert.h>
#include <stdlib.h>

enum brrr_status users_init(struct users *u, int cap, struct brrr_error *err)
{
    *u = (struct users){ .cap = 2 * cap, .n_hash = 1 };
    while (u->n_hash < u->cap)
        u->n_hash *= 2;
    size_t n = (size_t)u->cap;
    u->id = calloc(n, sizeof(*u->id));
    u->spent = calloc(n, sizeof(*u->spent));
    u->served = calloc(n, sizeof(*u->served));
    u->n_request = calloc(n, sizeof(*u->n_request));
    u->n_listed = calloc(n, sizeof(*u->n_listed));
    u->next = calloc(n, sizeof(*u->next));
    u->first = malloc((size_t)u->n_hash * sizeof(*u->first));
    if (!u->id || !u->spent || !u->served || !u->n_request || !u->n_listed || !u->next ||
        !u->first) {
        users_fini(u);
        return fail(err, BRRR_E_NOMEM, "no memory for a table of %d users", cap);
    }
    for (int i = 0; i < u->n_hash; i++)
        u->first[i] = -1;
    return BRRR_OK;
}

void users_fini(struct users *u)
{
    free(u->id);
    free(u->spent);
    free(u->served);
    free(u->n_request);
    free(u->n_listed);
    free(u->next);
    free(u->first);
    *u = (struct users){ 0 };
}

/* Ids are the clients' choice: mixed, so that they spread (Steele et al., splitmix64). Who makes
 * them meet makes a list of at most `cap` long. */
static int32_t *list_of(const struct users *u, uint64_t id)
{
    id = (id ^ (id >> 30)) * 0xbf58476d1ce4e5b9u;
    id = (id ^ (id >> 27)) * 0x94d049bb133111ebu;
    return &u->first[(id ^ (id >> 31)) & (uint64_t)(u->n_hash - 1)];
}

static int find(const struct users *u, uint64_t id)
{
    int32_t i = *list_of(u, id);

    while (i >= 0 && u->id[i] != id)
        i = u->next[i];
    return i;
}

/* The place of the one who is away and has the smallest counter: it would be lifted anyway. */
static int forget_one(struct users *u)
{
    int least = -1;

    for (int i = 0; i < u->n; i++)
        if (u->n_request[i] == 0 && (least < 0 || u->spent[i] < u->spent[least])) least = i;
    assert(least >= 0);
    int32_t *at = list_of(u, u->id[least]);
    while (*at != least)
        at = &u->next[*at];
    *at = u->next[least];
    return least;
}

static int remember(struct users *u, uint64_t id)
{
    int i = u->n < u->cap ? u->n++ : forget_one(u);
    int32_t *list = list_of(u, id);

    u->id[i] = id;
    u->spent[i] = 0;
    u->n_request[i] = 0;
    u->next[i] = *list;
    *list = i;
    return i;
}

static double least_active(const struct users *u)
{
    double least = 0;
    bool any = false;

    for (int i = 0; i < u->n; i++) {
        if (u->n_request[i] == 0 || (any && u->spent[i] >= least)) continue;
        least = u->spent[i];
        any = true;
    }
    return least;
}

int users_enter(struct users *u, uint64_t id, double now)
{
    int i = find(u, id);

    if (i < 0) i = remember(u, id);
    if (u->n_request[i] == 0) {
        double least = least_active(u);
        if (u->spent[i] < least) u->spent[i] = least;
        u->served[i] = now;
        u->n_active++;
    }
    u->n_request[i]++;
    return i;
}

void users_leave(struct users *u, int user)
{
    assert(u->n_request[user] > 0);
    if (--u->n_request[user] > 0) return;
    if (--u->n_active > 0) return;
    for (int i = 0; i < u->n; i++)
        u->spent[i] = 0;
}

double users_step(struct users *u, int n_row, double seconds)
{
    u->rows += n_row;
    u->seconds += seconds;
    return u->seconds > 0 ? seconds * u->rows / u->seconds : n_row;
}

void users_charge(struct users *u, int user, int n, double worth, double part)
{
    u->spent[user] += n + part * worth;
}

void users_begin(struct users *u, double now)
{
    u->now = now;
    memset(u->n_listed, 0, (size_t)u->n * sizeof(*u->n_listed));
}

bool users_list(struct users *u, int user, bool runs, double age)
{
    if (runs) u->served[user] = u->now;
    return u->n_listed[user]++ == 0 && u->now - u->served[user] > age;
}
