// SPDX-License-Identifier: BSD-2-Clause
#include "proc/glance.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proc/peek.h"
#include "proc/self.h"
#include "util/clock.h"
#include "util/refs.h"
#include "util/thread.h"
#include "util/waiter.h"

#define READERS	   8
#define TIMEOUT_NS 100000000

struct glance {
	int pidfd;
	pid_t pid;
	uid_t uid;		  /* whose process it is */
	struct glance *next_late; /* of those that were abandoned */
	uint64_t at;
	size_t len;
	ssize_t n; /* that were read */
	bool done;
	bool abandoned; /* the reader frees it */
	uint8_t bytes[];
};

struct glancer {
	unsigned refs;	   /* the caller's, and one for each reader */
	bool same_numbers; /* it numbers processes as our own PID namespace does */
	pthread_mutex_t lock;
	pthread_cond_t more, done;
	struct glance *next; /* for the first reader that is free */
	unsigned idle;	     /* readers */
	struct glance *late; /* abandoned, and still with their readers */
	bool stop;
};

struct glancer *glancer__new(const char *proc)
{
	struct glancer *glancer = calloc(1, sizeof(*glancer));

	if (!glancer)
		return NULL;
	glancer->refs = 1;
	glancer->same_numbers = self__pid(proc) == getpid();
	pthread_mutex_init(&glancer->lock, NULL);
	pthread_cond_init(&glancer->more, NULL);
	pthread_cond_init(&glancer->done, NULL);
	return glancer;
}

static void glancer__unref(struct glancer *glancer)
{
	if (!refs__put(&glancer->refs))
		return;
	pthread_cond_destroy(&glancer->done);
	pthread_cond_destroy(&glancer->more);
	pthread_mutex_destroy(&glancer->lock);
	free(glancer);
}

void glancer__free(struct glancer *glancer)
{
	if (!glancer)
		return;
	pthread_mutex_lock(&glancer->lock);
	glancer->stop = true;
	pthread_cond_broadcast(&glancer->more);
	pthread_mutex_unlock(&glancer->lock);
	glancer__unref(glancer);
}

static void forget_late(struct glancer *glancer, const struct glance *glance)
{
	struct glance **p = &glancer->late;

	while (*p && *p != glance)
		p = &(*p)->next_late;
	if (*p)
		*p = glance->next_late;
}

/* With the lock held, but for the reading. */
static void serve(struct glancer *glancer)
{
	struct glance *glance = glancer->next;

	glancer->next = NULL;
	pthread_mutex_unlock(&glancer->lock);
	glance->n = peek__read(glance->pidfd, glance->pid, glance->at, glance->bytes, glance->len);
	close(glance->pidfd);
	pthread_mutex_lock(&glancer->lock);
	glancer->idle++;
	glance->done = true;
	if (glance->abandoned) {
		forget_late(glancer, glance);
		free(glance);
	}
	pthread_cond_broadcast(&glancer->done);
}

static void *reader(void *arg)
{
	struct glancer *glancer = arg;

	pthread_mutex_lock(&glancer->lock);
	while (!glancer->stop) {
		if (glancer->next)
			serve(glancer);
		else
			pthread_cond_wait(&glancer->more, &glancer->lock);
	}
	pthread_mutex_unlock(&glancer->lock);
	glancer__unref(glancer);
	return NULL;
}

int glancer__start(struct glancer *glancer)
{
	pthread_t thread;
	int err = 0;

	for (int i = 0; !err && i < READERS; i++) {
		refs__get(&glancer->refs);
		err = thread__start(&thread, "glance", reader, glancer);
		if (err) {
			refs__put(&glancer->refs);
			return err;
		}
		/* No caller waits for one that is stuck. */
		pthread_detach(thread);
		pthread_mutex_lock(&glancer->lock);
		glancer->idle++;
		pthread_mutex_unlock(&glancer->lock);
	}
	return err;
}

/* With the lock held; 0 or -errno. */
static int wait_for(struct glancer *glancer, struct glance *glance)
{
	uint64_t end_ns = clock__monotonic_ns() + TIMEOUT_NS;
	bool in_time = true;

	glancer->idle--;
	glancer->next = glance;
	pthread_cond_signal(&glancer->more);
	/* One that is idle will take it: only then can it be left alone. */
	while (!glance->done && (in_time || glancer->next == glance))
		in_time = waiter__wait(&glancer->done, &glancer->lock, end_ns);
	return glance->done ? 0 : -ETIMEDOUT;
}

/* One user's processes can take half of the readers, the next one's half of what is left. */
static bool may_begin(const struct glancer *glancer, uid_t uid)
{
	unsigned late = 0;

	for (const struct glance *glance = glancer->late; glance; glance = glance->next_late)
		late += glance->uid == uid;
	return late < glancer->idle;
}

static uid_t uid_of(int pidfd)
{
	struct stat st;

	return fstat(pidfd, &st) ? 0 : st.st_uid;
}

ssize_t glancer__read(struct glancer *glancer, int pidfd, pid_t tgid, uint64_t at, void *to,
		      size_t len)
{
	struct glance *glance = calloc(1, sizeof(*glance) + len);
	ssize_t n = -EBUSY;

	if (!glance)
		return -ENOMEM;
	glance->pidfd = fcntl(pidfd, F_DUPFD_CLOEXEC, 0);
	glance->pid = glancer->same_numbers ? tgid : 0;
	glance->uid = uid_of(pidfd);
	glance->at = at;
	glance->len = len;
	if (glance->pidfd < 0) {
		free(glance);
		return -errno;
	}
	pthread_mutex_lock(&glancer->lock);
	if (may_begin(glancer, glance->uid)) {
		n = wait_for(glancer, glance);
		glance->abandoned = n;
	} else {
		close(glance->pidfd);
	}
	if (!n) {
		n = glance->n;
		if (n > 0)
			memcpy(to, glance->bytes, n);
	}
	if (glance->abandoned) {
		glance->next_late = glancer->late;
		glancer->late = glance;
	} else {
		free(glance);
	}
	pthread_mutex_unlock(&glancer->lock);
	return n;
}
