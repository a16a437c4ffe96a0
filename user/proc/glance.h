/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading a few bytes of a process's memory in bounded time. The page may have to be brought in,
 * and its source (userfaultfd, a dead swap device) may keep the reader waiting for ever: so threads
 * of its own read, and are abandoned when they are late. While all of them are stuck, nothing is
 * read.
 */
#ifndef MEMPROV_GLANCE_H
#define MEMPROV_GLANCE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define GLANCE_MAX 256 /* bytes */

struct glancer;

/* For the processes of this procfs; NULL when out of memory. free does not wait for stuck threads.
 */
struct glancer *glancer__new(const char *proc);
void glancer__free(struct glancer *glancer); /* accepts NULL */

/* Starts the threads; before that nothing is read. 0 or -errno. */
int glancer__start(struct glancer *glancer);

/* One call at a time. pidfd: the open directory of the process, tgid. How many bytes were read,
 * -ETIMEDOUT, -EBUSY, or what peek__read() says. */
ssize_t glancer__read(struct glancer *glancer, int pidfd, pid_t tgid, uint64_t at, void *to,
		      size_t len);

#endif
