/* SPDX-License-Identifier: BSD-2-Clause */
/* /proc/PID/statm (proc(5)): how much memory a process has, in one cheap read. */
#ifndef MEMPROV_STATM_H
#define MEMPROV_STATM_H

#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>

struct proc_memory {
	uint64_t size;	 /* bytes, as all: the address space */
	uint64_t rss;	 /* of it, what is resident */
	uint64_t shared; /* of that, pages of files and shared memory; the rest is anonymous */
};

/* Pure: the text of /proc/PID/statm, "SIZE RSS SHARED …" in pages. 0 or -EBADMSG. */
int proc_statm__parse(const char *text, size_t len, uint64_t page_size, struct proc_memory *ret);

/* Pure: whether a process may have had that RSS between two readings, as far as statm is right:
 * before Linux 6.17 it left out what each CPU had yet to add. */
bool proc_memory__lies_between(uint64_t rss, const struct proc_memory *a,
			       const struct proc_memory *b);

/* From an open statm, which may be read again and again, also behind an exec. 0; -ESRCH when the
 * thread that it is of has exited; or -errno. */
int procfs__statm(int fd, struct proc_memory *ret);

#endif
