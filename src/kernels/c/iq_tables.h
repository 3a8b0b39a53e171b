/* SPDX-License-Identifier: MIT */
/*
 * iq_tables.h - the codebooks of the IQ formats: rows of 8 or 4 magnitudes
 * (IQ1: of -1, 0, 1), as the formats define them. Made by tools/gen-iq-tables.py.
 */
#ifndef KERNELS_C_IQ_TABLES_H
#define KERNELS_C_IQ_TABLES_H

#include <stdint.h>

extern const int8_t iq1_grid[2048][8];
extern const uint8_t iq2_xxs_grid[256][8];
extern const uint8_t iq2_xs_grid[512][8];
extern const uint8_t iq2_s_grid[1024][8];
extern const uint8_t iq3_xxs_grid[256][4];
extern const uint8_t iq3_s_grid[512][4];

#endif
