/* SPDX-License-Identifier: BSD-2-Clause */
/* Trends of what grows, kept with history over restarts of the daemon: bytes, whose meaning is
 * their writer's (growth/trend_file.h). */
#ifndef MEMPROV_HISTORY_TREND_BOX_H
#define MEMPROV_HISTORY_TREND_BOX_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "history/store.h"
#include "util/buf.h"

struct trend_entry {
	STAILQ_ENTRY(trend_entry) entry;
	struct buf name;      /* text, unique within a set */
	struct buf container; /* the id of the container that it is of; empty: of none */
	int64_t offset;
	struct buf value;
};
STAILQ_HEAD(trend_set, trend_entry);

void trend_entry__free(struct trend_entry *entry); /* accepts NULL */
void trend_set__free(struct trend_set *set);	   /* leaves it empty */

/* The set that waits for the writer: a newer one takes its place. */
struct trend_box {
	pthread_mutex_t lock; /* for the next two */
	struct trend_set waiting;
	bool waits; /* also for an empty set */

	struct trend_set taken; /* by the writer, not yet written */
	bool has_taken;
};

void trend_box__init(struct trend_box *box);
void trend_box__free(struct trend_box *box);

/* On any thread; the set is left empty. */
void trend_box__put(struct trend_box *box, struct trend_set *set);

/* The writer's: takes what waits, and lets go of what it has taken and written. */
void trend_box__take(struct trend_box *box);
void trend_box__let_go(struct trend_box *box);

/* What is taken, if anything is, in the place of all that the store has; within its transaction.
 * They are of this boot. 0 or as db__errno(). */
int trend_box__write(struct store *store, const struct trend_box *box, const char *boot);

/* Calls visit for each of this boot, which is the visitor's for as long as the call takes. 0 or
 * -errno. */
typedef void trend_visit_fn(const struct trend_entry *entry, void *ctx);
int trend_box__each(sqlite3 *db, const char *boot, trend_visit_fn *visit, void *ctx);

#endif
