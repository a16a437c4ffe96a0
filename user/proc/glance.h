/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading some of a process's memory in bounded time. A page may have to be brought in, and its
 * source (userfaultfd, a dead swap device) may keep the reader waiting for ever: so threads of its
 * own read, and are abandoned when they are late. Processes of a user that has as many of them
 * stuck as are free are not read: one user can take half of them, the next one half of what is
 * left.
 */
#ifndef MEMPROV_GLANCE_H
#define MEMPROV_GLANCE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct glancer;

/* For the processes of this procfs; NULL when out of memory. free does not wait for stuck threads.
 */
struct glancer *glancer__new(const char *proc);
void glancer__free(struct glancer *glancer); /* accepts NULL */

/* Starts the threads; before that nothing is read. 0 or -errno. */
int glancer__start(struct glancer *glancer);

/* One call at a time. pidfd: the open directory of the process, tgid. How many bytes were read from
 * the beginning on, as peek__read() has it; or -ETIMEDOUT, -EBUSY, -ENOMEM, -errno. */
ssize_t glancer__read(struct glancer *glancer, int pidfd, pid_t tgid, uint64_t at, void *to,
		      size_t len);

#endif
