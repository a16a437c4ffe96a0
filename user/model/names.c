// SPDX-License-Identifier: BSD-2-Clause
#include "model/names.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proc/procfs.h"
#include "util/cleanup.h"

#define MAX_WAITING 1024

struct name_reader {
	const char *proc;
	struct owner *owner;
	pthread_t thread;
	bool running;
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t more;
	struct cold_name waiting[MAX_WAITING]; /* a ring */
	size_t first;
	size_t n;
	bool stop;
};

struct answer {
	const struct cold_name *name;
	const char *text;
};

static void tell_model(struct model *model, void *arg)
{
	const struct answer *answer = arg;

	model__name_was_read(model, answer->name, answer->text);
}

/* The string at name_ptr: 0, or why not. */
static int read_name(const char *proc, const struct cold_name *name, char text[MP_NAME_MAX + 1])
{
	_cleanup_close_ int pidfd = procfs__open(proc, name->tgid);
	_cleanup_close_ int mem = -1;
	struct proc_stat stat;
	ssize_t n;
	int err;

	if (pidfd < 0)
		return pidfd;
	err = procfs__stat(pidfd, &stat);
	if (err)
		return err;
	if (stat.start_ticks != name->start_ticks)
		return -ESRCH;
	mem = openat(pidfd, "mem", O_RDONLY | O_CLOEXEC);
	if (mem < 0)
		return -errno;
	/* Less is read where the next page does not exist. */
	n = pread(mem, text, MP_NAME_MAX + 1, name->name_ptr);
	if (n < 0)
		return -errno;
	return memchr(text, '\0', n) ? 0 : -ENAMETOOLONG;
}

static bool next_name(struct name_reader *reader, struct cold_name *ret)
{
	bool stop;

	pthread_mutex_lock(&reader->lock);
	while (!reader->n && !reader->stop)
		pthread_cond_wait(&reader->more, &reader->lock);
	stop = reader->stop;
	if (!stop) {
		*ret = reader->waiting[reader->first];
		reader->first = (reader->first + 1) % MAX_WAITING;
		reader->n--;
	}
	pthread_mutex_unlock(&reader->lock);
	return !stop;
}

static void *name_reader_thread(void *arg)
{
	struct name_reader *reader = arg;
	char text[MP_NAME_MAX + 1];
	struct cold_name name;

	while (next_name(reader, &name)) {
		struct answer answer = {.name = &name};

		if (!read_name(reader->proc, &name, text))
			answer.text = text;
		owner__call(reader->owner, tell_model, &answer);
	}
	return NULL;
}

bool name_reader__take(const struct cold_name *name, void *ctx)
{
	struct name_reader *reader = ctx;
	bool room;

	pthread_mutex_lock(&reader->lock);
	room = reader->n < MAX_WAITING;
	if (room) {
		reader->waiting[(reader->first + reader->n++) % MAX_WAITING] = *name;
		pthread_cond_signal(&reader->more);
	}
	pthread_mutex_unlock(&reader->lock);
	return room;
}

struct name_reader *name_reader__new(const char *proc)
{
	struct name_reader *reader = calloc(1, sizeof(*reader));

	if (!reader)
		return NULL;
	reader->proc = proc;
	pthread_mutex_init(&reader->lock, NULL);
	pthread_cond_init(&reader->more, NULL);
	return reader;
}

void name_reader__free(struct name_reader *reader)
{
	if (!reader)
		return;
	for (; reader->n; reader->n--) {
		trace__unref(reader->waiting[reader->first].trace);
		reader->first = (reader->first + 1) % MAX_WAITING;
	}
	pthread_cond_destroy(&reader->more);
	pthread_mutex_destroy(&reader->lock);
	free(reader);
}

int name_reader__start(struct name_reader *reader, struct owner *owner)
{
	int err;

	reader->owner = owner;
	err = pthread_create(&reader->thread, NULL, name_reader_thread, reader);
	reader->running = !err;
	return -err;
}

void name_reader__stop(struct name_reader *reader)
{
	if (!reader || !reader->running)
		return;
	pthread_mutex_lock(&reader->lock);
	reader->stop = true;
	pthread_cond_signal(&reader->more);
	pthread_mutex_unlock(&reader->lock);
	pthread_join(reader->thread, NULL);
	reader->running = false;
}
