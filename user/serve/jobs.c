// SPDX-License-Identifier: BSD-2-Clause
#include "serve/jobs.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "proc/crew.h"

TAILQ_HEAD(job_list, job);

/* There is one while it has jobs, in the queue or running. */
struct job_source {
	TAILQ_ENTRY(job_source) entry;
	uint64_t key;
	size_t n; /* in the queue */
	size_t running;
	struct job_list jobs;
};

struct jobs {
	struct jobs_config config;
	pthread_mutex_t lock;
	pthread_cond_t queued;
	TAILQ_HEAD(, job_source) sources; /* the first has its turn */
	size_t n;			  /* jobs, of all sources */
};

/* --- the queue: the lock is held ---------------------------------------------------------------
 */

/* NULL when out of memory. */
static struct job_source *get_source(struct jobs *jobs, uint64_t key)
{
	struct job_source *source;

	TAILQ_FOREACH (source, &jobs->sources, entry) {
		if (source->key == key)
			return source;
	}
	source = calloc(1, sizeof(*source));
	if (!source)
		return NULL;
	source->key = key;
	TAILQ_INIT(&source->jobs);
	TAILQ_INSERT_TAIL(&jobs->sources, source, entry);
	return source;
}

static void free_idle(struct jobs *jobs, struct job_source *source)
{
	if (source->n || source->running)
		return;
	TAILQ_REMOVE(&jobs->sources, source, entry);
	free(source);
}

static struct job *remove_job(struct jobs *jobs, struct job *job)
{
	struct job_source *source = job->queue;

	TAILQ_REMOVE(&source->jobs, job, entry);
	jobs->n--;
	source->n--;
	free_idle(jobs, source);
	return job;
}

/* The first in turn that has a job, and fewer running than that. */
static struct job_source *next_source(struct jobs *jobs, size_t running)
{
	struct job_source *source;

	TAILQ_FOREACH (source, &jobs->sources, entry) {
		if (!source->n || source->running >= running)
			continue;
		TAILQ_REMOVE(&jobs->sources, source, entry);
		TAILQ_INSERT_TAIL(&jobs->sources, source, entry);
		return source;
	}
	return NULL;
}

static struct job *begin_job(struct jobs *jobs)
{
	struct job_source *source = next_source(jobs, jobs->config.at_once);

	if (!source)
		return NULL;
	source->running++;
	return remove_job(jobs, TAILQ_FIRST(&source->jobs));
}

static void end_job(struct jobs *jobs, struct job_source *source)
{
	source->running--;
	if (source->n) /* which waited for this one */
		pthread_cond_signal(&jobs->queued);
	free_idle(jobs, source);
}

/* The newest job of the source that has the most; NULL when none has more than the key's. */
static struct job *greediest(struct jobs *jobs, uint64_t key)
{
	struct job_source *source, *most = NULL;
	size_t own = 0;

	TAILQ_FOREACH (source, &jobs->sources, entry) {
		if (source->key == key)
			own = source->n;
		if (!most || source->n > most->n)
			most = source;
	}
	return most && most->n > own + 1 ? TAILQ_LAST(&most->jobs, job_list) : NULL;
}

static void insert(struct job_source *source, struct job *job)
{
	job->queue = source;
	source->n++;
}

/* --- threads -----------------------------------------------------------------------------------
 */

static void work(struct visitor *visitor, void *arg)
{
	struct jobs *jobs = arg;
	struct job_source *source;
	struct job *job;

	pthread_mutex_lock(&jobs->lock);
	while (!visitor->stop) {
		job = begin_job(jobs);
		if (!job) {
			pthread_cond_wait(&jobs->queued, &jobs->lock);
			continue;
		}
		source = job->queue; /* it is not kept when the job is done */
		visitor->job = job;
		pthread_mutex_unlock(&jobs->lock);
		jobs->config.run(job, visitor);
		pthread_mutex_lock(&jobs->lock);
		if (!visitor->stop) /* else it was ended when this was replaced */
			end_job(jobs, source);
		visitor->job = NULL;
	}
	pthread_mutex_unlock(&jobs->lock);
}

static void replaced(struct visitor *visitor, void *arg)
{
	struct jobs *jobs = arg;
	struct job *job = visitor->job;

	pthread_mutex_lock(&jobs->lock);
	end_job(jobs, job->queue);
	pthread_mutex_unlock(&jobs->lock);
	/* It is in the middle of run(), so this stays as it is. */
	jobs->config.stuck(job, visitor);
}

static void wake(void *arg)
{
	struct jobs *jobs = arg;

	pthread_mutex_lock(&jobs->lock);
	pthread_cond_broadcast(&jobs->queued);
	pthread_mutex_unlock(&jobs->lock);
}

static const struct crew_work reporting = {
	.name = "report", .run = work, .replaced = replaced, .wake = wake};

int jobs__new(const struct jobs_config *config, struct jobs **ret)
{
	struct jobs *jobs = calloc(1, sizeof(*jobs));
	int err = 0;

	if (!jobs)
		return -ENOMEM;
	jobs->config = *config;
	pthread_mutex_init(&jobs->lock, NULL);
	pthread_cond_init(&jobs->queued, NULL);
	TAILQ_INIT(&jobs->sources);
	*ret = jobs; /* a thread may have it by now */
	for (size_t i = 0; !err && i < config->threads; i++)
		err = crew__start(config->crew, &reporting, jobs);
	return err;
}

void jobs__free(struct jobs *jobs)
{
	struct job_source *source;

	if (!jobs)
		return;
	while ((source = TAILQ_FIRST(&jobs->sources))) {
		TAILQ_REMOVE(&jobs->sources, source, entry);
		free(source);
	}
	pthread_cond_destroy(&jobs->queued);
	pthread_mutex_destroy(&jobs->lock);
	free(jobs);
}

/* --- from outside ------------------------------------------------------------------------------
 */

int jobs__submit(struct jobs *jobs, struct job *job, struct job **ret_out)
{
	struct job_source *source;
	struct job *out = NULL;
	int err = 0;

	pthread_mutex_lock(&jobs->lock);
	if (jobs->n >= jobs->config.queue) {
		out = greediest(jobs, job->source);
		err = out ? 0 : -EAGAIN;
	}
	source = err ? NULL : get_source(jobs, job->source);
	if (source) {
		if (out)
			remove_job(jobs, out);
		insert(source, job);
		TAILQ_INSERT_TAIL(&source->jobs, job, entry);
		jobs->n++;
		pthread_cond_signal(&jobs->queued);
	} else {
		err = err ?: -ENOMEM;
		out = NULL;
	}
	pthread_mutex_unlock(&jobs->lock);
	*ret_out = out;
	return err;
}

int jobs__submit_again(struct jobs *jobs, struct job *job)
{
	struct job_source *source;

	pthread_mutex_lock(&jobs->lock);
	source = get_source(jobs, job->source);
	if (source) {
		insert(source, job);
		TAILQ_INSERT_HEAD(&source->jobs, job, entry);
		jobs->n++;
		TAILQ_REMOVE(&jobs->sources, source, entry);
		TAILQ_INSERT_HEAD(&jobs->sources, source, entry);
		pthread_cond_signal(&jobs->queued);
	}
	pthread_mutex_unlock(&jobs->lock);
	return source ? 0 : -ENOMEM;
}

struct job *jobs__take_back(struct jobs *jobs)
{
	struct job_source *source;
	struct job *job;

	pthread_mutex_lock(&jobs->lock);
	source = next_source(jobs, SIZE_MAX);
	job = source ? remove_job(jobs, TAILQ_FIRST(&source->jobs)) : NULL;
	pthread_mutex_unlock(&jobs->lock);
	return job;
}
