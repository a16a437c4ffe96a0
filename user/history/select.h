/* SPDX-License-Identifier: BSD-2-Clause */
/* Which history is asked for. */
#ifndef MEMPROV_HISTORY_SELECT_H
#define MEMPROV_HISTORY_SELECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "history/schema.h"
#include "report/observer.h"

struct arena;

/* The node, when nothing is set. */
struct history_selector {
	pid_t pid;	       /* 0: none */
	uint64_t started;      /* ns since 1970; 0: the latest holder of the number */
	const char *container; /* its id, or the beginning of it; NULL: none */
	const char *namespace; /* with a pod; NULL: none */
	const char *pod;
};

#define SELECTION_MAX 256 /* containers of one pod, in all of its time */

struct selection {
	enum series_kind kind;
	int64_t series[SELECTION_MAX]; /* their sum */
	size_t n;
	pid_t pid; /* 0: no process */
	uint64_t start_ticks;
	uint64_t started;	     /* ns since 1970; 0: not known */
	const char *comm;	     /* the arena's; NULL: not known */
	struct observed_owner owner; /* of a process */
};

/* 0; -ESRCH: it has no history; -ENOTUNIQ: several containers' ids begin so; or -errno. */
int selection__find(sqlite3 *db, const struct history_selector *selector, struct arena *arena,
		    struct selection *ret);

#endif
