/* SPDX-License-Identifier: BSD-2-Clause */
/* What a selection had, moment by moment. */
#ifndef MEMPROV_HISTORY_TIMELINE_H
#define MEMPROV_HISTORY_TIMELINE_H

#include <stdbool.h>

#include "diff/saved.h"
#include "history/select.h"

struct arena;

/* So many moments at most. */
#define TIMELINE_MOMENTS_MAX 20000

struct timeline_query {
	uint64_t from_ns, to_ns; /* since 1970 */
	uint64_t step_s;	 /* 0: as it is kept */
	bool by_touch;
	size_t top; /* call sites */
};

struct timeline_point {
	int64_t at_ms;		  /* since 1970 */
	int64_t amounts[AMOUNTS]; /* DB_NULL: not known */
};

struct timeline_site {
	struct saved_site site;
	int64_t most; /* bytes, of its moments */
	int64_t *rss; /* at each moment; DB_NULL: not known */
};

struct timeline {
	uint64_t step_s;
	struct timeline_point *points; /* those moments of which something is known */
	size_t n;
	struct timeline_site *sites; /* the one with the most first */
	size_t n_sites;
};

/* In the arena. 0; -EDOM: more moments than TIMELINE_MOMENTS_MAX; or -errno. */
int timeline__read(sqlite3 *db, const struct selection *selection,
		   const struct timeline_query *query, struct arena *arena, struct timeline *ret);

#endif
