// SPDX-License-Identifier: BSD-2-Clause
#include "proc/ahead.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "util/thread.h"

/* A piece is handed over when it is full but for what the kernel may hand out at once. */
#define PIECE_SIZE 65536
#define READ_SIZE  16384
#define PIECES	   2

struct piece {
	size_t len;
	int result; /* of reading on: 1: there is more; 0: the end; or -errno */
	char text[PIECE_SIZE];
};

struct ahead {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	pthread_t thread;
	bool taken;    /* somebody is in ahead__read() */
	bool stopping; /* for ever */
	bool reading;  /* the thread is at work on fd */
	bool enough;   /* he who took it wants no more */
	int fd;
	const atomic_bool *stop;
	unsigned filled; /* pieces, of this text */
	unsigned used;
	struct piece pieces[PIECES];
};

static void fill(struct piece *piece, int fd, const atomic_bool *stop)
{
	ssize_t n;

	piece->len = 0;
	piece->result = 1;
	do {
		if (stop && *stop) {
			piece->result = -ECANCELED;
			break;
		}
		n = read(fd, piece->text + piece->len, READ_SIZE);
		if (n > 0)
			piece->len += n;
		else if (!n)
			piece->result = 0;
		else if (errno != EINTR)
			piece->result = -errno;
	} while (piece->result == 1 && sizeof(piece->text) - piece->len >= READ_SIZE);
}

/* Called, and left, with the lock held. */
static void read_text(struct ahead *ahead)
{
	int result = 1;

	while (result == 1 && !ahead->enough) {
		struct piece *piece = &ahead->pieces[ahead->filled % PIECES];

		if (ahead->filled - ahead->used == PIECES) {
			pthread_cond_wait(&ahead->changed, &ahead->lock);
			continue;
		}
		pthread_mutex_unlock(&ahead->lock);
		fill(piece, ahead->fd, ahead->stop);
		result = piece->result;
		pthread_mutex_lock(&ahead->lock);
		ahead->filled++;
		pthread_cond_broadcast(&ahead->changed);
	}
}

static void *run(void *arg)
{
	struct ahead *ahead = arg;

	pthread_mutex_lock(&ahead->lock);
	while (!ahead->stopping) {
		if (!ahead->reading) {
			pthread_cond_wait(&ahead->changed, &ahead->lock);
			continue;
		}
		read_text(ahead);
		ahead->reading = false;
		pthread_cond_broadcast(&ahead->changed);
	}
	pthread_mutex_unlock(&ahead->lock);
	return NULL;
}

struct ahead *ahead__new(void)
{
	struct ahead *ahead = calloc(1, sizeof(*ahead));

	if (!ahead)
		return NULL;
	pthread_mutex_init(&ahead->lock, NULL);
	pthread_cond_init(&ahead->changed, NULL);
	if (!thread__start(&ahead->thread, "ahead", run, ahead))
		return ahead;
	pthread_cond_destroy(&ahead->changed);
	pthread_mutex_destroy(&ahead->lock);
	free(ahead);
	return NULL;
}

void ahead__free(struct ahead *ahead)
{
	if (!ahead)
		return;
	pthread_mutex_lock(&ahead->lock);
	ahead->stopping = true;
	pthread_cond_broadcast(&ahead->changed);
	pthread_mutex_unlock(&ahead->lock);
	pthread_join(ahead->thread, NULL);
	pthread_cond_destroy(&ahead->changed);
	pthread_mutex_destroy(&ahead->lock);
	free(ahead);
}

static bool take(struct ahead *ahead, int fd, const atomic_bool *stop)
{
	bool taken;

	pthread_mutex_lock(&ahead->lock);
	taken = !ahead->taken;
	if (taken) {
		ahead->taken = ahead->reading = true;
		ahead->enough = false;
		ahead->fd = fd;
		ahead->stop = stop;
		ahead->filled = ahead->used = 0;
		pthread_cond_broadcast(&ahead->changed);
	}
	pthread_mutex_unlock(&ahead->lock);
	return taken;
}

/* Not before the thread has let go of fd. */
static void give_back(struct ahead *ahead)
{
	pthread_mutex_lock(&ahead->lock);
	ahead->enough = true;
	pthread_cond_broadcast(&ahead->changed);
	while (ahead->reading)
		pthread_cond_wait(&ahead->changed, &ahead->lock);
	ahead->taken = false;
	pthread_mutex_unlock(&ahead->lock);
}

static const struct piece *next_piece(struct ahead *ahead)
{
	pthread_mutex_lock(&ahead->lock);
	while (ahead->filled == ahead->used)
		pthread_cond_wait(&ahead->changed, &ahead->lock);
	pthread_mutex_unlock(&ahead->lock);
	return &ahead->pieces[ahead->used % PIECES];
}

static void piece_is_used(struct ahead *ahead)
{
	pthread_mutex_lock(&ahead->lock);
	ahead->used++;
	pthread_cond_broadcast(&ahead->changed);
	pthread_mutex_unlock(&ahead->lock);
}

int ahead__read(struct ahead *ahead, int fd, const atomic_bool *stop,
		int (*use)(void *ctx, const char *text, size_t len), void *ctx)
{
	int result = 1, err = 0;

	if (!take(ahead, fd, stop))
		return -EBUSY;
	while (!err && result == 1) {
		const struct piece *piece = next_piece(ahead);

		err = use(ctx, piece->text, piece->len);
		result = piece->result;
		piece_is_used(ahead);
	}
	give_back(ahead);
	return err ?: result;
}
