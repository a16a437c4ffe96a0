/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Watches a process's memory in a thread of its own, and takes a report when its RSS is higher than
 * ever. A report costs the target time too (smaps holds its mmap_lock), so after one that took t
 * there is none for 25 t, which bounds the cost to 4
 * %.
 */
#ifndef MEMPROV_RUN_PEAK_H
#define MEMPROV_RUN_PEAK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "proc/children.h"

struct report;
struct taker;
struct peak;

struct peak_config {
	struct taker *taker; /* must outlive it */
	const char *proc;
};

struct peak *peak__new(const struct peak_config *config); /* NULL when out of memory */
void peak__free(struct peak *peak);			  /* accepts NULL; after peak__stop */

/* Of which process. With follow there is a report of every larger change, so that the last one is
 * near the end. */
void peak__set_target(struct peak *peak, pid_t pid, bool follow);

/* Its thread runs from start to stop, which may be repeated. 0 or -errno. */
int peak__start(struct peak *peak);
void peak__stop(struct peak *peak);

/* The newest figures, for the progress line. Any thread. */
struct proc_memory peak__now(struct peak *peak);

/* A report of the process as it is now; NULL when it could not be read. The caller frees it. Not
 * while the thread runs. */
struct report *peak__take(struct peak *peak);

/* While the thread does not run: */
struct peak_result {
	uint64_t rss; /* the highest ever, by VmHWM where that was read; 0: never read */
	struct proc_family family; /* the most that there were at a time, and their RSS */
	struct report *report;	   /* at the highest RSS that was caught; NULL: none */
	struct report *last;	   /* with follow: the newest; may be the same */
};

struct peak_result peak__result(const struct peak *peak);

#endif
