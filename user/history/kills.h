/* SPDX-License-Identifier: BSD-2-Clause */
/* Entries of what the out-of-memory killer took, kept with history over restarts: texts, whose
 * meaning is their writer's (blackbox/ooms.h). */
#ifndef MEMPROV_HISTORY_KILLS_H
#define MEMPROV_HISTORY_KILLS_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "history/store.h"
#include "util/buf.h"

#define KILL_TEXTS 3
#define KILLS_KEPT 64 /* the last ones */

struct kill_entry {
	STAILQ_ENTRY(kill_entry) entry;
	uint64_t id; /* grows */
	int64_t uid;
	struct buf texts[KILL_TEXTS];
};
STAILQ_HEAD(kill_queue, kill_entry);

/* Those that wait for the writer. */
struct kill_box {
	pthread_mutex_t lock; /* for the next two */
	struct kill_queue waiting;
	size_t n; /* with those that are taken */

	struct kill_queue taken; /* by the writer, not yet written */
};

void kill_box__init(struct kill_box *box);
void kill_box__free(struct kill_box *box);

/* On any thread, with copies of the texts. 0, -ENOMEM, or -ENOBUFS when KILLS_KEPT wait. */
int kill_box__put(struct kill_box *box, uint64_t id, int64_t uid,
		  const struct buf texts[KILL_TEXTS]);

/* The writer's: takes what waits, and lets go of what it has taken and written. */
void kill_box__take(struct kill_box *box);
void kill_box__let_go(struct kill_box *box);

/* What is taken, within the store's transaction; older ones than the last KILLS_KEPT go. */
int kills__write(struct store *store, const struct kill_box *box);

/* Calls visit for each, the oldest first; the texts are its for as long as it takes. */
typedef void kill_visit_fn(const struct kill_entry *entry, void *ctx);
int kills__each(sqlite3 *db, kill_visit_fn *visit, void *ctx);

#endif
