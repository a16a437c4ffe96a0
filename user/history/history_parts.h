/* SPDX-License-Identifier: BSD-2-Clause */
/* What history's own files share: history.c observes and writes, history_open.c has the store. */
#ifndef MEMPROV_HISTORY_PARTS_H
#define MEMPROV_HISTORY_PARTS_H

#include <pthread.h>
#include <stdbool.h>

#include "history/history.h"
#include "history/members.h"
#include "history/note_queue.h"

struct history {
	struct history_config config;
	struct observer observer;
	pthread_t thread;
	bool started;
	struct note_queue notes;
	struct kill_box kills;
	struct trend_box trends;

	pthread_mutex_t lock; /* for all of these */
	pthread_cond_t wake, opened;
	bool stopping;
	uint64_t errors[HISTORY_CAUSES];
	struct store *store; /* replaced under the lock; used by the thread */
	bool tried;	     /* to open the store */
	bool met_all;	     /* else sums would be of some of the processes that there are */
	uint64_t bytes;

	/* The thread's own: */
	struct members *members;
	struct target target;
	uint64_t last_ns; /* CLOCK_BOOTTIME: the last write */
	unsigned no_room; /* so many ticks in a row */
	bool told[HISTORY_CAUSES];
	bool in_memory;
	char boot[40];
};

/* Counts a -errno under its cause; says a line for the log. */
void history__count(struct history *history, int err);
void history__say(struct history *history, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* The writer's: what it does every ten seconds, for the number-th time; the first is 1. */
void history__tick(struct history *h, uint64_t number);

/* The writer's: opens the file, or memory where that cannot be; and anew, when what was written is
 * damaged. 0 or -errno. */
int history__open_store(struct history *history);
int history__reopen(struct history *history);

#endif
