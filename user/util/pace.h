/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How fast work may go on so as to use no more than a share of a core in the long run: what has
 * spent CPU time waits until its average is back within the share. Pure; any clock that goes on
 * evenly.
 */
#ifndef MEMPROV_PACE_H
#define MEMPROV_PACE_H

#include <stdint.h>

/* The times are CPU time. With the first three given it has saved up nothing; credit_ns may be. */
struct pace {
	uint64_t rate_ns;  /* earned a second */
	uint64_t saved_ns; /* at most, in idle times */
	uint64_t owed_ns;  /* at most: what is spent beyond that is forgiven. 0: all of it counts */
	int64_t credit_ns; /* at at_ns; negative: spent in advance */
	uint64_t at_ns;
};

void pace__spend(struct pace *pace, uint64_t now_ns, uint64_t cpu_ns);

/* CPU time that has been spent in advance; 0: there is some left. */
uint64_t pace__debt_ns(const struct pace *pace, uint64_t now_ns);

/* How long to wait before going on. */
uint64_t pace__wait_ns(const struct pace *pace, uint64_t now_ns);

#endif
