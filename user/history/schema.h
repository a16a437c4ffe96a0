/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How history lies in SQLite.
 *
 * A *span* is a stretch of time, of an hour at most, in which the daemon ran and the clock went on
 * evenly. It begins with all that was known then; after that there are only changes. So what was
 * at a moment is, in the newest span that has that moment, the last row until then; a span can be
 * thinned or deleted and no other depends on it; and where there is no span, nothing is known.
 *
 *	span 7  |P S S S . . P . . S . . P S . .|	span 8  |P S S S . P . . .
 *	        began                      ended	        began     (P: point, S: share)
 *
 * A *series* is what has a history: the node, a process, a container. Its *points* are its amounts;
 * its *shares* what call sites, names and categories had of them. A share of NULL is not known: it
 * was left out because there were too many. A point of NULL is the end of the series. Times within
 * a span are ms since its begin.
 */
#ifndef MEMPROV_HISTORY_SCHEMA_H
#define MEMPROV_HISTORY_SCHEMA_H

#include <stdint.h>

#include "history/db.h"

#define SCHEMA_APPLICATION 0x6d707276 /* "mprv" */
#define SCHEMA_VERSION	   2
#define SCHEMA_PAGE	   4096

enum series_kind { SERIES_NODE, SERIES_PROCESS, SERIES_CONTAINER };

enum share_of {
	SHARE_MAP,	/* what: a site */
	SHARE_TOUCH,	/* what: a site */
	SHARE_NAME,	/* what: a string */
	SHARE_CATEGORY, /* what: a string, as `memprov diff` calls it */
	SHARE_TOTAL,	/* what: enum share_total */
	SHARES,
};

enum share_total {
	TOTAL_VIRTUAL,
	TOTAL_TOUCHABLE, /* anonymous and shared memory */
	TOTAL_LEFT_OUT,	 /* 1 << enum share_of: of these, some were left out */
};

/* The columns of a point behind its key, in this order. */
enum amount {
	AMOUNT_RSS,
	AMOUNT_PSS,
	AMOUNT_SWAP,
	AMOUNT_HEAP,
	AMOUNT_STACK,
	AMOUNT_METADATA,
	AMOUNT_NAMED,
	AMOUNT_FILE,
	AMOUNT_ANONYMOUS,
	AMOUNT_OTHER,
	AMOUNTS,
};
extern const char *const amount_names[AMOUNTS]; /* as JSON has them */

/* Reads only. 0: it is ours, or empty; -EBADMSG: it is damaged or no database; -ENOEXEC: it is
 * another program's; -EPROTO: of a newer memprov; or -errno. */
int schema__check(sqlite3 *db);

/* Makes an empty database ours, or one of an earlier version this one's. */
int schema__migrate(sqlite3 *db);

#endif
