/* SPDX-License-Identifier: BSD-2-Clause */
/* Entries of what the out-of-memory killer took, kept with history over restarts: texts, whose
 * meaning is their writer's (blackbox/ooms.h). */
#ifndef MEMPROV_HISTORY_KILLS_H
#define MEMPROV_HISTORY_KILLS_H

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

/* With copies of the texts; NULL when out of memory. */
struct kill_entry *kill_entry__new(uint64_t id, int64_t uid, const struct buf texts[KILL_TEXTS]);
void kill_entry__free(struct kill_entry *entry); /* accepts NULL */
void kill_queue__free(struct kill_queue *queue);

/* Within the store's transaction; older ones than the last KILLS_KEPT go. */
int kills__write(struct store *store, const struct kill_queue *queue);

/* Calls visit for each, the oldest first; the texts are its for as long as it takes. */
typedef void kill_visit_fn(const struct kill_entry *entry, void *ctx);
int kills__each(sqlite3 *db, kill_visit_fn *visit, void *ctx);

#endif
