/* SPDX-License-Identifier: BSD-2-Clause */
/* How much memory a process has, in one cheap read. */
#ifndef MEMPROV_MEMORY_H
#define MEMPROV_MEMORY_H

#include <stdbool.h>
#include <sys/types.h>

#include "proc/statm.h"

/* Pure: the highest RSS that the address space ever had, from the line "VmHWM:" of
 * /proc/PID/status. 0; -EBADMSG; -ENODATA when there is no such line (no memory map any more). */
int proc_status__parse_peak(const char *text, size_t len, uint64_t *ret);

/* -ESRCH when the process has no memory map any more. */
int procfs__memory(int pidfd, struct proc_memory *ret);

/* The same of the process that has the number now, with one descriptor less. */
int procfs__memory_of(const char *proc, pid_t pid, struct proc_memory *ret);

bool process__has_map(int pidfd);

int procfs__peak(int pidfd, uint64_t *ret);

#endif
