/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The last victims. The kernel marks a thread, not a process: of a process that is dying it marks
 * those that find no memory either (task_will_free_mem() in mm/oom_kill.c), each of which is told
 * as a kill. For one thread.
 */
#ifndef MEMPROV_VICTIMS_H
#define MEMPROV_VICTIMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VICTIMS_MAX 64 /* the oldest goes */

struct victims {
	struct {
		uint32_t tgid; /* 0: none */
		uint64_t start_ns;
	} last[VICTIMS_MAX];
	size_t next;
};

/* Whether it is not among them, where it is put. start_ns 0: not known, so it counts as new. */
bool victims__add(struct victims *victims, uint32_t tgid, uint64_t start_ns);

#endif
