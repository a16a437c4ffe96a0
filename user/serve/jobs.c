// SPDX-License-Identifier: BSD-2-Clause
#include "serve/jobs.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "util/clock.h"
#include "util/thread.h"

struct jobs {
	pthread_mutex_t lock;
	pthread_cond_t changed; /* a job was queued, a thread ended, or stopping was set */
	void (*run)(void *job);
	bool stopping;
	size_t live; /* threads that have not ended */

	size_t size; /* of the ring of queued jobs */
	size_t first;
	size_t queued;
	void **queue;

	size_t n_threads;
	pthread_t threads[];
};

static void *work(void *arg)
{
	struct jobs *jobs = arg;
	void *job;

	pthread_mutex_lock(&jobs->lock);
	for (;;) {
		while (!jobs->queued && !jobs->stopping)
			pthread_cond_wait(&jobs->changed, &jobs->lock);
		if (!jobs->queued)
			break;
		job = jobs->queue[jobs->first];
		jobs->first = (jobs->first + 1) % jobs->size;
		jobs->queued--;
		pthread_mutex_unlock(&jobs->lock);
		jobs->run(job);
		pthread_mutex_lock(&jobs->lock);
	}
	jobs->live--;
	pthread_cond_broadcast(&jobs->changed);
	pthread_mutex_unlock(&jobs->lock);
	return NULL;
}

static void destroy(struct jobs *jobs)
{
	pthread_cond_destroy(&jobs->changed);
	pthread_mutex_destroy(&jobs->lock);
	free(jobs->queue);
	free(jobs);
}

int jobs__new(size_t threads, size_t queue, void (*run)(void *job), struct jobs **ret)
{
	struct jobs *jobs = calloc(1, sizeof(*jobs) + threads * sizeof(jobs->threads[0]));
	pthread_condattr_t attr;
	int err = 0;

	if (!jobs)
		return -ENOMEM;
	pthread_mutex_init(&jobs->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&jobs->changed, &attr);
	pthread_condattr_destroy(&attr);
	jobs->run = run;
	jobs->size = queue;
	jobs->queue = calloc(queue, sizeof(void *));
	if (!jobs->queue) {
		destroy(jobs);
		return -ENOMEM;
	}
	pthread_mutex_lock(&jobs->lock);
	for (; jobs->n_threads < threads && !err; jobs->n_threads += !err) {
		err = thread__start(&jobs->threads[jobs->n_threads], "report", work, jobs);
		jobs->live += !err;
	}
	pthread_mutex_unlock(&jobs->lock);
	if (err) {
		jobs__stop(jobs, NSEC_PER_SEC);
		return err;
	}
	*ret = jobs;
	return 0;
}

int jobs__submit(struct jobs *jobs, void *job)
{
	int err = 0;

	pthread_mutex_lock(&jobs->lock);
	if (jobs->stopping) {
		err = -ESHUTDOWN;
	} else if (jobs->queued == jobs->size) {
		err = -EAGAIN;
	} else {
		jobs->queue[(jobs->first + jobs->queued++) % jobs->size] = job;
		/* Nobody but idle threads waits for this condition before stopping is set. */
		pthread_cond_signal(&jobs->changed);
	}
	pthread_mutex_unlock(&jobs->lock);
	return err;
}

int jobs__stop(struct jobs *jobs, uint64_t grace_ns)
{
	struct timespec until;
	int err = 0;
	bool stuck;

	clock_gettime(CLOCK_MONOTONIC, &until);
	grace_ns += until.tv_nsec;
	until.tv_sec += grace_ns / NSEC_PER_SEC;
	until.tv_nsec = grace_ns % NSEC_PER_SEC;

	pthread_mutex_lock(&jobs->lock);
	jobs->stopping = true;
	pthread_cond_broadcast(&jobs->changed);
	while (jobs->live && !err)
		err = pthread_cond_timedwait(&jobs->changed, &jobs->lock, &until);
	stuck = jobs->live;
	pthread_mutex_unlock(&jobs->lock);

	for (size_t i = 0; i < jobs->n_threads; i++) {
		if (stuck)
			pthread_detach(jobs->threads[i]);
		else
			pthread_join(jobs->threads[i], NULL);
	}
	if (stuck)
		return -EBUSY;
	destroy(jobs);
	return 0;
}
