/* SPDX-License-Identifier: BSD-2-Clause */
/* Trends for a list of processes, of what its caller may read. */
#ifndef MEMPROV_LIST_TRENDS_H
#define MEMPROV_LIST_TRENDS_H

#include <stddef.h>

struct caller;
struct history;
struct report;

struct list_trends {
	struct history *history;
	const char *proc;
	const struct caller *caller;
	size_t n;    /* figures of each */
	size_t rows; /* that will be shown */
};

/* What history does not know, or cannot say just now, stays unknown: the list is good without. */
void list_trends__add(const struct list_trends *wanted, struct report *report);

#endif
