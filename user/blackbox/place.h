/* SPDX-License-Identifier: BSD-2-Clause */
/* A place where memory may run short: a cgroup with a limit, or the node. Pure. */
#ifndef MEMPROV_PLACE_H
#define MEMPROV_PLACE_H

#include <stdbool.h>
#include <stdint.h>

#include "util/hash.h"

struct place {
	UT_hash_handle hh; /* by path */
	char *path;	   /* of the cgroup; "": the node */
	uint64_t id;	   /* its inode number */
	uint64_t limit;	   /* bytes, as usage, which leaves out what reclaim gets back first */
	uint64_t usage;
	uint64_t noted_ns;
	uint64_t rate; /* bytes a second that usage grew by, between the last two looks */
	/* cgroup_dir__strikes() at the last scan, and at the one before: a kill may be told of only
	 * behind the scan that saw its strike. */
	uint64_t strikes;
	uint64_t strikes_before;
	bool pressed;	   /* the kernel says that processes wait for memory */
	bool seen;	   /* by the present scan */
	uint64_t reported; /* usage at its last reports; 0: none since it was low */
	uint64_t reported_ns;
};

/* When to look again at the latest: well before it is full, at the rate at which it grows. */
uint64_t place__due_ns(const struct place *place);

/*
 * Whether reports of its processes are wanted now: from four fifths of the limit on, then at each
 * further twenty-fifth, and now and then as long as it stays there. So the last report before the
 * limit has 96 % of what there is, unless memory grows faster than it is looked at. Under pressure
 * alone: now and then.
 */
bool place__wants_reports(const struct place *place, uint64_t now_ns);

/* What the usage is now; far from the limit its reports are forgotten. */
void place__note(struct place *place, uint64_t usage, uint64_t now_ns);

#endif
