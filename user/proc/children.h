/* SPDX-License-Identifier: BSD-2-Clause */
/* The living descendants of a process, by /proc/PID/task/TID/children (proc(5);
 * CONFIG_PROC_CHILDREN). */
#ifndef MEMPROV_CHILDREN_H
#define MEMPROV_CHILDREN_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct proc_family {
	size_t n;
	uint64_t rss; /* bytes: the sum; pages that several share are in it several times */
};

/* Pure: the next number in the text of /proc/PID/task/TID/children, "12 345 ". 0; -ENODATA at its
 * end; -EBADMSG. */
int proc_children__next(const char **pos, const char *end, pid_t *ret);

/* All descendants, but for orphans, which init has adopted. Processes come and go meanwhile, so
 * this is approximate. Costs some reads for each thread of each. */
struct proc_family procfs__family(const char *proc, pid_t pid);

#endif
