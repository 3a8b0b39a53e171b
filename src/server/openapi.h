/* SPDX-License-Identifier: MIT */
/*
 * openapi.h - GET /openapi.json: the routes for programs (OpenAPI 3.1).
 *
 * Made of the tables that requests are handled by, so that it can not say anything else:
 * routes.def, the dialects' fields; and answers.def, what an answer looks like.
 */
#ifndef SERVER_OPENAPI_H
#define SERVER_OPENAPI_H

#include "server/routes.h"

void openapi_handle(struct server *s, struct exchange *x, const char *rest);

#endif
