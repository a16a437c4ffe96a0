/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A fixed number of threads that do what may block, with a queue of fixed length before them.
 * Nothing ever waits to get into the queue: when it is full, the caller is told so.
 */
#ifndef MEMPROV_JOBS_H
#define MEMPROV_JOBS_H

#include <stddef.h>
#include <stdint.h>

struct jobs;

/* run is called with what was submitted, on several threads at once. 0 or -errno. */
int jobs__new(size_t threads, size_t queue, void (*run)(void *job), struct jobs **ret);

/* 0: run will be called once; -EAGAIN: the queue is full; -ESHUTDOWN: jobs__stop() was called. */
int jobs__submit(struct jobs *jobs, void *job);

/*
 * Takes no more jobs, and waits at most grace_ns for those there are; they run to their end, so
 * the caller makes them short first. 0 when all are done and jobs is freed. -EBUSY when some are
 * stuck (in the kernel, say): they are left behind with the threads, and neither jobs nor
 * anything that a job uses may be freed while the program lives.
 */
int jobs__stop(struct jobs *jobs, uint64_t grace_ns);

#endif
