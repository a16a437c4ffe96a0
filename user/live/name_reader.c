// SPDX-License-Identifier: BSD-2-Clause
#include "live/name_reader.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

#include "model/name.h"
#include "proc/peek.h"
#include "proc/procfs.h"
#include "proc/self.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/hash.h"
#include "util/thread.h"
#include "util/waiter.h"

#define MAX_OF_PROCESS 256
#define MAX_WAITING    4096
#define MAX_BATCH      64 /* names of one process that are read in one go */
#define READERS	       4
#define STOP_WAIT_NS   300000000

struct waiting_name {
	struct waiting_name *prev, *next;
	struct late_name name;
};

/* The names of a process. It is there while there are any, or a thread is reading some: then it is
 * not in the list of those to be served. */
struct queue {
	UT_hash_handle hh; /* by tgid */
	struct queue *prev, *next;
	pid_t tgid;
	struct waiting_name *names;
	size_t n;
};

struct name_reader {
	unsigned refs; /* the caller's, and one for each thread; guarded as what follows */
	char *proc;
	bool same_numbers; /* it numbers processes as our own PID namespace does */
	struct owner *owner;
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t more;  /* to be served, or stop */
	pthread_cond_t left;  /* a thread has ended, or its call to the owner */
	struct queue *queues;
	struct queue *serve;
	size_t n; /* names in all queues */
	unsigned threads;
	unsigned calling; /* threads that wait for the owner */
	bool stop;
};

enum result {
	RESULT_LOST,
	RESULT_TEXT,
	RESULT_NO_TEXT,
};

struct name_batch {
	struct queue *queue;
	size_t n;
	struct late_name names[MAX_BATCH];
	enum result results[MAX_BATCH];
	char texts[MAX_BATCH][MP_NAME_MAX + 1];
};

/* --- queues; all with the lock held ---------------------------------------------------------- */

static struct queue *queue_of(struct name_reader *reader, pid_t tgid)
{
	struct queue *queue;

	HASH_FIND_INT(reader->queues, &tgid, queue);
	if (queue)
		return queue;
	queue = calloc(1, sizeof(*queue));
	if (!queue)
		return NULL;
	queue->tgid = tgid;
	HASH_ADD_INT(reader->queues, tgid, queue);
	if (!HASH_HAS(queue)) {
		free(queue);
		return NULL;
	}
	DL_APPEND(reader->serve, queue);
	return queue;
}

static struct queue *longest_queue(struct name_reader *reader)
{
	struct queue *queue, *next, *longest = NULL;

	HASH_ITER (hh, reader->queues, queue, next) {
		if (!longest || queue->n > longest->n)
			longest = queue;
	}
	return longest;
}

static void remove_waiting(struct name_reader *reader, struct queue *queue,
			   struct waiting_name *waiting)
{
	DL_DELETE(queue->names, waiting);
	queue->n--;
	reader->n--;
}

/* True when the name was taken. Then ret_lost is one that had to go for it, or NULL. */
static bool enqueue(struct name_reader *reader, struct waiting_name *waiting,
		    struct waiting_name **ret_lost)
{
	struct queue *queue, *longest;

	*ret_lost = NULL;
	if (reader->stop)
		return false;
	queue = queue_of(reader, waiting->name.tgid);
	if (!queue || queue->n >= MAX_OF_PROCESS)
		return false;
	if (reader->n >= MAX_WAITING) {
		longest = longest_queue(reader);
		/* A queue that stays empty goes when it is its turn. */
		if (longest->n <= queue->n)
			return false;
		*ret_lost = longest->names->prev; /* the last of them */
		remove_waiting(reader, longest, *ret_lost);
	}
	DL_APPEND(queue->names, waiting);
	queue->n++;
	reader->n++;
	pthread_cond_signal(&reader->more);
	return true;
}

static void take_batch(struct name_reader *reader, struct name_batch *batch)
{
	struct waiting_name *waiting;

	batch->queue = reader->serve;
	batch->n = 0;
	DL_DELETE(reader->serve, batch->queue);
	while (batch->n < MAX_BATCH && (waiting = batch->queue->names)) {
		remove_waiting(reader, batch->queue, waiting);
		batch->names[batch->n++] = waiting->name;
		free(waiting);
	}
}

/* The queue of a batch goes to the end of the line, if there is more in it. */
static void put_back(struct name_reader *reader, struct queue *queue)
{
	if (queue->n) {
		DL_APPEND(reader->serve, queue);
		pthread_cond_signal(&reader->more);
		return;
	}
	HASH_DEL(reader->queues, queue);
	free(queue);
}

/* --- reading --------------------------------------------------------------------------------- */

static enum result read_name(int pidfd, pid_t pid, uint64_t at, char text[MP_NAME_MAX + 1])
{
	ssize_t n = peek__read(pidfd, pid, at, text, MP_NAME_MAX + 1);

	if (n == -EFAULT || (n >= 0 && !memchr(text, '\0', n)))
		return RESULT_NO_TEXT;
	return n < 0 ? RESULT_LOST : RESULT_TEXT;
}

static void read_batch(const struct name_reader *reader, struct name_batch *batch)
{
	_cleanup_close_ int pidfd = procfs__open(reader->proc, batch->queue->tgid);
	struct proc_stat stat = {0};

	memset(batch->results, 0, sizeof(batch->results));
	if (pidfd < 0 || procfs__stat(pidfd, &stat))
		return;
	for (size_t i = 0; i < batch->n; i++) {
		const struct late_name *name = &batch->names[i];

		if (stat.start_ticks == name->start_ticks)
			batch->results[i] = read_name(pidfd, reader->same_numbers ? name->tgid : 0,
						      name->name_ptr, batch->texts[i]);
	}
	/* Was it the same one to the end? */
	if (procfs__stat(pidfd, &stat))
		memset(batch->results, 0, sizeof(batch->results));
}

static void tell_model(struct model *model, void *arg)
{
	const struct name_batch *batch = arg;

	for (size_t i = 0; i < batch->n; i++) {
		const struct late_name *name = &batch->names[i];

		if (batch->results[i] == RESULT_LOST)
			model__name_was_lost(model, name);
		else
			model__name_was_read(model, name,
					     batch->results[i] == RESULT_TEXT ? batch->texts[i]
									      : NULL);
	}
}

static void name_reader__unref(struct name_reader *reader)
{
	struct queue *queue, *next;
	struct waiting_name *waiting, *more;
	bool last;

	pthread_mutex_lock(&reader->lock);
	last = !--reader->refs;
	pthread_mutex_unlock(&reader->lock);
	if (!last)
		return;
	HASH_ITER (hh, reader->queues, queue, next) {
		DL_FOREACH_SAFE(queue->names, waiting, more)
		{
			late_text__unref(waiting->name.late);
			free(waiting);
		}
		HASH_DEL(reader->queues, queue);
		free(queue);
	}
	pthread_cond_destroy(&reader->left);
	pthread_cond_destroy(&reader->more);
	pthread_mutex_destroy(&reader->lock);
	free(reader->proc);
	free(reader);
}

/* Reads with the lock let go. The owner is there as long as stop is not set, or calling is. */
static void serve(struct name_reader *reader, struct name_batch *batch)
{
	take_batch(reader, batch);
	pthread_mutex_unlock(&reader->lock);
	read_batch(reader, batch);
	pthread_mutex_lock(&reader->lock);
	if (reader->stop) {
		for (size_t i = 0; i < batch->n; i++)
			late_text__unref(batch->names[i].late);
	} else {
		reader->calling++;
		pthread_mutex_unlock(&reader->lock);
		owner__call(reader->owner, tell_model, batch);
		pthread_mutex_lock(&reader->lock);
		reader->calling--;
		pthread_cond_broadcast(&reader->left);
	}
	put_back(reader, batch->queue);
}

static void *name_reader_thread(void *arg)
{
	struct name_reader *reader = arg;
	struct name_batch batch;

	pthread_mutex_lock(&reader->lock);
	while (!reader->stop) {
		if (reader->serve)
			serve(reader, &batch);
		else
			pthread_cond_wait(&reader->more, &reader->lock);
	}
	reader->threads--;
	pthread_cond_broadcast(&reader->left);
	pthread_mutex_unlock(&reader->lock);
	name_reader__unref(reader);
	return NULL;
}

/* --- from outside ---------------------------------------------------------------------------- */

bool name_reader__take(struct model *model, const struct late_name *name, void *ctx)
{
	struct name_reader *reader = ctx;
	struct waiting_name *waiting = malloc(sizeof(*waiting)), *lost;
	bool taken;

	if (!waiting)
		return false;
	waiting->name = *name;
	pthread_mutex_lock(&reader->lock);
	taken = enqueue(reader, waiting, &lost);
	pthread_mutex_unlock(&reader->lock);
	if (!taken)
		free(waiting);
	if (taken && lost) {
		model__name_was_lost(model, &lost->name);
		free(lost);
	}
	return taken;
}

struct name_reader *name_reader__new(const char *proc)
{
	struct name_reader *reader = calloc(1, sizeof(*reader));

	if (!reader)
		return NULL;
	reader->proc = strdup(proc);
	if (!reader->proc) {
		free(reader);
		return NULL;
	}
	reader->refs = 1;
	reader->same_numbers = self__pid(proc) == getpid();
	pthread_mutex_init(&reader->lock, NULL);
	pthread_cond_init(&reader->more, NULL);
	pthread_cond_init(&reader->left, NULL);
	return reader;
}

void name_reader__free(struct name_reader *reader)
{
	if (reader)
		name_reader__unref(reader);
}

int name_reader__start(struct name_reader *reader, struct owner *owner)
{
	int err = 0;

	reader->owner = owner;
	pthread_mutex_lock(&reader->lock);
	for (int i = 0; !err && i < READERS; i++) {
		pthread_t thread;

		/* Detached: stop does not wait for one that is stuck. */
		err = thread__start(&thread, "names", name_reader_thread, reader);
		if (!err) {
			pthread_detach(thread);
			reader->threads++;
			reader->refs++;
		}
	}
	pthread_mutex_unlock(&reader->lock);
	return err;
}

void name_reader__stop(struct name_reader *reader)
{
	uint64_t end_ns = clock__monotonic_ns() + STOP_WAIT_NS;
	bool in_time = true;

	if (!reader)
		return;
	pthread_mutex_lock(&reader->lock);
	reader->stop = true;
	pthread_cond_broadcast(&reader->more);
	/* Those that wait for the owner are waited for in any case: it answers. */
	while (reader->threads && in_time)
		in_time = waiter__wait(&reader->left, &reader->lock, end_ns);
	while (reader->calling)
		pthread_cond_wait(&reader->left, &reader->lock);
	pthread_mutex_unlock(&reader->lock);
}
