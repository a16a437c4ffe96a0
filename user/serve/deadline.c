// SPDX-License-Identifier: BSD-2-Clause
#include "serve/deadline.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <time.h>

#include "util/clock.h"
#include "util/thread.h"
#include "util/waiter.h"

#define NEVER UINT64_MAX

/* Of so many sources the sockets are told apart. */
#define TALLIES 512

struct watched {
	TAILQ_ENTRY(watched) entry;
	int fd;
	const void *crowd;
	uint64_t source;
	/* CLOCK_MONOTONIC, ns */
	uint64_t at; /* NEVER: no deadline */
	uint64_t since;
};

/* The list is short (the connection limits), so it is gone through rather than kept sorted. */
struct deadline {
	pthread_mutex_t lock;
	pthread_cond_t sooner; /* the thread sleeps too long */
	pthread_t thread;
	bool stopping;
	uint64_t wakes_at;
	TAILQ_HEAD(, watched) all;
};

static void hang_up(struct watched *w)
{
	shutdown(w->fd, SHUT_RDWR);
	w->at = NEVER;
}

/* Shuts down what is over time; the next deadline. The lock is held, so that no descriptor is
 * closed, and its number taken by another file, in between. */
static uint64_t expire(struct deadline *deadline)
{
	uint64_t at = clock__monotonic_ns(), next = NEVER;
	struct watched *w;

	TAILQ_FOREACH (w, &deadline->all, entry) {
		if (w->at <= at) {
			hang_up(w);
		} else if (w->at < next) {
			next = w->at;
		}
	}
	return next;
}

static void *watch(void *arg)
{
	struct deadline *deadline = arg;

	pthread_mutex_lock(&deadline->lock);
	while (!deadline->stopping) {
		deadline->wakes_at = expire(deadline);
		if (deadline->wakes_at == NEVER) {
			pthread_cond_wait(&deadline->sooner, &deadline->lock);
		} else {
			waiter__wait(&deadline->sooner, &deadline->lock, deadline->wakes_at);
		}
	}
	pthread_mutex_unlock(&deadline->lock);
	return NULL;
}

int deadline__new(struct deadline **ret)
{
	struct deadline *deadline = calloc(1, sizeof(*deadline));
	int err;

	if (!deadline)
		return -ENOMEM;
	TAILQ_INIT(&deadline->all);
	deadline->wakes_at = NEVER;
	pthread_mutex_init(&deadline->lock, NULL);
	pthread_cond_init(&deadline->sooner, NULL);
	err = thread__start(&deadline->thread, "deadline", watch, deadline);
	if (err) {
		pthread_cond_destroy(&deadline->sooner);
		pthread_mutex_destroy(&deadline->lock);
		free(deadline);
		return err;
	}
	*ret = deadline;
	return 0;
}

void deadline__free(struct deadline *deadline)
{
	if (!deadline)
		return;
	pthread_mutex_lock(&deadline->lock);
	deadline->stopping = true;
	pthread_cond_signal(&deadline->sooner);
	pthread_mutex_unlock(&deadline->lock);
	pthread_join(deadline->thread, NULL);
	pthread_cond_destroy(&deadline->sooner);
	pthread_mutex_destroy(&deadline->lock);
	free(deadline);
}

struct watched *deadline__watch(struct deadline *deadline, int fd, const void *crowd,
				uint64_t source)
{
	struct watched *w = malloc(sizeof(*w));

	if (!w)
		return NULL;
	*w = (struct watched){.fd = fd, .crowd = crowd, .source = source, .at = NEVER};
	pthread_mutex_lock(&deadline->lock);
	TAILQ_INSERT_TAIL(&deadline->all, w, entry);
	pthread_mutex_unlock(&deadline->lock);
	return w;
}

void deadline__drop(struct deadline *deadline, struct watched *w)
{
	pthread_mutex_lock(&deadline->lock);
	TAILQ_REMOVE(&deadline->all, w, entry);
	pthread_mutex_unlock(&deadline->lock);
	free(w);
}

void deadline__set(struct deadline *deadline, struct watched *w, uint64_t ns)
{
	pthread_mutex_lock(&deadline->lock);
	w->since = clock__monotonic_ns();
	w->at = ns ? w->since + ns : NEVER;
	if (w->at < deadline->wakes_at) {
		deadline->wakes_at = w->at;
		pthread_cond_signal(&deadline->sooner);
	}
	pthread_mutex_unlock(&deadline->lock);
}

uint64_t watched__source(const struct watched *w)
{
	return w->source;
}

/* A source's sockets that have a deadline. */
struct tally {
	uint64_t source;
	size_t n;
	struct watched *oldest;
};

static void count(struct tally *tallies, size_t *n, struct watched *w)
{
	struct tally *t = tallies;

	while (t < tallies + *n && t->source != w->source)
		t++;
	if (t == tallies + TALLIES)
		return;
	if (t == tallies + *n) {
		*t = (struct tally){.source = w->source};
		++*n;
	}
	t->n++;
	if (!t->oldest || w->since < t->oldest->since)
		t->oldest = w;
}

void deadline__make_room(struct deadline *deadline, const void *crowd, size_t most)
{
	struct tally tallies[TALLIES], *largest = tallies;
	size_t n_tallies = 0, n = 0;
	struct watched *w;

	pthread_mutex_lock(&deadline->lock);
	TAILQ_FOREACH (w, &deadline->all, entry) {
		if (w->crowd != crowd || w->at == NEVER)
			continue;
		n++;
		count(tallies, &n_tallies, w);
	}
	for (struct tally *t = tallies; t < tallies + n_tallies; t++) {
		if (t->n > largest->n)
			largest = t;
	}
	if (n > most)
		hang_up(largest->oldest);
	pthread_mutex_unlock(&deadline->lock);
}
