// SPDX-License-Identifier: BSD-2-Clause
#include "history/note_queue.h"

#include <errno.h>
#include <stdlib.h>

#include "util/hash.h"

#define BYTES_MAX    (4u << 20)
#define BUDGET_PARTS 16 /* or this part of the tables' share */

void note_queue__init(struct note_queue *queue)
{
	*queue = (struct note_queue){.max = BYTES_MAX};
	pthread_mutex_init(&queue->lock, NULL);
	TAILQ_INIT(&queue->waiting);
	TAILQ_INIT(&queue->taken);
}

void note_queue__limit(struct note_queue *queue, struct budget *budget)
{
	queue->budget = budget__ref(budget);
	queue->max = budget__share(budget, BUDGET_PARTS, BYTES_MAX);
}

/* --- which have been told of ------------------------------------------------------------------ */

struct told {
	UT_hash_handle hh; /* by pid */
	pid_t pid;
	uint64_t start_ticks;
};

static struct told *find(const struct note_queue *queue, pid_t pid)
{
	struct told *told;

	HASH_FIND_INT(queue->told, &pid, told);
	return told;
}

static int tell(struct note_queue *queue, const struct note *note)
{
	struct told *told = find(queue, note->pid);

	if (!told) {
		told = calloc(1, sizeof(*told));
		if (!told)
			return -ENOMEM;
		told->pid = note->pid;
		HASH_ADD_INT(queue->told, pid, told);
		if (!HASH_HAS(told)) {
			free(told);
			return -ENOMEM;
		}
		budget__take(queue->budget, BUDGET_HISTORY, sizeof(*told));
	}
	told->start_ticks = note->start_ticks;
	return 0;
}

static void forget(struct note_queue *queue, struct told *told)
{
	HASH_DEL(queue->told, told);
	free(told);
	budget__put(queue->budget, BUDGET_HISTORY, sizeof(*told));
}

/* --- what waits ------------------------------------------------------------------------------- */

/* 0: it waits; 1: it tells nothing; -ENOMEM or -ENOBUFS. */
static int admit(struct note_queue *queue, const struct note *note)
{
	struct told *told = find(queue, note->pid);

	if (note->body)
		return queue->bytes + note->bytes > queue->max ? -ENOBUFS : tell(queue, note);
	if (!told || told->start_ticks != note->start_ticks)
		return 1;
	forget(queue, told);
	return 0;
}

int note_queue__put(struct note_queue *queue, struct note *note)
{
	int result;

	if (!note)
		return -ENOMEM;
	pthread_mutex_lock(&queue->lock);
	result = admit(queue, note);
	if (!result) {
		TAILQ_INSERT_TAIL(&queue->waiting, note, entry);
		queue->bytes += note->bytes;
		budget__take(queue->budget, BUDGET_HISTORY, note->bytes);
	}
	pthread_mutex_unlock(&queue->lock);
	if (result)
		note__free(note);
	return result < 0 ? result : 0;
}

static void let_go(struct note_queue *queue, struct note *note)
{
	pthread_mutex_lock(&queue->lock);
	queue->bytes -= note->bytes;
	pthread_mutex_unlock(&queue->lock);
	budget__put(queue->budget, BUDGET_HISTORY, note->bytes);
	TAILQ_REMOVE(&queue->taken, note, entry);
	note__free(note);
}

void note_queue__let_go(struct note_queue *queue)
{
	while (!TAILQ_EMPTY(&queue->taken))
		let_go(queue, TAILQ_FIRST(&queue->taken));
}

/* --- what tells nothing ----------------------------------------------------------------------- */

struct newest {
	UT_hash_handle hh; /* by pid */
	pid_t pid;
	struct note *note;
};

static struct newest *add_newest(struct newest **all, struct note *note)
{
	struct newest *newest = calloc(1, sizeof(*newest));

	if (!newest)
		return NULL;
	newest->pid = note->pid;
	newest->note = note;
	HASH_ADD_INT(*all, pid, newest);
	if (HASH_HAS(newest))
		return newest;
	free(newest);
	return NULL;
}

static bool replaces(const struct note *note, const struct note *older, bool no_room)
{
	return note->body && older->body && (no_room || !older->body->exact) &&
	       older->start_ticks == note->start_ticks;
}

static void thin(struct note_queue *queue, bool no_room)
{
	struct newest *all = NULL, *newest, *next_newest;
	struct note *note, *next;

	for (note = TAILQ_FIRST(&queue->taken); note; note = next) {
		next = TAILQ_NEXT(note, entry);
		HASH_FIND_INT(all, &note->pid, newest);
		if (newest && replaces(note, newest->note, no_room))
			let_go(queue, newest->note);
		newest = newest ?: add_newest(&all, note);
		if (!newest)
			break;
		newest->note = note;
	}
	HASH_ITER (hh, all, newest, next_newest) {
		HASH_DEL(all, newest);
		free(newest);
	}
}

void note_queue__take(struct note_queue *queue, bool no_room)
{
	pthread_mutex_lock(&queue->lock);
	TAILQ_CONCAT(&queue->taken, &queue->waiting, entry);
	pthread_mutex_unlock(&queue->lock);
	thin(queue, no_room);
}

void note_queue__free(struct note_queue *queue)
{
	struct told *told, *next;

	note_queue__take(queue, true);
	note_queue__let_go(queue);
	HASH_ITER (hh, queue->told, told, next)
		forget(queue, told);
	budget__unref(queue->budget);
	pthread_mutex_destroy(&queue->lock);
}
