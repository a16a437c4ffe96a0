// SPDX-License-Identifier: BSD-2-Clause
#include "history/note_queue.h"

#include <errno.h>
#include <stdlib.h>

#include "history/members.h"
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

/* That a process has gone takes little and is not told again: it has the last quarter. */
static bool has_room(const struct note_queue *queue, const struct note *note)
{
	size_t max = note->body ? queue->max / 4 * 3 : queue->max;

	return queue->bytes + note->bytes <= max;
}

int note_queue__put(struct note_queue *queue, struct note *note)
{
	bool fits;

	if (!note)
		return -ENOMEM;
	pthread_mutex_lock(&queue->lock);
	fits = has_room(queue, note);
	if (fits) {
		TAILQ_INSERT_TAIL(&queue->waiting, note, entry);
		queue->bytes += note->bytes;
		budget__take(queue->budget, BUDGET_HISTORY, note->bytes);
	}
	pthread_mutex_unlock(&queue->lock);
	if (fits)
		return 0;
	note__free(note);
	return -ENOBUFS;
}

void note_queue__take(struct note_queue *queue)
{
	pthread_mutex_lock(&queue->lock);
	TAILQ_CONCAT(&queue->taken, &queue->waiting, entry);
	pthread_mutex_unlock(&queue->lock);
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

void note_queue__free(struct note_queue *queue)
{
	note_queue__take(queue);
	note_queue__let_go(queue);
	budget__unref(queue->budget);
	pthread_mutex_destroy(&queue->lock);
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

/* Of the samples of a process the newest is enough; what a report has said stays. */
static bool replaces(const struct note *note, const struct note *older)
{
	return note->body && older->body && !older->body->exact &&
	       older->start_ticks == note->start_ticks;
}

/* Most programs of a storm of short-lived ones end before a sample is taken of them. */
void note_queue__thin(struct note_queue *queue, const struct members *members)
{
	struct newest *all = NULL, *newest, *next_newest;
	struct note *note, *next;

	for (note = TAILQ_FIRST(&queue->taken); note; note = next) {
		next = TAILQ_NEXT(note, entry);
		HASH_FIND_INT(all, &note->pid, newest);
		if (!newest && !note->body && !members__has(members, note->pid)) {
			let_go(queue, note);
			continue;
		}
		if (newest && replaces(note, newest->note))
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
