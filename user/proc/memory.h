/* SPDX-License-Identifier: BSD-2-Clause */
/* How much memory a process has, in one cheap read. */
#ifndef MEMPROV_MEMORY_H
#define MEMPROV_MEMORY_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct proc_memory {
	uint64_t size; /* bytes of address space */
	uint64_t rss;
};

/* Pure: the text of /proc/PID/statm, "SIZE RSS …" in pages. 0 or -EBADMSG. */
int proc_statm__parse(const char *text, size_t len, uint64_t page_size, struct proc_memory *ret);

/* Pure: the highest RSS that the address space ever had, from the line "VmHWM:" of
 * /proc/PID/status. 0; -EBADMSG; -ENODATA when there is no such line (no memory map any more). */
int proc_status__parse_peak(const char *text, size_t len, uint64_t *ret);

/* -ESRCH when the process has no memory map any more. */
int procfs__memory(int pidfd, struct proc_memory *ret);

/* The same of the process that has the number now, with one descriptor less. */
int procfs__memory_of(const char *proc, pid_t pid, struct proc_memory *ret);

/* The same from an open statm, which may be read again and again, also behind an exec; -ESRCH when
 * the thread that it is of has exited. */
int procfs__statm(int fd, struct proc_memory *ret);

int procfs__peak(int pidfd, uint64_t *ret);

#endif
