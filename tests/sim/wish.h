/* SPDX-License-Identifier: MIT */
/*
 * wish.h - chance, and what the requests of the simulation ask for (sim.c).
 */
#ifndef TESTS_SIM_WISH_H
#define TESTS_SIM_WISH_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/gen.h"

enum { CTX = 320, MAX_CHOICES = 4 };

extern uint64_t chance_state; /* the same one gives the same life */
uint64_t chance(void);
int below(int n); /* 0 .. n - 1 */
bool one_in(int n);

/* Every kind of wish, as rarely as it comes. */
void wish_all(struct gen_params *g);

#endif
