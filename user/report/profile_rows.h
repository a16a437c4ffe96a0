/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Regions gathered for a profile: those of one process that have the same call site, name and
 * creating thread are one row. A process with 60,000 equal mappings is a handful of rows. What
 * touched its memory first has rows of its own, one for each site.
 */
#ifndef MEMPROV_PROFILE_ROWS_H
#define MEMPROV_PROFILE_ROWS_H

#include "report/report.h"

/* Of one process. What comes after that is told apart by call site only: names are the process's
 * own, and a node has many. */
#define PROFILE_ROWS_MAX 16384

/* Which process a row is of. */
struct profile_process {
	pid_t pid;
	const char *comm;
	const struct report_container *container; /* NULL: in none */
};

struct profile_row {
	const struct callsite *site; /* NULL: none is known */
	enum coverage coverage;	     /* without one: why */
	const char *region;	     /* its name; "[anonymous]" when it has none */
	const char *thread;	     /* ""; not known */
	struct profile_process process;
	uint64_t regions;
	uint64_t rss;
	uint64_t mapped;
	bool is_touch;	  /* of what touched memory first; without a site: unsampled */
	uint64_t touched; /* bytes; then the amounts above are 0 */
};

struct profile_rows;

/* Rows and strings will be the arena's. NULL when out of memory; free accepts NULL. */
struct profile_rows *profile_rows__new(struct arena *arena);
void profile_rows__free(struct profile_rows *rows);

/* The parts of a process, all at once. Their call sites, and the container, must live as long as
 * the rows are used. 0 or -ENOMEM. */
int profile_rows__add(struct profile_rows *rows, const struct profile_process *process,
		      const struct part *parts, size_t n_parts);

/* Resident memory of the process that the site, or nothing known, touched first. 0 or -ENOMEM. */
int profile_rows__add_touched(struct profile_rows *rows, const struct profile_process *process,
			      const struct callsite *site, uint64_t bytes);

/* Largest resident first; equal reports give equal rows. 0 or -ENOMEM. */
int profile_rows__rows(const struct profile_rows *rows, struct profile_row **ret, size_t *ret_n);

#endif
