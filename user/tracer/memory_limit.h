/* SPDX-License-Identifier: BSD-2-Clause */
/* What the daemon may take of the machine's memory, with all its processes. */
#ifndef MEMPROV_MEMORY_LIMIT_H
#define MEMPROV_MEMORY_LIMIT_H

#include <stdint.h>

#include "util/budget.h"

/* --memory-limit where none is given: four fifths of what the cgroup may have, since the kernel's
 * memory (the ring, page tables) is charged there, too; where nothing limits that, a sixteenth of
 * the machine's. 64 MiB to 1 GiB. */
uint64_t memory_limit__default(const char *proc);

/* Zeroed but for the first. One thread's. */
struct memory_watch {
	uint64_t ring_size; /* it is mapped twice, and not ours to give up */
	uint64_t given_up;  /* when last looked */
	uint64_t short_ns;  /* CLOCK_BOOTTIME: when something was last given up; 0: never */
};

/* Looks at what is resident, gives free memory back to the kernel when that is too much, and
 * returns by how much it still is. Logs when memory is short, once for each time that it is. */
uint64_t memory_watch__look(struct memory_watch *watch, struct budget *budget);

#endif
