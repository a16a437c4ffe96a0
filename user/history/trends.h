/* SPDX-License-Identifier: BSD-2-Clause */
/* RSS of the last hour of every process of a list, in a few figures each. */
#ifndef MEMPROV_HISTORY_TRENDS_H
#define MEMPROV_HISTORY_TRENDS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "history/db.h"

struct report;

#define TRENDS_LENGTH_S 3600

struct trends_query {
	uint64_t to_ns; /* since 1970 */
	size_t n;	/* figures of each */
	size_t rows;	/* of the report, from the first on */
	const char *boot;
	bool all; /* else only those of processes that were always this user's */
	uid_t uid;
	gid_t gid;
};

/* Fills in the report's trends and its rows'; what has no history has none. 0 or -errno. */
int trends__read(sqlite3 *db, const struct trends_query *query, struct report *report);

#endif
