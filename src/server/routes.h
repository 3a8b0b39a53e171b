/* SPDX-License-Identifier: MIT */
/* routes.h - which function answers which request; the table is routes.def. */
#ifndef SERVER_ROUTES_H
#define SERVER_ROUTES_H

#include "server/http.h"

struct server;

void routes_handle(struct server *s, struct exchange *x);

#endif
