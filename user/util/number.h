/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers as people and /proc write them, read strictly: all of the text or nothing. */
#ifndef MEMPROV_NUMBER_H
#define MEMPROV_NUMBER_H

#include <stddef.h>
#include <stdint.h>

/* Decimal digits only (no sign, no space, no empty text), within [min, max].
 * 0, -EINVAL for not a number, -ERANGE for out of range. */
int number__parse(const char *text, uint64_t min, uint64_t max, uint64_t *ret);

/* The same with an optional suffix k, M or G (1024-based, either case). */
int number__parse_bytes(const char *text, uint64_t min, uint64_t max, uint64_t *ret);

/* Reads digits of `base` (10 or 16) from *pos up to end, and moves *pos behind them.
 * 0, -EINVAL without a digit, -ERANGE on overflow; *pos and *ret are then untouched. */
int number__scan(const char **pos, const char *end, int base, uint64_t *ret);

#endif
