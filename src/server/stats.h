/* SPDX-License-Identifier: MIT */
/*
 * stats.h - what the server does right now, as JSON for the page's dashboard.
 *
 * Counters since the start (who asks twice knows what came between), distributions in the
 * buckets of engine/metrics.h, the newest steps, and a map of the KV cache's blocks. Nothing that
 * anybody wrote or was answered is in it.
 */
#ifndef SERVER_STATS_H
#define SERVER_STATS_H

#include <jansson.h>

struct server;

/* A new reference; NULL without memory. */
json_t *stats_json(struct server *s);

#endif
