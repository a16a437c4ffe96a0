/* SPDX-License-Identifier: BSD-2-Clause */
/* The ids of the kernel's tracepoints, which only tracefs has. */
#ifndef MEMPROV_TRACEFS_H
#define MEMPROV_TRACEFS_H

/* A descriptor of tracefs' root, or -errno: a detached mount, or where the kernel refuses that, the
 * usual places. */
int tracefs__open(void);

/* The id of "syscalls/sys_exit_mmap" and the like, for perf_event_open; or -errno, -ENOENT when
 * this kernel has no such tracepoint. */
int tracefs__event_id(int tracefs, const char *event);

#endif
