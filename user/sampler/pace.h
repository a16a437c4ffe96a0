/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How fast a thread may go on so as to use no more than a share of a core in the long run: having
 * spent CPU time, it waits until its average is back within the share. Pure.
 */
#ifndef MEMPROV_PACE_H
#define MEMPROV_PACE_H

#include <stdint.h>

/* 1/128 of a core: a little below the 1 % that sampling may cost. */
#define PACE_SHARE 128
/* CPU time that idle times may have saved up. */
#define PACE_SAVED_NS 20000000

/* Zeroed, it begins with nothing saved. */
struct pace {
	int64_t credit_ns; /* of CPU time, at at_ns; negative: spent in advance */
	uint64_t at_ns;
};

/* Any clock that goes on evenly. */
void pace__spend(struct pace *pace, uint64_t now_ns, uint64_t cpu_ns);

/* ns to wait before going on. */
uint64_t pace__wait_ns(const struct pace *pace, uint64_t now_ns);

#endif
