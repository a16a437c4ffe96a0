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

/*
 * When the process, running this program, was seen first (CLOCK_BOOTTIME) and with how much RSS. If
 * that is now, it had `rss` at `now_ns`. False when out of memory.
 */
bool table__first(struct table *table, pid_t pid, uint64_t start_ticks, uint64_t exec_space,
		  uint64_t rss, uint64_t now_ns, uint64_t *ret_rss, uint64_t *ret_ns);

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
