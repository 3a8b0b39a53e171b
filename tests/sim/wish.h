/* SPDX-License-Identifier: MIT */
/*
 * wish.h - what the requests of the simulation ask for (sim.c).
 */
#ifndef TESTS_SIM_WISH_H
#define TESTS_SIM_WISH_H

#include "engine/gen.h"

enum { CTX = 320, MAX_CHOICES = 4 };

/* Every kind of wish, as rarely as it comes. */
void wish_all(struct gen_params *g);

#endif
