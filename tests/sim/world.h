/* SPDX-License-Identifier: MIT */
/*
 * world.h - what a simulated engine sees of the world: the time, chance, a disk that fails.
 *
 * The system's calls are wrapped by the linker (tests/tests.mk). Chance is a sequence that follows
 * from a seed; it belongs to the thread that lives. What threads of the engine do on the disk has
 * failures of its own, counted by calls: which call meets one depends on the threads, that no
 * answer depends on it is what is tested.
 */
#ifndef TESTS_SIM_WORLD_H
#define TESTS_SIM_WORLD_H

#include <stdbool.h>
#include <stdint.h>

/* Seconds; the engine's clock. */
double world_now(void);
void world_pass(double seconds);
/* The real one. */
double world_wall(void);

void chance_begin(uint64_t seed, uint64_t life);
uint64_t chance(void);
int below(int n);
bool one_in(int n);

/* Of calls that read or write at a place in a file: one in `error` fails, one in `cut` does less
 * than it was asked to, of reads one in `damage` has a wrong bit; 0: none. */
struct world_faults {
    int error, cut, damage;
};
void world_disk(struct world_faults f);
/* A new folder, and all that is in it away again. */
void world_folder(char path[64]);
void world_remove(const char *path);

#endif
