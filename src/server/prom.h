/* SPDX-License-Identifier: MIT */
/*
 * prom.h - GET /metrics: what prom.def lists, in Prometheus' text format 0.0.4.
 *
 * Our own names, and in the same rows the names that vLLM and TGI give to the same numbers, so that
 * boards made for these work. What vLLM's boards select by is added to its names: model_name,
 * engine.
 */
#ifndef SERVER_PROM_H
#define SERVER_PROM_H

#include "server/routes.h"

#define PROM_TYPE "text/plain; version=0.0.4; charset=utf-8"

void prom_handle(struct server *s, struct exchange *x, const char *rest);

#endif
