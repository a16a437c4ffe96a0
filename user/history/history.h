/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * History: what is observed of processes waits in a queue, and a thread of its own writes it every
 * ten seconds (history/schema.h says how it lies there). Nothing ever waits for the thread: when
 * the queue is full, or the store fails, that is counted, and everything else goes on.
 */
#ifndef MEMPROV_HISTORY_H
#define MEMPROV_HISTORY_H

#include <stddef.h>
#include <stdint.h>

#include "history/cause.h"
#include "history/db.h"
#include "history/kills.h"
#include "history/trend_box.h"
#include "report/observer.h"

struct budget;
struct history;

struct history_config {
	const char *file; /* NULL: in memory, for HISTORY_MEMORY_KEEP_S */
	uint64_t keep_s;
	uint64_t max_bytes; /* of a file */
	const char *proc;
	/* A line for the log; each cause is told once. On the writer's thread. */
	void (*warn)(const char *text);
};

#define HISTORY_MEMORY_KEEP_S 3600
#define HISTORY_MEMORY_BYTES  (10u << 20) /* with what goes with it, less than 16 MiB */

/* The strings must outlive it. NULL when out of memory. Observations are taken from here on. */
struct history *history__new(const struct history_config *config);

/* Its own, for what observes. */
const struct observer *history__observer(const struct history *history);

/* Starts the thread, which opens the store. What waits for it is counted in the budget, which may
 * be NULL. 0 or -errno. */
int history__start(struct history *history, struct budget *budget);

/* Writes what waits, and ends the thread. When no one observes any more. */
void history__stop(struct history *history); /* accepts NULL, and one that was not started */
void history__free(struct history *history); /* accepts NULL */

/* Which boot the start times of processes count from; "": not known. */
const char *history__boot(const struct history *history);

/* Entries of kills (history/kills.h): one is written with the next moment, those of before a
 * restart are visited; that waits until the store is open, but not for long. Without a file none is
 * kept. */
void history__keep_kill(struct history *history, uint64_t id, int64_t uid,
			const struct buf texts[KILL_TEXTS]);
void history__each_kill(struct history *history, kill_visit_fn *visit, void *ctx);

/* Trends of what grows: a set takes the place of the one before with the next moment, and is left
 * empty; those of before a restart, of this boot, are visited, as kills are. */
void history__keep_trends(struct history *history, struct trend_set *set);
void history__each_trend(struct history *history, trend_visit_fn *visit, void *ctx);

/* A connection to read by, to be closed with sqlite3_close(). 0; -EAGAIN: nothing is written yet;
 * or -errno. */
int history__open(struct history *history, sqlite3 **ret);

struct history_error {
	const char *cause;
	uint64_t count;
};

struct history_stats {
	struct history_error errors[HISTORY_CAUSES];
	uint64_t bytes;	    /* of the database that are in use */
	uint64_t max_bytes; /* that it may take */
};

void history__stats(struct history *history, struct history_stats *ret);

#endif
