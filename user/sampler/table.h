/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The newest sample of every process, and what it had when it was seen first. Any thread; nothing
 * in here waits for anything.
 */
#ifndef MEMPROV_TABLE_H
#define MEMPROV_TABLE_H

#include "sampler/sample.h"

struct table;

struct table *table__new(void); /* NULL when out of memory */
void table__free(struct table *table);

/* A reference to the newest sample; NULL: there is none. */
struct sample *table__get(struct table *table, pid_t pid, uint64_t start_ticks);

/* Enters a sample, whose reference it takes over, unless there is a newer one. */
void table__put(struct table *table, struct sample *sample);

/* What a process had when it was seen. */
struct sighting {
	uint64_t rss;
	uint64_t ns; /* CLOCK_BOOTTIME */
};

/* The first one of the process, running this program: `now`, or an earlier one, which replaces it.
 * False when out of memory. */
bool table__first(struct table *table, pid_t pid, uint64_t start_ticks, uint64_t exec_space,
		  struct sighting *now);

/* The process has gone. */
void table__forget(struct table *table, pid_t pid, uint64_t start_ticks);

/*
 * Forgets all that are gone: between begin and end each that is there is marked. What is entered in
 * between counts as marked. One thread at a time.
 */
void table__begin_census(struct table *table);
void table__mark(struct table *table, pid_t pid, uint64_t start_ticks);
void table__end_census(struct table *table);

#endif
