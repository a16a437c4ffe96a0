/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The memory cgroup of a process: its path and the kernel's own accounts of it, v1, v2 and both
 * side by side (Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/memory.rst).
 */
#ifndef MEMPROV_CGROUP_H
#define MEMPROV_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proc/mountinfo.h"

#define CGROUP_PATH_MAX 4096
#define CGROUP_UNKNOWN	UINT64_MAX /* a figure that is not known, or a limit that is not set */

struct cgroup {
	char path[CGROUP_PATH_MAX]; /* within the hierarchy that has the memory controller */
	bool v1;
	uint64_t current;     /* bytes: memory.current, memory.usage_in_bytes */
	uint64_t limit;	      /* bytes: memory.max, memory.limit_in_bytes */
	uint64_t working_set; /* current less inactive_file, as the kubelet counts it */
};

/* Pure: moves *pos from line to line of /proc/PID/cgroup: 1 and what the line says, 0 at the end,
 * -EBADMSG. controllers is empty for v2. */
int cgroup__next(const char **pos, const char *end, struct mount_text *controllers,
		 struct mount_text *path);

/* Pure: the text of /proc/PID/cgroup. Takes the v1 line of the memory controller if there is
 * one, else the v2 line; fills path and v1 only. -ENOENT when neither is there, -EBADMSG,
 * -ENAMETOOLONG. */
int cgroup__parse(const char *text, size_t len, struct cgroup *ret);

/* Pure: the value of `key` in the text of memory.stat; CGROUP_UNKNOWN when it is not there. */
uint64_t cgroup__stat_value(const char *text, size_t len, const char *key);

/* The directory of the cgroup's memory controller, or of v2, by what is mounted for us: fd, -errno.
 * Only path and v1 need be set. */
int cgroup__open(const struct cgroup *cgroup);

/* What a cgroup is charged for, by kind; bytes, CGROUP_UNKNOWN when not told. v1 and v2 sum over
 * everything below, too. */
struct cgroup_stat {
	uint64_t anonymous;
	uint64_t file; /* page cache, with shmem */
	uint64_t shmem;
	uint64_t kernel; /* with the three below */
	uint64_t slab;
	uint64_t kernel_stack;
	uint64_t page_tables;
	uint64_t sockets;
};

/* Pure: the text of memory.stat. Malformed lines and unknown keys are skipped.
 * v1 has kernel, slab and sockets elsewhere, or nowhere. */
void cgroup_stat__parse(const char *text, size_t len, bool v1, struct cgroup_stat *ret);

/* Pure: the directory of the cgroup's memory controller, by the text of our /proc/self/mountinfo.
 * -ENOENT when nothing that is mounted shows it, -EBADMSG, -ENAMETOOLONG. */
int cgroup__dir(const char *mountinfo, size_t len, const struct cgroup *cgroup, char *ret,
		size_t ret_len);

/* Of a cgroup opened by cgroup__open(), or of a directory below it: CGROUP_UNKNOWN when it cannot
 * be read, or no limit is set. */
uint64_t cgroup_dir__limit(int dirfd, bool v1);
uint64_t cgroup_dir__current(int dirfd, bool v1);
uint64_t cgroup_dir__working_set(int dirfd, bool v1);

/* How often memory could not be charged: v1's failcnt, v2's "oom" in memory.events.local. It grows
 * with each kill for want of memory within this cgroup's limit. */
uint64_t cgroup_dir__strikes(int dirfd, bool v1);

/* Reads it all for the process; figures that cannot be read are CGROUP_UNKNOWN. 0 or -errno. */
int cgroup__read(int pidfd, struct cgroup *ret);

/* The lowest limit of the process's cgroup and of those around it, as far as they can be seen;
 * bytes, CGROUP_UNKNOWN when there is none. In *ret_used, which may be NULL, the working set of the
 * cgroup that has it; likewise. */
uint64_t cgroup__tightest_limit(int pidfd, uint64_t *ret_used);

/* Of the cgroup with that path (and v1) in *cgroup: fills its figures, and *ret. What cannot be
 * read is CGROUP_UNKNOWN. */
void cgroup__read_all(struct cgroup *cgroup, struct cgroup_stat *ret);

/* Joins the host's cgroup namespace, where all paths are whole, if process 1 of that procfs is in
 * it: from within a container's own, its neighbours' are "/../x", which leads nowhere. Before the
 * first thread. 0 or -errno: paths stay as they are. */
int cgroup__join_host(const char *proc);

#endif
