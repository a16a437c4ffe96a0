/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Notes on their way to the writer, which takes all that wait and keeps them until they are
 * written: where they cannot be, for as long as it takes. Their memory is counted in the daemon's
 * budget, and there is a bound; what does not fit is refused.
 *
 * That a process has gone is told once, and only if something of it was told before: of a storm of
 * short-lived programs hardly any is ever observed. So there are no more of these notes than there
 * are processes, and there is always room for them.
 */
#ifndef MEMPROV_HISTORY_NOTE_QUEUE_H
#define MEMPROV_HISTORY_NOTE_QUEUE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "history/note.h"
#include "util/budget.h"

struct told;

struct note_queue {
	pthread_mutex_t lock; /* for the next four */
	struct note_list waiting;
	struct told *told; /* processes that were observed and have not gone, by pid */
	size_t bytes;	   /* of both lists */
	size_t max;

	struct note_list taken; /* the writer's, the oldest first */
	struct budget *budget;
};

void note_queue__init(struct note_queue *queue);
void note_queue__free(struct note_queue *queue);

/* budget may be NULL. Before anything waits. */
void note_queue__limit(struct note_queue *queue, struct budget *budget);

/* On any thread; the note is the queue's, NULL means that there was no memory for it. 0, -ENOMEM,
 * or -ENOBUFS: it is full, and the note is gone. */
int note_queue__put(struct note_queue *queue, struct note *note);

/* The writer's. Takes what waits, and lets go of what tells nothing beside the rest: of the samples
 * of a process the newest is enough. What a report has said stays, unless there is no room to write
 * all. */
void note_queue__take(struct note_queue *queue, bool no_room);

/* Lets go of all that the writer has taken. */
void note_queue__let_go(struct note_queue *queue);

#endif
