/* SPDX-License-Identifier: BSD-2-Clause */
/* How much memory a process has, in one cheap read. */
#ifndef MEMPROV_MEMORY_H
#define MEMPROV_MEMORY_H

#include <stdbool.h>
#include <sys/types.h>

#include "proc/statm.h"

/* Pure: bytes from a line of /proc/PID/status, where they are kB (proc(5)); name "VmHWM", say. 0;
 * -EBADMSG; -ENODATA when there is no such line (no memory map any more). */
int proc_status__parse(const char *text, size_t len, const char *name, uint64_t *ret);

/* Bytes of hugetlb's pages that it has, which no RSS has, from status. As below. */
int procfs__hugetlb(int pidfd, uint64_t *ret);

/* From statm. 0; -ESRCH when the process has no memory map any more; or -errno. */
int procfs__memory(int pidfd, struct proc_memory *ret);

/* The same of the process that has the number now, with one descriptor less. */
int procfs__memory_of(const char *proc, pid_t pid, struct proc_memory *ret);

/* False when statm says that it has none any more; true also when it cannot be read. */
bool process__has_map(int pidfd);

/* The highest RSS in bytes that the address space ever had, from status. 0; -ESRCH when there is no
 * memory map any more; or -errno. */
int procfs__peak(int pidfd, uint64_t *ret);

#endif
