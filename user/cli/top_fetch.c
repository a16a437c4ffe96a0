// SPDX-License-Identifier: BSD-2-Clause
#include "cli/top_fetch.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "cli/report_source.h"
#include "options/options.h"

#define PATIENCE_SEC 1 /* for a thread that the kernel holds */

struct fetcher {
	struct report_source *source;
	struct options options; /* for a report as text */
	int fd;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;

	/* guarded by lock */
	bool stop;
	bool asked;
	pid_t pid;
	bool kilobytes;
	bool answered;
	struct fetched answer;
};

void fetched__free(struct fetched *fetched)
{
	buf__free(&fetched->body);
	buf__free(&fetched->error);
}

/* False: it is to end. */
static bool wait_for_question(struct fetcher *f, struct fetched *ret)
{
	bool go_on;

	pthread_mutex_lock(&f->lock);
	while (!f->asked && !f->stop)
		pthread_cond_wait(&f->wake, &f->lock);
	f->asked = false;
	f->options.kilobytes = f->kilobytes;
	*ret = (struct fetched){.pid = f->pid};
	go_on = !f->stop;
	pthread_mutex_unlock(&f->lock);
	return go_on;
}

static void put_answer(struct fetcher *f, const struct fetched *answer)
{
	uint64_t one = 1;

	pthread_mutex_lock(&f->lock);
	fetched__free(&f->answer);
	f->answer = *answer;
	f->answered = true;
	pthread_mutex_unlock(&f->lock);
	if (write(f->fd, &one, sizeof(one)) < 0)
		return; /* it is readable already */
}

static void *fetch(void *arg)
{
	struct fetcher *f = arg;
	struct fetched answer;

	while (wait_for_question(f, &answer)) {
		answer.err = report_source__get(f->source, answer.pid, &f->options, &answer.body,
						&answer.error);
		put_answer(f, &answer);
	}
	return NULL;
}

static void free_all(struct fetcher *f)
{
	fetched__free(&f->answer);
	close(f->fd);
	pthread_cond_destroy(&f->wake);
	pthread_mutex_destroy(&f->lock);
	report_source__close(f->source);
	free(f);
}

int fetcher__new(struct report_source *source, const struct options *options, struct fetcher **ret)
{
	struct fetcher *f = calloc(1, sizeof(*f));
	int err;

	if (!f) {
		report_source__close(source);
		return -ENOMEM;
	}
	f->source = source;
	f->options = *options;
	f->options.format = FORMAT_TEXT;
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->wake, NULL);
	f->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	err = f->fd < 0 ? -errno : -pthread_create(&f->thread, NULL, fetch, f);
	if (err)
		free_all(f);
	else
		*ret = f;
	return err;
}

void fetcher__free(struct fetcher *f)
{
	struct timespec until;

	if (!f)
		return;
	pthread_mutex_lock(&f->lock);
	f->stop = true;
	pthread_cond_signal(&f->wake);
	pthread_mutex_unlock(&f->lock);
	report_source__cancel(f->source);
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += PATIENCE_SEC;
	/* A thread that waits for another process's memory map ends with us; what it uses stays. */
	if (!pthread_clockjoin_np(f->thread, NULL, CLOCK_MONOTONIC, &until))
		free_all(f);
}

void fetcher__ask(struct fetcher *f, pid_t pid, bool kilobytes)
{
	pthread_mutex_lock(&f->lock);
	f->asked = true;
	f->pid = pid;
	f->kilobytes = kilobytes;
	pthread_cond_signal(&f->wake);
	pthread_mutex_unlock(&f->lock);
}

int fetcher__fd(const struct fetcher *f)
{
	return f->fd;
}

bool fetcher__take(struct fetcher *f, struct fetched *ret)
{
	bool answered;
	uint64_t n;

	pthread_mutex_lock(&f->lock);
	if (read(f->fd, &n, sizeof(n)) < 0)
		n = 0;
	answered = f->answered;
	if (answered) {
		*ret = f->answer;
		f->answer = (struct fetched){};
		f->answered = false;
	}
	pthread_mutex_unlock(&f->lock);
	return answered;
}
