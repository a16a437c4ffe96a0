/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Jobs that may block, done by threads of a crew, and a bounded queue before them. Submitting never
 * waits.
 *
 * Each job has a source, and the sources take turns. A source has only so many running at a time:
 * the other threads are for other sources. When the queue is full, the newest job of the
 * source that has the most in it gives way: one source alone may fill the queue, and still turns no
 * other source away.
 */
#ifndef MEMPROV_JOBS_H
#define MEMPROV_JOBS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct crew;
struct jobs;
struct job_source;
struct visitor;

/* A part of what it stands for. */
struct job {
	TAILQ_ENTRY(job) entry; /* the queue's */
	struct job_source *queue;
	uint64_t source; /* set by the caller */
};

struct jobs_config {
	struct crew *crew;
	size_t threads;
	size_t at_once; /* jobs of one source that run */
	size_t queue;
	/* Called with what was submitted, on several threads at once. */
	void (*run)(struct job *job, struct visitor *visitor);
	/* The visitor is stuck: its job is to be submitted again, or given up. It is still in
	 * run(). The crew's lock is held. */
	void (*stuck)(struct job *job, struct visitor *visitor);
};

/* 0 or -errno. */
int jobs__new(const struct jobs_config *config, struct jobs **ret);
void jobs__free(struct jobs *jobs); /* behind the crew's end; accepts NULL */

/*
 * 0: run will be called once, unless the job is put out by another; -EAGAIN: the queue is full,
 * and no other source has more in it; -ENOMEM. *ret_out is the job that had to give way, or NULL.
 */
int jobs__submit(struct jobs *jobs, struct job *job, struct job **ret_out);

/* The same for one that was submitted before: it comes first, whatever the queue has. 0 or
 * -ENOMEM. */
int jobs__submit_again(struct jobs *jobs, struct job *job);

/* Takes one that no thread has begun with, or NULL. */
struct job *jobs__take_back(struct jobs *jobs);

#endif
