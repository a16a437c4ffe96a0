/* SPDX-License-Identifier: BSD-2-Clause */
/* What a process may still grow by. */
#ifndef MEMPROV_HEADROOM_H
#define MEMPROV_HEADROOM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct headroom {
	uint64_t limit; /* the lowest of its cgroup and those around it, or the node's memory */
	uint64_t used;	/* of it, by all */
	bool is_node;	/* no cgroup's */
};

/* rss: the process's, where the kernel does not say what all use. Bytes. 0 or -errno. */
int headroom__of(const char *proc, pid_t pid, uint64_t rss, struct headroom *ret);

/* vm.max_map_count; 0: not known. */
uint64_t headroom__max_map_count(const char *proc);

#endif
