/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads a process through a thread that is alive.
 *
 * The leader may exit while other threads live on. Its directory in procfs is that of the process,
 * but the leader has let go of memory map, root and namespaces: statm says 0; maps, smaps and
 * map_files are empty; smaps_rollup, pagemap, mem, auxv, environ, root, exe, cwd, mountinfo and
 * ns/mnt cannot be read; environ is root's, status has no Vm lines, and cgroup v1 says "/". All of
 * these are then read in the directory of another thread: in /proc/TID, which procfs does not list,
 * because /proc/PID/task/TID has no map_files. stat, comm and task are still the leader's: what the
 * process is called, when it began, and which threads it has.
 *
 * pidfd is always what procfs__open() gave. A thread may exit at any time; another one is then
 * found, as long as there is one. Results are -ESRCH when no thread has a memory map any more: the
 * process has exited, or is a kernel thread.
 */
#ifndef MEMPROV_PROCESS_H
#define MEMPROV_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "util/buf.h"

/*
 * Calls fn with the directory of a thread that has the memory map, and returns its result if
 * that thread still had the map afterwards; else calls it again with that of another thread, so it
 * must bear being repeated. -EOWNERDEAD from it means that this thread will not do. tid is the
 * thread's number in that procfs, 0 for the leader.
 */
int process__visit(int pidfd, int (*fn)(int dir, pid_t tid, void *ctx), void *ctx);

/* Whether pid, whose directory this is, is a process: procfs has that of a thread, too, where it is
 * asked for by name, and what it shows there is the process's. */
bool process__is_one(int pidfd, pid_t pid);

/* A descriptor of a file or link of the process, or -errno; pagemap, mem and mountinfo can be read
 * on when that thread has exited. */
int process__openat(int pidfd, const char *file, int flags);

/* Appends a whole file that can only be read while the thread is alive (status, cgroup, smaps), at
 * most max bytes. 0, -ESRCH as above, -EFBIG, -ENOMEM, or -errno. */
int process__read(int pidfd, const char *file, size_t max, struct buf *ret);

/* readlink of "exe" (or another link of the directory): 0 or -errno; NUL-terminated, -ENAMETOOLONG
 * when it does not fit. */
int process__link(int pidfd, const char *name, char *ret, size_t len);

#endif
