/* SPDX-License-Identifier: BSD-2-Clause */
/* Many measurements of one thing, of which quantiles are wanted. */
#ifndef MEMPROV_BENCH_SAMPLES_H
#define MEMPROV_BENCH_SAMPLES_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

static inline int samples__compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static inline void samples__sort(uint64_t *samples, size_t n)
{
	qsort(samples, n, sizeof(*samples), samples__compare);
}

#endif
